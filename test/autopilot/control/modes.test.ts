import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { lowerMode, type Mode, MODES } from '../../../src/core/autopilot.ts';
import { ANNA, clusterOf, Fleet } from './harness.ts';

let fleet: Fleet;
beforeEach(() => void (fleet = new Fleet({ orders: clusterOf('orders', 3) })));
afterEach(() => fleet.close());

const mode = (): Mode => fleet.control.modeOf('orders', 'repair');

describe('the mode that holds', () => {
  it.each(MODES)('is the configured one at first sight: %s', (configured) => {
    fleet.configure('orders', configured);
    expect(mode()).toBe(configured);
    expect(fleet.journal('mode')[0]).toMatchObject({ shard: 'orders', from: '', to: configured, detail: { action: 'repair' } });
    mode();
    expect(fleet.journal('mode')).toHaveLength(1);
  });

  it('is off in a cluster that is not configured, of which nothing is remembered: alerts name what they like', () => {
    for (let i = 0; i < 20; i++) expect(fleet.control.modeOf(`made-up-${i}`, 'repair')).toBe('off');
    expect([fleet.journal('mode'), fleet.store.loadModes()]).toEqual([[], []]);
  });

  it('of many clusters that are new is written down at once, and of none of them acts where it cannot be', () => {
    const names = Array.from({ length: 20 }, (_, i) => `many-${i}`);
    for (const name of names) {
      fleet.pictures.set(name, clusterOf(name, 3));
      fleet.configure(name, 'auto');
    }
    const modes = (): ReadonlySet<Mode> => new Set(names.map((name) => fleet.control.modeOf(name, 'repair')));
    fleet.store.breakDisk({ silently: true });
    fleet.control.tick(fleet.clock.now());
    expect(modes()).toEqual(new Set(['observe']));
    fleet.store.mendDisk();
    const before = fleet.store.commits;
    fleet.control.tick(fleet.clock.now());
    expect([...modes()]).toEqual(['auto']);
    fleet.control.tick(fleet.clock.now());
    expect([fleet.store.commits - before, fleet.store.loadModes().length]).toEqual([1, 21 * 4]);
  });

  // Steps: a mode is a reload of the configuration to it.
  it.each<[string, readonly (Mode | 'restart' | 'demote' | 'confirm' | 'gone' | 'back' | `promote ${Mode}`)[], Mode, boolean]>([
    ['lowers at once', ['auto', 'observe'], 'observe', false],
    ['waits where it is raised', ['observe', 'auto'], 'observe', true],
    ['waits also one step at a time', ['observe', 'approve', 'auto'], 'observe', true],
    ['waits across a restart', ['observe', 'restart', 'auto', 'restart'], 'observe', true],
    ['is raised by a confirmation', ['observe', 'auto', 'confirm'], 'auto', false],
    ['is raised durably', ['observe', 'auto', 'confirm', 'restart'], 'auto', false],
    ['does not come back by itself after it was lowered', ['auto', 'off', 'auto'], 'off', true],
    ['is not raised by leaving the configuration for a while', ['approve', 'gone', 'auto', 'restart', 'back'], 'approve', true],
    ['is approve after a demotion', ['auto', 'demote'], 'approve', true],
    ['stays so over restarts and reloads of the same', ['auto', 'demote', 'restart', 'auto'], 'approve', true],
    ['is automatic again when a person confirms', ['auto', 'demote', 'confirm'], 'auto', false],
    ['is not touched by a demotion where it is careful', ['observe', 'demote'], 'observe', false],
    ['may be promoted above the configuration', ['observe', 'promote approve', 'restart'], 'approve', false],
    ['is the configuration again when that changes', ['approve', 'promote auto', 'observe'], 'observe', false],
    ['keeps a promotion that the configuration follows', ['approve', 'promote auto', 'auto'], 'auto', false],
    ['takes a lower word of a person as it comes', ['off', 'promote observe', 'auto'], 'observe', true],
  ])('%s', (_, steps, expected, pending) => {
    const picture = fleet.pictures.get('orders');
    for (const step of steps) {
      if (step === 'restart') fleet.restart();
      else if (step === 'demote') fleet.control.demote('orders', 'repair', 'its verification failed');
      else if (step === 'confirm') fleet.control.confirm('anna', 'seen');
      else if (step === 'gone') fleet.pictures.delete('orders');
      else if (step === 'back' && picture !== undefined) fleet.pictures.set('orders', picture);
      else if (step.startsWith('promote')) promote(step.slice('promote '.length) as Mode);
      else fleet.configure('orders', step as Mode);
      mode();
    }
    expect(mode()).toBe(expected);
    expect(fleet.control.pendingRaises().some(({ action }) => action === 'repair')).toBe(pending);
  });

  it('never exceeds what a person confirmed, whatever is reloaded, demoted and restarted', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('configure' as const), mode: fc.constantFrom(...MODES) }),
      fc.record({ kind: fc.constantFrom('restart', 'demote', 'confirm', 'look', 'break disk', 'mend disk', 'halt', 'resume') }),
      fc.record({ kind: fc.constant('promote' as const), mode: fc.constantFrom(...MODES) }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...MODES), fc.array(step, { maxLength: 40 }), (first, steps) => {
        const own = new Fleet({ orders: clusterOf('orders', 3) });
        try {
          own.configure('orders', first);
          let configured = first;
          let confirmed = own.control.modeOf('orders', 'repair');
          for (const { kind, ...more } of steps) {
            const wanted = 'mode' in more ? more.mode : first;
            const before = configured;
            if (kind === 'configure') own.configure('orders', (configured = wanted));
            else if (kind === 'restart') own.restart();
            else if (kind === 'demote') own.control.demote('orders', 'repair', 'it failed');
            else if (kind === 'break disk') own.store.breakDisk();
            else if (kind === 'mend disk') own.store.mendDisk();
            else if (kind === 'halt') own.control.halt('anna', 'stop');
            else if (kind !== 'look' && done(() => boldly(own, kind, wanted)))
              confirmed = higher(confirmed, kind === 'promote' ? wanted : kind === 'confirm' ? configured : 'off');
            const now = own.control.modeOf('orders', 'repair');
            expect(MODES.indexOf(now)).toBeLessThanOrEqual(MODES.indexOf(confirmed));
            // A change to a lower configuration that was written down binds until a person raises it.
            if (configured !== before && own.store.durable) confirmed = lowerMode(confirmed, configured);
          }
        } finally {
          own.close();
        }
      }),
      { numRuns: 300, seed: 42 },
    );
  });
});

