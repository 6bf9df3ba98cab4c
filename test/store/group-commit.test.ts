import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore, type SampleStore, type SampleStoreOptions } from '../../src/store/sample-store.ts';
import { layout, matchers, metric, T0, windowsOf } from './fixture.ts';

const A = metric('a', 'x=1');
const B = metric('b', 'x=1');
const SENT = new Set(['sent/1', 'sent/2']);

let folder = '';
let path = '';
let clock = new ManualClock(T0);
let store: SampleStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-commit-'));
  path = join(folder, 'samples.db');
  clock = new ManualClock(T0);
  store = openWith();
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

const openWith = (options: Partial<SampleStoreOptions> = {}): SampleStore =>
  openSampleStore({ path, clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000, ...options });

/** What a process finds that is started after this one has been killed now. */
function inFile(): Record<string, [number, number][]> {
  const other = openWith();
  try {
    return windowsOf(other.reader.select(matchers('x=1'), 0, T0 * 2), 0, T0 * 2);
  } finally {
    other.close();
  }
}

const logRows = (): number => {
  const file = new Database(path);
  try {
    return file.prepare<[], { n: number }>('SELECT count(*) AS n FROM log').get()!.n;
  } finally {
    file.close();
  }
};

/** How those who wait were answered, once they were. */
function told(...waiting: readonly Promise<void>[]): string[] {
  const answers = waiting.map(() => 'waits');
  for (const [i, one] of waiting.entries()) {
    one.then(
      () => (answers[i] = 'written'),
      (error: unknown) => (answers[i] = String(error)),
    );
  }
  return answers;
}

describe('who asks whether samples are in the file', () => {
  it('is answered at once when nothing was written just before, and then they are', async () => {
    store.writer.target('sent/1').appendAt(T0, A, 1);
    store.writer.target('sent/2').appendAt(T0, B, 2);
    const answers = told(store.committed(SENT));
    await clock.advance(0);
    expect(answers).toEqual(['written']);
    expect(inFile()).toEqual({ 'a{x="1"}': [[T0, 1]], 'b{x="1"}': [[T0, 2]] });
  });

  it('shares a write with those who come within 200 ms of the one before', async () => {
    const answers: string[][] = [];
    for (let i = 0; i < 10; i++) {
      store.writer.target('sent/1').appendAt(T0 + i, A, i);
      answers.push(told(store.committed(SENT)));
      await clock.advance(10);
    }
    expect(answers.flat()).toEqual(['written', ...Array.from({ length: 9 }, () => 'waits')]);
    await clock.advance(100);
    expect(answers.flat()).toEqual(Array.from({ length: 10 }, () => 'written'));
    expect([logRows(), inFile()['a{x="1"}']?.length]).toEqual([2, 10]);
  });

  it('brings no write of other targets forward', async () => {
    store.writer.target('scraped').append(T0, layout(B), Float64Array.of(7));
    store.writer.target('sent/1').appendAt(T0, A, 1);
    const answers = told(store.committed(SENT));
    await clock.advance(0);
    expect([answers, Object.keys(inFile())]).toEqual([['written'], ['a{x="1"}']]);
    store.flush();
    expect(Object.keys(inFile()).toSorted()).toEqual(['a{x="1"}', 'b{x="1"}']);
  });

  it('is answered where there is nothing to write', async () => {
    const answers = told(store.committed(SENT), store.committed(new Set()));
    await clock.advance(0);
    expect([answers, logRows()]).toEqual([['written', 'written'], 0]);
  });

  it('also waits for what was sealed meanwhile', async () => {
    const target = store.writer.target('sent/1');
    for (let i = 0; i < 400; i++) target.appendAt(T0 + i, A, i);
    const answers = told(store.committed(SENT));
    await clock.advance(0);
    expect([answers, inFile()['a{x="1"}']?.length]).toEqual([['written'], 400]);
  });

  it('waits until all pieces of a large write are written', async () => {
    store.close();
    store = openWith({ flushCells: 3 });
    for (let i = 0; i < 4; i++) store.writer.target(`sent/${i}`).appendAt(T0, metric(`m${i}`, 'x=1'), i);
    const answers = told(store.committed(new Set(['sent/0', 'sent/1', 'sent/2', 'sent/3'])));
    await clock.advance(0);
    expect(answers).toEqual(['waits']);
    store.writer.target('sent/0').appendAt(T0 + 1, metric('m0', 'x=1'), 9);
    const later = told(store.committed(SENT));
    await clock.advance(40);
    expect([answers, later]).toEqual([['written'], ['waits']]);
    expect(Object.keys(inFile())).toHaveLength(4);
  });

  it('is told when the file cannot be written, and the next one when it can again', async () => {
    const file = new Database(path);
    file.exec("CREATE TRIGGER full BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'full'); END");
    store.writer.target('sent/1').appendAt(T0, A, 1);
    const answers = told(store.committed(SENT));
    await clock.advance(0);
    expect(answers).toEqual([expect.stringContaining('samples.db cannot be written: send the samples again')]);
    file.exec('DROP TRIGGER full');
    file.close();
    const again = told(store.committed(SENT));
    await clock.advance(200);
    expect([again, inFile()]).toEqual([['written'], { 'a{x="1"}': [[T0, 1]] }]);
  });

  it('is told when a later piece cannot be written, and who came meanwhile is part of a write of their own', async () => {
    store.close();
    store = openWith({ flushCells: 3 });
    for (let i = 0; i < 4; i++) store.writer.target(`sent/${i}`).appendAt(T0, metric(`m${i}`, 'x=1'), i);
    const all = new Set(['sent/0', 'sent/1', 'sent/2', 'sent/3']);
    const answers = told(store.committed(all));
    await clock.advance(0);
    const file = new Database(path);
    file.exec("CREATE TRIGGER full BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'full'); END");
    const later = told(store.committed(all));
    await clock.advance(20);
    expect([answers, later]).toEqual([[expect.stringContaining('samples.db cannot be written')], ['waits']]);
    file.exec('DROP TRIGGER full');
    file.close();
    await clock.advance(220);
    expect([later, Object.keys(inFile()).length]).toEqual([['written'], 4]);
  });

  it('is answered when the store is closed between two pieces', async () => {
    store.close();
    store = openWith({ flushCells: 3 });
    for (let i = 0; i < 4; i++) store.writer.target(`sent/${i}`).appendAt(T0, metric(`m${i}`, 'x=1'), i);
    const answers = told(store.committed(new Set(['sent/0', 'sent/1', 'sent/2', 'sent/3'])));
    await clock.advance(0);
    expect(answers).toEqual(['waits']);
    store.close();
    await clock.advance(0);
    expect([answers, Object.keys(inFile()).length, clock.pendingTimers]).toEqual([['written'], 4, 0]);
  });

  it('is refused where there is no file', async () => {
    store.close();
    rmSync(folder, { recursive: true });
    mkdirSync(path, { recursive: true });
    store = openWith();
    store.writer.target('sent/1').appendAt(T0, A, 1);
    await expect(store.committed(SENT)).rejects.toMatchObject({ code: 'STATE_NOT_DURABLE' });
  });

  it('is refused when a thousand wait already', async () => {
    const answers = told(...Array.from({ length: 1001 }, () => store.committed(SENT)));
    await clock.advance(0);
    expect(answers.slice(999)).toEqual(['written', expect.stringContaining('1000 requests wait')]);
  });

  it('is answered when the store is closed, and refused after that', async () => {
    store.writer.target('sent/1').appendAt(T0, A, 1);
    const answers = told(store.committed(SENT));
    store.close();
    answers.push(...told(store.committed(SENT)));
    await clock.advance(0);
    expect(answers[0]).toBe('written');
    await expect(store.committed(SENT)).rejects.toMatchObject({ code: 'STATE_NOT_DURABLE' });
  });
});

