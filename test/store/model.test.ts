import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { BelfryError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { instantOf, layout, matchers, metric, T0, windowsOf } from './fixture.ts';

const SERIES = Array.from({ length: 12 }, (_, i) => metric(`m${i}`, 'all=1'));
const ALL = matchers('all=1');
const STEP_MS = 1000;

/** What every store should answer, in the plainest way: per series a list of samples and endings. */
class Model {
  readonly #points = new Map<string, { ts: number; value: number | 'stale' }[]>();
  readonly #targets = new Map<string, { lastTs: number; present: Set<string>; own: Set<string> }>();

  target(id: string): { lastTs: number; present: Set<string>; own: Set<string> } {
    let target = this.#targets.get(id);
    if (target === undefined) this.#targets.set(id, (target = { lastTs: -Infinity, present: new Set(), own: new Set() }));
    return target;
  }

  forget(id: string): void {
    this.#targets.delete(id);
  }

  lastOf(series: string): number {
    return this.#points.get(series)?.at(-1)?.ts ?? -Infinity;
  }

  add(series: string, ts: number, value: number | 'stale'): void {
    const points = this.#points.get(series) ?? [];
    this.#points.set(series, points);
    points.push({ ts, value });
  }

  windows(fromTs: number, toTs: number): Record<string, [number, number][]> {
    const found: Record<string, [number, number][]> = {};
    for (const [series, points] of this.#points) {
      const inside: [number, number][] = [];
      for (const { ts, value } of points) if (ts > fromTs && ts <= toTs && value !== 'stale') inside.push([ts, value]);
      if (inside.length > 0) found[series] = inside;
    }
    return found;
  }

  instant(at: number, lookbackMs: number): Record<string, number> {
    const found: Record<string, number> = {};
    for (const [series, points] of this.#points) {
      const newest = points.findLast(({ ts }) => ts <= at);
      if (newest !== undefined && newest.ts > at - lookbackMs && newest.value !== 'stale') found[series] = newest.value;
    }
    return found;
  }
}

type Step =
  | { kind: 'rows'; target: number; series: number[]; absent: number; count: number }
  | { kind: 'own'; target: number; series: number; count: number }
  | { kind: 'stale' | 'remove'; target: number }
  | { kind: 'flush' | 'reopen' | 'kill' | 'wait' };

/** Series 0-4 belong to target 0, 5-8 and one of the first to target 1; 10 and 11 carry their own timestamps. */
const SHARED = 2;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('rows' as const),
      target: fc.nat(1),
      series: fc.shuffledSubarray([0, 1, 2, 3, 4]),
      absent: fc.nat(31),
      count: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('own' as const),
      target: fc.nat(1),
      series: fc.nat(0),
      count: fc.integer({ min: 1, max: 70 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('stale' as const, 'remove' as const), target: fc.nat(1) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('flush' as const, 'reopen' as const, 'kill' as const, 'wait' as const) }) },
);

class Pair {
  store: SampleStore;
  readonly model = new Model();
  readonly clock = new ManualClock(T0);
  #path: string;
  #seed = 7;

  constructor(path: string) {
    this.#path = path;
    this.store = this.#open();
  }

  get now(): number {
    return this.clock.now();
  }

  async apply(step: Step): Promise<void> {
    await this.clock.advance(STEP_MS);
    if (step.kind === 'rows') await this.#rows(step.target, step.series, step.absent, step.count);
    else if (step.kind === 'own') await this.#own(step.target, step.count);
    else if (step.kind === 'stale' || step.kind === 'remove') this.#end(step.target, step.kind === 'remove');
    else if (step.kind === 'flush') expect(this.store.flush()).toBe(true);
    else if (step.kind === 'kill') this.#kill();
    else if (step.kind === 'wait') await this.clock.advance(400 * STEP_MS);
    else {
      this.store.close();
      this.store = this.#open();
    }
  }

  check(at: number, spanMs: number): void {
    const select = (minTs: number): ReturnType<SampleStore['reader']['select']> => this.store.reader.select(ALL, minTs, at);
    expect(windowsOf(select(at - spanMs), at - spanMs, at)).toEqual(this.model.windows(at - spanMs, at));
    expect(instantOf(select(at - 60_000), at, 60_000)).toEqual(this.model.instant(at, 60_000));
  }

