import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import type { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { Archives } from '../../src/store/archives.ts';
import { Backfill } from '../../src/store/backfill.ts';
import { BlockStore } from '../../src/store/block-store.ts';
import { Flusher } from '../../src/store/flusher.ts';
import { Head } from '../../src/store/head.ts';
import type { RunOut } from '../../src/store/reader-types.ts';
import { Reader } from '../../src/store/reader.ts';
import { SampleFile } from '../../src/store/sample-file.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { Buffers, layout, matchers, metric, T0 } from './fixture.ts';

const HOUR = 3_600_000;
const RETENTION = 48 * HOUR;

let folder = '';
let clock: ManualClock;
let store: SampleStore;

function open(): void {
  const options = { clock, log: silentLogger, meter: silentMeter, retentionMs: RETENTION, limits: { rows: 16 }, flushIntervalMs: 600_000 };
  store = openSampleStore({ path: join(folder, 'samples.db'), ...options });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-backfill-'));
  clock = new ManualClock(T0);
  open();
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** `value@minutes from now` of the series of that name between two times. */
function windowOf(name: string, fromTs = T0 - RETENTION, toTs = clock.now()): readonly string[] {
  const selection = store.reader.select(matchers(`__name__=${name}`), fromTs, toTs);
  return Array.from({ length: selection.n }, (_, i) => i).flatMap((i) => {
    const into = new Buffers();
    const n = selection.window(i, fromTs, toTs, into);
    return Array.from({ length: n }, (__, at) => `${into.values[at]}@${(into.timestamps[at]! - T0) / 60_000}`);
  });
}

function instantOf(name: string, ts: number): number | undefined {
  const selection = store.reader.select(matchers(`__name__=${name}`), ts - 300_000, ts);
  const out = { values: new Float64Array(selection.n), timestamps: new Float64Array(selection.n), present: new Uint8Array(selection.n) };
  selection.instant(ts, 300_000, out);
  return out.present[0] === 1 ? out.values[0] : undefined;
}

const brought = (labels: Labels, ...samples: readonly (readonly [minutes: number, value: number])[]) => ({
  labels,
  ts: samples.map(([minutes]) => T0 + minutes * 60_000),
  values: samples.map(([, value]) => value),
});

const [numbers, places] = [new Float64Array(0), new Int32Array(0)];
const RUN: RunOut = {
  from: 0,
  to: 0,
  rows: 0,
  firstAt: 0,
  lastAt: 0,
  firstTs: 0,
  lastTs: 0,
  all: { offsets: places, timestamps: numbers },
  cells: numbers,
  source: 0,
  columns: places,
  irregular: places,
  firstRow: 0,
};
const OLD = metric('old');
const NOTHING = { stored: 0, known: 0, conflicting: 0, tooOld: 0, tooNew: 0, overLimit: 0 };

describe('history that is brought in', () => {
  it('is found, at its time, in any order in which it came, and after a restart', async () => {
    const samples = [
      [-600, 1],
      [-720, Number.NaN],
      [-660, 0.5],
    ] as const;
    expect(await store.backfill.store([brought(OLD, ...samples)])).toEqual({ ...NOTHING, stored: 3 });
    const check = (): void => {
      expect(windowOf('old')).toEqual(['NaN@-720', '0.5@-660', '1@-600']);
      expect(windowOf('old', T0 - 11.5 * HOUR, T0 - 10.5 * HOUR)).toEqual(['0.5@-660']);
      expect([instantOf('old', T0 - 600 * 60_000 + 1000), instantOf('old', T0)]).toEqual([1, undefined]);
      expect(store.reader.series({ minTs: T0 - 13 * HOUR, maxTs: T0 - 11.9 * HOUR })).toEqual([OLD]);
      expect(store.reader.series({ minTs: T0 - HOUR })).toEqual([]);
    };
    check();
    store.close();
    open();
    check();
  });

  it('goes before what is collected, and what is there already stays', async () => {
    const target = store.writer.target('t');
    for (let i = -40; i <= 0; i++) target.append(T0 + i * 60_000, layout(OLD), Float64Array.of(i));
    const again = Array.from({ length: 41 }, (_, i) => [i - 40, i - 40] as const);
    expect(await store.backfill.store([brought(OLD, [-100, 7], [-50, 8], ...again)])).toEqual({ ...NOTHING, stored: 2, known: 41 });
    expect(await store.backfill.store([brought(OLD, [-100, 9], [-50, 8], [-45.5, 1])])).toEqual({
      ...NOTHING,
      stored: 1,
      known: 1,
      conflicting: 1,
    });
    const expected = ['7@-100', '8@-50', '1@-45.5', ...again.map(([minutes, value]) => `${value}@${minutes}`)];
    expect(windowOf('old')).toEqual(expected);
    expect(instantOf('old', T0 - 100 * 60_000)).toBe(7);
    expect(instantOf('old', T0)).toBe(0);
    await clock.advance(60_000);
    store.writer.target('t').append(T0 + 60_000, layout(OLD), Float64Array.of(1));
    expect(windowOf('old')).toEqual([...expected, '1@1']);
    expect(store.reader.series({ maxTs: T0 - 99 * 60_000 })).toEqual([OLD]);
    store.close();
    open();
    expect(windowOf('old')).toEqual([...expected, '1@1']);
  });

  it('is refused where it is older than the retention or not yet', async () => {
    const counts = await store.backfill.store([brought(OLD, [-48 * 60 - 1, 1], [-48 * 60 + 1, 2], [2, 3])]);
    expect(counts).toEqual({ ...NOTHING, stored: 1, tooOld: 1, tooNew: 1 });
  });

  it('goes with the retention, and nothing of it is left', async () => {
    store.start();
    await store.backfill.store([brought(OLD, [-60, 1])]);
    await clock.advance(RETENTION + 24 * HOUR);
    expect(windowOf('old', 0)).toEqual([]);
    expect(store.stats()).toMatchObject({ series: 0 });
    expect(store.reader.series()).toEqual([]);
  });

  it('is many blocks where it is much, and each is read alone', async () => {
    const series = Array.from({ length: 30 }, (_, n) => ({
      labels: metric('much', `n=${n}`),
      ts: Array.from({ length: 2800 }, (__, i) => T0 - 47 * HOUR + i * 60_000),
      values: Array.from({ length: 2800 }, (__, i) => i * n),
    }));
    expect(await store.backfill.store(series)).toEqual({ ...NOTHING, stored: 84_000 });
    expect(await store.backfill.store(series)).toEqual({ ...NOTHING, known: 84_000 });
    store.close();
    open();
    expect(windowOf('much')).toHaveLength(84_000);
    const points = new Buffers();
    const [one] = store.backfill.series({ matcherSets: [matchers('n=7')] });
    expect(store.backfill.read(one!.id, T0 - 47 * HOUR, T0 - 46 * HOUR, points)).toBe(60);
    expect(points.values[59]).toBe(60 * 7);
  });

  it('is kept under its series where that was forgotten while the samples were encoded', async () => {
    const limits = { seriesPerTarget: 10, series: 10, rows: 16, ringBytesPerTarget: 1e6, sealedBytes: 1e6, cacheBytes: 1e6 };
    const file = new SampleFile(':memory:');
    const blocks = new BlockStore(limits, file, silentLogger, (id) => head.lane(id));
    const head: Head = new Head(limits, blocks);
    const flusher = new Flusher(head, blocks, file);
    const reader = new Reader(head, blocks);
    const flush = (): boolean => {
      flusher.flush(T0);
      return true;
    };
    const backfill = new Backfill({ head, blocks, reader, isDurable: true, flush, cutoff: () => T0 - RETENTION, now: () => T0 });
    const bringing = backfill.store([brought(OLD, [-60, 1])]);
    head.expire([head.series.find(OLD)]);
    expect(await bringing).toEqual({ ...NOTHING, stored: 1 });
    const points = new Buffers();
    expect(backfill.read(head.series.find(OLD), 0, T0, points)).toBe(1);
    expect(reader.series({ matcherSets: [matchers('__name__=old')] })).toHaveLength(1);
    file.close();
  });

  it('is not said to be there while the file cannot be written, however often it is brought', async () => {
    const file = new Database(join(folder, 'samples.db'));
    file.exec("CREATE TRIGGER full BEFORE INSERT ON blocks BEGIN SELECT RAISE(ABORT, 'full'); END");
    for (let i = 0; i < 2; i++)
      await expect(store.backfill.store([brought(OLD, [-60, 1])])).rejects.toMatchObject({ code: 'STATE_NOT_DURABLE' });
    file.exec('DROP TRIGGER full');
    file.close();
    expect(await store.backfill.store([brought(OLD, [-60, 1])])).toEqual({ ...NOTHING, known: 1 });
    const killed = store;
    open();
    expect(windowOf('old')).toEqual(['1@-60']);
    killed.close();
  });

  it('is refused where there is no file, and not kept', async () => {
    store.close();
    rmSync(folder, { recursive: true });
    mkdirSync(join(folder, 'samples.db'), { recursive: true });
    open();
    await expect(store.backfill.store([brought(OLD, [-60, 1])])).rejects.toMatchObject({ code: 'STATE_NOT_DURABLE' });
    expect(windowOf('old')).toEqual([]);
  });

  it('slows down nobody who selects other series, whenever it is from', async () => {
    const live = metric('live');
    store.writer.target('t').append(T0 - 60_000, layout(live, OLD), Float64Array.of(1, 2));
    await store.backfill.store([brought(OLD, [-0.5, 9])]);
    const isInPlace = (name: string): boolean => {
      const selection = store.reader.select(matchers(`__name__=${name}`), T0 - 300_000, T0);
      selection.openRuns?.(T0 - 300_000, T0);
      return selection.readRun?.(0, { ...RUN }) === true;
    };
    expect([isInPlace('live'), isInPlace('old')]).toEqual([true, false]);
    expect([instantOf('live', T0), instantOf('old', T0), windowOf('old')]).toEqual([1, 9, ['2@-1', '9@-0.5']]);
  });

  it('is looked for only as far as what is left of it reaches', () => {
    const archives = new Archives();
    for (const [lane, maxTs] of [
      [1, 50],
      [2, 90],
      [3, 70],
    ] as const) {
      archives.add(7, lane);
      archives.reaches(lane, maxTs);
    }
    const reach = [2, 9, 3, 1].map((lane) => {
      archives.removeLane(lane);
      return [archives.maxTs, archives.of(7).length];
    });
    expect(reach).toEqual([
      [70, 2],
      [70, 2],
      [50, 1],
      [-Infinity, 0],
    ]);
  });

  it('is no news to those that send on what is collected', async () => {
    const reader = store.feed.open(undefined);
    await store.backfill.store([brought(OLD, [-60, 1])]);
    const told: number[] = [];
    for (const _ of reader.read(clock.now(), -Infinity, { sample: (_series, ts) => void told.push(ts) }));
    expect(told).toEqual([]);
  });
});
