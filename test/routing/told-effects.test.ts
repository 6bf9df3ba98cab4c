import { describe, expect, it } from '@jest/globals';
import { ToldEffects, type Renewal } from '../../src/routing/told-effects.ts';
import { alertOf } from '../notifiers/sample-notifications.ts';

/** At so many seconds: the effect, how far it reaches, and what is told of that. */
type Step = readonly [seconds: number, effect: string, extent: string, told: Renewal | undefined];

const WAITING = 'clients of 28 partitions wait for a new leader';
const NONE = 'no client impact expected: all 84 partitions have at least 2 in-sync copies';
const lost = (count: number): string => `${count} partition${count === 1 ? '' : 's'} cannot be written or read (payments +2 topics)`;

const alert = (effect: string, extent: string) => alertOf({ annotations: { belfry_effect: effect, belfry_extent: extent } });

describe('of an alert that fires still', () => {
  it.each<[string, readonly [string, string], readonly Step[]]>([
    ['the same is not told again', [WAITING, ''], [[5, WAITING, '', undefined]]],
    [
      'another effect is told, and back again',
      [WAITING, ''],
      [
        [10, NONE, '', 'effect'],
        [20, WAITING, '', 'effect'],
      ],
    ],
    [
      'effects by turns are told every 5 s',
      [WAITING, ''],
      [
        [10, NONE, '', 'effect'],
        [11, WAITING, '', undefined],
        [16, WAITING, '', 'effect'],
      ],
    ],
    [
      'other numbers are told at first, then every 5 min',
      [lost(12), ''],
      [
        [5, lost(11), '', 'effect'],
        [10, lost(1), '', undefined],
        [305, lost(2), '', 'effect'],
      ],
    ],
    ['more of it is worse', [lost(12), '12'], [[5, lost(40), '40', 'larger']]],
    [
      'more of it is worse once a minute, and not forgotten',
      [lost(1), '1'],
      [
        [5, lost(2), '2', 'larger'],
        [10, lost(9), '9', 'effect'],
        [65, lost(9), '9', 'larger'],
      ],
    ],
    [
      'less of it is no news that pings',
      [lost(12), '12'],
      [
        [5, lost(3), '3', 'effect'],
        [90, lost(12), '12', undefined],
        [120, lost(13), '13', 'larger'],
      ],
    ],
    ['an extent that is no number says nothing', [lost(12), 'NaN'], [[5, lost(12), 'many', undefined]]],
    ['an effect that is known later is told', ['', ''], [[5, NONE, '', 'effect']]],
  ])('%s', (_, [effect, extent], steps) => {
    const told = new ToldEffects();
    told.begin(alert(effect, extent));
    expect(steps.map(([seconds, text, number]) => [seconds, told.renew(alert(text, number), seconds * 1000)])).toEqual(
      steps.map(([seconds, , , renewal]) => [seconds, renewal]),
    );
  });
});
