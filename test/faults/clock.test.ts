import { describe, expect, it } from '@jest/globals';
import { createMaintenanceLook, createOpenWindows } from '../../src/app/maintenance-look.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { Matcher } from '../../src/core/matcher.ts';
import { SilenceBook } from '../../src/routing/silences.ts';
import { parseSchedule } from '../../src/timeintervals/maintenance.ts';
import { Bench } from '../rules/harness.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STEPS = [
  ['an hour ahead', HOUR],
  ['an hour back', -HOUR],
  ['two seconds ahead', 2000],
  ['two seconds back', -2000],
] as const;

const RULES = `groups:
  - name: g
    interval: 10s
    rules:
      - {alert: Held, expr: 'a > 0', for: 2m}
      - alert: BelfryClockStepped
        expr: max by (instance) (abs(belfry_clock_offset_seconds)) > 2
        for: 1m
`;

describe.each(STEPS)('a wall clock that is set %s', (_, stepMs) => {
  it('does not touch the `for` of an alert, nor when it is evaluated; beyond two seconds it is told', async () => {
    const bench = new Bench(RULES);
    const { clock } = bench;
    bench.engine.start();
    const write = (): void => {
      bench.write({ __name__: 'a' }, 1);
      bench.write({ __name__: 'belfry_clock_offset_seconds', instance: 'b1' }, (clock.wall() - clock.now()) / 1000);
    };
    const firedAt = new Map<string, number>();
    const beganAt = clock.now();
    for (let second = 0; second < 240; second++) {
      if (second === 60) clock.stepWall(stepMs);
      if (second % 5 === 0) write();
      await clock.advance(1000);
      for (const sent of bench.takeSent()) if (!firedAt.has(sent)) firedAt.set(sent, clock.now() - beganAt);
    }
    bench.engine.stop();
    expect(firedAt.get('firing Held')).toBeGreaterThanOrEqual(2 * MINUTE);
    expect(firedAt.get('firing Held')).toBeLessThanOrEqual(2 * MINUTE + 11_000);
    expect([...firedAt.keys()].toSorted()).toEqual(
      Math.abs(stepMs) > 2000 ? ['firing BelfryClockStepped', 'firing Held'] : ['firing Held'],
    );
  });

  it('moves the windows of maintenance with it', () => {
    const noon = Date.UTC(2026, 0, 1, 12);
    const clock = new ManualClock(noon + 5 * MINUTE);
    const entries = [{ name: 'noon', cluster: '*', schedule: parseSchedule('0 12 * * *'), forMs: 10 * MINUTE, timezone: 'UTC' }];
    const isOpen = Math.abs(stepMs) < HOUR;
    const look = createMaintenanceLook(() => entries);
    const windows = createOpenWindows(() => entries, clock);
    expect([look('orders', clock.wall()), windows('orders', clock.now()).open]).toEqual(['noon', ['noon']]);
    clock.stepWall(stepMs);
    expect(look('orders', clock.wall() + (isOpen ? 0 : 5000))).toBe(isOpen ? 'noon' : undefined);
    expect(windows('orders', clock.now()).open).toEqual(isOpen ? ['noon'] : []);
  });
});

describe('a silence', () => {
  function book(clock: ManualClock) {
    const told: string[] = [];
    const store = {
      durable: true,
      durably: (write: () => void) => (write(), true),
      loadSilences: () => [],
      saveSilence: () => undefined,
      deleteSilence: () => undefined,
      loadFiringKeys: () => [],
      loadMutedAlerts: () => [],
      saveMutedAlert: () => undefined,
      deleteMutedAlert: () => undefined,
    };
    const made = new SilenceBook({ store, clock, log: silentLogger });
    made.listen(({ id }) => told.push(`${id === '' ? 'none' : 'it'} is ${made.active().length === 1 ? 'active' : 'over'}`));
    made.load();
    const matchers = [new Matcher('cluster', '=', 'orders')];
    const set = (startsAt: number, endsAt: number) => made.set({ matchers, startsAt, endsAt, createdBy: 'ops', comment: 'work' });
    return { made, told, set };
  }

  it('that begins now by the clock on the wall begins now, however far that is from Belfry’s own', () => {
    for (const stepMs of [HOUR, -HOUR]) {
      const clock = new ManualClock();
      clock.stepWall(stepMs);
      const { made, set } = book(clock);
      set(clock.wall(), clock.wall() + 10 * MINUTE);
      expect(made.active()).toHaveLength(1);
    }
  });

  it('ends within a minute when the wall clock is set beyond its end, and holds again when that is taken back', async () => {
    const clock = new ManualClock();
    const { made, told, set } = book(clock);
    set(clock.wall(), clock.wall() + 30 * MINUTE);
    expect(told).toEqual(['it is active']);
    clock.stepWall(HOUR);
    await clock.advance(MINUTE);
    expect(told).toEqual(['it is active', 'it is over']);
    clock.stepWall(-HOUR);
    await clock.advance(MINUTE);
    expect(told).toEqual(['it is active', 'it is over', 'it is active']);
    await clock.advance(28 * MINUTE);
    expect(told.at(-1)).toBe('it is over');
    made.stop();
  });
});
