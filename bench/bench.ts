import type { ParseArgsOptionsConfig } from 'node:util';

/** What a bench is given. */
export interface BenchContext {
  /** `--quick`: within a minute or so, with fewer samples. */
  readonly quick: boolean;
  /** The bench's own options, as given on the command line. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Says what goes on, on standard error. */
  progress(text: string): void;
  /** Aborted when the user wants the end: the round under way is the last one. */
  readonly signal: AbortSignal;
}

/** A table for people: a title, the names of its columns, its rows. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One figure of the last line. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export interface BenchReport {
  readonly tables: readonly Table[];
  /** What a reader must know to read the figures right: settings, misses, a peer that was not there. */
  readonly notes: readonly string[];
  readonly figures: readonly Figure[];
  /** Every sample and setting, for `bench/results/NAME.json`. */
  readonly results: Readonly<Record<string, unknown>>;
}

/** One bench of `npm run bench -- NAME`. */
export interface Bench {
  readonly name: string;
  /** One line, for the list. */
  readonly summary: string;
  /** What it does and its options, as `--help` shows them. */
  readonly help: string;
  /** Its options beside `--quick` and `--help`. */
  readonly options: ParseArgsOptionsConfig;
  run(context: BenchContext): Promise<BenchReport>;
}

/** What is wrong with the command line, in one line. */
export class BenchUsageError extends Error {
  override name = 'BenchUsageError';
}

/** The whole number that an option gives, or the default where it is not given. */
export function countOf(option: string, value: unknown, otherwise: number): number {
  if (typeof value !== 'string') return otherwise;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0 || value === '')
    throw new BenchUsageError(`${option} expects a whole number, not '${value}'`);
  return number;
}
