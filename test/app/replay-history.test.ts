import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import type { Labels } from '../../src/core/labels.ts';
import { Matcher } from '../../src/core/matcher.ts';
import { History } from '../../src/store/history.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { intervalsOf, LiveRun, metric, replayed, rulesOf, T0 } from './replay-harness.ts';

const MINUTE = 60_000;
const UP = metric('up', { cluster: 'dal' });
const LOAD = metric('load', { cluster: 'dal' });
const RULES = rulesOf('groups: [{name: g, interval: 30s, rules: [{alert: Down, expr: "up == 0", for: 2m}]}]');

let root = '';
beforeAll(async () => {
  root = await makeTempDir();
});
afterAll(() => removeTempDir(root));

/** `up` and `load` every minute; `up` is 0 and `load` counts minutes. */
async function lived(minutes: number, rows = 16): Promise<LiveRun> {
  const run = new LiveRun(await mkdtemp(join(root, 'lived-')), rulesOf('groups: []'), { rows, strictSlots: true });
  for (let minute = 1; minute <= minutes; minute++) {
    await run.clock.advance(MINUTE);
    run.row('node', [
      [UP, 1],
      [LOAD, minute],
    ]);
  }
  run.store.flush();
  return run;
}

function brought(labels: Labels, fromMinute: number, values: readonly number[]) {
  return { labels, ts: values.map((_, i) => T0 + (fromMinute + i) * MINUTE), values };
}

function times(n: number, value: number): readonly number[] {
  return Array.from({ length: n }, () => value);
}

describe('a replay over history that was brought in', () => {
  it('sees it at its own time, in whatever order it came, beside what Belfry has seen itself', async () => {
    const run = await lived(40);
    const fra = metric('up', { cluster: 'fra' });
    const { backfill } = run.store;
    // The later half first; one series is known, the other one is not.
    await backfill.store([brought(UP, -300, [...times(20, 1), ...times(10, 0), ...times(10, 1)]), brought(fra, -320, times(50, 0))]);
    await backfill.store([brought(UP, -340, [...times(10, 0), ...times(30, 1)]), brought(LOAD, -400, times(80, 3))]);
    run.close();
    const result = await replayed({ samplesPath: run.samplesPath, ruleSet: RULES });
    expect([result.start, result.holes]).toEqual([new Date(T0 - 400 * MINUTE).toISOString(), 0]);
    const minutes = intervalsOf(result).map((interval) => {
      const [, labels = '', from, to, why] = /^(.*) (\d+) (\d+) (\w*)$/.exec(interval) ?? [];
      // The slots of a group come at a whole time of its own within half a minute.
      return `${/cluster="(\w+)"/.exec(labels)?.[1]} ${Math.floor((Number(from) - T0) / MINUTE)} ${Math.floor((Number(to) - T0) / MINUTE)} ${why}`;
    });
    expect(minutes).toEqual(['dal -338 -330 recovered', 'dal -278 -270 recovered', expect.stringMatching(/^fra -318 -26\d /)]);
  });
});

