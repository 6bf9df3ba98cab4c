import { join, resolve } from 'node:path';
import { createBackfillPort } from '../app/backfill-port.ts';
import { silentLogger } from '../core/log.ts';
import { silentMeter } from '../core/meter.ts';
import type { BackfillPort } from '../http/prometheus-ports.ts';
import { openSampleStore } from '../store/sample-store.ts';
import { acquireLock } from '../store/state/lock.ts';
import type { CliContext } from './context.ts';

/** The history of a data folder on which no Belfry runs, for one piece of work. Rejects with `STORE_LOCKED` where one does. */
export async function withFolder<T>(
  folder: string,
  retentionMs: number,
  context: CliContext,
  work: (port: BackfillPort) => Promise<T>,
): Promise<T> {
  const path = resolve(context.workingFolder, folder);
  const release = acquireLock(join(path, 'belfry.lock'));
  try {
    const samples = openSampleStore({
      path: join(path, 'samples.db'),
      clock: context.clock,
      log: silentLogger,
      meter: silentMeter,
      retentionMs,
    });
    try {
      return await work(createBackfillPort(samples, async () => new Map(), context.clock));
    } finally {
      samples.close();
    }
  } finally {
    release();
  }
}
