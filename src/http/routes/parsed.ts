import type { z } from 'zod';
import { BelfryError } from '../../core/errors.ts';

/** What stands in an address or a body, in its shape; throws `BAD_REQUEST` with every place where it has another one. */
export function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new BelfryError('BAD_REQUEST', problems.join('; '));
}