describe('the history of a replay', () => {
  const select = (history: History, name: string, ts: number, reachMs: number) =>
    history.select([new Matcher('__name__', '=', name)], ts - reachMs, ts);

  function valueOf(history: History, name: string, ts: number): number | undefined {
    const out = { values: new Float64Array(1), timestamps: new Float64Array(1), present: new Uint8Array(1) };
    select(history, name, ts, 5 * MINUTE).instant(ts, 5 * MINUTE, out);
    return out.present[0] === 1 ? out.values[0] : undefined;
  }

  /** The bytes of all windows, of rules that reach back so far, once half of the history has gone by. */
  function bytesOf(samplesPath: string, rehearsedAt: number, ...reachesMs: readonly number[]): number {
    const history = new History(samplesPath);
    try {
      history.moveTo(rehearsedAt);
      for (const reachMs of reachesMs) select(history, 'load', rehearsedAt, reachMs);
      history.begin(T0, T0 + 400 * MINUTE);
      for (let minute = 1; minute <= 200; minute++) {
        const now = T0 + minute * MINUTE;
        history.moveTo(now);
        for (const reachMs of reachesMs) select(history, 'load', now, reachMs);
        expect(valueOf(history, 'load', now)).toBe(minute);
      }
      return history.budget.bytes;
    } finally {
      history.close();
    }
  }

  it('holds a series once, however many selectors see it, and no more for a long warm-up', async () => {
    const run = await lived(400);
    run.close();
    const alone = bytesOf(run.samplesPath, T0, 60 * MINUTE);
    expect(alone).toBeGreaterThan(0);
    expect(bytesOf(run.samplesPath, T0, 5 * MINUTE, 60 * MINUTE, 20 * MINUTE)).toBe(alone);
    expect(bytesOf(run.samplesPath, T0 + 390 * MINUTE, 60 * MINUTE)).toBe(alone);
  });

  it('has the newest samples of a series that nobody asked for when it was opened', async () => {
    const run = await lived(10, 120);
    const history = new History(run.samplesPath);
    const now = T0 + 10 * MINUTE;
    history.moveTo(now);
    select(history, 'up', now, 5 * MINUTE);
    history.begin(T0, now);
    history.moveTo(now);
    const inLog = history.budget.bytes;
    // What the log had is let go of by the live store meanwhile.
    for (let minute = 11; minute < 200; minute++) {
      await run.clock.advance(MINUTE);
      run.row('node', [[UP, 1]]);
    }
    run.store.flush();
    expect([valueOf(history, 'up', now), inLog]).toEqual([1, 10 * 8]);
    expect(valueOf(history, 'load', now)).toBe(10);
    history.close();
    run.close();
  });

  it('says how much of it retention took away while it was read', async () => {
    const run = await lived(200);
    run.close();
    const history = new History(run.samplesPath);
    history.moveTo(T0);
    select(history, 'load', T0, 5 * MINUTE);
    history.begin(T0, T0 + 200 * MINUTE);
    const other = new Database(run.samplesPath);
    const { changes } = other.prepare('DELETE FROM blocks WHERE max_ts < ?').run(T0 + 100 * MINUTE);
    other.close();
    history.moveTo(T0 + 50 * MINUTE);
    expect(valueOf(history, 'load', T0 + 50 * MINUTE)).toBeUndefined();
    history.moveTo(T0 + 150 * MINUTE);
    expect(valueOf(history, 'load', T0 + 150 * MINUTE)).toBe(150);
    expect([changes > 0, history.holes]).toEqual([true, changes]);
    history.close();
  });

  it.each<[what: string, damage: (path: string) => void, code: string, text: RegExp]>([
    [
      'a file of a later version',
      (path) => {
        const file = new Database(path);
        file.pragma('user_version = 99');
        file.close();
      },
      'STORE_NEWER',
      /version 99/,
    ],
    ['something else', (path) => writeFileSync(path, 'x'.repeat(10_000)), 'BAD_REQUEST', /is no samples file of Belfry's/],
    [
      'another database',
      (path) => {
        const file = new Database(path);
        file.exec('DROP TABLE blocks');
        file.close();
      },
      'BAD_REQUEST',
      /is no samples file of Belfry's/,
    ],
    ['a file without samples', (path) => emptied(path), 'BAD_REQUEST', /there are no samples yet/],
  ])('refuses %s', async (_, damage, code, text) => {
    const run = await lived(2);
    run.close();
    damage(run.samplesPath);
    const refused = expect(replayed({ samplesPath: run.samplesPath, ruleSet: RULES })).rejects;
    await refused.toMatchObject({ code, message: expect.stringMatching(text) });
  });
});

function emptied(path: string): void {
  const file = new Database(path);
  file.exec('DELETE FROM blocks; DELETE FROM log');
  file.close();
}
