import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { Lifecycle, within } from '../../src/core/lifecycle.ts';

describe('what was acquired', () => {
  it('is let go in reverse, each after the one before has ended, once', async () => {
    const [lifecycle, clock, order] = [new Lifecycle(), new ManualClock(), [] as string[]];
    for (const name of ['a', 'b', 'c'])
      lifecycle.onStop(name, async () => {
        order.push(`${name} begins`);
        await Promise.resolve();
        order.push(`${name} ends`);
      });
    const [first, second] = [lifecycle.stop(clock, 1000), lifecycle.stop(clock, 1000)];
    expect(second).toBe(first);
    await first;
    expect(order).toEqual(['c begins', 'c ends', 'b begins', 'b ends', 'a begins', 'a ends']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is let go all the same where others fail, which one error names', async () => {
    const [lifecycle, released] = [new Lifecycle(), [] as string[]];
    lifecycle.onStop('db', () => void released.push('db'));
    lifecycle.onStop('http', () => Promise.reject(new Error('busy')));
    lifecycle.onStop('rules', () => {
      throw new Error('broken');
    });
    await expect(lifecycle.stop(new ManualClock(), 1000)).rejects.toThrow('not stopped cleanly: rules: broken; http: busy');
    expect(released).toEqual(['db']);
  });

  it('has one deadline for all; who comes late still gets a moment', async () => {
    const [lifecycle, clock, released] = [new Lifecycle(), new ManualClock(), [] as string[]];
    lifecycle.onStop('db', () => void released.push('db'));
    lifecycle.onStop('hung', () => new Promise<void>(() => undefined));
    const stopped = expect(lifecycle.stop(clock, 1000)).rejects.toThrow('hung: not done within 1000 ms');
    await clock.advance(1000);
    await stopped;
    expect(released).toEqual(['db']);
  });

  it('cannot be added to while it is let go', async () => {
    const lifecycle = new Lifecycle();
    await lifecycle.stop(new ManualClock(), 1);
    expect(() => lifecycle.onStop('late', () => undefined)).toThrow('cannot acquire late: already stopping');
  });
});

describe('within a time', () => {
  it('work gives its result, or its error, and leaves no timer', async () => {
    const clock = new ManualClock();
    await expect(within(clock, 10, async () => 5)).resolves.toBe(5);
    await expect(within(clock, 10, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(clock.pendingTimers).toBe(0);
  });
});
