import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger, type Logger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore, type SampleStore, type SampleStoreOptions } from '../../src/store/sample-store.ts';
import { instantOf, layout, matchers, metric, T0, windowsOf } from './fixture.ts';

const A = metric('a', 'x=1');
const B = metric('b', 'x=1');
const ALL = matchers('x=1');
const PAIR = layout(A, B);

let folder = '';
let path = '';
let clock = new ManualClock(T0);
const open: SampleStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-store-'));
  path = join(folder, 'samples.db');
  clock = new ManualClock(T0);
});

afterEach(() => {
  for (const store of open.splice(0)) store.close();
  rmSync(folder, { recursive: true });
});

function openStore(options: Partial<SampleStoreOptions> = {}): SampleStore {
  const store = openSampleStore({ path, clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000, ...options });
  open.push(store);
  return store;
}

/** Appends rows 0 … n-1 of A and B, one a second, numbered on from `from`. */
function fill(store: SampleStore, from: number, to: number): void {
  const values = new Float64Array(2);
  for (let i = from; i < to; i++) {
    values[0] = i;
    values[1] = i / 8;
    store.writer.target('t').append(T0 + i * 1000, PAIR, values);
  }
}

const expected = (from: number, to: number): Record<string, [number, number][]> => ({
  'a{x="1"}': Array.from({ length: to - from }, (_, i) => [T0 + (from + i) * 1000, from + i]),
  'b{x="1"}': Array.from({ length: to - from }, (_, i) => [T0 + (from + i) * 1000, (from + i) / 8]),
});

const everything = (store: SampleStore): Record<string, [number, number][]> => windowsOf(store.reader.select(ALL, 0, T0 * 2), 0, T0 * 2);

/** As if the process had been killed: another store is opened on what the file has now. */
function reopened(options: Partial<SampleStoreOptions> = {}): SampleStore {
  const store = openStore(options);
  return store;
}

describe('history', () => {
  it.each([
    ['in raw rows', 50],
    ['in sealed blocks and raw rows', 500],
  ])('%s is read as one', (_, rows) => {
    const store = openStore();
    fill(store, 0, rows);
    expect(everything(store)).toEqual(expected(0, rows));
    expect(instantOf(store.reader.select(ALL, 0, T0 + 10_500), T0 + 10_500)).toEqual({ 'a{x="1"}': 10, 'b{x="1"}': 1.25 });
  });

  it.each([50, 120, 121, 500])('of %i rows is there after a restart, and goes on', (rows) => {
    fill(openStore(), 0, rows);
    open[0]!.close();
    const store = reopened();
    expect(everything(store)).toEqual(expected(0, rows));
    fill(store, rows, rows + 200);
    expect(everything(store)).toEqual(expected(0, rows + 200));
    store.close();
    expect(everything(reopened())).toEqual(expected(0, rows + 200));
  });

  it('that was flushed is there without a close; what came after is not', () => {
    const store = openStore();
    for (let i = 0; i < 300; i += 7) {
      fill(store, i, i + 7);
      store.flush();
    }
    fill(store, 301, 304);
    expect(everything(reopened())).toEqual(expected(0, 301));
  });

  it('of a series that ended before the restart has ended after it', () => {
    const store = openStore();
    fill(store, 0, 3);
    store.writer.target('t').append(T0 + 3000, layout(A), Float64Array.of(9));
    store.close();
    expect(instantOf(reopened().reader.select(ALL, 0, T0 + 3000), T0 + 3000)).toEqual({ 'a{x="1"}': 9 });
  });

  it('of targets that are gone for good can be ended after it', () => {
    const before = openStore();
    fill(before, 0, 3);
    before.writer.target('u').append(T0 + 2000, layout(metric('c', 'x=1')), Float64Array.of(5));
    before.flush();
    const store = reopened();
    store.endTargets((id) => id === 't', T0 + 2001);
    expect(instantOf(store.reader.select(ALL, 0, T0 + 2001), T0 + 2001)).toEqual({ 'c{x="1"}': 5 });
    expect(everything(store)).toMatchObject(expected(0, 3));
  });

  it('keeps NaN, infinities, negative zero and own timestamps through blocks, log and file', () => {
    const values = [NaN, Infinity, -Infinity, -0, 0.1, 1e300, 2 ** 60, 5e-324];
    const store = openStore();
    const want: [number, number][] = [];
    for (let i = 0; i < 400; i++) {
      const value = values[i % values.length]!;
      want.push([T0 + i * 1000, value]);
      store.writer.target('t').append(T0 + i * 1000, layout(A), Float64Array.of(value));
      store.writer.target('t').appendAt(T0 + i * 1000, B, value);
      if (i % 50 === 0) store.flush();
    }
    expect(everything(store)).toEqual({ 'a{x="1"}': want, 'b{x="1"}': want });
    store.close();
    expect(everything(reopened())).toEqual({ 'a{x="1"}': want, 'b{x="1"}': want });
  });

  it('of a removed target stays', () => {
    const store = openStore();
    fill(store, 0, 30);
    store.writer.target('t').markStale(T0 + 30_000);
    store.writer.removeTarget('t');
    expect(everything(store)).toEqual(expected(0, 30));
    expect(instantOf(store.reader.select(ALL, T0, T0 + 31_000), T0 + 31_000)).toEqual({});
    fill(store, 31, 40);
    const both = expected(0, 40);
    for (const points of Object.values(both)) points.splice(30, 1);
    expect(everything(store)).toEqual(both);
    store.close();
    expect(everything(reopened())).toEqual(both);
  });
});

