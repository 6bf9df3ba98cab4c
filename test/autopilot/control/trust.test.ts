import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Outcome } from '../../../src/autopilot/control/outcomes.ts';
import { ANNA, clusterOf, Fleet } from './harness.ts';

const DAY_MS = 86_400_000;
let fleet: Fleet;
beforeEach(() => void (fleet = new Fleet({ orders: clusterOf('orders', 3) })));
afterEach(() => fleet.close());

/** A fleet that has earned it: every condition is met. */
async function trusted(): Promise<void> {
  fleet.control.modeOf('orders', 'repair');
  await fleet.clock.advance(30 * DAY_MS);
  outcomes(...Array.from({ length: 5 }, () => 'needed' as const));
  fleet.control.halt('anna', 'a drill');
  fleet.control.resume('anna', 'drilled');
  fleet.control.noteDryRun('exec-1', true, 'all targets answer', fleet.clock.now());
}

let made = 0;
function outcomes(...all: readonly (Outcome | 'drilled')[]): void {
  for (const one of all) {
    const detail = {
      intentId: `I${made++}`,
      action: 'repair',
      outcome: one === 'drilled' ? 'needed' : one,
      tookMs: 9,
      drill: one === 'drilled',
    };
    fleet.store.durably(() => fleet.writer.write({ cluster: 'orders', broker: 1, kind: 'outcome', text: 'it went so', detail }));
  }
}

const promote = (force = false): void => fleet.control.promote({ cluster: 'orders', action: 'repair', to: 'approve', ...ANNA, force });

describe('a promotion', () => {
  it('is made where everything is met', async () => {
    await trusted();
    promote();
    expect(fleet.control.modeOf('orders', 'repair')).toBe('approve');
  });

  it.each<[string, () => void | Promise<void>, RegExp]>([
    ['a wrong act', () => outcomes('wrong'), /^not promoted: 1 acts were wrong in the last 90 days; none may be$/],
    [
      'too many that healed',
      () => outcomes('healed', 'healed'),
      /^not promoted: 2 of 7 incidents healed by themselves first \(29 %\); fewer/,
    ],
    [
      'an executor that fails',
      () => fleet.control.noteDryRun('exec-2', false, 'no ssh', fleet.clock.now()),
      /the last dry run failed: exec-2 \(no ssh\)$/,
    ],
    ['old drills and dry runs', () => fleet.clock.advance(31 * DAY_MS), /no executor has reported .*; the halt was last used 31 d ago/],
    ['old incidents', () => fleet.clock.advance(91 * DAY_MS), /there were 0 real and 0 drilled incidents/],
  ])('is refused by %s', async (_, spoil, text) => {
    await trusted();
    await spoil();
    expect(promote).toThrow(text);
    expect(fleet.control.modeOf('orders', 'repair')).toBe('observe');
  });

  it('lists all that is missing', () => {
    expect(promote).toThrow(
      'not promoted: repair in orders has been observed for 0 days; 30 are needed; ' +
        'there were 0 real and 0 drilled incidents in the last 90 days; 5 are needed; ' +
        'no executor has reported a dry run with its permissions within 30 days; ' +
        'the halt was never drilled; it must have been within 30 days',
    );
  });

  it('counts drills, not what was blocked', async () => {
    await trusted();
    const incidents = (): string | undefined =>
      fleet.control.conditions('orders', 'repair').find(({ name }) => name === 'incidents')?.sentence;
    outcomes('drilled', 'blocked');
    expect(incidents()).toContain('5 real and 1 drilled');
  });

  it('may be forced, and the journal says what was missing', () => {
    promote(true);
    expect(fleet.control.modeOf('orders', 'repair')).toBe('approve');
    expect(fleet.journal('mode')[0]).toMatchObject({
      to: 'approve',
      detail: { by: 'anna', forced: true, unmet: expect.arrayContaining([expect.any(String)]) },
    });
  });

  it('begins anew after the action was off', async () => {
    await trusted();
    fleet.configure('orders', 'off');
    fleet.control.modeOf('orders', 'repair');
    expect(promote).toThrow('has been observed for 0 days');
  });
});

describe('the report', () => {
  it('labels each act by its last word, of the days asked for', async () => {
    outcomes('needed');
    await fleet.clock.advance(3 * DAY_MS);
    outcomes('healed', 'blocked', 'drilled');
    made--;
    outcomes('wrong');
    const { acts, totals } = fleet.control.report('orders', 2);
    expect(acts.map(({ outcome }) => outcome)).toEqual(['wrong', 'blocked', 'healed']);
    expect(totals[0]).toMatchObject({ action: 'repair', needed: 0, healed: 1, blocked: 1, wrong: 1 });
    expect(fleet.control.report(undefined, 30).acts).toHaveLength(4);
  });

  it('has room for the dry runs of executors that have another name at each start', async () => {
    const dryRun = (name: string): void => fleet.control.noteDryRun(name, true, 'all targets answer', fleet.clock.now());
    for (let i = 0; i < 200; i++) {
      try {
        dryRun(`pod-${i}`);
      } catch (error) {
        expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED' });
      }
    }
    expect(() => dryRun('pod-new')).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    await fleet.clock.advance(31 * DAY_MS);
    dryRun('pod-new');
  });
});
