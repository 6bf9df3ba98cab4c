import type { EvidenceSample, ScaleState } from '../../core/autopilot.ts';
import type { PilotClusterRow, PilotEvidenceRow } from '../../core/autopilot-state.ts';
import type { ClusterPicture } from '../picture.ts';
import { EMPTY_MEMORY, type ScaleMemory } from './memory.ts';
import type { ScaleAction, ScaleInput, ScaleOutcome, ScaleWant } from './types.ts';

/** One look at a cluster whose picture is whole. */
export interface Look {
  readonly input: ScaleInput;
  readonly picture: ClusterPicture;
  readonly row: PilotClusterRow;
  readonly memory: ScaleMemory;
  readonly now: number;
}

export function freshRow(cluster: string, now: number): PilotClusterRow {
  return {
    cluster,
    shard: cluster,
    state: 'steady',
    since: now,
    intentId: '',
    incidentId: '',
    desired: 0,
    drainingBroker: -1,
    lastScaleAt: 0,
    memory: { ...EMPTY_MEMORY },
  };
}

/** Evidence of an action; none while its mode is off. */
export function evidenceOf({ input }: Look, action: ScaleAction): readonly PilotEvidenceRow[] {
  return input.modes[action] === 'off' ? [] : input.evidence.filter((row) => row.action === action);
}

/** In the same state; the same row where nothing of it has changed. */
export function stays(look: Look, memory: ScaleMemory = look.memory, more: Partial<ScaleOutcome> = {}): ScaleOutcome {
  const row = memory === look.memory ? look.row : { ...look.row, memory: { ...memory } };
  return { row, edges: [], ...more };
}

type RowChanges = Partial<Omit<PilotClusterRow, 'memory' | 'state' | 'since'>>;

/** Into another state. */
export function moves(
  look: Look,
  to: ScaleState,
  text: string,
  changes: RowChanges & { readonly memory: ScaleMemory },
  more: Partial<ScaleOutcome> & { readonly samples?: readonly EvidenceSample[] } = {},
): ScaleOutcome {
  const { samples, ...rest } = more;
  const row: PilotClusterRow = { ...look.row, ...changes, memory: { ...changes.memory }, state: to, since: look.now };
  return { row, edges: [{ from: look.row.state, to, text, evidence: samples ?? [] }], ...rest };
}

/** Ends the act of the row: back to steady, or to a person. */
export function ends(
  look: Look,
  to: 'steady' | 'needs_human',
  text: string,
  changes: RowChanges & { readonly memory?: ScaleMemory },
  more: Partial<ScaleOutcome> = {},
): ScaleOutcome {
  const { memory = look.memory, ...columns } = changes;
  const cleared = {
    ...EMPTY_MEMORY,
    notBeforeOut: memory.notBeforeOut,
    notBeforeIn: memory.notBeforeIn,
    reached: memory.reached,
    warming: memory.warming,
    removed: memory.removed,
  };
  const drainingBroker = to === 'steady' ? -1 : look.row.drainingBroker;
  return moves(look, to, text, { intentId: '', incidentId: '', drainingBroker, ...columns, memory: cleared }, more);
}

/** The intent that a row in an act asks for. */
export function wantOf(row: PilotClusterRow, memory: ScaleMemory, reason: string, evidence: readonly EvidenceSample[]): ScaleWant {
  const inwards = row.drainingBroker >= 0;
  return {
    action: inwards ? 'scale_in' : 'scale_out',
    broker: inwards ? row.drainingBroker : undefined,
    desired: memory.target,
    current: memory.members.length,
    incidentId: row.incidentId,
    attempt: memory.attempt,
    reason,
    evidence,
  };
}

/** Says something once, until something else is said or the evidence has gone. */
export function noteOnce(look: Look, memory: ScaleMemory, key: string, text: string, loud = false): ScaleOutcome {
  if (memory.noted === key) return stays(look, memory);
  return stays(look, { ...memory, noted: key }, { note: { text, loud } });
}