describe('samples with a time of their own', () => {
  it('are refused when they are older than what blocks have of the series', () => {
    const store = openStore();
    const write = (to: SampleStore, i: number): void => to.writer.target('t').appendAt(T0 + i * 1000, A, i);
    for (let i = 0; i < 300; i++) write(store, i);
    store.writer.removeTarget('t');
    const refused = expect.objectContaining({ code: 'STORE_OUT_OF_ORDER' });
    expect(() => write(store, 298)).toThrow(refused);
    store.close();
    const again = reopened();
    expect(() => write(again, 200)).toThrow(refused);
    write(again, 300);
    expect(everything(again)['a{x="1"}']).toHaveLength(301);
  });
});

describe('the file', () => {
  it('keeps no log rows that blocks have made superfluous', () => {
    const store = openStore();
    for (let i = 0; i < 1000; i += 5) {
      fill(store, i, i + 5);
      store.flush();
    }
    const db = new Database(path, { readonly: true });
    expect(db.prepare('SELECT count(*) AS n FROM log').get()).toEqual({ n: expect.any(Number) });
    expect((db.prepare('SELECT count(*) AS n FROM log').get() as { n: number }).n).toBeLessThanOrEqual(24);
    db.close();
  });

  it('is set aside when it is no database, under a name that says so', () => {
    writeFileSync(path, 'this is no database, but long enough to be looked at as one'.repeat(100));
    const events: string[] = [];
    const log: Logger = { ...silentLogger, error: (event) => void events.push(event) };
    const store = openStore({ log });
    fill(store, 0, 5);
    expect(store.flush()).toBe(true);
    expect(events).toEqual(['store_file_set_aside']);
    expect(readdirSync(folder).filter((name) => name.includes('.aside-'))).toHaveLength(1);
  });

  it('of a later version is refused', () => {
    openStore().close();
    const db = new Database(path);
    db.pragma('user_version = 99');
    db.close();
    expect(() => openStore()).toThrow(expect.objectContaining({ code: 'STORE_NEWER' }));
  });

  it('that cannot be written costs nothing but durability, and is told once', () => {
    const events: string[] = [];
    const note = (event: string): void => void events.push(event);
    const store = openStore({ log: { ...silentLogger, error: note, info: note }, limits: { rows: 20 } });
    fill(store, 0, 10);
    store.flush();
    const other = new Database(path);
    other.exec("CREATE TRIGGER full BEFORE INSERT ON blocks BEGIN SELECT RAISE(FAIL, 'disk full'); END");
    fill(store, 10, 50);
    expect([store.flush(), store.flush()]).toEqual([false, false]);
    expect(everything(store)).toEqual(expected(0, 50));
    other.exec('DROP TRIGGER full');
    other.close();
    expect(store.flush()).toBe(true);
    expect(events).toEqual(['store_write_failed', 'store_write_recovered']);
    expect(everything(reopened())).toEqual(expected(0, 50));
  });

  it('with a damaged log row keeps its blocks', () => {
    const store = openStore();
    fill(store, 0, 130);
    store.flush();
    fill(store, 130, 140);
    store.close();
    const db = new Database(path);
    db.exec("UPDATE log SET bytes = x'00112233'");
    db.close();
    const kept = everything(reopened())['a{x="1"}'] ?? [];
    expect(kept.length).toBeGreaterThanOrEqual(60);
    expect(kept).toEqual(expected(0, kept.length)['a{x="1"}']);
  });
});

