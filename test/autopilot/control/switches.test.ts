import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { rmSync, writeFileSync } from 'node:fs';
import { clusterOf, Fleet } from './harness.ts';

let fleet: Fleet;
beforeEach(() => void (fleet = new Fleet({ orders: clusterOf('orders', 3), billing: clusterOf('billing', 3) })));
afterEach(() => fleet.close());

const failing = (code: string): unknown => expect.objectContaining({ code });

describe('a halt', () => {
  it('is durable until somebody resumes', () => {
    fleet.control.halt('anna', 'network work');
    fleet.restart();
    expect(fleet.control.halted()).toMatch(/^halted since 2023-11-14T22:13:20Z by anna: network work$/);
    fleet.control.resume('ben', 'done');
    fleet.restart();
    expect(fleet.control.halted()).toBeUndefined();
    expect(fleet.journal('halt').map(({ to }) => to)).toEqual(['running', 'halted']);
  });

  it('tells whoever revokes leases, once', () => {
    const told: string[] = [];
    fleet.control.onStopped((why) => void told.push(why));
    fleet.control.halt('anna', 'one');
    fleet.control.halt('ben', 'two');
    expect(told).toEqual([expect.stringContaining('anna: one')]);
  });

  it('brings automatic acts back to approval', () => {
    fleet.configure('orders', 'auto');
    expect(fleet.control.modeOf('orders', 'repair')).toBe('auto');
    fleet.control.halt('anna', 'no');
    expect(fleet.control.modeOf('orders', 'repair')).toBe('approve');
    expect(fleet.control.modeOf('billing', 'repair')).toBe('observe');
  });

  it('by the file works also when it was put there while Belfry was down, and outlives it', () => {
    writeFileSync(fleet.haltFile, '');
    fleet.restart();
    expect(fleet.control.halted()).toContain(`the file ${fleet.haltFile} was put there`);
    expect(() => fleet.control.resume('anna', 'go')).toThrow(`the file ${fleet.haltFile} is there: remove it, then resume`);
    rmSync(fleet.haltFile);
    fleet.control.tick(fleet.clock.now());
    fleet.restart();
    expect(fleet.control.halted()).toContain('by file');
    fleet.control.resume('anna', 'go');
    expect(fleet.control.halted()).toBeUndefined();
  });

  it('holds also while state.db cannot be written; a resume does not', () => {
    fleet.store.breakDisk({ silently: true });
    fleet.control.halt('anna', 'disk');
    expect(fleet.control.halted()).toBeDefined();
    expect(() => fleet.control.resume('anna', 'go')).toThrow(failing('STATE_NOT_DURABLE'));
    fleet.store.mendDisk();
    fleet.restart();
    expect(fleet.control.halted()).toBeDefined();
  });

  it('stands after a resume that could not be written', () => {
    fleet.control.halt('anna', 'disk');
    fleet.store.breakDisk({ silently: true });
    expect(() => fleet.control.resume('anna', 'go')).toThrow(failing('STATE_NOT_DURABLE'));
    expect(fleet.control.halted()).toBeDefined();
    fleet.store.mendDisk();
    fleet.restart();
    expect(fleet.control.halted()).toBeDefined();
  });

  it.each([
    ['', 'why', 'BAD_REQUEST'],
    ['anna', '', 'BAD_REQUEST'],
    ['anna', 'why', 'CONFLICT'],
  ])('ends only by a name and a reason, where there is one: %j %j', (by, reason, code) => {
    expect(() => fleet.control.resume(by, reason)).toThrow(failing(code));
  });

  it('is assumed where the switch cannot be read', () => {
    fleet.store.durably(() => fleet.store.saveSetting('halt', 'garbage'));
    fleet.restart();
    expect(fleet.control.halted()).toContain('cannot be read');
  });
});

describe('a hold', () => {
  it.each([
    ['orders', ['orders'], ['billing']],
    ['*', ['orders', 'billing'], []],
  ])('of %s holds %j', (cluster, held, free) => {
    const stopped: unknown[] = [];
    fleet.control.onStopped((why, which) => void stopped.push([why, which]));
    fleet.control.hold(cluster, 3_600_000, 'anna', 'a move');
    expect(stopped).toEqual([['held by anna: a move', cluster === '*' ? undefined : cluster]]);
    fleet.restart();
    for (const name of held) expect(fleet.control.holdsFor(name)).toEqual([expect.stringContaining('held by anna for another 1 h')]);
    for (const name of free) expect(fleet.control.holdsFor(name)).toEqual([]);
  });

  it('ends by itself, or before', async () => {
    fleet.control.hold('orders', 1000, 'anna', 'a move');
    fleet.control.hold('billing', 9000, 'anna', 'a move');
    await fleet.clock.advance(1000);
    expect(fleet.control.holdsFor('orders')).toEqual([]);
    fleet.control.tick(fleet.clock.now());
    fleet.control.release('billing', 'ben');
    expect(fleet.store.loadHolds()).toEqual([]);
    expect(fleet.journal('hold').map(({ text }) => text)).toEqual([
      'the hold of billing was ended by ben',
      'the hold of orders by anna has ended',
      'billing is held by anna for 9 s: a move',
      'orders is held by anna for 1 s: a move',
    ]);
    expect(() => fleet.control.release('billing', 'ben')).toThrow(failing('NOT_FOUND'));
  });

  it.each([
    ['nowhere', 1000, 'NOT_FOUND'],
    ['orders', 0, 'BAD_REQUEST'],
    ['orders', 91 * 86_400_000, 'BAD_REQUEST'],
    ['orders', Number.NaN, 'BAD_REQUEST'],
  ])('of %s for %d ms is refused', (cluster, forMs, code) => {
    expect(() => fleet.control.hold(cluster, forMs, 'anna', 'why')).toThrow(failing(code));
  });
});
