// Goes on with the plan of a seed, flushes now and then, and tells on standard output what has been flushed, until it is killed.
import { ManualClock } from '../../src/core/clock.ts';
import { errorText } from '../../src/core/errors.ts';
import type { Layout } from '../../src/core/sample.ts';
import { Matcher } from '../../src/core/matcher.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';
import { LIMITS, Plan, RETENTION_MS, ROW_MS, T0, TARGETS } from './kill-plan.ts';

const [path = '', seed = '0', told = '0'] = process.argv.slice(2);
const plan = new Plan(Number(seed));
const tell = (text: string): void => void process.stdout.write(`${text}\n`);
const trouble = (event: string, fields: object = {}): void => {
  // What was written after the last row that was told is ahead of the clock that begins with that row.
  if (event !== 'store_ahead_of_clock') tell(`trouble ${event} ${JSON.stringify(fields)}`);
};

const clock = new ManualClock(T0 + Number(told) * ROW_MS);
tell('opens');
const store = openSampleStore({
  path,
  clock,
  log: { ...silentLogger, error: trouble, warn: trouble },
  meter: silentMeter,
  retentionMs: RETENTION_MS,
  flushCells: 300,
  limits: LIMITS,
});
const first = Math.max(0, Math.floor(((store.stats().maxTs ?? T0 - ROW_MS) - T0) / ROW_MS) + 1);
await clock.advance(T0 + first * ROW_MS - clock.now());
tell(`from ${first}`);
store.start();
const layouts = TARGETS.map((): Map<string, { layout: Layout; columns: readonly number[] }> => new Map());

function layoutOf(target: number, row: number): { readonly layout: Layout; readonly columns: readonly number[] } {
  const { series } = TARGETS[target]!;
  const columns = series.flatMap((_, i) => (plan.has(target, i, row) ? [i] : []));
  const key = columns.join();
  let known = layouts[target]!.get(key);
  if (known === undefined) layouts[target]!.set(key, (known = { layout: { series: columns.map((i) => series[i]!) }, columns }));
  return known;
}

function appendRow(target: number, row: number): void {
  const { id, kind, series } = TARGETS[target]!;
  const writer = store.writer.target(id);
  if (kind === 'points') {
    for (const [i, labels] of series.entries())
      for (const ts of plan.points(i, row)) writer.appendAt(ts, labels, plan.value(target, i, row));
    return;
  }
  const { layout, columns } = layoutOf(target, row);
  const values = Float64Array.from(columns, (i) => plan.value(target, i, row));
  const absent = kind === 'gappy' ? Uint8Array.from(columns, (i) => (plan.isAbsent(target, i, row) ? 1 : 0)) : undefined;
  writer.append(plan.ts(target, row), layout, values, absent);
}

const all = [new Matcher('all', '=', '1')];
try {
  for (let row = first; ; row++) {
    for (const [target, { id }] of TARGETS.entries()) {
      const turn = plan.turn(target, row);
      if (turn === 'append') appendRow(target, row);
      else if (turn !== 'nothing') store.writer.target(id).markStale(plan.ts(target, row));
      if (turn === 'remove') store.writer.removeTarget(id);
    }
    tell(`row ${row}`);
    // Rounds of the store's own are due every five rows; each goes in pieces.
    await clock.advance(ROW_MS);
    // Blocks are read back meanwhile.
    if (row % 50 === 0) store.reader.select(all, 0, 2 * T0);
    if (!plan.flushes(row)) continue;
    if (!store.flush()) trouble('not flushed');
    tell(`safe ${row}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
} catch (error) {
  trouble('thrown', { error: errorText(error) });
}