  /** Goes on with the file as it is right after a flush, as a process killed then would have left it. */
  #kill(): void {
    expect(this.store.flush()).toBe(true);
    const left = this.#path;
    this.#path = `${left}x`;
    for (const part of ['', '-wal']) copyFileSync(left + part, this.#path + part);
    this.store.close();
    this.store = this.#open();
  }

  #open(): SampleStore {
    const limits = { rows: 24, sealedBytes: 600, cacheBytes: 4000 };
    const plain = { path: this.#path, clock: this.clock, log: silentLogger, meter: silentMeter, retentionMs: 1e12 };
    // Every lane is a piece of its own, and most are written between two steps.
    const store = openSampleStore({ ...plain, limits, flushIntervalMs: 7777, flushCells: 1 });
    store.start();
    return store;
  }

  async #rows(target: number, wanted: readonly number[], absent: number, count: number): Promise<void> {
    const series = wanted.map((i) => SERIES[target === 1 && i === 4 ? SHARED : 5 * target + i]!);
    const row = layout(...series);
    for (let n = 0; n < count; n++) {
      await this.clock.advance(STEP_MS);
      const missing = Uint8Array.from(series, (_, i) => (absent >> ((i + n) % 5)) & 1);
      const values = Float64Array.from(series, () => this.#value());
      this.store.writer.target(`t${target}`).append(this.now, row, values, missing);
      const state = this.model.target(`t${target}`);
      const present = new Set<string>();
      for (const [i, one] of series.entries()) {
        if (missing[i] === 1) continue;
        present.add(one.toString());
        this.model.add(one.toString(), this.now, values[i]!);
      }
      for (const gone of state.present) if (!present.has(gone)) this.model.add(gone, this.now, 'stale');
      state.present = present;
      state.lastTs = this.now;
    }
  }

  async #own(target: number, count: number): Promise<void> {
    const series = SERIES[10 + target]!;
    for (let n = 0; n < count; n++) {
      await this.clock.advance(STEP_MS);
      const value = this.#value();
      this.store.writer.target(`t${target}`).appendAt(this.now, series, value);
      this.model.add(series.toString(), this.now, value);
      this.model.target(`t${target}`).own.add(series.toString());
    }
  }

  #end(target: number, remove: boolean): void {
    this.store.writer.target(`t${target}`).markStale(this.now);
    const state = this.model.target(`t${target}`);
    for (const series of [...state.present, ...state.own]) this.model.add(series, this.now, 'stale');
    state.present.clear();
    state.own.clear();
    if (remove) this.store.writer.removeTarget(`t${target}`);
  }

  /** Walks, repeats, fractions and things that are hardly numbers. */
  #value(): number {
    this.#seed = (this.#seed * 16_807) % 2_147_483_647;
    const kind = this.#seed % 11;
    if (kind === 0) return [NaN, Infinity, -0, 1e-300][this.#seed % 4]!;
    if (kind < 4) return this.#seed / 1000;
    return kind < 8 ? Math.floor(this.#seed / 1e6) : 42;
  }
}

it('answers as a plain list of samples would, whatever is written, flushed and reopened', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { minLength: 2, maxLength: 2 }),
      async (steps, looks) => {
        const folder = mkdtempSync(join(tmpdir(), 'belfry-model-'));
        const pair = new Pair(join(folder, 'samples.db'));
        try {
          for (const one of steps) {
            await pair.apply(one);
            pair.check(pair.now, 60_000);
          }
          pair.check(pair.now, pair.now);
          for (const [at, span] of looks) {
            const total = pair.now - T0 + 1;
            pair.check(T0 + Math.floor((at / 1000) * total), Math.floor((span / 1000) * total) + 1);
          }
        } finally {
          pair.store.close();
          rmSync(folder, { recursive: true });
        }
      },
    ),
    { numRuns: 60, interruptAfterTimeLimit: 12_000 },
  );
});

it('refuses with a Belfry error and leaves the samples alone when rows come out of order', () => {
  const store = openSampleStore({ path: ':memory:', clock: new ManualClock(T0), log: silentLogger, meter: silentMeter, retentionMs: 1e9 });
  const one = layout(SERIES[0]!);
  store.writer.target('t').append(T0, one, Float64Array.of(1));
  expect(() => store.writer.target('t').append(T0 - 5, one, Float64Array.of(2))).toThrow(BelfryError);
  expect(windowsOf(store.reader.select(ALL, 0, T0), 0, T0)).toEqual({ 'm0{all="1"}': [[T0, 1]] });
  store.close();
});
