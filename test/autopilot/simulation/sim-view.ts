import type { BrokerPicture, ClusterPicture, Confirmation } from '../../../src/autopilot/picture.ts';
import type { ClusterObserver } from '../../../src/autopilot/ports.ts';
import type { Clock } from '../../../src/core/clock.ts';
import type { Random } from './random.ts';
import { STOP_GRACE_MS, type SimBroker, type SimCluster } from './sim-cluster.ts';

const SUSPECT_MS = 10_000;

/** How old what is known may be, at most, and how likely a step brings it anew. */
const METADATA = { maxAgeMs: 10_000, chance: 0.6 };
const LIVENESS = { maxAgeMs: 5000, chance: 0.8 };
const MOVES = { maxAgeMs: 15_000, chance: 0.5 };
const QUORUM = { maxAgeMs: 60_000, chance: 0.5 };
/** So often a request about the moves or the quorum is answered by nobody. */
const UNANSWERED = 0.05;
/** So long what was asked before is still told; what is older is not known. */
const KNOWN_FOR_MS = { moves: 15_000, quorum: 60_000 };

/** One collection's last answer. */
interface Fact<T> {
  readonly at: number;
  readonly value: T;
}

type Liveness = Pick<BrokerPicture, 'up' | 'verdict' | 'downSince' | 'inStopGrace'>;

/** What Belfry has collected of one cluster, each part in its own time. */
interface Known {
  metadata?: Fact<Pick<ClusterPicture, 'partitions'> & { readonly registered: ReadonlySet<number> }>;
  liveness?: Fact<ReadonlyMap<number, Liveness>>;
  moves?: Fact<readonly { readonly topic: string; readonly partition: number; readonly adding: readonly number[] }[]>;
  quorum?: Fact<NonNullable<ClusterPicture['quorum']> & { readonly fetches: ReadonlyMap<number, number> }>;
}

/**
 * What Belfry sees of the clusters, through a network that may be cut between it and them. As in the collectors, metadata,
 * liveness, moves and the quorum are asked each in its own time: they are of different ages, and some not known for a moment.
 */
export class SimView implements ClusterObserver {
  readonly #clock: Clock;
  readonly #all: ReadonlyMap<string, SimCluster>;
  readonly #random: Random;
  /** Nothing of these is seen until then; the last picture stays as it was. */
  readonly blindUntil = new Map<string, number>();
  /** `cluster/broker`: Belfry alone cannot reach it within this time. */
  readonly unreachable = new Map<string, { readonly from: number; readonly until: number }>();
  readonly #forgotten = new Set<string>();
  /** Brokers that were ever seen, by cluster: kept over restarts. */
  readonly #expected = new Map<string, Set<number>>();
  readonly #known = new Map<string, Known>();
  readonly #pictures = new Map<string, ClusterPicture>();

  constructor(clock: Clock, all: ReadonlyMap<string, SimCluster>, random: Random) {
    this.#clock = clock;
    this.#all = all;
    this.#random = random;
  }

  /** Belfry has started anew: everything is to be learnt again. */
  restarted(): void {
    this.#known.clear();
    this.#pictures.clear();
  }

