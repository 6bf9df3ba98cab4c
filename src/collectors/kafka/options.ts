import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import type { Meter } from '../../core/meter.ts';
import type { SampleWriter, Wake } from '../../core/sample.ts';
import type { Slices } from '../../core/slices.ts';
import type { BrokerAddress, ClusterMetadata, Connector } from '../../kafka/observer.ts';
import type { HandshakeLine } from './pool.ts';

/** Milliseconds between two collections of a kind. Operations page §3 is where the defaults come from. */
export interface Cadences {
  readonly metadataMs: number;
  /** Above `manyPartitions`. */
  readonly metadataManyMs: number;
  readonly lagMs: number;
  readonly logDirsMs: number;
  readonly configsMs: number;
}

export const DEFAULT_CADENCES: Cadences = {
  metadataMs: 5000,
  metadataManyMs: 10_000,
  lagMs: 30_000,
  logDirsMs: 60_000,
  configsMs: 300_000,
};

export interface CollectorLimits {
  readonly manyPartitions: number;
  /** Groups whose lag is read; more are counted and left out. */
  readonly groups: number;
  /** Partitions with a committed offset, over all groups. */
  readonly groupPartitions: number;
  /** Topics named one by one while they are in trouble; the cluster's sums count them all. */
  readonly topicsInTrouble: number;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

export const DEFAULT_LIMITS: CollectorLimits = {
  manyPartitions: 20_000,
  groups: 10_000,
  groupPartitions: 200_000,
  topicsInTrouble: 2000,
  connectTimeoutMs: 3000,
  requestTimeoutMs: 10_000,
};

export interface KafkaCollectorOptions {
  /** The configured name; the label `cluster`. */
  readonly cluster: string;
  readonly connector: Connector;
  readonly bootstrap: readonly BrokerAddress[];
  /** Where a broker is reached, instead of where it says it is. */
  readonly addresses?: ReadonlyMap<number, BrokerAddress>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  readonly writer: SampleWriter;
  /** Told after rows are written in which something changed. */
  readonly wake: (wake: Wake) => void;
  readonly cadences?: Partial<Cadences>;
  readonly limits?: Partial<CollectorLimits>;
  /** Groups whose lag is collected; all where undefined. */
  readonly groupFilter?: (groupId: string) => boolean;
  /** Groups whose lag may alert (`belfry_kafka_consumergroup_watched`); none where undefined. */
  readonly groupWatched?: (groupId: string) => boolean;
  /** Told of every full answer, one after the other; the rows made from it are written when that is done. */
  readonly onMetadata?: (metadata: ClusterMetadata, slices: Slices) => void | Promise<void>;
  /** Told, with each reading of the log dirs, how many topics the brokers hold that Metadata does not show. */
  readonly onHiddenTopics?: (count: number) => void;
  /** Brokers known to be down: not asked while others can be. */
  readonly brokerDownIds?: () => ReadonlySet<number>;
  /** Brokers that should be there; those registered or holding replicas where undefined. */
  readonly expected?: () => ReadonlySet<number>;
  /** Brokers stopped in an orderly way and within their grace. */
  readonly inStopGrace?: () => ReadonlySet<number>;
  /** Where new connections wait for their turn, shared by all that connect to the cluster; without one 20 a second. */
  readonly line?: HandshakeLine;
  /** 0 ≤ number < 1, for the jitter of reconnects. Default `Math.random`. */
  readonly random?: () => number;
}
