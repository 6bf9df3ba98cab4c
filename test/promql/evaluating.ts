import { formatFloat } from '../../src/core/number-format.ts';
import type { EvalOptions } from '../../src/promql/exec.ts';
import type { ParseOptions } from '../../src/promql/parse.ts';
import { prepare } from '../../src/promql/prepare.ts';
import { parseDuration } from '../../src/core/duration.ts';
import type { Querier } from '../../src/promql/querier.ts';
import type { MatrixValue, Value } from '../../src/promql/value.ts';

/** A value as text, one line an element: `up{job="api"} 1`; numbers to 12 digits, so that rounding does not show. */
export function show(value: Value): readonly string[] {
  switch (value.type) {
    case 'scalar':
      return [shortNumber(value.value)];
    case 'string':
      return [JSON.stringify(value.value)];
    case 'vector':
      return Array.from({ length: value.n }, (_, i) => `${value.labels(i).toString()} ${shortNumber(value.values[i] ?? 0)}`);
    case 'matrix':
      return showMatrix(value);
  }
}

/** One line a series: `up 1@60 2@120`, times in seconds. */
export function showMatrix({ series }: MatrixValue): readonly string[] {
  return series.map(({ labels, timestamps, values }) => {
    const points = Array.from(values, (value, i) => `${shortNumber(value)}@${(timestamps[i] ?? 0) / 1000}`);
    return [labels.toString(), ...points].join(' ');
  });
}

function shortNumber(value: number): string {
  return Number.isFinite(value) ? formatFloat(Number(value.toPrecision(12))) : formatFloat(value);
}

const EXPERIMENTS: ParseOptions = { experimentalFunctions: true, durationExpressions: true };

/** Evaluates at a time given as a duration since 0. */
export function evalAt(querier: Querier, at: string, text: string, options?: EvalOptions, enabled = EXPERIMENTS): readonly string[] {
  return show(prepare(text, enabled).instant(querier, parseDuration(at), options));
}

/** The same, elements in the order of their text, for expressions whose order does not matter. */
export function evalSorted(querier: Querier, at: string, text: string, enabled = EXPERIMENTS): readonly string[] {
  return evalAt(querier, at, text, undefined, enabled).toSorted();
}

/** What it shows, or the text of its refusal. */
export async function shownOrRefused(run: () => Promise<readonly string[]>): Promise<readonly string[] | string> {
  try {
    return await run();
  } catch (error) {
    return String(error);
  }
}
