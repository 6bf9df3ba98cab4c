import { describe, expect, it } from '@jest/globals';
import { Periodic } from '../../../src/collectors/kafka/periodic.ts';
import { delay, ManualClock } from '../../../src/core/clock.ts';

describe('a piece of work that is done every 30 s', () => {
  it.each([
    { tookMs: 10, worked: true, why: 'quick', latestMs: 30_000 },
    { tookMs: 20_000, worked: true, why: 'slow: a tenth of the time at most', latestMs: 210_000 },
    { tookMs: 20_000, worked: false, why: 'failed after two time-outs of a broker that hangs', latestMs: 50_000 },
    { tookMs: 40_000, worked: false, why: 'failed after longer than the interval', latestMs: 70_000 },
  ])('comes again after $latestMs ms at most: $why', async ({ tookMs, worked, latestMs }) => {
    const clock = new ManualClock();
    const startedAt = clock.now();
    const ends: number[] = [];
    const starts: number[] = [];
    const run = async (): Promise<boolean> => {
      starts.push(clock.now() - startedAt);
      await delay(clock, tookMs);
      ends.push(clock.now() - startedAt);
      return worked;
    };
    const periodic = new Periodic({ clock, intervalMs: () => 30_000, id: 'a test', run });
    periodic.start();
    await clock.advance(600_000);
    const waits = starts.slice(1).map((start, i) => start - (ends[i] ?? 0));
    expect(Math.max(...waits)).toBeLessThanOrEqual(latestMs);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(worked ? tookMs * 9 : tookMs);
    const stopping = periodic.stop();
    await clock.advance(tookMs);
    await stopping;
  });
});
