import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger, type Logger } from '../../src/core/log.ts';
import { PrometheusMeter } from '../../src/telemetry/prometheus-meter.ts';
import { openSampleStore, type SampleStore, type SampleStoreOptions } from '../../src/store/sample-store.ts';
import { layout, matchers, metric, T0, windowsOf } from '../store/fixture.ts';

const PAIR = layout(metric('a', 'x=1'), metric('b', 'x=1'));

let folder = '';
let path = '';
let clock = new ManualClock(T0);
let meter = new PrometheusMeter();
let events: { event: string; fields: Record<string, unknown> }[] = [];
const open: SampleStore[] = [];
const note = (event: string, fields: Record<string, unknown> = {}): void => void events.push({ event, fields });
const log: Logger = { ...silentLogger, error: note, warn: note, info: note };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-samples-'));
  path = join(folder, 'samples.db');
  clock = new ManualClock(T0 + 3_600_000);
  meter = new PrometheusMeter();
  events = [];
});

afterEach(() => {
  for (const store of open.splice(0)) store.close();
  rmSync(folder, { recursive: true });
});

function openStore(options: Partial<SampleStoreOptions> = {}): SampleStore {
  const store = openSampleStore({ path, clock, log, meter, retentionMs: 86_400_000, ...options });
  open.push(store);
  return store;
}

function fill(store: SampleStore, from: number, to: number): void {
  for (let i = from; i < to; i++) store.writer.target('t').append(T0 + i * 1000, PAIR, Float64Array.of(i, i / 8));
}

const all = (store: SampleStore): unknown => windowsOf(store.reader.select(matchers('x=1'), 0, T0 * 2), 0, T0 * 2)['a{x="1"}'];
const rows = (from: number, to: number): unknown => Array.from({ length: to - from }, (_, i) => [T0 + (from + i) * 1000, from + i]);
const aside = (): string[] => readdirSync(folder).filter((name) => /^samples\.db\.aside-[0-9T-]+Z$/.test(name));
const names = (): string[] => events.map(({ event }) => event);

async function gauge(name: string): Promise<string | undefined> {
  const { text } = await meter.page();
  return text
    .split('\n')
    .find((line) => line.startsWith(`${name} `))
    ?.split(' ')[1];
}

function overwrite(file: string, at: number, bytes: number): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.alloc(bytes, 0x5a), 0, bytes, at);
  closeSync(fd);
}

