import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { Heartbeat } from '../../src/watchdog/heartbeat.ts';
import { idleParts } from '../../src/watchdog/work.ts';
import { RecordingLogger, RecordingMeter } from './recording.ts';

/** A heartbeat every 30 s whose outcomes and obstacles the test gives; `sentAt`: seconds since the start of each attempt. */
function setUp(everyMs = 30_000) {
  const clock = new ManualClock();
  const startedAt = clock.now();
  const log = new RecordingLogger();
  const meter = new RecordingMeter();
  const state = { why: [] as string[], failure: undefined as string | undefined, throws: undefined as Error | undefined };
  const sentAt: number[] = [];
  const heartbeat = new Heartbeat({
    way: 'url',
    destination: 'https://watch.example.com',
    everyMs,
    notWorking: () => state.why,
    send: async () => {
      sentAt.push((clock.now() - startedAt) / 1000);
      if (state.throws !== undefined) throw state.throws;
      return state.failure;
    },
    clock,
    log,
    meter,
  });
  const counts = (): number[] =>
    ['sent', 'failed', 'withheld'].map((what) => meter.values.get(`belfry_heartbeat_${what}_total{url}`) ?? NaN);
  return { clock, log, meter, state, sentAt, heartbeat, counts };
}

describe('a heartbeat', () => {
  it('goes out at once and then at its interval while everything works', async () => {
    const { clock, heartbeat, sentAt, counts, meter } = setUp();
    expect(counts()).toEqual([0, 0, 0]);
    heartbeat.start();
    heartbeat.start();
    await clock.advance(61_000);
    expect(sentAt).toEqual([0, 30, 60]);
    expect(counts()).toEqual([3, 0, 0]);
    expect(meter.values.get('belfry_heartbeat_last_success_timestamp_seconds{url}')).toBe((clock.wall() - 1000) / 1000);
    await heartbeat.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('is not counted as withheld while Belfry starts, and goes out as soon as everything works', async () => {
    const { clock, heartbeat, sentAt, state, counts } = setUp();
    state.why = ['no cluster has answered yet'];
    heartbeat.start();
    await clock.advance(3500);
    state.why = [];
    await clock.advance(1000);
    expect([sentAt, counts()]).toEqual([[4], [1, 0, 0]]);
    await heartbeat.stop();
  });

  it('is withheld while a part does not work, which is logged once with its reason, and goes out again by itself', async () => {
    const { clock, heartbeat, sentAt, state, log, counts } = setUp();
    heartbeat.start();
    await clock.advance(1000);
    state.why = ['no cluster has answered for 61 s'];
    await clock.advance(90_000);
    expect([sentAt, counts()]).toEqual([[0], [1, 0, 3]]);
    expect(log.lines.filter((line) => line.includes('heartbeat_withheld'))).toEqual([
      expect.stringContaining('no cluster has answered for 61 s'),
    ]);
    state.why = [];
    await clock.advance(30_000);
    expect(counts()).toEqual([2, 0, 3]);
    await heartbeat.stop();
  });

  it('that failed is tried again within the interval, ever more slowly, and never past the next one', async () => {
    const { clock, heartbeat, sentAt, state, log, counts } = setUp();
    state.failure = 'answered with HTTP status 500';
    heartbeat.start();
    await clock.advance(30_000);
    expect(sentAt).toEqual([0, 3, 9, 21, 30]);
    expect(counts()).toEqual([0, 5, 0]);
    expect(log.lines.filter((line) => line.includes('heartbeat_failed'))).toHaveLength(1);
    state.failure = undefined;
    await clock.advance(4000);
    expect(counts()).toEqual([1, 5, 0]);
    await heartbeat.stop();
  });

  it('is not tried again when a part has ceased to work meanwhile', async () => {
    const { clock, heartbeat, sentAt, state, counts } = setUp();
    state.failure = 'answered with HTTP status 500';
    heartbeat.start();
    await clock.advance(1000);
    state.why = ['no rule has been evaluated for 61 s'];
    await clock.advance(20_000);
    expect([sentAt, counts()]).toEqual([[0], [0, 1, 1]]);
    await heartbeat.stop();
  });

  it('outlives a way to send that throws', async () => {
    const { clock, heartbeat, state, counts } = setUp();
    state.throws = new Error('broken');
    heartbeat.start();
    await clock.advance(1000);
    state.throws = undefined;
    await clock.advance(3000);
    expect(counts()).toEqual([1, 1, 0]);
    await heartbeat.stop();
  });
});

describe('what has worked', () => {
  const NOW = 1_000_000;
  const at = (ago: number | undefined) => () => (ago === undefined ? undefined : NOW - ago);
  it.each<[string, (number | undefined)[], string[]]>([
    ['all', [0, 0, 0], []],
    ['all, just about', [60_000, 60_000, 60_000], []],
    ['nothing yet', [undefined, undefined, 0], ['no cluster has answered yet', 'no rule has been evaluated yet']],
    ['no collection', [61_000, 0, 0], ['no cluster has answered for 61 s']],
    ['no rules', [0, 75_400, 0], ['no rule has been evaluated for 75 s']],
    ['no outbox', [0, 0, 90_000], ['no message that is due has been tried for 90 s']],
  ])('%s', (_, [collection, rules, outbox], told) => {
    expect(idleParts({ collection: at(collection), rules: at(rules), outbox: at(outbox) }, NOW, 60_000)).toEqual(told);
  });
});