it('a log row that has gone from between two others costs what came after it, and makes no other numbers', () => {
  const store = openStore();
  for (let i = 0; i < 40; i += 4) {
    fill(store, i, i + 4);
    store.flush();
  }
  const db = new Database(path);
  const ids = db.prepare('SELECT id FROM log ORDER BY id').pluck().all() as number[];
  db.prepare('DELETE FROM log WHERE id = ?').run(ids[5]);
  db.close();
  expect(everything(reopened())).toEqual(expected(0, 20));
});

describe('time', () => {
  it('does not let a slow target hold the log of a fast one', async () => {
    const store = openStore();
    store.start();
    const slow = metric('slow', 'x=1');
    const want: [number, number][] = [];
    for (let i = 0; i < 5000; i++) {
      fill(store, i, i + 1);
      if (i % 60 === 0) {
        store.writer.target('slow').append(T0 + i * 1000, layout(slow), Float64Array.of(i));
        store.writer.target('side').appendAt(T0 + i * 1000, metric('own', 'x=1'), i);
        want.push([T0 + i * 1000, i]);
      }
      await clock.advance(1000);
    }
    const db = new Database(path, { readonly: true });
    expect((db.prepare('SELECT count(*) AS n FROM log').get() as { n: number }).n).toBeLessThanOrEqual(400);
    db.close();
    store.flush();
    const all = { ...expected(0, 5000), 'slow{x="1"}': want, 'own{x="1"}': want };
    expect(everything(reopened())).toEqual(all);
    store.close();
    expect(everything(reopened())).toEqual(all);
  });

  it('gives back the memory of a target that has been silent for an hour, and its history stays', async () => {
    const store = openStore();
    store.start();
    fill(store, 0, 100);
    await clock.advance(3 * 3_600_000);
    expect(store.stats()).toMatchObject({ ringBytes: 0, liveSeries: 0, series: 2 });
    expect(everything(store)).toEqual(expected(0, 100));
    fill(store, 10_800, 10_801);
    expect(instantOf(store.reader.select(ALL, T0, clock.now()), T0 + 10_800_000)).toEqual({ 'a{x="1"}': 10_800, 'b{x="1"}': 1350 });
  });

  it('lets a burst of new series reach the file in pieces', async () => {
    const store = openStore();
    store.start();
    const wide = layout(...Array.from({ length: 12_000 }, (_, i) => metric('wide', `i=${i}`, 'x=1')));
    store.writer.target('wide').append(T0, wide, new Float64Array(12_000));
    await clock.advance(11_000);
    expect(reopened().reader.select(ALL, 0, T0).n).toBe(12_000);
    expect(Object.keys(everything(open[1]!))).toHaveLength(12_000);
  });
});

describe('a periodic flush', () => {
  const targets = ['one', 'two', 'three'];
  const append = (store: SampleStore, ts: number): void => {
    for (const target of targets) store.writer.target(target).append(ts, layout(metric(target, 'x=1')), Float64Array.of(ts - T0));
  };
  const samplesOf = (store: SampleStore): Record<string, number> =>
    Object.fromEntries(Object.entries(everything(store)).map(([series, points]) => [series, points.length]));

  it('is written in pieces of some lanes; a process killed between two of them has lost nothing of an earlier flush', async () => {
    const store = openStore({ flushCells: 2 });
    store.start();
    append(store, T0);
    store.flush();
    append(store, T0 + 1);
    append(store, T0 + 2);
    await clock.advance(5000);
    // The first piece: a row is a cell here, and a lane counts as one, too.
    expect(samplesOf(reopened())).toEqual({ 'one{x="1"}': 3, 'two{x="1"}': 1, 'three{x="1"}': 1 });
    append(store, T0 + 3);
    await clock.advance(20);
    expect(samplesOf(reopened())).toEqual({ 'one{x="1"}': 3, 'two{x="1"}': 4, 'three{x="1"}': 1 });
    await clock.advance(20);
    expect(samplesOf(reopened())).toEqual({ 'one{x="1"}': 3, 'two{x="1"}': 4, 'three{x="1"}': 4 });
    await clock.advance(5000);
    expect(samplesOf(reopened())).toEqual({ 'one{x="1"}': 4, 'two{x="1"}': 4, 'three{x="1"}': 4 });
  });

  it('that is cut off by a close leaves nothing unwritten', async () => {
    const store = openStore({ flushCells: 2 });
    store.start();
    append(store, T0);
    await clock.advance(5000);
    append(store, T0 + 1);
    store.close();
    await clock.advance(60_000);
    expect(samplesOf(reopened())).toEqual({ 'one{x="1"}': 2, 'two{x="1"}': 2, 'three{x="1"}': 2 });
  });

  it('writes the names that came between two pieces before the rows that need them', async () => {
    const store = openStore({ flushCells: 2 });
    store.start();
    append(store, T0);
    await clock.advance(5000);
    const wide = layout(...Array.from({ length: 5000 }, (_, i) => metric('wide', `i=${i}`, 'x=1')));
    store.writer.target('wide').append(T0 + 1, wide, new Float64Array(5000));
    await clock.advance(2000);
    expect(Object.keys(everything(reopened()))).toHaveLength(5003);
  });
});

