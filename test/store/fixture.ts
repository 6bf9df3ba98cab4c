import { Labels } from '../../src/core/labels.ts';
import { Matcher, type MatchOp } from '../../src/core/matcher.ts';
import type { Layout } from '../../src/core/sample.ts';
import { Head, type StoreLimits } from '../../src/store/head.ts';
import type { Lane } from '../../src/store/lane.ts';
import type { PointOut, SeriesSelection } from '../../src/store/reader-types.ts';
import { Reader } from '../../src/store/reader.ts';
import { NO_POINTS } from '../../src/store/side-points.ts';

export const T0 = 1_700_000_000_000;

export const LIMITS: StoreLimits = {
  seriesPerTarget: 5000,
  series: 100_000,
  rows: 120,
  ringBytesPerTarget: 64 * 1024 * 1024,
  sealedBytes: 64 * 1024 * 1024,
  cacheBytes: 8 * 1024 * 1024,
};

/** A head that forgets what it seals. */
export function memoryHead(limits: Partial<StoreLimits> = {}): { head: Head; reader: Reader } {
  let lanes = 0;
  const head = new Head(
    { ...LIMITS, ...limits },
    {
      seal: (lane: Lane) => {
        if (lane.ring !== null) lane.ring.unsealed = lane.ring.next;
        for (const points of lane.side?.series ?? []) points.unsealed = points.next;
      },
      nextLaneId: () => lanes++,
      sealedEnd: () => NO_POINTS,
    },
  );
  return { head, reader: new Reader(head, { blocks: () => [] }) };
}

/** `metric('up', 'job=a', 'instance=b')`. */
export function metric(name: string, ...pairs: readonly string[]): Labels {
  return Labels.of([['__name__', name], ...pairs.map((pair): [string, string] => [pair.split('=')[0] ?? '', pair.split('=')[1] ?? ''])]);
}

export function layout(...series: readonly Labels[]): Layout {
  return { series };
}

/** `matchers('__name__=up', 'job=~a|b')`. */
export function matchers(...texts: readonly string[]): Matcher[] {
  return texts.map((text) => {
    const [, name = '', op = '=', value = ''] = /^(\w+)(=~|!~|!=|=)(.*)$/.exec(text) ?? [];
    return new Matcher(name, op as MatchOp, value);
  });
}

export class Buffers implements PointOut {
  timestamps = new Float64Array(4);
  values = new Float64Array(4);

  reserve(count: number): void {
    if (count <= this.values.length) return;
    const timestamps = new Float64Array(count);
    const values = new Float64Array(count);
    timestamps.set(this.timestamps);
    values.set(this.values);
    this.timestamps = timestamps;
    this.values = values;
  }
}

/** The answers of `instant` as text of labels → value, only those present. */
export function instantOf(selection: SeriesSelection, ts: number, lookbackMs = 300_000): Record<string, number> {
  const out = { values: new Float64Array(selection.n), timestamps: new Float64Array(selection.n), present: new Uint8Array(selection.n) };
  selection.instant(ts, lookbackMs, out);
  const found: Record<string, number> = {};
  for (let i = 0; i < selection.n; i++) if (out.present[i] === 1) found[selection.labels(i).toString()] = out.values[i]!;
  return found;
}

/** The answers of `window` as text of labels → [time, value] pairs, only those not empty. */
export function windowsOf(selection: SeriesSelection, fromTs: number, toTs: number): Record<string, [number, number][]> {
  const found: Record<string, [number, number][]> = {};
  const buffers = new Buffers();
  for (let i = 0; i < selection.n; i++) {
    const n = selection.window(i, fromTs, toTs, buffers);
    const points = Array.from({ length: n }, (_, at): [number, number] => [buffers.timestamps[at]!, buffers.values[at]!]);
    if (n > 0) found[selection.labels(i).toString()] = points;
  }
  return found;
}
