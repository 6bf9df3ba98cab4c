import type { Mode, ScaleState } from '../../core/autopilot.ts';
import type { PilotClusterRow } from '../../core/autopilot-state.ts';
import type { ClusterPicture } from '../picture.ts';
import { membersOf } from './limits.ts';
import { memoryOf } from './memory.ts';
import type { ScaleAction } from './types.ts';

/** What `GET …/clusters/{name}/desired` says: numbers of brokers. */
export interface Desired {
  readonly desired: number;
  readonly current: number;
  readonly state: ScaleState;
}

/**
 * The target that was leased last, for whoever sizes a cluster by reading it (KEDA, an operator). More than there are
 * only while growing is allowed; fewer only while a broker that was seen to be drained waits to be removed. In all
 * other cases the current count: a broker that is down counts, or its place would be given away. Undefined where not
 * even that is known.
 */
export function desiredOf(
  row: PilotClusterRow | undefined,
  picture: ClusterPicture | undefined,
  { halted, modes }: { readonly halted: boolean; readonly modes: Readonly<Record<ScaleAction, Mode>> },
): Desired | undefined {
  if (picture === undefined || picture.clusterIdChanged) return undefined;
  const state = row?.state ?? 'steady';
  const current = membersOf(picture, row === undefined ? -1 : memoryOf(row.memory).removed).length;
  if (current === 0) return undefined;
  const asIs = { desired: current, current, state };
  if (row === undefined || row.desired === 0 || halted || picture.blind !== undefined) return asIs;
  const action = row.desired > current ? 'scale_out' : 'scale_in';
  if (modes[action] === 'off' || modes[action] === 'observe') return asIs;
  if (row.desired < current && state !== 'scaling_in') return asIs;
  return { ...asIs, desired: row.desired };
}
