import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { delay, ManualClock, SystemClock, yieldToLoop, type Timer } from '../../src/core/clock.ts';

describe('Belfry time that may not start before a given time', () => {
  it.each([
    ['a later time', 5000, 5000],
    ['the present', 0, 0],
    ['an earlier time', -5000, 0],
  ])('is moved on by what is missing to %s', (_, ahead, moved) => {
    const clock = new ManualClock(1_000_000);
    expect(clock.startNotBefore(1_000_000 + ahead)).toBe(moved);
    expect(clock.now()).toBe(1_000_000 + moved);
  });

  it('goes on from there, while the wall, timers and measured times do not notice', async () => {
    const clock = new ManualClock(1_000_000);
    const elapsed = clock.elapsed();
    let fired = 0;
    clock.timer(1000, () => fired++);
    clock.startNotBefore(2_000_000);
    expect([clock.wall(), clock.elapsed() - elapsed, fired]).toEqual([1_000_000, 0, 0]);
    await clock.advance(1000);
    expect([clock.now(), fired]).toEqual([2_001_000, 1]);
  });

  it('is whole milliseconds, not before a fraction of one', () => {
    const clock = new ManualClock(1_000_000);
    clock.startNotBefore(1_000_000.25);
    expect(clock.now()).toBe(1_000_001);
  });

  it.each([Number.NaN, Infinity, -Infinity])('cannot start at %s', (ts) => {
    expect(() => new ManualClock().startNotBefore(ts)).toThrow('cannot begin at');
  });

  it('starts once', () => {
    const clock = new ManualClock();
    clock.startNotBefore(0);
    expect(() => clock.startNotBefore(Number.MAX_SAFE_INTEGER)).toThrow('begun already');
  });

  it('is so on the machine too', () => {
    const clock = new SystemClock();
    const later = clock.now() + 3_600_000;
    const moved = clock.startNotBefore(later);
    expect(moved).toBeGreaterThan(3_590_000);
    expect(moved).toBeLessThanOrEqual(3_600_000);
    expect(clock.now()).toBeGreaterThanOrEqual(later);
    expect(clock.wall()).toBeLessThan(later);
    expect(Number.isInteger(clock.now())).toBe(true);
  });
});

describe('a clock moved by hand', () => {
  it('runs timers in the order in which they are due, those due together in the order in which they were set', async () => {
    const clock = new ManualClock(0);
    const ran: string[] = [];
    const at = (name: string) => () => void ran.push(`${name}@${clock.now()}`);
    clock.timer(20, at('late'));
    clock.timer(10, at('first'));
    clock.timer(10, at('second'));
    clock.timer(0, at('now'));
    clock.timer(-5, at('overdue'));
    clock.timer(21, at('never'));
    await clock.advance(20);
    expect(ran).toEqual(['now@0', 'overdue@0', 'first@10', 'second@10', 'late@20']);
    expect(clock.pendingTimers).toBe(1);
  });

  it('runs a timer that a timer sets, when it is due within the same move', async () => {
    const clock = new ManualClock(0);
    const ran: number[] = [];
    const again = (): void => {
      ran.push(clock.now());
      clock.timer(10, again);
    };
    clock.timer(10, again);
    await clock.advance(35);
    expect(ran).toEqual([10, 20, 30]);
  });

  it('lets promises settle before the next timer', async () => {
    const clock = new ManualClock(0);
    const ran: string[] = [];
    clock.timer(1, () => void Promise.resolve().then(() => ran.push('promise')));
    clock.timer(2, () => void ran.push('timer'));
    await clock.advance(2);
    expect(ran).toEqual(['promise', 'timer']);
  });

  it('does not run what was cancelled, also by a timer due at the same time', async () => {
    const clock = new ManualClock(0);
    let ran = 0;
    const victims: Timer[] = [];
    clock.timer(1, () => victims[0]?.cancel());
    victims.push(clock.timer(1, () => ran++));
    await clock.advance(5);
    expect(ran).toBe(0);
  });

  it('keeps Belfry time where the wall steps', () => {
    const clock = new ManualClock(1000);
    clock.stepWall(-400);
    expect([clock.now(), clock.wall()]).toEqual([1000, 600]);
  });
});