describe('samples that are sent once more', () => {
  it.each([100, 150])('are ignored where they are in memory with the same value: of %i the newest hundred', (count) => {
    const send = (from: number): void => {
      for (let i = from; i < count; i++) store.writer.target('sent/1').appendAt(T0 + i, A, i);
    };
    send(0);
    send(count - 100);
    expect(store.stats().samplesAppended).toBe(count);
  });

  it.each([100, 120, 121])('are ignored after a restart where the newest one is sent again: of %i', (count) => {
    for (let i = 0; i < count; i++) store.writer.target('sent/1').appendAt(T0 + i, A, i);
    // All in blocks.
    if (count === 120) store.writer.removeTarget('sent/1');
    store.close();
    store = openWith();
    const target = store.writer.target('sent/1');
    target.appendAt(T0 + count - 1, A, count - 1);
    expect(() => target.appendAt(T0 + count - 1, A, 0)).toThrow(expect.objectContaining({ code: 'STORE_DUPLICATE' }));
    expect(inFile()['a{x="1"}']).toHaveLength(count);
  });

  it('are refused where another value is here, or none', () => {
    const target = store.writer.target('sent/1');
    target.appendAt(T0, A, 1);
    target.appendAt(T0 + 2, A, 2);
    expect(() => target.appendAt(T0 + 2, A, 1)).toThrow(expect.objectContaining({ code: 'STORE_DUPLICATE' }));
    expect(() => target.appendAt(T0 + 1, A, 1)).toThrow(expect.objectContaining({ code: 'STORE_OUT_OF_ORDER' }));
    expect(() => target.appendAt(T0, A, 2)).toThrow(expect.objectContaining({ code: 'STORE_OUT_OF_ORDER' }));
  });
});
