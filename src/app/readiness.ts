import type { Clock } from '../core/clock.ts';
import type { GroupProgress } from '../rules/engine.ts';
import type { WorkSources } from '../watchdog/work.ts';

/** A part that has come to no end of anything for so long stands still. */
const STUCK_AFTER_MS = 60_000;
/** For how long after the start every rule group whose first slot comes within it must have been evaluated. */
const FIRST_LOOK_MS = 30_000;
/** A cluster whose cadence is slower than usual may take so many intervals. */
const INTERVALS = 3;

/** What is read of one watched cluster. */
export interface WatchedCluster {
  readonly config: { readonly name: string };
  /** It has been seen, or found not to answer, since the start. */
  readonly hasLooked: boolean;
  readonly lookTimes: { readonly lastSuccessAt: number | undefined; readonly concludedAt: number | undefined };
  readonly lookIntervalMs: number;
}

export interface ReadinessParts {
  readonly clock: Clock;
  readonly startedAt: number;
  /** False while decisions cannot be written. */
  readonly durable: () => boolean;
  readonly clusters: () => Iterable<WatchedCluster>;
  readonly groups: () => readonly GroupProgress[];
  /** When Belfry's own metrics were last collected; 0 before the first time. */
  readonly ownCollectedAt: () => number;
  readonly outboxWorkedAt: () => number;
}

/**
 * Whether Belfry does its work, looked up anew at each question, so that it is ready again by itself. Only its own
 * trouble counts: a cluster that is down, or an owner who cannot be reached, is what it is there to tell.
 */
export class Readiness {
  readonly #parts: ReadinessParts;
  /** Clusters that came later are no reason to take Belfry out of service. */
  #hasSeenAll = false;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** What keeps Belfry from its work, each a sentence; empty: it is ready. */
  notReady(): readonly string[] {
    return [this.#state(), this.#firstLook(), this.#collectors(), this.#rules(), this.#outbox()].flatMap((part) => part ?? []);
  }

  /** When each part last did its work, for the heartbeat. */
  get sources(): WorkSources {
    return {
      collection: () => this.#answeredAt(),
      rules: () => this.#evaluatedAt(),
      outbox: () => this.#parts.outboxWorkedAt(),
    };
  }

  #state(): string | undefined {
    return this.#parts.durable() ? undefined : 'the state cannot be written to state.db: what is decided now is forgotten if Belfry ends';
  }

  #firstLook(): string | undefined {
    if (this.#hasSeenAll) return undefined;
    const unseen = [...this.#parts.clusters()].filter(({ hasLooked }) => !hasLooked).map(({ config }) => config.name);
    this.#hasSeenAll = unseen.length === 0;
    return unseen.length === 0 ? undefined : `not looked at yet since the start: ${unseen.join(', ')}`;
  }

  #collectors(): string | undefined {
    const { clock, clusters, startedAt, ownCollectedAt } = this.#parts;
    const now = clock.now();
    const stuck: string[] = [];
    if (now - Math.max(startedAt, ownCollectedAt()) > STUCK_AFTER_MS) stuck.push("Belfry's own metrics");
    for (const { config, lookTimes, lookIntervalMs } of clusters()) {
      // One that has not been looked at yet is told as such.
      if (lookTimes.concludedAt === undefined) continue;
      if (now - lookTimes.concludedAt > Math.max(STUCK_AFTER_MS, INTERVALS * lookIntervalMs)) stuck.push(config.name);
    }
    return stuck.length === 0 ? undefined : `no look has come to an end for a minute at: ${stuck.join(', ')}`;
  }

  #rules(): string | undefined {
    const { clock, startedAt } = this.#parts;
    const groups = this.#groups();
    const evaluatedAt = Math.max(0, ...groups.map(({ lastEvaluationTs }) => lastEvaluationTs));
    const isYoung = clock.now() - startedAt < FIRST_LOOK_MS;
    const isIdle = groups.some(({ lastEvaluationTs, intervalMs }) => lastEvaluationTs === 0 && intervalMs <= FIRST_LOOK_MS);
    // A group that a reload brings, or one with a long interval, is no reason to take Belfry out of service later on.
    if (groups.length > 0 && (evaluatedAt === 0 || (isIdle && isYoung))) return 'rules have not been evaluated yet';
    if (groups.length === 0 || clock.now() - evaluatedAt <= this.#patienceWith(groups)) return undefined;
    return `no rule has been evaluated for ${Math.round((clock.now() - evaluatedAt) / 1000)} s`;
  }

  #outbox(): string | undefined {
    const waitedMs = this.#parts.clock.now() - this.#parts.outboxWorkedAt();
    return waitedMs <= STUCK_AFTER_MS ? undefined : `no message that is due has been tried for ${Math.round(waitedMs / 1000)} s`;
  }

  /** A file whose quickest group is slow is not stuck between its slots. */
  #patienceWith(groups: readonly GroupProgress[]): number {
    return Math.max(STUCK_AFTER_MS, INTERVALS * Math.min(...groups.map(({ intervalMs }) => intervalMs)));
  }

  #groups(): readonly GroupProgress[] {
    return this.#parts.groups().filter(({ isEmpty }) => !isEmpty);
  }

  #answeredAt(): number | undefined {
    const clusters = [...this.#parts.clusters()];
    if (clusters.length === 0) return this.#parts.ownCollectedAt() || undefined;
    return latest(clusters.map(({ lookTimes }) => lookTimes.lastSuccessAt));
  }

  #evaluatedAt(): number | undefined {
    const groups = this.#groups();
    // Whoever has no rules is owed no evaluation.
    if (groups.length === 0) return this.#parts.clock.now();
    return latest(groups.map(({ works, lastEvaluationTs }) => (works && lastEvaluationTs > 0 ? lastEvaluationTs : undefined)));
  }
}

function latest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
