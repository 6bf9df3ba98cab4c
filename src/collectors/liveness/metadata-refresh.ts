import type { Clock } from '../../core/clock.ts';
import { errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { Slices } from '../../core/slices.ts';
import type { ClusterMetadata } from '../../kafka/observer.ts';
import { brokerFactsInSlices, type BrokerFacts } from './broker-facts.ts';
import type { BrokerState } from './broker-state.ts';
import type { Survivor } from './survivor-look.ts';
import type { LivenessTimings } from './timings.ts';

export interface RefreshParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly timings: LivenessTimings;
  /** Any broker that answers. */
  someone(): Survivor | undefined;
  observed(metadata: ClusterMetadata, facts: ReadonlyMap<number, BrokerFacts>): void;
}

/** At most a tenth of a broker's time is spent answering us. */
const DUTY = 10;

/** Asks for metadata where nobody hands any in, and more often while a crashed broker catches up; one at a time. */
export class MetadataRefresh {
  readonly #parts: RefreshParts;
  #asking = false;
  /** Told once until it works again. */
  #failing = false;

  constructor(parts: RefreshParts) {
    this.#parts = parts;
  }

  /** Asks if it is time; `last` is the latest metadata, whoever asked for it. */
  async perhaps(states: readonly BrokerState[], last: ClusterMetadata | undefined, now: number): Promise<void> {
    const { refreshMs, refreshRecoveringMs, followRecoveryMs, metadataTimeoutMs } = this.#parts.timings;
    const recovering = states.some((state) => isRecovering(state) && now - state.upSince < followRecoveryMs);
    const dutyMs = last === undefined ? 0 : (last.answeredAt - last.askedAt) * DUTY;
    const dueAt = (last?.askedAt ?? 0) + Math.max(dutyMs, recovering ? refreshRecoveringMs : refreshMs);
    const survivor = this.#parts.someone();
    if (now < dueAt || this.#asking || survivor === undefined) return;
    this.#asking = true;
    try {
      const metadata = await survivor.connection.metadata(undefined, metadataTimeoutMs);
      const slices = new Slices(this.#parts.clock);
      // To decode it, to count and to take it in are three pieces of work.
      await slices.pause();
      const facts = await brokerFactsInSlices(metadata, slices);
      await slices.pause();
      this.#parts.observed(metadata, facts);
      this.#failing = false;
    } catch (error) {
      if (this.#failing) return;
      this.#failing = true;
      this.#parts.log.warn('liveness_metadata_failed', { broker: survivor.id, error: errorText(error) });
    } finally {
      this.#asking = false;
    }
  }
}

function isRecovering({ up, verdictHolds, isrRestored }: BrokerState): boolean {
  return up === true && (verdictHolds || isrRestored !== true);
}
