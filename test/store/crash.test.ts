import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger, type Logger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';
import { matchers, T0, windowsOf } from './fixture.ts';

const CHILD = fileURLToPath(new URL('./crash-child.ts', import.meta.url));
/** Rows that each life of the child acknowledges before it is killed: before, at and after blocks are sealed. */
const LIVES = [3, 16, 25, 61, 140];

/** Runs the child from row `first` until it has told that `rows` more are flushed, kills it, and returns the last row it told. */
function liveAndDie(path: string, first: number, rows: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, path, String(first)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (lastLine(text) >= first + rows) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', (_, signal) => (signal === 'SIGKILL' ? resolve(lastLine(text)) : reject(new Error(errors))));
  });
}

function lastLine(text: string): number {
  return Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1) || -1);
}

it('holds everything that was acknowledged when the process is killed, again and again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-crash-'));
  const path = join(folder, 'samples.db');
  try {
    let next = 0;
    const errors: string[] = [];
    const log: Logger = { ...silentLogger, error: (event, fields) => void errors.push(`${event} ${JSON.stringify(fields)}`) };
    for (const rows of LIVES) {
      const told = await liveAndDie(path, next, rows);
      const store = openSampleStore({ path, clock: new ManualClock(T0), log, meter: silentMeter, retentionMs: 1e12 });
      const found = windowsOf(store.reader.select(matchers('all=1'), 0, T0 * 2), 0, T0 * 2);
      store.close();
      expect(errors).toEqual([]);
      expect(Object.keys(found)).toHaveLength(15);
      for (const [series, points] of Object.entries(found)) {
        const target = Number(/t(\d)/.exec(series)?.[1]);
        expect(points.length).toBeGreaterThan(told);
        expect(points).toEqual(points.map((_, row) => [T0 + row * 1000, row * 10 + target]));
        next = Math.max(next, points.length);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
