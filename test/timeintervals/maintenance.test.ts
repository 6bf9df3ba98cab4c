import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { civilAt, instantOf } from '../../src/timeintervals/civil-time.ts';
import { MaintenanceWindows, parseSchedule } from '../../src/timeintervals/maintenance.ts';

const HOUR = 3_600_000;

function windowsOf(schedule: string, timezone: string, forMs = 2 * HOUR, cluster = 'orders-dal') {
  return new MaintenanceWindows([{ cluster, schedule: parseSchedule(schedule), forMs, timezone, name: 'weekly' }]);
}

describe('a maintenance window', () => {
  // In Chicago the clocks went from 02:00 to 03:00 on 8 March 2026, and from 02:00 back to 01:00 on 1 November.
  it.each<[string, string, string, string, string | undefined]>([
    ['before it begins', '0 2 * * 6', 'America/Chicago', '2026-11-28T07:59:59Z', undefined],
    ['at its first moment', '0 2 * * 6', 'America/Chicago', '2026-11-28T08:00:00Z', '2026-11-28T10:00:00.000Z'],
    ['at its last moment', '0 2 * * 6', 'America/Chicago', '2026-11-28T09:59:59Z', '2026-11-28T10:00:00.000Z'],
    ['when it is over', '0 2 * * 6', 'America/Chicago', '2026-11-28T10:00:00Z', undefined],
    ['in summer, an hour earlier by UTC', '0 2 * * 6', 'America/Chicago', '2026-07-04T07:00:00Z', '2026-07-04T09:00:00.000Z'],
    ['on another day of the week', '0 2 * * 6', 'America/Chicago', '2026-11-27T09:00:00Z', undefined],
    ['begun before midnight', '0 23 * * 5', 'Europe/Berlin', '2026-11-27T23:30:00Z', '2026-11-28T00:00:00.000Z'],
    ['begun in the year before', '30 23 31 12 *', 'UTC', '2027-01-01T01:00:00Z', '2027-01-01T01:30:00.000Z'],
    ['a time that is jumped over: from the jump on', '30 2 * * 0', 'America/Chicago', '2026-03-08T08:00:00Z', '2026-03-08T10:00:00.000Z'],
    ['just before that jump', '30 2 * * 0', 'America/Chicago', '2026-03-08T07:59:59Z', undefined],
    ['over a jump it lasts as long as it says', '0 1 * * 0', 'America/Chicago', '2026-03-08T08:59:59Z', '2026-03-08T09:00:00.000Z'],
    ['a time that is shown twice: the first time', '30 1 * * 0', 'America/Chicago', '2026-11-01T06:30:00Z', '2026-11-01T08:30:00.000Z'],
    ['and not the second', '30 1 * * 0', 'America/Chicago', '2026-11-01T08:30:00Z', undefined],
    ['the first or a Saturday', '0 2 1 * 6', 'UTC', '2026-12-01T03:00:00Z', '2026-12-01T04:00:00.000Z'],
    ['a Saturday or the first', '0 2 1 * 6', 'UTC', '2026-12-05T03:00:00Z', '2026-12-05T04:00:00.000Z'],
    ['the last of several starts', '0 1,2 * * *', 'UTC', '2026-12-05T02:30:00Z', '2026-12-05T04:00:00.000Z'],
    ['7 is Sunday too', '0 2 * * 7', 'UTC', '2026-11-22T02:00:00Z', '2026-11-22T04:00:00.000Z'],
    ['names of days', '0 2 * * sat', 'UTC', '2026-11-28T02:00:00Z', '2026-11-28T04:00:00.000Z'],
    ['a name of a schedule', '@daily', 'Asia/Kolkata', '2026-11-28T19:00:00Z', '2026-11-28T20:30:00.000Z'],
    ['a zone without midnight on that day', '0 0 * * *', 'Africa/Cairo', '2026-04-23T22:00:00Z', '2026-04-24T00:00:00.000Z'],
  ])('%s: %s in %s at %s', (_, schedule, timezone, at, until) => {
    const open = windowsOf(schedule, timezone).openFor('orders-dal', Date.parse(at));
    expect(open === undefined ? undefined : new Date(open.until).toISOString()).toBe(until);
  });

  it('is of its own cluster, or of all', () => {
    const at = Date.parse('2026-11-28T02:30:00Z');
    expect(windowsOf('0 2 * * 6', 'UTC').openFor('orders-fra', at)).toBeUndefined();
    expect(windowsOf('0 2 * * 6', 'UTC', HOUR, '*').openFor('orders-fra', at)).toMatchObject({ name: 'weekly', since: at - HOUR / 2 });
  });

  it('is the one that ends last, of several', () => {
    const one = { cluster: 'a', schedule: parseSchedule('0 2 * * *'), timezone: 'UTC' };
    const windows = new MaintenanceWindows([
      { ...one, forMs: HOUR, name: 'short' },
      { ...one, forMs: 3 * HOUR, name: 'long' },
      { ...one, cluster: 'b', forMs: 9 * HOUR, name: 'of another' },
    ]);
    expect(windows.openFor('a', Date.parse('2026-11-28T02:30:00Z'))?.name).toBe('long');
    expect(windows.openFor('a', Date.parse('2026-11-28T03:30:00Z'))?.name).toBe('long');
  });

  it.each(['', '0 2 * *', '0 0 2 * * 6', '0 25 * * *', '60 2 * * *', '0 2 * * 6#2', '0 2 L * *', '0 2 15W * *', 'every day', '@never'])(
    'has no schedule %j',
    (text) => {
      expect(() => parseSchedule(text)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
    },
  );
});

it('an instant is found again by what the clocks show, or is the moment they jump', () => {
  const zones = fc.constantFrom('America/Chicago', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC', 'America/Sao_Paulo');
  const minutes = fc.integer({ min: Date.UTC(2015, 0) / 60_000, max: Date.UTC(2035, 0) / 60_000 });
  const check = (zone: string, minute: number): void => {
    const civil = minute * 60_000;
    const at = instantOf(zone, civil);
    expect(civilAt(zone, at)).toBeGreaterThanOrEqual(civil);
    // A second before, they showed less, or the hour that they now show for the second time has begun anew.
    expect(civilAt(zone, at - 1000)).toBeLessThan(civil);
  };
  fc.assert(fc.property(zones, minutes, check), { numRuns: 500, seed: 20_261_122 });
});
