import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { layout, matchers, metric, T0, windowsOf } from './fixture.ts';

const COLUMNS = 1000;
const STEP_MS = 1000;
/** Between two looks for full lanes, and before each piece of sealing. */
const ROUND_MS = 500;
const PAUSE_MS = 20;
const wide = layout(...Array.from({ length: COLUMNS }, (_, i) => metric(`wide_${i}`, 'x=1')));
/** With a few columns more, which its ring gets when the row comes. */
const wider = layout(...wide.series, ...Array.from({ length: 20 }, (_, i) => metric(`late_${i}`, 'x=1')));
const valueAt = (row: number, col: number): number => ((row * 7919 + col * 104_729) % 1009) / 3;

let folder = '';
let clock = new ManualClock(T0);
const open: SampleStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-store-'));
  clock = new ManualClock(T0);
});

afterEach(() => {
  for (const store of open.splice(0)) store.close();
  rmSync(folder, { recursive: true });
});

function opened(path = join(folder, 'samples.db')): SampleStore {
  const options = { path, clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000 };
  const store = openSampleStore({ ...options, flushIntervalMs: ROUND_MS });
  open.push(store);
  return store;
}

function append(store: SampleStore, row: number, series = wide): void {
  const values = new Float64Array(series.series.length);
  for (let col = 0; col < values.length; col++) values[col] = valueAt(row, col);
  store.writer.target('wide').append(T0 + row * STEP_MS, series, values);
}

function expectRows(store: SampleStore, rows: number): void {
  for (const col of [0, 1, 500, COLUMNS - 1]) {
    const seen = windowsOf(store.reader.select(matchers(`__name__=wide_${col}`), 0, T0 * 2), 0, T0 * 2);
    const points = Array.from({ length: rows }, (_, row): [number, number] => [T0 + row * STEP_MS, valueAt(row, col)]);
    expect(seen).toEqual({ [`wide_${col}{x="1"}`]: points });
  }
}

/** After so many rows the lane is sealed before the next one. */
function rowsUntilDue(): number {
  const store = opened(':memory:');
  let rows = 0;
  while (store.stats().sealedBlocks === 0) append(store, rows++);
  return rows - 1;
}

describe('a wide lane that is full', () => {
  it('is sealed in pieces before its next row, and shows its block when all of it is there', async () => {
    const due = rowsUntilDue();
    const store = opened();
    store.start();
    for (let row = 0; row < due; row++) append(store, row);
    await clock.advance(ROUND_MS + PAUSE_MS);
    expect(store.stats().sealedBlocks).toBe(0);
    expectRows(store, due);
    await clock.advance(10 * PAUSE_MS);
    expect(store.stats().sealedBlocks).toBe(1);
    expectRows(store, due);
    for (let row = due; row < 190; row++) {
      append(store, row, wider);
      await clock.advance(STEP_MS);
    }
    expect(store.stats().sealedBlocks).toBe(2);
    expectRows(store, 190);
    store.flush();
    // As if it had been killed now.
    expectRows(opened(), 190);
  });

  it.each([0, 1])('whose next row comes after %i of two pieces is sealed whole then', async (pieces) => {
    const due = rowsUntilDue();
    const store = opened();
    store.start();
    for (let row = 0; row < due; row++) append(store, row);
    if (pieces > 0) await clock.advance(ROUND_MS + PAUSE_MS);
    expect(store.stats().sealedBlocks).toBe(0);
    // Its ring is widened meanwhile.
    append(store, due, wider);
    expect(store.stats().sealedBlocks).toBe(1);
    append(store, due + 1, wider);
    store.flush();
    expectRows(store, due + 2);
    expectRows(opened(), due + 2);
  });

  it('may be sealed by a flush, an end or a silence while it is encoded', async () => {
    const due = rowsUntilDue();
    const store = opened();
    store.start();
    for (let row = 0; row < due; row++) append(store, row);
    await clock.advance(ROUND_MS + PAUSE_MS);
    store.flush();
    store.writer.removeTarget('wide');
    expectRows(store, due);
    await clock.advance(ROUND_MS);
    append(store, due);
    store.flush();
    expectRows(opened(), due + 1);
  });
});