describe("the machine's clock", () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it.each([
    ['at once', 0],
    ['in a moment', 250],
    ['after more milliseconds than setTimeout can count', 2 ** 31 + 5000],
    ['after three times as many', 3 * 2 ** 31],
  ])('runs a timer %s, once and not early', (_, delayMs) => {
    let ran = 0;
    new SystemClock().timer(delayMs, () => ran++);
    if (delayMs > 0) jest.advanceTimersByTime(delayMs - 1);
    expect(ran).toBe(0);
    jest.advanceTimersByTime(delayMs === 0 ? 1 : 2);
    expect(ran).toBe(1);
    jest.advanceTimersByTime(2 ** 32);
    expect(ran).toBe(1);
  });

  it('can cancel a timer that has been set again', () => {
    let ran = 0;
    const timer = new SystemClock().timer(2 ** 31 + 5000, () => ran++);
    jest.advanceTimersByTime(2 ** 31 + 1000);
    timer.cancel();
    jest.advanceTimersByTime(10_000);
    expect([ran, jest.getTimerCount()]).toEqual([0, 0]);
  });

  it('does not step when the wall does', () => {
    const clock = new SystemClock();
    const before = clock.now();
    jest.setSystemTime(clock.wall() - 86_400_000);
    expect(clock.now()).toBe(before);
    expect(clock.wall()).toBeLessThan(before - 80_000_000);
  });
});

describe('a delay', () => {
  it('resolves when it is over and leaves no listener behind', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const removed = jest.spyOn(abort.signal, 'removeEventListener');
    const done = delay(clock, 10, abort.signal);
    await clock.advance(10);
    await expect(done).resolves.toBeUndefined();
    expect(removed).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['its reason', new Error('stopped'), 'stopped'],
    ['an error of its own for a reason that is none', 'why', 'aborted'],
  ])('rejects with %s when it is aborted, and leaves no timer behind', async (_, reason, expected) => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const done = delay(clock, 10, abort.signal);
    abort.abort(reason);
    await expect(done).rejects.toThrow(expected);
    expect(clock.pendingTimers).toBe(0);
  });

  it('rejects at once where it was aborted before', async () => {
    const clock = new ManualClock();
    await expect(delay(clock, 10, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('giving the event loop a turn', () => {
  /** Computes for so long, whatever else the machine does. */
  function compute(ms: number): void {
    const begin = process.threadCpuUsage();
    for (;;) {
      const { user, system } = process.threadCpuUsage(begin);
      if (user + system >= ms * 1000) return;
    }
  }

  /** In which turn of the loop each of three pieces of work, whose slices take so long, had its two slices. */
  async function turnsOf(sliceMs: number): Promise<readonly string[]> {
    const order: string[] = [];
    let turn = 0;
    const work = async (name: string): Promise<void> => {
      for (let i = 0; i < 2; i++) {
        await yieldToLoop();
        order.push(`${name} in turn ${turn}`);
        compute(sliceMs);
      }
    };
    const all = Promise.all(['a', 'b', 'c'].map(work));
    let done = false;
    const count = (): void => {
      turn += 1;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    await all;
    done = true;
    return order;
  }

  it('resumes those with short slices in the same turn, in the order in which they gave way, and none twice', async () => {
    // A collection of garbage that falls into a slice would make a long one of it.
    const measure = jest.spyOn(process, 'threadCpuUsage').mockReturnValue({ user: 0, system: 0 });
    try {
      expect(await turnsOf(0)).toEqual(['a in turn 0', 'b in turn 0', 'c in turn 0', 'a in turn 1', 'b in turn 1', 'c in turn 1']);
    } finally {
      measure.mockRestore();
    }
  });

  it('resumes one a turn where slices are long', async () => {
    const order = await turnsOf(10);
    expect(order.map((slice) => slice.slice(0, 1)).join('')).toBe('abcabc');
    expect(new Set(order.map((slice) => slice.slice('a in turn '.length))).size).toBe(6);
  });

  it('measures once for each who goes on, and once more where a turn is over, however many wait', async () => {
    const measure = jest.spyOn(process, 'threadCpuUsage');
    try {
      // Each measurement says 10 ms more than the one before.
      let computedUs = 0;
      measure.mockImplementation(() => ({ user: (computedUs += 10_000), system: 0 }));
      const waiters = 50;
      await Promise.all(Array.from({ length: waiters }, yieldToLoop));
      expect(measure.mock.calls.length).toBeLessThanOrEqual(2 * waiters);
    } finally {
      measure.mockRestore();
    }
  });
});
