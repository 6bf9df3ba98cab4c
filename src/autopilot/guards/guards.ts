import type { GuardVerdict } from '../../core/autopilot.ts';
import type { Guard, GuardContext } from './context.ts';
import { COPY_GUARDS } from './copies.ts';
import { PACE_GUARDS } from './pace.ts';
import { QUORUM_GUARDS } from './quorum.ts';
import { SIGHT_GUARDS } from './sight.ts';
import { SIZE_GUARDS } from './size.ts';
import { SWITCH_GUARDS } from './switches.ts';

/** Every guard, in the order in which they are told; the matrix of docs/guards.md, which a test compares with this list. */
export const GUARDS: readonly Guard[] = [
  ...SWITCH_GUARDS,
  ...SIGHT_GUARDS,
  ...PACE_GUARDS,
  ...COPY_GUARDS,
  ...QUORUM_GUARDS,
  ...SIZE_GUARDS,
];

/** What every guard that has a say in the action says, in the order of `GUARDS`. */
export function evaluateGuards(context: GuardContext): readonly GuardVerdict[] {
  return GUARDS.filter(({ actions }) => actions.includes(context.action)).map((guard) => ({
    guard: guard.name,
    ...guard.judge(context),
    ...(guard.approvable ? { approvable: true } : {}),
  }));
}

/**
 * The verdict that keeps the act from being done; undefined where none does. One that a person may override comes last,
 * and blocks only what is not `approved`: where it is the answer, an approval is all that is missing.
 */
export function blocking(verdicts: readonly GuardVerdict[], approved: boolean): GuardVerdict | undefined {
  const holding = verdicts.filter((verdict) => verdict.holds);
  const fixed = holding.find(({ approvable }) => approvable !== true);
  return fixed ?? (approved ? undefined : holding[0]);
}
