import type { Ack, Intent } from '../../../src/core/autopilot.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import type { IntentBook } from '../../../src/autopilot/intents/intent-book.ts';
import type { Random } from './random.ts';
import type { SimCluster } from './sim-cluster.ts';

/** What it will do with the lease that it has: decided when it is granted, so that no two are alike. */
interface Work {
  readonly intentId: string;
  readonly token: number;
  readonly cluster: string;
  /** Ticks until the irreversible step, and after it until the last ack. */
  ticksLeft: number;
  acted: boolean;
  readonly kind: 'honest' | 'dies_before' | 'dies_after' | 'lies_succeeded' | 'lies_failed' | 'rejects' | 'silent';
}

const KINDS: readonly Work['kind'][] = ['dies_before', 'dies_after', 'lies_succeeded', 'lies_failed', 'rejects', 'silent'];

/** An executor as it may be met: mostly honest, at times dying in the middle, lying, or saying nothing. */
export class SimExecutor {
  readonly name: string;
  /** Calm: it does what it says. */
  honest = false;
  readonly #random: Random;
  readonly #clusters: ReadonlyMap<string, SimCluster>;
  readonly #onLease: (intent: Intent) => void;
  readonly #onAct: (intent: Intent) => void;
  #work: Work | undefined;

  constructor(options: {
    readonly name: string;
    readonly random: Random;
    readonly clusters: ReadonlyMap<string, SimCluster>;
    readonly onLease: (intent: Intent) => void;
    readonly onAct: (intent: Intent) => void;
  }) {
    this.name = options.name;
    this.#random = options.random;
    this.#clusters = options.clusters;
    this.#onLease = options.onLease;
    this.#onAct = options.onAct;
  }

  async step(book: IntentBook, now: number): Promise<void> {
    if (this.#work === undefined) return this.#seek(book);
    const work = this.#work;
    if (work.kind === 'dies_before' && !work.acted) return this.#die();
    try {
      const intent = book.heartbeat(work.intentId, work.token);
      this.#go(book, work, intent, now);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#die();
    }
  }

  async #seek(book: IntentBook): Promise<void> {
    const open = book.all().filter(({ state }) => state === 'open' || state === 'announced' || state === 'blocked');
    const wanted = this.#random.pick(open);
    if (wanted === undefined) return;
    try {
      const intent = await book.lease(wanted.id, this.name);
      const kind = this.honest || this.#random.chance(0.6) ? 'honest' : (this.#random.pick(KINDS) ?? 'honest');
      this.#work = {
        intentId: intent.id,
        token: intent.lease?.fencingToken ?? 0,
        cluster: intent.cluster,
        ticksLeft: this.#random.between(0, 3),
        acted: false,
        kind,
      };
      this.#onLease(intent);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }

  #go(book: IntentBook, work: Work, intent: Intent, now: number): void {
    if (work.ticksLeft-- > 0) return;
    const ack = (status: Ack['status'], text: string, more: Partial<Ack> = {}): void => {
      book.ack({ intentId: work.intentId, fencingToken: work.token, status, text, ...more });
    };
    if (work.acted) {
      ack(work.kind === 'lies_failed' ? 'failed' : 'succeeded', 'done');
      return this.#die();
    }
    if (work.kind === 'rejects') {
      ack('rejected', 'not my host');
      return this.#die();
    }
    const broker = this.#clusters.get(work.cluster)?.brokers.get(intent.broker ?? -1);
    if (broker?.process === 'starting' && intent.action === 'repair' && !broker.stuck) {
      // Found alive by its probe: left alone.
      ack('rejected', 'its process runs and recovers', { process: 'recovering', progress: now });
      return this.#die();
    }
    if (work.kind !== 'silent') ack('running', 'begun');
    work.acted = true;
    work.ticksLeft = this.#random.between(0, 3);
    if (work.kind !== 'lies_succeeded') this.#act(intent, now);
    if (work.kind === 'dies_after' || work.kind === 'silent') this.#die();
  }

  #act(intent: Intent, now: number): void {
    const cluster = this.#clusters.get(intent.cluster);
    const broker = cluster?.brokers.get(intent.broker ?? -1);
    if (cluster === undefined || broker === undefined || broker.retired) return;
    this.#onAct(intent);
    if (intent.action === 'repair') cluster.restart(broker, now);
    else if (intent.action === 'replace') cluster.replace(broker, now);
  }

  #die(): void {
    this.#work = undefined;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof BelfryError && (error.code === 'CONFLICT' || error.code === 'LEASE_LOST' || error.code === 'NOT_FOUND');
}
