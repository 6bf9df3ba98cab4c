// Appends rows for ever, flushes now and then, and tells on standard output what has been flushed, until it is killed.
import { SystemClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';

const [path = '', first = '0'] = process.argv.slice(2);
const store = openSampleStore({
  path,
  clock: new SystemClock(),
  log: silentLogger,
  meter: silentMeter,
  retentionMs: 1e12,
  limits: { rows: 20 },
});
const targets = ['t0', 't1', 't2'].map((id) => ({
  writer: store.writer.target(id),
  layout: { series: Array.from({ length: 5 }, (_, i) => Labels.of({ __name__: `m${i}`, target: id, all: '1' })) },
}));
const values = new Float64Array(5);
for (let row = Number(first); ; row++) {
  for (const [i, { writer, layout }] of targets.entries()) {
    values.fill(row * 10 + i);
    writer.append(1_700_000_000_000 + row * 1000, layout, values);
  }
  if (row % 3 !== 0) continue;
  if (!store.flush()) throw new Error('not flushed');
  process.stdout.write(`${row}\n`);
  await new Promise((resolve) => setImmediate(resolve));
}
