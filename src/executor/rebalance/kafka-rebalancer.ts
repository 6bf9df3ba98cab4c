import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import type { AdminConnector } from '../../kafka/admin-connection.ts';
import type { BrokerAddress } from '../../kafka/observer.ts';
import type { Rebalancer, RebalanceProgress, RebalanceRequest } from '../ports.ts';
import { RebalanceRun } from './apply.ts';
import { readPicture, type RebalancePicture } from './picture.ts';
import { planReassignment, type Move } from './plan.ts';
import { AdminSession, REQUEST_TIMEOUT_MS } from './session.ts';
import { ReplicationThrottle } from './throttle.ts';

export interface KafkaRebalancerOptions {
  /** Whose credential may alter: Alter and AlterConfigs on the cluster, AlterConfigs on its topics. */
  readonly connector: AdminConnector;
  /** Whose credential is shown every topic, as the watch's is. Default the connector. */
  readonly reader?: AdminConnector;
  readonly bootstrap: readonly BrokerAddress[];
  /** Instead of what brokers advertise, by broker id. */
  readonly addresses?: ReadonlyMap<number, BrokerAddress>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Bytes per second that each broker may send and receive for the moves; none where undefined. */
  readonly throttleBytesPerSecond?: number;
  /** Partitions that are moved at once. Default 50. */
  readonly movesInFlight?: number;
  /** Bytes that are copied at once; one partition always may be. Default 50 GiB. */
  readonly bytesInFlight?: number;
  /** Default 1 s. */
  readonly pollMs?: number;
  /** How long a run waits for partitions that fell behind outside of its plan before it gives up. Default 10 min. */
  readonly patienceMs?: number;
  /** What becomes of running moves when the run is stopped: they go on, or are taken back. Default `leave`. */
  readonly onAbort?: 'leave' | 'cancel';
}

export interface RebalancePlan {
  readonly moves: readonly Move[];
  readonly picture: RebalancePicture;
}

/**
 * Moves partitions by Kafka's own reassignment. The cluster is the only state there is: a run plans from what it finds,
 * waits for moves that run already, and plans again until nothing is left, so that one that was killed is simply run again.
 */
export class KafkaRebalancer implements Rebalancer {
  readonly #options: KafkaRebalancerOptions;

  constructor(options: KafkaRebalancerOptions) {
    this.#options = options;
  }

  /** What `rebalance` would do now. Changes nothing. */
  async plan(request: RebalanceRequest): Promise<RebalancePlan> {
    const session = new AdminSession(this.#readOptions);
    try {
      const picture = await readPicture(session);
      return { picture, moves: planReassignment({ brokers: picture.brokers, partitions: picture.partitions, request }) };
    } finally {
      session.close();
    }
  }

  /**
   * As the port says. Rejects with `CONFLICT` where the state of the cluster forbids to begin or to go on, `STOPPING` when
   * the signal was aborted (the text says what runs on), and the `KAFKA_…` codes.
   */
  async rebalance(
    request: RebalanceRequest,
    report: (progress: RebalanceProgress) => void,
    signal: AbortSignal,
    confirm: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { movesInFlight = 50, bytesInFlight = 50 * 2 ** 30, pollMs = 1000, patienceMs = 600_000, onAbort = 'leave' } = this.#options;
    const limits = { movesInFlight, bytesInFlight, pollMs, patienceMs, onAbort };
    const [read, act] = this.#sessions();
    try {
      await new RebalanceRun({ ...this.#options, ...limits, read, act, request, report, signal, confirm }).run();
    } finally {
      read.close();
      act.close();
    }
  }

  /**
   * Asks whether the acting credential would be allowed to do what a run does, by requests that change nothing: no moves, and
   * a throttle that is only validated. Rejects with `KAFKA_PERMISSION_MISSING` where it would not.
   */
  async checkPermissions(): Promise<void> {
    const [read, act] = this.#sessions();
    try {
      const { brokers, partitions } = await readPicture(read);
      await act.ofAny((any) => any.alterReassignments([], REQUEST_TIMEOUT_MS));
      const [first] = brokers;
      if (first !== undefined) await new ReplicationThrottle(read, act).rehearse(first.id, partitions[0]?.topic);
    } finally {
      read.close();
      act.close();
    }
  }

  /** Removes a throttle that a run of ours has left behind; true where there was one. Throttles of others stay. */
  async removeThrottle(): Promise<boolean> {
    const [read, act] = this.#sessions();
    try {
      const { brokers, partitions } = await readPicture(read);
      const topics = [...new Set(partitions.map(({ topic }) => topic))];
      return await new ReplicationThrottle(read, act).removeStale(
        brokers.map(({ id }) => id),
        topics,
      );
    } finally {
      read.close();
      act.close();
    }
  }

  #sessions(): readonly [read: AdminSession, act: AdminSession] {
    const known = new Map<number, BrokerAddress>();
    return [new AdminSession(this.#readOptions, known), new AdminSession(this.#options, known)];
  }

  get #readOptions(): KafkaRebalancerOptions {
    return { ...this.#options, connector: this.#options.reader ?? this.#options.connector };
  }
}
