import { z } from 'zod';
import { type Action, ACTIONS } from '../../core/autopilot.ts';
import type { PilotStore } from '../../core/autopilot-state.ts';
import type { Clock } from '../../core/clock.ts';
import { humanDuration } from '../../core/duration.ts';
import { BelfryError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Journal } from '../journal.ts';
import { readSetting } from './durable.ts';
import { type LabelledAct, type Outcome, OUTCOMES, readOutcomes } from './outcomes.ts';

const DAY_MS = 86_400_000;
const OBSERVED_DAYS_MIN = 30;
const INCIDENTS_MIN = 5;
const HEALED_RATIO_MAX = 0.2;
const DRY_RUN_DAYS_MAX = 30;
const HALT_DRILL_DAYS_MAX = 30;
/** Acts older than this no longer speak for or against a promotion. */
const LOOK_BACK_DAYS = 90;

const DRY_RUNS_KEY = 'executor_dry_runs';
const EXECUTORS_MAX = 100;
const TEXT_LENGTH_MAX = 1000;

const dryRunsSchema = z.record(z.string(), z.object({ ok: z.boolean(), text: z.string(), at: z.number() }));

/** What an executor found when it tried everything but the act itself: its tools, its targets, its permissions. */
export type DryRun = z.output<typeof dryRunsSchema>[string];

/** One condition of a promotion, with its numbers. */
export interface Condition {
  readonly name: 'observed' | 'incidents' | 'wrong' | 'healed' | 'dry_run' | 'halt_drill';
  readonly met: boolean;
  readonly sentence: string;
}

export interface TrustReport {
  /** Undefined for all. */
  readonly cluster: string | undefined;
  readonly since: number;
  readonly acts: readonly LabelledAct[];
  readonly totals: readonly ({ readonly action: Action; readonly drilled: number } & Readonly<Record<Outcome, number>>)[];
  /** The journal was too long to be read to its beginning. */
  readonly truncated: boolean;
}

export interface TrustOptions {
  readonly store: PilotStore;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observedForMs: (cluster: string, action: Action) => number;
  /** When everything was last halted by hand; 0 where never. */
  readonly haltDrilledAt: () => number;
}

/** What the auto-pilot has shown so far: the ground on which people give it more to do. */
export class Trust {
  readonly #options: TrustOptions;
  readonly #dryRuns = new Map<string, DryRun>();

  constructor(options: TrustOptions) {
    this.#options = options;
    const { value = {} } = readSetting(options.store, DRY_RUNS_KEY, dryRunsSchema, options.log);
    for (const [executor, run] of Object.entries(value)) this.#dryRuns.set(executor, run);
  }