describe('a samples.db that is damaged', () => {
  /** A file of several pages, all of them in the file itself. */
  function makeFile(): void {
    const store = openStore({ limits: { rows: 20 } });
    fill(store, 0, 2000);
    store.close();
    const db = new Database(path);
    db.pragma('wal_checkpoint(TRUNCATE)');
    db.close();
    events = [];
  }

  it.each<[string, () => void]>([
    ['in its header', () => overwrite(path, 0, 100)],
    ['in its first page, behind the header', () => overwrite(path, 100, 3000)],
    ['in the pages of its names', () => overwrite(path, 8192, 8192 * 6)],
    ['by being cut in the middle', () => truncateSync(path, Math.floor(statSync(path).size / 2 / 8192) * 8192)],
    ['by being cut within a page', () => truncateSync(path, 8192 + 100)],
    ['by being another file', () => writeFileSync(path, '<html>not found</html>'.repeat(1000))],
  ])('%s is set aside under a name with the time, is told, and an empty one takes its place', async (_, damage) => {
    makeFile();
    damage();
    const store = openStore();
    expect(aside()).toEqual(['samples.db.aside-2023-11-14T231320000Z']);
    expect(names()).toContain('store_file_set_aside');
    expect(events.find(({ event }) => event === 'store_file_set_aside')?.fields['file']).toBe(join(folder, aside()[0] ?? ''));
    expect(await gauge('belfry_store_set_aside_timestamp_seconds')).toBe(String(clock.now() / 1000));
    fill(store, 3000, 3100);
    expect(store.flush()).toBe(true);
    store.close();
    expect(all(openStore())).toEqual(rows(3000, 3100));
  });

  it('in one block of its history has a hole there, and nothing else', () => {
    makeFile();
    const db = new Database(path);
    const ids = db.prepare('SELECT id FROM blocks ORDER BY id').pluck().all() as number[];
    db.prepare("UPDATE blocks SET bytes = x'00112233' WHERE id = ?").run(ids[3]);
    db.close();
    const points = all(openStore()) as unknown[];
    expect(points.length).toBeGreaterThan(1900);
    expect(aside()).toEqual([]);
  });

  it('in its write-ahead log loses at most what was in that', () => {
    const store = openStore();
    fill(store, 0, 100);
    store.flush();
    const db = new Database(path);
    db.pragma('wal_checkpoint(TRUNCATE)');
    fill(store, 100, 110);
    store.flush();
    // As a kill -9 leaves the files: copied while both are open.
    const files = ['samples.db', 'samples.db-wal'].map((name) => [name, readFileSync(join(folder, name))] as const);
    db.close();
    store.close();
    rmSync(path);
    for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
    overwrite(`${path}-wal`, 0, files[1]?.[1].length ?? 0);
    const again = openStore();
    expect(all(again)).toEqual(rows(0, 100));
    fill(again, 200, 210);
    expect(again.flush()).toBe(true);
  });

  it('while it runs is replaced by a new one that gets all that memory holds', async () => {
    const store = openStore({ limits: { rows: 20 } });
    fill(store, 0, 500);
    store.flush();
    fill(store, 500, 510);
    damageUnderneath();
    expect(store.flush()).toBe(false);
    expect([names(), aside().length]).toEqual([['store_write_failed', 'store_file_set_aside'], 1]);
    expect(all(store)).toEqual(rows(0, 510));
    expect(store.flush()).toBe(true);
    expect(names().at(-1)).toBe('store_write_recovered');
    fill(store, 510, 600);
    expect(store.flush()).toBe(true);
    store.close();
    expect(all(openStore())).toEqual(rows(0, 600));
    expect(Number(await gauge('belfry_store_set_aside_timestamp_seconds'))).toBe(clock.now() / 1000);
  });

  it('again and again is replaced once in ten minutes only, and the newest three are kept', async () => {
    for (let i = 0; i < 5; i++) {
      const store = openStore();
      fill(store, i * 100, i * 100 + 10);
      store.flush();
      damageUnderneath();
      fill(store, i * 100 + 10, i * 100 + 20);
      store.flush();
      store.flush();
      damageUnderneath();
      fill(store, i * 100 + 20, i * 100 + 30);
      expect([store.flush(), store.flush()]).toEqual([false, false]);
      store.close();
      rmSync(path);
      await clock.advance(1000);
    }
    expect(aside().toSorted()).toHaveLength(3);
    expect(aside().toSorted()[0]).toContain('231322000Z');
  });

  /** What another program that writes over the file does to one that is open: nothing in SQLite's cache hides it. */
  function damageUnderneath(): void {
    const other = new Database(path);
    other.exec("INSERT OR REPLACE INTO counters VALUES ('other', 1)");
    other.pragma('wal_checkpoint(TRUNCATE)');
    overwrite(path, 0, statSync(path).size);
    other.close();
  }
});

describe('a samples.db that cannot be opened', () => {
  it('leaves a store in memory that says so, within bounds, and all the same takes samples in', async () => {
    mkdirSync(path);
    const store = openStore();
    fill(store, 0, 100);
    store.start();
    await clock.advance(5000);
    expect(all(store)).toEqual(rows(0, 100));
    expect(await gauge('belfry_store_degraded')).toBe('1');
    expect(names()).toEqual(['store_open_failed', 'store_open_failed']);
    expect(existsSync(path)).toBe(true);
  });
});
