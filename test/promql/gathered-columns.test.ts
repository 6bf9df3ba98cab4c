import { describe, expect, it } from '@jest/globals';
import { GatheredColumns } from '../../src/promql/gathered-columns.ts';
import { RunBuffer } from '../../src/promql/querier.ts';

const COLUMNS = 4;
/** Rows of a store by number; a cell tells its row and column. */
const CELLS = Float64Array.from({ length: 1000 * COLUMNS }, (_, i) => i);

/** The rows first … first + rows - 1 of such a store. */
function rowsOf(first: number, rows: number, source = 1): RunBuffer {
  const run = new RunBuffer();
  run.firstRow = first;
  run.rows = rows;
  run.source = source;
  run.cells = CELLS;
  run.all = { offsets: Int32Array.from({ length: rows }, (_, i) => (first + i) * COLUMNS), timestamps: new Float64Array(rows) };
  return run;
}

function read(kept: GatheredColumns, run: RunBuffer, col: number): readonly number[] {
  const into = new Float64Array(run.rows);
  expect(kept.read(run, 0, col, into)).toBe(true);
  return [...into];
}

function cellsOf(run: RunBuffer, col: number): readonly number[] {
  return Array.from({ length: run.rows }, (_, i) => (run.firstRow + i) * COLUMNS + col);
}

describe('windows that are kept from one evaluation to the next', () => {
  const moves: readonly (readonly [what: string, first: number, rows: number, source?: number, col?: number])[] = [
    ['goes on by a row', 11, 20],
    ['goes on by more rows than fit in without moving what is left', 29, 20],
    ['gets longer', 10, 25],
    ['gets shorter at its beginning', 15, 15],
    ['gets shorter at its end', 10, 12],
    ['goes back', 3, 20],
    ['has nothing of the rows before', 500, 20],
    ['is of another ring', 11, 20, 2],
    ['is of another column', 11, 20, 1, 3],
  ];

  it.each(moves)('has the cells of a window that %s', (_, first, rows, source = 1, col = 2) => {
    const kept = new GatheredColumns();
    kept.open(1, 30);
    read(kept, rowsOf(10, 20), 2);
    const next = rowsOf(first, rows, source);
    expect(read(kept, next, col)).toEqual(cellsOf(next, col));
    kept.drop();
  });

  it('has them after hundreds of evaluations', () => {
    const kept = new GatheredColumns();
    kept.open(1, 21);
    for (let first = 0; first < 900; first += 1 + (first % 3)) {
      const run = rowsOf(first, 19 + (first % 2));
      expect(read(kept, run, 1)).toEqual(cellsOf(run, 1));
    }
    kept.drop();
  });

  it('reads only the rows that have come since', () => {
    const kept = new GatheredColumns();
    kept.open(1, 20);
    read(kept, rowsOf(10, 20), 2);
    const next = rowsOf(11, 20);
    next.cells = CELLS.map((cell, i) => (Math.floor(i / COLUMNS) < 30 ? Number.NaN : cell));
    expect(read(kept, next, 2)).toEqual(cellsOf(next, 2));
    kept.drop();
  });

  it('says of a column with a NaN that it is to be read another way, as long as the NaN is in the window', () => {
    const kept = new GatheredColumns();
    kept.open(1, 20);
    const shown = [10, 11, 12].map((first) => {
      const run = rowsOf(first, 20);
      run.cells = CELLS.map((cell, i) => (Math.floor(i / COLUMNS) === 11 ? Number.NaN : cell));
      return kept.read(run, 0, 2, new Float64Array(20));
    });
    expect(shown).toEqual([false, false, true]);
    kept.drop();
  });

  it('keeps no window of few rows, none that is too large, and not more than so many cells in all', () => {
    const windows = Array.from({ length: 12 }, () => new GatheredColumns());
    expect([windows[0]!.open(1000, 7), windows[0]!.open(10_000, 100), windows[0]!.open(1000, 100)]).toEqual([false, false, true]);
    for (const window of windows) window.open(1000, 100);
    expect(windows.map((window) => window.hasRoom(100))).toEqual(windows.map((_, i) => i >= 12 - 7));
    for (const window of windows) window.drop();
  });
});