  /** Each act, done or only said, of the last days, with what became of it. */
  report(cluster: string | undefined, days: number): TrustReport {
    if (!(days > 0 && days <= 3650)) throw new BelfryError('BAD_REQUEST', `a report covers between 1 and 3650 days, not ${days}`);
    const since = this.#options.clock.now() - days * DAY_MS;
    const { acts, truncated } = readOutcomes(this.#options.store, { cluster, since });
    const totals = ACTIONS.map((action) => {
      const own = acts.filter((act) => act.action === action);
      return { action, drilled: own.filter(({ drill }) => drill).length, ...countOutcomes(own) };
    });
    return { cluster, since, acts, totals, truncated };
  }

  /** Keeps the last word of each executor about itself. Throws `LIMIT_EXCEEDED` where there are too many of them. */
  noteDryRun(executor: string, ok: boolean, text: string, at: number): void {
    // Executors may have a new name at each start: those that nobody has heard of for long make room.
    if (this.#dryRuns.size >= EXECUTORS_MAX)
      for (const [name, run] of this.#dryRuns) if (at - run.at > DRY_RUN_DAYS_MAX * DAY_MS) this.#dryRuns.delete(name);
    if (!this.#dryRuns.has(executor) && this.#dryRuns.size >= EXECUTORS_MAX)
      throw new BelfryError('LIMIT_EXCEEDED', `more than ${EXECUTORS_MAX} executors have reported a dry run`);
    const run = { ok, text: text.slice(0, TEXT_LENGTH_MAX), at };
    const isNews = this.#dryRuns.get(executor)?.ok !== ok;
    this.#dryRuns.set(executor, run);
    const { store, journal } = this.#options;
    store.durably(() => {
      store.saveSetting(DRY_RUNS_KEY, JSON.stringify(Object.fromEntries(this.#dryRuns)));
      if (!isNews) return;
      const sentence = `the dry run of ${executor} ${ok ? 'went well' : 'failed'}: ${run.text}`;
      journal.write({ cluster: '', kind: 'lease', text: sentence, detail: { executor, ok } });
    });
  }

  /** Everything a promotion asks for, met or not. */
  conditions(cluster: string, action: Action): readonly Condition[] {
    const now = this.#options.clock.now();
    const { acts } = readOutcomes(this.#options.store, { cluster, since: now - LOOK_BACK_DAYS * DAY_MS });
    const own = acts.filter((act) => act.action === action);
    const drilled = own.filter(({ drill, outcome }) => drill && outcome !== 'wrong').length;
    const real = countOutcomes(own.filter(({ drill }) => !drill));
    const judged = real.needed + real.healed + real.wrong;
    const wrong = countOutcomes(own).wrong;
    const healedRatio = judged === 0 ? 0 : real.healed / judged;
    const observedDays = Math.floor(this.#options.observedForMs(cluster, action) / DAY_MS);
    const within = `in the last ${LOOK_BACK_DAYS} days`;
    return [
      {
        name: 'observed',
        met: observedDays >= OBSERVED_DAYS_MIN,
        sentence: `${action} in ${cluster} has been observed for ${observedDays} days; ${OBSERVED_DAYS_MIN} are needed`,
      },
      {
        name: 'incidents',
        met: judged + drilled >= INCIDENTS_MIN,
        sentence: `there were ${judged} real and ${drilled} drilled incidents ${within}; ${INCIDENTS_MIN} are needed`,
      },
      { name: 'wrong', met: wrong === 0, sentence: `${wrong} acts were wrong ${within}; none may be` },
      {
        name: 'healed',
        met: healedRatio < HEALED_RATIO_MAX,
        sentence:
          `${real.healed} of ${judged} incidents healed by themselves first (${percent(healedRatio)}); ` +
          `fewer than ${percent(HEALED_RATIO_MAX)} may`,
      },
      this.#dryRunCondition(now),
      this.#haltCondition(now),
    ];
  }

  /** Every executor heard of lately must be well, and there must be one. */
  #dryRunCondition(now: number): Condition {
    const recent = [...this.#dryRuns].filter(([, { at }]) => now - at <= DRY_RUN_DAYS_MAX * DAY_MS);
    const failed = recent.filter(([, { ok }]) => !ok);
    const sentence =
      recent.length === 0
        ? `no executor has reported a dry run with its permissions within ${DRY_RUN_DAYS_MAX} days`
        : failed.length > 0
          ? `the last dry run failed: ${failed.map(([executor, { text }]) => `${executor} (${text})`).join(', ')}`
          : `the dry runs went well: ${recent.map(([executor, { at }]) => `${executor} ${humanDuration(now - at)} ago`).join(', ')}`;
    return { name: 'dry_run', met: recent.length > 0 && failed.length === 0, sentence };
  }

  #haltCondition(now: number): Condition {
    const at = this.#options.haltDrilledAt();
    const sentence =
      at === 0
        ? `the halt was never drilled; it must have been within ${HALT_DRILL_DAYS_MAX} days`
        : `the halt was last used ${humanDuration(now - at)} ago; it must have been within ${HALT_DRILL_DAYS_MAX} days`;
    return { name: 'halt_drill', met: at > 0 && now - at <= HALT_DRILL_DAYS_MAX * DAY_MS, sentence };
  }
}

function countOutcomes(acts: readonly LabelledAct[]): Readonly<Record<Outcome, number>> {
  const counts = { needed: 0, healed: 0, wrong: 0, blocked: 0 };
  for (const outcome of OUTCOMES) counts[outcome] = acts.filter((act) => act.outcome === outcome).length;
  return counts;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