  clusters(): readonly string[] {
    return [...this.#all.keys()];
  }

  picture(cluster: string): ClusterPicture | undefined {
    return this.#pictures.get(cluster);
  }

  isBlind(cluster: string): boolean {
    return this.#clock.now() < (this.blindUntil.get(cluster) ?? 0);
  }

  /** Looks at every cluster: what is due is asked, or happens to be. */
  look(): void {
    for (const [name, cluster] of this.#all) {
      if (!this.isBlind(name)) {
        const known = this.#known.get(name) ?? {};
        this.#known.set(name, known);
        this.#collect(cluster, known);
        this.#pictures.set(name, this.#paint(cluster, known));
      } else {
        const last = this.#pictures.get(name);
        if (last !== undefined) this.#pictures.set(name, { ...last, blind: 'no broker answers' });
      }
    }
  }

  #collect(cluster: SimCluster, known: Known): void {
    const now = this.#clock.now();
    const isDue = (fact: Fact<unknown> | undefined, { maxAgeMs, chance }: typeof METADATA): boolean =>
      fact === undefined || now - fact.at >= maxAgeMs || this.#random.chance(chance);
    const metadataWasKnown = known.metadata !== undefined;
    if (isDue(known.metadata, METADATA)) {
      known.metadata = { at: now, value: metadataOf(cluster) };
      const expected = this.#expected.get(cluster.name) ?? new Set();
      this.#expected.set(cluster.name, new Set([...expected, ...known.metadata.value.registered]));
    }
    // The first answer tells whom the rest is asked of.
    if (!metadataWasKnown) return;
    if (isDue(known.liveness, LIVENESS)) known.liveness = { at: now, value: this.#livenessOf(cluster, now) };
    if (isDue(known.moves, MOVES) && !this.#random.chance(UNANSWERED)) known.moves = { at: now, value: movesOf(cluster, now) };
    if (isDue(known.quorum, QUORUM) && !this.#random.chance(UNANSWERED)) known.quorum = { at: now, value: quorumOf(cluster) };
  }

  /** Two brokers, the moves and the quorum asked anew; what liveness knows stays as it is. */
  confirm(name: string): Promise<Confirmation> {
    const cluster = this.#all.get(name);
    const askedAt = this.#clock.now();
    const able =
      this.isBlind(name) || cluster === undefined ? [] : cluster.live.filter((one) => this.#answers(cluster, one)).map(({ id }) => id);
    const brokers = able.slice(0, 2);
    const agree = brokers.length === 2;
    return Promise.resolve({
      brokers,
      askedAt,
      agree,
      picture: agree && cluster !== undefined ? this.#paint(cluster, this.#askAnew(cluster)) : undefined,
      sentence: agree ? 'both say the same' : `${brokers.length} answered`,
    });
  }

  #askAnew(cluster: SimCluster): Known {
    const at = this.#clock.now();
    const { liveness } = this.#known.get(cluster.name) ?? {};
    return {
      metadata: { at, value: metadataOf(cluster) },
      ...(liveness === undefined ? {} : { liveness }),
      ...(this.#random.chance(UNANSWERED) ? {} : { moves: { at, value: movesOf(cluster, at) } }),
      ...(this.#random.chance(UNANSWERED) ? {} : { quorum: { at, value: quorumOf(cluster) } }),
    };
  }

  forget(cluster: string, broker: number): void {
    this.#forgotten.add(`${cluster}/${broker}`);
  }

  isForgotten(cluster: string, broker: number): boolean {
    return this.#forgotten.has(`${cluster}/${broker}`);
  }

  #answers(cluster: SimCluster, broker: SimBroker): boolean {
    return broker.process === 'running' && this.#clock.now() >= (this.unreachable.get(`${cluster.name}/${broker.id}`)?.until ?? 0);
  }

  #paint(cluster: SimCluster, known: Known): ClusterPicture {
    const now = this.#clock.now();
    const { metadata, liveness } = known;
    const moves = newerThan(known.moves, now - KNOWN_FOR_MS.moves);
    const quorum = newerThan(known.quorum, now - KNOWN_FOR_MS.quorum);
    const adding = new Map(moves?.map((move) => [`${move.topic}-${move.partition}`, move.adding]));
    const partitions = metadata?.value.partitions ?? [];
    const brokers = new Map<number, BrokerPicture>();
    for (const { id, retired } of cluster.brokers.values()) {
      const isLeft = retired && this.isForgotten(cluster.name, id) && !partitions.some(({ replicas }) => replicas.includes(id));
      if (isLeft || this.#expected.get(cluster.name)?.has(id) !== true) continue;
      const { up, verdict, downSince, inStopGrace } = liveness?.value.get(id) ?? UNHEARD;
      brokers.set(id, {
        id,
        expected: !(retired && this.isForgotten(cluster.name, id)),
        up,
        registered: metadata?.value.registered.has(id) === true,
        verdict,
        downSince,
        inStopGrace,
        rack: undefined,
        lastQuorumFetchAt: known.quorum?.value.fetches.get(id),
        usedBytes: liveness === undefined ? undefined : 100_000_000,
      });
    }
    return {
      cluster: cluster.name,
      askedAt: metadata?.at ?? 0,
      observedAt: metadata?.at ?? 0,
      blind: undefined,
      clusterIdChanged: false,
      brokers,
      partitions: partitions.map((one) => {
        const added = adding.get(`${one.topic}-${one.partition}`) ?? [];
        return { ...one, adding: added, replicas: one.replicas.filter((id) => !added.includes(id)) };
      }),
      reassigning: moves?.map(({ topic, partition }) => ({ topic, partition })),
      quorum,
      labels: cluster.drills ? { drill: 'yes' } : {},
      maintenance: now < cluster.maintenanceUntil ? 'sunday' : undefined,
    };
  }

  #livenessOf(cluster: SimCluster, now: number): ReadonlyMap<number, Liveness> {
    return new Map([...cluster.brokers.values()].map((broker) => [broker.id, this.#livenessOfOne(cluster, broker, now)]));
  }

  #livenessOfOne(cluster: SimCluster, broker: SimBroker, now: number): Liveness {
    const up = this.#answers(cluster, broker);
    const away = broker.process !== 'running';
    const downSince = broker.downSince ?? (up ? undefined : this.unreachable.get(`${cluster.name}/${broker.id}`)?.from);
    const inStopGrace = away && broker.cleanly && broker.stoppedAt > 0 && now - broker.stoppedAt < STOP_GRACE_MS;
    const verdict = up
      ? undefined
      : !away
        ? 'unreachable'
        : broker.process === 'hung'
          ? now - (downSince ?? now) < SUSPECT_MS
            ? 'suspect'
            : 'not_answering'
          : broker.cleanly
            ? 'stopped'
            : 'crashed';
    return { up, verdict, downSince, inStopGrace };
  }
}

const UNHEARD: Liveness = { up: undefined, verdict: undefined, downSince: undefined, inStopGrace: false };

function newerThan<T>(fact: Fact<T> | undefined, at: number): T | undefined {
  return fact !== undefined && fact.at > at ? fact.value : undefined;
}

/** As Kafka tells it: copies that are being added stand among the replicas. */
function metadataOf(cluster: SimCluster): NonNullable<Known['metadata']>['value'] {
  return {
    registered: new Set([...cluster.brokers.values()].filter(({ registered }) => registered).map(({ id }) => id)),
    partitions: cluster.partitions.map(({ topic, partition, replicas, adding, isr, leader, minIsr, lastIsr }) => ({
      topic,
      partition,
      replicas: [...replicas, ...adding],
      isr: [...isr],
      leader,
      minIsr,
      adding: [],
      lastIsr: [...lastIsr],
    })),
  };
}

function movesOf(cluster: SimCluster, now: number): NonNullable<Known['moves']>['value'] {
  const foreign = now < cluster.foreignMovesUntil ? [{ topic: 'orders', partition: 0, adding: [] }] : [];
  return [...foreign, ...cluster.moving.map(({ topic, partition, adding }) => ({ topic, partition, adding: [...adding] }))];
}

function quorumOf(cluster: SimCluster): NonNullable<Known['quorum']>['value'] {
  const live = (id: number): boolean => cluster.brokers.get(id)?.process === 'running';
  const ids = cluster.voters.length === 0 ? [101, 102, 103] : cluster.voters;
  const voters = ids.map((id) => ({ id, caughtUp: id > 100 || live(id) }));
  const able = voters.filter(({ caughtUp }) => caughtUp);
  return {
    leaderId: able.length > voters.length / 2 ? (able[0]?.id ?? -1) : -1,
    voters,
    fetches: new Map([...cluster.brokers.values()].map(({ id, fetchedAt }) => [id, fetchedAt])),
  };
}
