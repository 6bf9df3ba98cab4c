/** One cluster at one time, as the auto-pilot judges it: plain values, so that tests and simulations make them by hand. */
export interface ClusterPicture {
  readonly cluster: string;
  /** When the newest Metadata it rests on was asked for and answered. */
  readonly askedAt: number;
  readonly observedAt: number;
  /** Why nothing may be concluded from it (no answer, too old, topics hidden, `ClusterUnreachable`); undefined where it is whole. */
  readonly blind: string | undefined;
  /** Another cluster answers under this name. */
  readonly clusterIdChanged: boolean;
  /** Every expected broker, alive or not, and every registered one. */
  readonly brokers: ReadonlyMap<number, BrokerPicture>;
  readonly partitions: readonly PartitionPicture[];
  /** Partitions that are being moved; undefined where that is not known. */
  readonly reassigning: readonly { readonly topic: string; readonly partition: number }[] | undefined;
  /** Undefined where DescribeQuorum has not answered. */
  readonly quorum: QuorumPicture | undefined;
  /** Labels of the cluster's configuration, such as `datacenter`, `rack` and `drill`. */
  readonly labels: Readonly<Record<string, string>>;
  /** The maintenance window that is open now, by what it is called; undefined where there is none. */
  readonly maintenance: string | undefined;
  /** What Cruise Control executes, or why that is not known; undefined where it is idle, or none is configured. */
  readonly cruiseControlBusy?: string | undefined;
}

export interface BrokerPicture {
  readonly id: number;
  /** In Belfry's list of brokers that should be there. */
  readonly expected: boolean;
  /** Whether it answers Belfry's own pings; undefined before the first outcome. */
  readonly up: boolean | undefined;
  /** Listed in `brokers[]`: registered and, on KRaft, not fenced. */
  readonly registered: boolean;
  /** Liveness's finding that holds now (`crashed`, `stopped`, `unreachable` …); undefined where none holds. */
  readonly verdict: string | undefined;
  /** When its present outage began; undefined while there is none. */
  readonly downSince: number | undefined;
  /** Stopped in an orderly way, within its stop grace. */
  readonly inStopGrace: boolean;
  readonly rack: string | undefined;
  /** When the quorum's leader last saw it fetch metadata: it moves while a process that is not registered yet starts up. */
  readonly lastQuorumFetchAt: number | undefined;
  /** Bytes of all its replicas, as it last said itself; undefined where never. */
  readonly usedBytes: number | undefined;
}

export interface PartitionPicture {
  readonly topic: string;
  readonly partition: number;
  /** Without those that a reassignment is adding. */
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** -1 where there is none. */
  readonly leader: number;
  /** `min.insync.replicas` of its topic; undefined where it is not known (never taken as 1). */
  readonly minIsr: number | undefined;
  /** Replicas that a reassignment is adding. */
  readonly adding: readonly number[];
  /** Of a leaderless partition: the last ISR with a member that was seen, or what Metadata still names. */
  readonly lastIsr: readonly number[];
}

export interface QuorumPicture {
  /** -1 where there is none. */
  readonly leaderId: number;
  readonly voters: readonly { readonly id: number; readonly caughtUp: boolean }[];
}

/** What two brokers said when they were asked anew. */
export interface Confirmation {
  /** Those that answered, each asked at or after `askedAt`. */
  readonly brokers: readonly number[];
  readonly askedAt: number;
  /** Whether their answers agree in brokers, leaders and ISRs; false with fewer than two answers. */
  readonly agree: boolean;
  /** What they said; undefined where nobody answered. */
  readonly picture: ClusterPicture | undefined;
  readonly sentence: string;
}

/** Replicas, original ones, that are not in their ISR. */
export function underReplicated(picture: ClusterPicture): readonly PartitionPicture[] {
  return picture.partitions.filter(({ replicas, isr }) => replicas.some((id) => !isr.includes(id)));
}

/**
 * A registration outlives its process by the broker's session: 9 s by Kafka's default, hardly ever so long. One that is
 * there later was made anew: what went down then is back, or about to be, whether Belfry's own ping knows it yet or not.
 */
const REGISTRATION_OUTLIVES_MS = 60_000;

export function isRegisteredAnew({ registered, downSince }: BrokerPicture, askedAt: number): boolean {
  return registered && downSince !== undefined && askedAt - downSince > REGISTRATION_OUTLIVES_MS;
}

/** `payments-3`: a partition as people write it. */
export function partitionName({ topic, partition }: Pick<PartitionPicture, 'topic' | 'partition'>): string {
  return `${topic}-${partition}`;
}
