import { yieldToLoop } from '../../core/clock.ts';
import { BelfryError } from '../../core/errors.ts';

/** A turn of the others. Throws `PROMQL_CANCELED` where nobody waits for the answer any more. */
export async function turnOf(gone: AbortSignal): Promise<void> {
  await yieldToLoop();
  if (gone.aborted) throw new BelfryError('PROMQL_CANCELED', 'whoever asked has gone');
}
