import { z } from 'zod';
import { type Action, ACTIONS } from '../../core/autopilot.ts';
import type { JournalRow, PilotStore } from '../../core/autopilot-state.ts';

/**
 * What became of an act, or of one that would have been done in mode observe. `needed`: the trouble did not go away by
 * itself. `healed`: it did, before the act could have helped. `wrong`: the act made it worse, or was aimed at a broker
 * with no trouble. `blocked`: a guard held it back to the end.
 */
export const OUTCOMES = ['needed', 'healed', 'wrong', 'blocked'] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** The `detail` of a journal line of kind `outcome`. */
export const outcomeSchema = z.object({
  intentId: z.string(),
  action: z.enum(ACTIONS),
  outcome: z.enum(OUTCOMES),
  /** From the first evidence to the end, milliseconds. */
  tookMs: z.number().default(0),
  /** Of `belfry autopilot drill`. */
  drill: z.boolean().default(false),
});

/** One act and what became of it. */
export interface LabelledAct {
  readonly at: number;
  readonly cluster: string;
  /** -1 where it was about no single broker. */
  readonly broker: number;
  readonly intentId: string;
  readonly action: Action;
  readonly outcome: Outcome;
  readonly tookMs: number;
  readonly drill: boolean;
  readonly text: string;
}

const PAGE_LINES = 1000;
/** A journal longer than this is read from its newest end only. */
const LINES_MAX = 100_000;

/** The labelled acts since a time, newest first. `truncated` where the journal is longer than what one reads at once. */
export function readOutcomes(
  store: Pick<PilotStore, 'journal'>,
  filter: { readonly cluster?: string | undefined; readonly since: number },
): { readonly acts: readonly LabelledAct[]; readonly truncated: boolean } {
  const acts = new Map<string, LabelledAct>();
  let before: number | undefined;
  for (let read = 0; read < LINES_MAX; read += PAGE_LINES) {
    const lines = store.journal({
      kind: 'outcome',
      since: filter.since,
      limit: PAGE_LINES,
      ...(filter.cluster === undefined ? {} : { cluster: filter.cluster }),
      ...(before === undefined ? {} : { before }),
    });
    for (const line of lines) {
      const act = actOf(line);
      // The newest word about an intent counts: an act that was needed may turn out to have been wrong.
      if (act !== undefined && !acts.has(act.intentId)) acts.set(act.intentId, act);
    }
    if (lines.length < PAGE_LINES) return { acts: [...acts.values()], truncated: false };
    before = lines.at(-1)?.seq;
  }
  return { acts: [...acts.values()], truncated: true };
}

function actOf({ kind, detail, at, shard, brokerId, text }: JournalRow): LabelledAct | undefined {
  if (kind !== 'outcome') return undefined;
  const parsed = outcomeSchema.safeParse(detail);
  return parsed.success ? { ...parsed.data, at, cluster: shard, broker: brokerId, text } : undefined;
}
