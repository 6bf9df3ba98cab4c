import { describe, expect, it } from '@jest/globals';
import { Damper, type DampingVerdict } from '../../src/routing/damping.ts';
import { alertOf, resolved } from './setup.ts';

const MINUTE = 60_000;
const OPTIONS = { times: 4, withinMs: 15 * MINUTE, steadyMs: 10 * MINUTE };
const ALERT = alertOf({ alertname: 'BrokerCrashed', broker: '2' }, 0);
const { key } = ALERT.labels;

/** An alert as routing would treat it: told or not, and what became of each change. */
class Life {
  readonly damper = new Damper(() => OPTIONS);
  isTold = false;

  step(what: 'fires' | 'ends' | 'steady' | 'removed', minute: number): DampingVerdict {
    const at = minute * MINUTE;
    if (what === 'steady') {
      const ends = this.damper.steady(at);
      if (ends.length > 0) this.isTold = false;
      return ends.length > 0 ? 'tell' : 'keep';
    }
    if (what === 'fires') {
      const verdict = this.damper.fires(key, this.isTold, at);
      this.isTold = true;
      return verdict;
    }
    const end = { ...resolved(ALERT, at), resolveReason: what === 'removed' ? ('rule_removed' as const) : ('recovered' as const) };
    const verdict = this.damper.ends(key, end, at);
    if (verdict === 'tell') this.isTold = false;
    return verdict;
  }
}

/** Each step as `what minute verdict`. */
const CASES: readonly [string, string][] = [
  ['1 is told where it comes and goes three times', 'fires 0 tell, ends 1 tell, fires 2 tell, ends 3 tell, fires 4 tell, ends 5 tell'],
  [
    '2 is told as flapping the fourth time, and its end is kept',
    'fires 0 tell, ends 1 tell, fires 2 tell, ends 3 tell, fires 4 tell, ends 5 tell, fires 6 tell_flapping, ends 7 keep',
  ],
  [
    '3 does not flap where four times take longer than the window',
    'fires 0 tell, ends 1 tell, fires 6 tell, ends 7 tell, fires 12 tell, ends 13 tell, fires 18 tell, ends 19 tell',
  ],
  [
    '4 goes on without a word while it flaps',
    'fires 0 tell, ends 1 tell, fires 2 tell, ends 3 tell, fires 4 tell, ends 5 tell, fires 6 tell_flapping, ends 7 keep, fires 8 keep, ends 9 keep, fires 18 keep',
  ],
  [
    '5 is over when it has been away for long enough, not before',
    'fires 0 tell, ends 1 tell, fires 2 tell, ends 3 tell, fires 4 tell, ends 5 tell, fires 6 tell_flapping, ends 7 keep, steady 16 keep, steady 17 tell, fires 18 tell',
  ],
  [
    '6 is a usual alert again when it has fired for long enough',
    'fires 0 tell, ends 1 tell, fires 2 tell, ends 3 tell, fires 4 tell, ends 5 tell, fires 6 tell_flapping, steady 16 keep, ends 17 tell',
  ],
  [
    '7 the end said again does not begin the wait anew',
    'fires 0 tell, ends 1 tell, fires 2 tell, ends 3 tell, fires 4 tell, ends 5 tell, fires 6 tell_flapping, ends 7 keep, ends 12 keep, steady 17 tell',
  ],
  [
    '8 is told at once where it will not come back',
    'fires 0 tell, ends 1 tell, fires 2 tell, ends 3 tell, fires 4 tell, ends 5 tell, fires 6 tell_flapping, removed 7 tell, steady 30 keep',
  ],
];

describe('an alert that comes and goes', () => {
  it.each(CASES)('%s', (_, steps) => {
    const life = new Life();
    for (const step of steps.split(', ')) {
      const [what = '', minute = '', verdict] = step.split(' ');
      expect([step, life.step(what as 'fires', Number(minute))]).toEqual([step, verdict]);
    }
  });

  it('is forgotten when nothing of it counts any more', () => {
    const damper = new Damper(() => OPTIONS);
    for (let i = 0; i < 100; i++) damper.fires(`a${i}`, false, i);
    expect(damper.size).toBe(100);
    damper.fires('b', false, 16 * MINUTE);
    expect(damper.size).toBe(1);
  });
});
