import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import Database from 'better-sqlite3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { HistoryFile } from '../../src/store/history-file.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { SymbolTable } from '../../src/store/symbols.ts';
import { layout, metric, T0 } from './fixture.ts';

let folder = '';
let path = '';
let store: SampleStore;
let file: HistoryFile;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-history-'));
  path = join(folder, 'samples.db');
  const clock = new ManualClock(T0);
  store = openSampleStore({ path, clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000 });
  append(T0, 'a', 'x=1');
  file = new HistoryFile(path, () => undefined);
});

afterEach(() => {
  jest.restoreAllMocks();
  file.close();
  store.close();
  rmSync(folder, { recursive: true });
});

/** One sample of a series, at once in the file. */
function append(ts: number, name: string, label: string): void {
  store.writer.target('t').append(ts, layout(metric(name, label)), Float64Array.of(1));
  store.flush();
}

describe('the file of a Belfry that runs', () => {
  it('has its names as of one moment, though some are written while they are read', () => {
    jest.spyOn(SymbolTable.prototype, 'restore').mockImplementationOnce(function meanwhile(this: SymbolTable, symbol, text) {
      append(T0 + 1, 'b', 'x=2');
      this.restore(symbol, text);
    });
    const { series, lanes } = file.names();
    expect([series.find(metric('a', 'x=1')), series.find(metric('b', 'x=2'))]).toEqual([0, -1]);
    expect([...lanes.keys()]).toEqual([0]);
    expect(file.names().series.find(metric('b', 'x=2'))).toBe(1);
  });

  it('counts a record that cannot be read once, however often the log is played', () => {
    const db = new Database(path);
    db.exec("UPDATE log SET bytes = x'00112233'");
    db.close();
    const { log } = file.contents(0, T0, () => true);
    for (const id of [0, 1, 2])
      file.tailsOf(
        log,
        () => true,
        (series) => series === id,
      );
    expect(file.holes).toBe(1);
  });
});
