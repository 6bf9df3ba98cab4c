import { ListValue, MapValue } from './value.ts';
import type { Value } from './value.ts';

// What parts of a template may take at worst, in units of some 50 ns. Counted and not measured: the same template over the
// same data always ends alike.

/** A command, or a turn of a loop. */
export const COMMAND_WORK = 25;

/** What it takes to look at a value once. */
export function workOf(value: Value): number {
  if (typeof value === 'string') return value.length >> 2;
  if (value instanceof ListValue) return value.items.length * 4;
  return value instanceof MapValue ? value.entries.size * 4 : 0;
}

/** What it takes to print values: of a list every item, and of a text every character that may have to be escaped. */
export function printWork(values: readonly Value[]): number {
  let work = 0;
  for (const value of values) {
    if (typeof value === 'string') work += value.length;
    else if (value instanceof ListValue) work += value.items.length * 60;
    else if (value instanceof MapValue) work += value.entries.size * 20;
  }
  return work;
}
