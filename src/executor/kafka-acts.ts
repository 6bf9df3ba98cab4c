import { type Clock, delay } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { AdminConnector } from '../kafka/admin-connection.ts';
import type { KafkaActs, KafkaCluster } from './plan.ts';
import type { RebalanceProgress, RebalanceRequest } from './ports.ts';
import { KafkaRebalancer } from './rebalance/kafka-rebalancer.ts';
import type { RebalancePicture } from './rebalance/picture.ts';
import { AdminSession } from './rebalance/session.ts';

const UNREGISTER_TIMEOUT_MS = 10_000;
/** A broker that was killed is listed until its session is over: 9 s by default. */
const GONE_WITHIN_MS = 30_000;
const LOOK_AGAIN_MS = 500;

/** A cluster that is acted on over the Kafka protocol, with the executor's own credential. */
export class KafkaClusterActs implements KafkaActs {
  readonly #cluster: KafkaCluster;
  readonly #connector: AdminConnector;
  readonly #rebalancer: KafkaRebalancer;
  readonly #clock: Clock;
  readonly #goneWithinMs: number;

  constructor(cluster: KafkaCluster, { clock, log, goneWithinMs = GONE_WITHIN_MS }: { clock: Clock; log: Logger; goneWithinMs?: number }) {
    const { brokers, security, throttleBytes } = cluster;
    this.#cluster = cluster;
    this.#clock = clock;
    this.#goneWithinMs = goneWithinMs;
    this.#connector = new AdminConnector({ clock, security });
    this.#rebalancer = new KafkaRebalancer({
      connector: this.#connector,
      bootstrap: brokers,
      clock,
      log: log.child({ cluster: cluster.name }),
      ...(throttleBytes === undefined ? {} : { throttleBytesPerSecond: throttleBytes }),
    });
  }

  async rebalance(
    request: RebalanceRequest,
    report: (progress: RebalanceProgress) => void,
    signal: AbortSignal,
    confirm: () => Promise<void>,
  ): Promise<void> {
    await this.#rebalancer.rebalance(request, report, signal, confirm);
  }

  /**
   * Refused when the broker stays alive or holds a replica: its place in the books is all that may go. One that was stopped
   * a moment ago is still listed for a while, and is waited for.
   */
  async unregister(broker: number, signal: AbortSignal, confirm: () => Promise<void>): Promise<void> {
    const { partitions } = await this.#pictureWithout(broker, signal);
    const held = partitions.filter(({ replicas }) => replicas.includes(broker)).length;
    if (held > 0) throw new BelfryError('CONFLICT', `broker ${broker} stands in the replica lists of ${held} partitions`);
    signal.throwIfAborted();
    await confirm();
    const session = new AdminSession({ connector: this.#connector, bootstrap: this.#cluster.brokers, clock: this.#clock });
    try {
      await session.ofAny((connection) => connection.unregister(broker, UNREGISTER_TIMEOUT_MS));
    } finally {
      session.close();
    }
  }

  async #pictureWithout(broker: number, signal: AbortSignal): Promise<RebalancePicture> {
    const until = this.#clock.now() + this.#goneWithinMs;
    for (;;) {
      const { picture } = await this.#rebalancer.plan({ kind: 'elect_preferred' });
      signal.throwIfAborted();
      if (!picture.brokers.some(({ id }) => id === broker)) return picture;
      if (this.#clock.now() >= until) throw new BelfryError('CONFLICT', `broker ${broker} is alive: it is not unregistered`);
      await delay(this.#clock, LOOK_AGAIN_MS, signal);
    }
  }

  async look(signal: AbortSignal): Promise<void> {
    await this.#rebalancer.checkPermissions();
    signal.throwIfAborted();
  }
}
