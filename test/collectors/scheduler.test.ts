import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { nextTick, offsetOf, Scheduler } from '../../src/collectors/scheduler.ts';

function setUp() {
  const clock = new ManualClock(1_000_000);
  let skipped = 0;
  const meter = { ...silentMeter, counter: () => ({ add: (by: number) => void (skipped += by) }) };
  return { clock, scheduler: new Scheduler({ clock, log: silentLogger, meter }), skipped: () => skipped };
}

function bound(clock: ManualClock) {
  return { now: () => clock.now(), wall: () => clock.wall(), elapsed: () => clock.elapsed() };
}

describe('the scheduler', () => {
  it('runs a job on ticks aligned to its interval, at an offset of its own', async () => {
    const { clock, scheduler } = setUp();
    const ticks: number[] = [];
    scheduler.add({ id: 'a', intervalMs: 1000, timeoutMs: 500, run: async (ts) => void ticks.push(ts) });
    await clock.advance(3000);
    expect(ticks).toHaveLength(3);
    expect(new Set(ticks.map((ts) => ts % 1000))).toEqual(new Set([offsetOf('a', 1000)]));
    await scheduler.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('spreads the jobs of a fleet over the interval, some at a time so that they share what waking costs', () => {
    const counts = new Map<number, number>();
    for (let i = 0; i < 300; i++) {
      const offset = offsetOf(`scrape/orders/jmx/broker-${i}:7071`, 5000);
      counts.set(offset, (counts.get(offset) ?? 0) + 1);
    }
    expect([...counts.keys()].filter((offset) => offset % 100 !== 0)).toEqual([]);
    expect(counts.size).toBeGreaterThan(45);
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(18);
  });

  it('logs what fails at each tick once, until it has been well', async () => {
    const clock = new ManualClock(1_000_000);
    const logged: unknown[] = [];
    const log = { ...silentLogger, error: (...line: readonly unknown[]) => void logged.push(line) };
    const scheduler = new Scheduler({ clock, log, meter: silentMeter });
    let runs = 0;
    const run = async (): Promise<void> => {
      if (++runs !== 3) throw new Error('no room');
    };
    scheduler.add({ id: 'a', intervalMs: 1000, timeoutMs: 500, run });
    await clock.advance(5000);
    const line = ['collection_failed', { job: 'a', error: 'no room' }];
    expect([runs, logged]).toEqual([5, [line, line]]);
    await scheduler.stop();
  });

  it('gives no tick twice when a timer fires early', async () => {
    const manual = new ManualClock(1_000_000);
    const early = { ...bound(manual), timer: (delayMs: number, run: () => void) => manual.timer(Math.max(0, delayMs - 1), run) };
    const scheduler = new Scheduler({ clock: early, log: silentLogger, meter: silentMeter });
    const ticks: number[] = [];
    scheduler.add({ id: 'a', intervalMs: 1000, timeoutMs: 500, run: async (ts) => void ticks.push(ts) });
    await manual.advance(5000);
    expect(ticks).toEqual([...new Set(ticks)]);
    expect(ticks.length).toBeGreaterThanOrEqual(4);
    await scheduler.stop();
  });

  it('skips ticks while a run is in flight, and counts them', async () => {
    const { clock, scheduler, skipped } = setUp();
    let runs = 0;
    let finish = (): void => undefined;
    const run = (): Promise<void> => {
      runs++;
      return new Promise((resolve) => (finish = resolve));
    };
    scheduler.add({ id: 'a', intervalMs: 1000, timeoutMs: 60_000, run });
    await clock.advance(3000);
    expect([runs, skipped()]).toEqual([1, 2]);
    finish();
    await clock.advance(0);
    await clock.advance(1000);
    expect(runs).toBe(2);
    finish();
    await scheduler.stop();
  });

  it('aborts a run that takes too long, and goes on', async () => {
    const { clock, scheduler } = setUp();
    const reasons: unknown[] = [];
    const run = (_: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason);
          resolve();
        }),
      );
    scheduler.add({ id: 'a', intervalMs: 1000, timeoutMs: 300, run });
    await clock.advance(2300);
    expect(reasons).toEqual([expect.objectContaining({ message: 'not done within 300 ms' }), expect.anything()]);
    await scheduler.stop();
  });

  it('survives a run that fails', async () => {
    const { clock, scheduler } = setUp();
    let runs = 0;
    const run = async (): Promise<void> => {
      runs++;
      throw new Error('no');
    };
    scheduler.add({ id: 'a', intervalMs: 1000, timeoutMs: 300, run });
    await clock.advance(2000);
    expect(runs).toBe(2);
    await scheduler.stop();
  });

  it.each([
    [1000, 1000, 0, 2000],
    [1001, 1000, 0, 2000],
    [1000, 1000, 1, 1001],
    [1500, 1000, 499, 2499],
  ])('finds the tick after %i for interval %i and offset %i', (now, interval, offset, expected) => {
    expect(nextTick(now, interval, offset)).toBe(expected);
  });
});
