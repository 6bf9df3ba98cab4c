import { act } from './act.ts';
import { unsettled } from './limits.ts';
import { ends, freshRow, type Look, stays } from './look.ts';
import { memoryOf } from './memory.ts';
import { drained, left } from './settled.ts';
import { steady } from './steady.ts';
import type { ScaleInput, ScaleOutcome } from './types.ts';

/**
 * The size of one cluster, one look at a time: from its row and what is seen now to its next row, and what is to be
 * asked, settled or told. Pure; whatever it must remember is in the row, so that a restart goes on where it was.
 * While the cluster cannot be seen nothing is concluded, not even that time has run out.
 */
export function advance(input: ScaleInput, now: number): ScaleOutcome {
  const row = input.row ?? freshRow(input.cluster, now);
  const { picture } = input;
  if (picture === undefined || picture.blind !== undefined || picture.clusterIdChanged) return { row, edges: [] };
  const look: Look = { input, picture, row, memory: memoryOf(row.memory), now };
  switch (row.state) {
    case 'steady':
      return steady(look);
    case 'scaling_out':
    case 'rebalancing':
    case 'draining':
    case 'scaling_in':
      return act(look);
    case 'needs_human':
      return waitsForPerson(look);
  }
}

/** Over when the removal was completed by hand, or when nothing calls for another size any more and nothing moves. */
function waitsForPerson(look: Look): ScaleOutcome {
  const { picture, row, input, memory } = look;
  const broker = row.drainingBroker;
  if (broker >= 0 && drained(picture, broker) && left(picture, broker)) {
    const changes = { memory: { ...memory, removed: broker } };
    return ends(look, 'steady', `broker ${broker} was drained and removed by hand`, changes, { forget: broker });
  }
  if (input.evidence.length > 0 || unsettled(picture, input.troubled, memory.removed) !== undefined) return stays(look);
  return ends(look, 'steady', 'nothing calls for another size any more', {});
}