describe('a raise', () => {
  it('is told with its reason until it is confirmed', () => {
    fleet.configure('orders', 'observe');
    mode();
    fleet.configure('orders', 'approve');
    expect(fleet.control.pendingRaises()).toEqual(
      expect.arrayContaining([
        {
          cluster: 'orders',
          action: 'repair',
          from: 'observe',
          to: 'approve',
          why: 'the configuration was raised from observe to approve',
        },
      ]),
    );
    expect(fleet.control.confirm('anna', 'we saw two weeks').map(({ action }) => action)).toContain('repair');
    expect(fleet.journal('mode').map(({ text }) => text)).toContain('repair: confirmed by anna, from observe to approve: we saw two weeks');
    expect(fleet.control.confirm('anna', 'again')).toEqual([]);
  });

  it('is not made while it cannot be written, nor after a restart', () => {
    fleet.configure('orders', 'observe');
    mode();
    fleet.configure('orders', 'auto');
    fleet.store.breakDisk({ silently: true });
    expect(() => fleet.control.confirm('anna', 'go')).toThrow(expect.objectContaining({ code: 'STATE_NOT_DURABLE' }));
    expect(mode()).toBe('observe');
    fleet.store.mendDisk();
    expect(mode()).toBe('observe');
    fleet.restart();
    expect(mode()).toBe('observe');
  });

  it.each([
    ['', 'why'],
    ['anna', ' '],
  ])('needs a name and a reason: %j, %j', (by, reason) => {
    expect(() => fleet.control.confirm(by, reason)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });
});

describe('a first sight that cannot be written', () => {
  it('observes at most, and is taken at its word when it can be', () => {
    fleet.configure('orders', 'auto');
    fleet.store.breakDisk();
    expect(mode()).toBe('observe');
    fleet.store.mendDisk();
    expect(mode()).toBe('auto');
  });
});

describe('a demotion', () => {
  it('is told loudly, once', () => {
    fleet.configure('orders', 'auto');
    mode();
    fleet.control.demote('orders', 'repair', 'a verification failed');
    fleet.control.demote('orders', 'repair', 'a verification failed');
    expect(fleet.notes).toEqual(['orders: The auto-pilot asks before each repair again: a verification failed.']);
    expect(fleet.control.pendingRaises()[0]?.why).toBe('demoted: a verification failed');
  });
});

function promote(to: Mode): void {
  fleet.control.promote({ cluster: 'orders', action: 'repair', to, ...ANNA, force: true });
}

function boldly(own: Fleet, kind: string, to: Mode): void {
  if (kind === 'promote') own.control.promote({ cluster: 'orders', action: 'repair', to, ...ANNA, force: true });
  else if (kind === 'confirm') own.control.confirm('anna', 'go');
  else own.control.resume('anna', 'go');
}

/** Whether the command was obeyed; a refusal by a named error is fine. */
function done(command: () => void): boolean {
  try {
    command();
    return true;
  } catch (error) {
    expect(error).toMatchObject({ name: 'BelfryError' });
    return false;
  }
}

function higher(a: Mode, b: Mode): Mode {
  return lowerMode(a, b) === a ? b : a;
}
