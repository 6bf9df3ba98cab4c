import type { Clock, Timer } from '../../core/clock.ts';
import { errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { BrokerConnection, ClusterMetadata } from '../../kafka/observer.ts';
import { survivorsAmong, type BrokerEntry } from './broker-entry.ts';
import { brokerFacts, topicsOn } from './broker-facts.ts';
import type { LivenessTimings } from './timings.ts';
import { nextLookAt, SURVIVORS_ASKED, type Outage, type SurvivorLook } from './verdict.ts';

/** A broker that can be asked about another one, by the connection that is held to it anyway. */
export interface Survivor {
  readonly id: number;
  readonly connection: BrokerConnection;
}

/** Which topics tell about the broker. */
export interface LookScope {
  /** All with a replica on it; `undefined` asks for every topic there is. */
  readonly topics: readonly string[] | undefined;
  /** Enough of them to tell whether it is in its ISRs; the same as `topics` where those are few. */
  readonly sample: readonly string[] | undefined;
}

export interface LookParts {
  readonly clock: Clock;
  readonly timings: LivenessTimings;
  /** Those that answer now, without the broker itself. */
  survivors(brokerId: number): readonly Survivor[];
  scope(brokerId: number): LookScope;
  /** Whether an answer comes from the cluster it is about: an address may have passed to another. */
  belongs(metadata: ClusterMetadata): boolean;
  looked(brokerId: number, look: SurvivorLook): void;
  /** A survivor did not answer, or answered for another cluster. */
  failed(brokerId: number, survivorId: number, error: unknown): void;
}

/** What the looks about one cluster's brokers need, where only the judging is not theirs. */
export interface LookSource {
  readonly clock: Clock;
  readonly timings: LivenessTimings;
  readonly log: Logger;
  readonly entries: ReadonlyMap<number, BrokerEntry>;
  readonly clusterId: () => string;
  readonly metadata: () => ClusterMetadata | undefined;
  readonly evaluate: (brokerId: number) => void;
}

/** The parts of every look at one cluster's survivors. */
export function lookPartsOf({ clock, timings, log, entries, clusterId, metadata, evaluate }: LookSource): LookParts {
  return {
    clock,
    timings,
    survivors: (brokerId) => survivorsAmong(entries.values(), brokerId),
    scope: (brokerId) => {
      const known = metadata();
      return known === undefined ? { topics: [], sample: [] } : topicsOn(known, brokerId);
    },
    belongs: (answer) => answer.clusterId === clusterId(),
    looked: (brokerId, look) => {
      entries.get(brokerId)?.state.looked(look);
      evaluate(brokerId);
    },
    failed: (brokerId, survivor, error) => {
      log.warn('liveness_look_failed', { broker: brokerId, survivor, error: errorText(error) });
      evaluate(brokerId);
    },
  };
}

/** The looks of one outage: rounds at fixed times after the break, two survivors each, one after the other's failure. */
export class OutageLooks {
  readonly #brokerId: number;
  readonly #parts: LookParts;
  readonly #pending = new Set<number>();
  #askedInRound = new Set<number>();
  #made = 0;
  #timer: Timer | undefined;
  #cancelled = false;

  constructor(brokerId: number, parts: LookParts) {
    this.#brokerId = brokerId;
    this.#parts = parts;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#timer?.cancel();
  }

  /** Makes the round that is due and arms the timer of the next. */
  proceed(outage: Outage): void {
    if (this.#cancelled) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const { clock, timings } = this.#parts;
    let due = false;
    for (;;) {
      const at = nextLookAt(outage, this.#made, timings);
      if (at === undefined) break;
      if (at > clock.now()) {
        this.#timer = clock.timer(at - clock.now(), () => this.proceed(outage));
        break;
      }
      // Rounds that were missed together are made up by one.
      due = true;
      this.#made++;
    }
    if (due) this.#round();
  }

  #round(): void {
    this.#askedInRound = new Set();
    const scope = this.#parts.scope(this.#brokerId);
    for (const [i, survivor] of this.#choose(SURVIVORS_ASKED).entries()) {
      // Where they are many, one look of one survivor counts the leaderships, when the quick proof is in.
      const whole = scope.sample === scope.topics || (this.#made === 2 && i === 0);
      void this.#ask(survivor, whole ? scope.topics : scope.sample, whole);
    }
  }

  /** Those that owe no answer first, so that a slow survivor does not hold up the proof. */
  #choose(count: number): readonly Survivor[] {
    const candidates = this.#parts.survivors(this.#brokerId).filter(({ id }) => !this.#askedInRound.has(id) && !this.#pending.has(id));
    return candidates.slice(0, count);
  }

  async #ask(survivor: Survivor, topics: readonly string[] | undefined, whole: boolean): Promise<void> {
    const { timings } = this.#parts;
    this.#askedInRound.add(survivor.id);
    this.#pending.add(survivor.id);
    let failure: unknown;
    try {
      const metadata = await survivor.connection.metadata(topics, timings.lookTimeoutMs);
      this.#pending.delete(survivor.id);
      if (this.#cancelled) return;
      if (this.#parts.belongs(metadata)) {
        this.#parts.looked(this.#brokerId, readLook(survivor.id, this.#brokerId, metadata, whole));
        return;
      }
      failure = new Error(`broker ${survivor.id} answers for the cluster ${metadata.clusterId}`);
    } catch (error) {
      failure = error;
    }
    this.#pending.delete(survivor.id);
    if (this.#cancelled) return;
    this.#parts.failed(this.#brokerId, survivor.id, failure);
    for (const other of this.#choose(1)) void this.#ask(other, topics, whole);
  }
}

/** What a Metadata answer says about the broker. */
function readLook(survivorId: number, brokerId: number, metadata: ClusterMetadata, whole: boolean): SurvivorLook {
  const { askedAt, answeredAt } = metadata;
  const registered = metadata.brokers.some(({ id }) => id === brokerId);
  return { survivorId, askedAt, answeredAt, registered, facts: brokerFacts(metadata).get(brokerId), whole };
}
