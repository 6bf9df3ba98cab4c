import { describe, expect, it } from '@jest/globals';
import { createMaintenanceLook } from '../../src/app/maintenance-look.ts';
import { type MaintenanceEntry, parseSchedule } from '../../src/timeintervals/maintenance.ts';

/** Thursday, 2026-01-01. */
const NOON = Date.UTC(2026, 0, 1, 12);
const MINUTE = 60_000;
const entry = (name: string, cluster = '*'): MaintenanceEntry => ({
  name,
  cluster,
  schedule: parseSchedule('0 12 * * *'),
  forMs: 10 * MINUTE,
  timezone: 'UTC',
});

describe('the maintenance window of a cluster', () => {
  it('is seen at most some seconds late, whichever way the clock is set', () => {
    const entries = [entry('noon')];
    const look = createMaintenanceLook(() => entries);
    expect(look('orders', NOON - 1000)).toBeUndefined();
    expect(look('orders', NOON + 3999)).toBeUndefined();
    expect(look('orders', NOON + 4000)).toBe('noon');
    expect(look('orders', NOON - 1)).toBeUndefined();
    expect(look('orders', NOON + 10 * MINUTE - 1)).toBe('noon');
    expect(look('orders', NOON + 10 * MINUTE + 4999)).toBeUndefined();
  });

  it('follows the configuration at once, and is each cluster’s own', () => {
    let entries = [entry('noon', 'orders')];
    const look = createMaintenanceLook(() => entries);
    expect([look('orders', NOON), look('payments', NOON)]).toEqual(['noon', undefined]);
    entries = [entry('other', 'payments')];
    expect([look('orders', NOON), look('payments', NOON)]).toEqual([undefined, 'other']);
  });
});
