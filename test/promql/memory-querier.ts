import { Labels } from '../../src/core/labels.ts';
import { matchesAll, type Matcher } from '../../src/core/matcher.ts';
import { parseFloatText } from '../../src/core/number-format.ts';
import { parse } from '../../src/promql/parse.ts';
import { parseDuration } from '../../src/core/duration.ts';
import type { InstantColumns, MarkedBuffer, PointBuffer, Querier, Selection } from '../../src/promql/querier.ts';

/** One series in memory; a staleness marker is a point whose value is `stale`. */
export interface MemorySeries {
  readonly labels: Labels;
  readonly points: readonly { readonly ts: number; readonly value: number | 'stale' }[];
}

/** A store for tests: series in the order they were added, counting how often it is asked. */
export class MemoryQuerier implements Querier {
  readonly series: MemorySeries[] = [];
  selects = 0;

  select(matchers: readonly Matcher[]): Selection {
    this.selects++;
    return new MemorySelection(this.series.filter(({ labels }) => matchesAll(matchers, labels)));
  }
}

class MemorySelection implements Selection {
  readonly #series: readonly MemorySeries[];

  constructor(series: readonly MemorySeries[]) {
    this.#series = series;
  }

  get n(): number {
    return this.#series.length;
  }

  labels(index: number): Labels {
    return this.#series[index]?.labels ?? Labels.empty;
  }

  instant(ts: number, lookbackMs: number, out: InstantColumns): void {
    for (const [index, { points }] of this.#series.entries()) {
      const newest = points[firstAfter(points, ts) - 1];
      const found = newest !== undefined && newest.ts > ts - lookbackMs && newest.value !== 'stale';
      out.present[index] = found ? 1 : 0;
      out.values[index] = found ? Number(newest.value) : 0;
      out.timestamps[index] = found ? newest.ts : 0;
    }
  }

  window(index: number, fromTs: number, toTs: number, into: PointBuffer): number {
    const points = this.#series[index]?.points ?? [];
    let count = 0;
    for (let i = firstAfter(points, fromTs); i < points.length; i++) {
      const { ts = 0, value = 0 } = points[i] ?? {};
      if (ts > toTs) break;
      if (value === 'stale') continue;
      into.reserve(count + 1);
      into.timestamps[count] = ts;
      into.values[count] = value;
      count++;
    }
    return count;
  }

  history(index: number, fromTs: number, toTs: number, into: MarkedBuffer): number {
    const points = this.#series[index]?.points ?? [];
    let count = 0;
    for (let i = firstAfter(points, fromTs); i < points.length; i++) {
      const { ts = 0, value = 0 } = points[i] ?? {};
      if (ts > toTs) break;
      into.reserve(count + 1);
      into.timestamps[count] = ts;
      into.values[count] = value === 'stale' ? NaN : value;
      into.stale[count++] = value === 'stale' ? 1 : 0;
    }
    return count;
  }
}

/** The index of the first point after a time. */
function firstAfter(points: MemorySeries['points'], ts: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle]?.ts ?? 0) <= ts) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Loads series in promqltest's notation:
 *
 *     load 5m
 *       http_requests{job="api"} 0+10x100 _ _x3 stale 7 1e3 Inf NaN 5x4 3-1x2
 */
export function load(text: string): MemoryQuerier {
  const querier = new MemoryQuerier();
  let stepMs = 60_000;
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const step = /^load (\S+)$/.exec(trimmed)?.[1];
    if (step !== undefined) {
      stepMs = parseDuration(step);
      continue;
    }
    const { metric, values } = splitLine(trimmed);
    const points = expand(values).flatMap((value, index) => (value === undefined ? [] : [{ ts: index * stepMs, value }]));
    querier.series.push({ labels: labelsOf(metric), points });
  }
  return querier;
}

/** The labels that a series is written with: `up{job="api"}`. */
export function labelsOf(metric: string): Labels {
  if (metric === '{}') return Labels.empty;
  const expr = parse(metric);
  if (expr.kind !== 'selector') throw new Error(`not a series: ${metric}`);
  return Labels.of(expr.matchers.map(({ name, value }): [string, string] => [name, value]));
}

function splitLine(line: string): { metric: string; values: string } {
  const match = /^((?:[a-zA-Z_:][\w:]*)?(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?)\s+(.*)$/.exec(line);
  if (match === null) throw new Error(`not a series line: ${line}`);
  return { metric: match[1] ?? '', values: match[2] ?? '' };
}

/** The values of a sequence; undefined is a gap. */
export function expand(text: string): readonly (number | 'stale' | undefined)[] {
  const out: (number | 'stale' | undefined)[] = [];
  for (const item of text.trim().split(/\s+/)) {
    const gap = /^_(?:x(\d+))?$/.exec(item);
    if (gap !== null) {
      for (let i = 0; i < Number(gap[1] ?? 1); i++) out.push(undefined);
      continue;
    }
    if (item === 'stale') {
      out.push('stale');
      continue;
    }
    const times = /^(.+?)x(\d+)$/.exec(item);
    const [, base = item, count = '0'] = times ?? [];
    const step = /^(.*[\dnfN.])([+-].*)$/.exec(base);
    const start = number(step?.[1] ?? base);
    const by = step === null ? 0 : number(step[2] ?? '0');
    for (let i = 0; i <= Number(count); i++) out.push(start + by * i);
  }
  return out;
}

function number(text: string): number {
  const value = parseFloatText(text);
  if (value === undefined) throw new Error(`not a number: ${text}`);
  return value;
}
