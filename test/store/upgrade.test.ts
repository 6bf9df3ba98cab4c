import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { layout, matchers, metric, T0, windowsOf } from './fixture.ts';

/** What a process with a store of version 1 and rings of 16 rows left behind: blocks, and a log of the rows after them. Three more it had not flushed. */
const FILE = join(import.meta.dirname, 'samples-1.db.zst');
const ROWS = 76;
const STEP_MS = 5000;

const SERIES = layout(...['steady', 'counter', 'gauge', 'random', 'comes_and_goes'].map((name) => metric(name, 'job=old')));
const SIDE = metric('side', 'job=old');
const valuesAt = (row: number): Float64Array => Float64Array.of(7, row * row, 20 + (row % 5) / 10, ((row * 7919) % 1009) / 3, row % 10);
const isAbsent = (row: number): boolean => row % 10 < 5;

let folder = '';
let path = '';
let store: SampleStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-store-'));
  path = join(folder, 'samples.db');
  writeFileSync(path, zstdDecompressSync(readFileSync(FILE)));
  store = opened();
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

function opened(): SampleStore {
  const clock = new ManualClock(T0 + ROWS * STEP_MS);
  return openSampleStore({ path, clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000, limits: { rows: 16 } });
}

function append(from: number, to: number): void {
  for (let row = from; row < to; row++) {
    const ts = T0 + row * STEP_MS;
    store.writer.target('rows').append(ts, SERIES, valuesAt(row), Uint8Array.of(0, 0, 0, 0, isAbsent(row) ? 1 : 0));
    store.writer.target('points').appendAt(ts + (row % 3), SIDE, row / 4);
  }
}

/** Of rows `from` … `to` - 1. */
function expected(from: number, to: number): Record<string, [number, number][]> {
  const rows = Array.from({ length: to - from }, (_, i) => from + i);
  const column = (i: number): [number, number][] => rows.map((row) => [T0 + row * STEP_MS, valuesAt(row)[i]!]);
  return {
    'steady{job="old"}': column(0),
    'counter{job="old"}': column(1),
    'gauge{job="old"}': column(2),
    'random{job="old"}': column(3),
    'comes_and_goes{job="old"}': rows.filter((row) => !isAbsent(row)).map((row) => [T0 + row * STEP_MS, row % 10]),
    'side{job="old"}': rows.map((row) => [T0 + row * STEP_MS + (row % 3), row / 4]),
  };
}

/** From row `from` on. */
function seen(from: number): Record<string, [number, number][]> {
  const fromTs = T0 + from * STEP_MS - 1;
  return windowsOf(store.reader.select(matchers('job=old'), fromTs, 2 * T0), fromTs, 2 * T0);
}

function inFile<Row>(sql: string): Row[] {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare(sql).all() as Row[];
  } finally {
    db.close();
  }
}

describe('a file of version 1', () => {
  it('has blocks and a log', () => {
    expect(inFile<{ n: number }>('SELECT count(*) AS n FROM blocks')[0]!.n).toBeGreaterThan(3);
    expect(inFile<{ n: number }>('SELECT count(*) AS n FROM log')[0]!.n).toBeGreaterThan(1);
  });

  it('is read whole', () => {
    expect(seen(0)).toEqual(expected(0, ROWS));
  });

  it('goes on with blocks of version 2 beside those it has, and windows across the two', () => {
    const before = inFile<{ id: number }>('SELECT id FROM blocks').length;
    append(ROWS, 3 * ROWS);
    store.flush();
    for (const from of [0, ROWS - 5, ROWS, ROWS + 1, 2 * ROWS]) expect(seen(from)).toEqual(expected(from, 3 * ROWS));
    const killed = store;
    // Killed, and begun again: what was flushed is all there.
    store = opened();
    expect(seen(0)).toEqual(expected(0, 3 * ROWS));
    expect(inFile('SELECT id FROM blocks').length).toBeGreaterThan(before + 3);
    killed.close();
  });

  it('is of version 2 from then on, which a program that does not know the new blocks refuses', () => {
    expect(inFile('PRAGMA user_version')).toEqual([{ user_version: 2 }]);
  });
});
