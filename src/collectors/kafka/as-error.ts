import { BelfryError } from '../../core/errors.ts';

/** What was thrown, as an error that can be thrown again. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new BelfryError('INTERNAL', 'something was thrown that is no error', { cause: thrown });
}