describe('retention', () => {
  it('deletes what is older than its time, and then the series', async () => {
    const store = openStore({ retentionMs: 3_600_000 });
    store.start();
    fill(store, 0, 300);
    store.writer.target('t').markStale(T0 + 300_000);
    await clock.advance(2 * 3_600_000);
    expect(everything(store)).toEqual({});
    expect(store.reader.seriesCount()).toBe(0);
    fill(store, 7200, 7210);
    expect(everything(store)).toEqual(expected(7200, 7210));
    store.close();
    expect(everything(reopened())).toEqual(expected(7200, 7210));
  });

  it('forgets series some hundreds at a time, in pieces between which others have their turn', async () => {
    const store = openStore({ retentionMs: 3_600_000 });
    const wide = layout(...Array.from({ length: 1100 }, (_, i) => metric('wide', `i=${i}`, 'x=1')));
    store.start();
    fill(store, 0, 300);
    store.writer.target('wide').append(T0, wide, new Float64Array(1100));
    store.writer.target('wide').markStale(T0 + 1000);
    await clock.advance(3_590_000);
    const counts = [store.reader.seriesCount()];
    while (clock.now() < T0 + 3 * 3_600_000 && counts.length < 5) {
      // A piece follows another after 20 ms.
      await clock.advance(counts.length > 1 ? 20 : 1000);
      const count = store.reader.seriesCount();
      if (count === counts.at(-1)) continue;
      counts.push(count);
      // Whoever ends in the middle finds the rest of them when it begins again.
      if (count === 602) expect(reopened().reader.seriesCount()).toBe(602);
    }
    // A few are not worth a piece of their own: they wait for an hour.
    expect(counts).toEqual([1102, 852, 602, 352, 102]);
    await clock.advance(3_700_000);
    expect(store.reader.seriesCount()).toBe(0);
  });

  it('gives the room of what it has deleted back to the file system', async () => {
    const free = (): number => {
      const database = new Database(path, { readonly: true });
      const count = Number(database.pragma('freelist_count', { simple: true }));
      database.close();
      return count;
    };
    const store = openStore({ limits: { sealedBytes: 0 } });
    const wide = layout(...Array.from({ length: 200 }, (_, i) => metric('wide', `i=${i}`, 'x=1')));
    let seed = 1;
    for (let i = 0; i < 2000; i++) {
      const values = Float64Array.from({ length: 200 }, () => (seed = (seed * 16_807) % 2_147_483_647));
      store.writer.target('t').append(T0 + i * 1000, wide, values);
    }
    store.close();
    await clock.advance(3_600_000);
    const shorter = openStore({ retentionMs: 600_000 });
    shorter.start();
    await clock.advance(120_000);
    expect(shorter.stats().fileBytes).toBeLessThan(200_000);
    expect(free()).toBeLessThan(20);
  });

  it('deletes the oldest blocks when there are too many bytes', async () => {
    const store = openStore({ retentionBytes: 300_000, limits: { sealedBytes: 0 } });
    const wide = layout(...Array.from({ length: 200 }, (_, i) => metric('wide', `i=${i}`, 'x=1')));
    store.start();
    let seed = 1;
    for (let i = 0; i < 1000; i++) {
      const values = Float64Array.from({ length: 200 }, () => (seed = (seed * 16_807) % 2_147_483_647));
      store.writer.target('t').append(T0 + i * 1000, wide, values);
      if (i % 5 === 0) await clock.advance(5000);
    }
    await clock.advance(60_000);
    const { fileBytes, minTs } = store.stats();
    expect(fileBytes).toBeLessThan(700_000);
    expect(fileBytes).toBeGreaterThan(200_000);
    expect(minTs).toBeGreaterThan(T0);
    const points = Object.values(everything(store));
    expect(points).toHaveLength(200);
    expect(points[0]!.at(-1)![0]).toBe(T0 + 999_000);
  });
});
