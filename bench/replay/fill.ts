import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';
import { fleetOf } from '../rules/fleet.ts';

/** What the process that writes the history is given. */
export interface FillConfig {
  readonly dir: string;
  readonly targets: number;
  readonly intervalMs: number;
  readonly rows: number;
}

export interface FillResult {
  readonly samples: number;
  readonly fileBytes: number;
  readonly cpuSeconds: number;
}

/** Rows between two flushes: what is sealed goes to the file, and the log stays small. */
const ROWS_A_FLUSH = 30;

/** A whole second of 2026, so that runs are the same. */
const START_TS = 1_790_000_000_000;

function fill({ dir, targets, intervalMs, rows }: FillConfig): FillResult {
  const clock = new ManualClock(START_TS);
  const store = openSampleStore({
    path: join(dir, 'samples.db'),
    clock,
    log: silentLogger,
    meter: silentMeter,
    retentionMs: 400 * 86_400_000,
  });
  const fleet = fleetOf(targets).map((target) => ({
    target,
    writer: store.writer.target(`jmx/${target.instance}`),
    layout: { series: target.labels() },
    values: new Float64Array(target.size),
  }));
  let samples = 0;
  for (let row = 0; row < rows; row++) {
    const ts = START_TS + row * intervalMs;
    for (const { target, writer, layout, values } of fleet) {
      target.values(ts, values);
      writer.append(ts, layout, values);
      samples += values.length;
    }
    if (row % ROWS_A_FLUSH === ROWS_A_FLUSH - 1) {
      store.flush();
      process.stderr.write(`${Math.round((100 * row) / rows)} %\n`);
    }
  }
  store.flush();
  const { fileBytes } = store.stats();
  store.close();
  const { user, system } = process.cpuUsage();
  return { samples, fileBytes, cpuSeconds: (user + system) / 1e6 };
}

process.stdout.write(JSON.stringify(fill(JSON.parse(process.argv[2] ?? '{}') as FillConfig)));
