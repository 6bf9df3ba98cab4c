import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { BelfryError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { AckSender } from '../../src/executor/ack-sender.ts';
import type { BelfryApi, Grant } from '../../src/executor/belfry-api.ts';

const grant = { intent: { id: 'one' }, fencingToken: 7, ttlMs: 60_000 } as Grant;

/** A Belfry that is away until then. */
function sending(backAtMs: number) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const startedAt = clock.elapsed();
  const heard: string[] = [];
  const ack = async ({ status }: { status: string }): Promise<void> => {
    if (clock.elapsed() - startedAt < backAtMs) throw new BelfryError('EXECUTOR_FAILED', 'no connection');
    heard.push(status);
  };
  const api = { ack } as unknown as BelfryApi;
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) await clock.advance(500);
  };
  return { pass, stop, heard, sender: new AckSender({ api, grant, clock, log: silentLogger, stop: stop.signal }) };
}

describe('the last word', () => {
  it.each([
    ['that starts again meanwhile hears it', 30_000, ['succeeded']],
    ['that is away for longer than the lease lasts does not', 90_000, []],
  ])('Belfry %s', async (_, backAtMs, heard) => {
    const one = sending(backAtMs);
    const said = one.sender.last('succeeded', { text: 'done' });
    await one.pass(100_000);
    await said;
    expect(one.heard).toEqual(heard);
  });

  it('does not hold up for long an executor that was told to stop', async () => {
    const one = sending(30_000);
    one.stop.abort();
    const said = one.sender.last('failed', { text: 'stopped' });
    await one.pass(10_000);
    await said;
    await one.pass(30_000);
    expect(one.heard).toEqual([]);
  });
});
