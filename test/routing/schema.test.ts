import { describe, expect, it } from '@jest/globals';
import { dampingSchema, inhibitRulesOf, inhibitRulesSchema } from '../../src/routing/schema.ts';

/** The matchers of the one rule, as text. */
function matchersOf(rule: object): readonly string[] {
  const [made] = inhibitRulesSchema.parse([rule]);
  return [
    ...(made?.sourceMatchers ?? []).map((m) => `source ${m.toString()}`),
    ...(made?.targetMatchers ?? []).map((m) => `target ${m.toString()}`),
  ];
}

describe('inhibit_rules', () => {
  const forms: readonly [string, object, readonly string[]][] = [
    ['matchers', { source_matchers: ['a=b', 'c=~"d|e"'], target_matchers: ['f!~g'] }, ['source a="b"', 'source c=~"d|e"', 'target f!~"g"']],
    [
      'several in one text',
      { source_matchers: ['{a="b,c", d!="e}"}'], target_matchers: ['a=b,c=d'] },
      ['source a="b,c"', 'source d!="e}"', 'target a="b"', 'target c="d"'],
    ],
    [
      'everything',
      { source_matchers: ['{}', '{a=b, }'], target_matchers: ['c=d\\,e!=f,'] },
      ['source a="b"', 'target c="d\\\\"', 'target e!="f"'],
    ],
    [
      'one brace alone',
      { source_matchers: ['{a=b', 'c=d,e=f}'], target_matchers: ['g=~h{2}'] },
      ['source a="b"', 'source c="d"', 'source e="f"', 'target g=~"h{2}"'],
    ],
    ['names in quotes', { source_matchers: ['{"a b"="c", d.e=~f}'], equal: ['a b'] }, ['source "a b"="c"', 'source "d.e"=~"f"']],
    [
      'the older form',
      { source_match: { a: 'b' }, source_match_re: { c: 'd.*' }, target_match: { e: 'f' } },
      ['source a="b"', 'source c=~"d.*"', 'target e="f"'],
    ],
    [
      'both forms',
      { source_match: { a: 'b' }, source_matchers: ['c=d'], target_match_re: { e: 'f' } },
      ['source a="b"', 'source c="d"', 'target e=~"f"'],
    ],
  ];
  it.each(forms)('reads %s', (_, rule, expected) => {
    expect(matchersOf(rule)).toEqual(expected);
  });

  const refused: readonly [string, object, string][] = [
    ['what is no matcher', { source_matchers: ['severity'] }, 'bad matcher format'],
    ['nothing between commas', { source_matchers: ['{a=b,,c=d}'] }, 'bad matcher format'],
    ['a comma alone', { source_matchers: ['{,}'] }, 'bad matcher format'],
    ['nothing', { source_matchers: [''] }, 'bad matcher format'],
    ['a pattern that is none', { target_match_re: { a: '(' } }, 'invalid regular expression'],
    ['an unknown key', { sources: [] }, 'known keys: name source_matchers'],
    ['an equal label that is none', { equal: [''] }, 'must be a label name'],
  ];
  it.each(refused)('refuses %s', (_, rule, message) => {
    expect(() => inhibitRulesSchema.parse([rule])).toThrow(message);
  });

  it('stand beside those that are shipped, which can be switched off', () => {
    const own = inhibitRulesSchema.parse([{ source_matchers: ['a=b'], target_matchers: ['c=d'], equal: ['cluster'] }]);
    expect(inhibitRulesOf(own, false)).toEqual(own);
    expect(inhibitRulesOf(own, true).slice(-1)).toEqual(own);
    expect(inhibitRulesOf(own, true).length).toBeGreaterThan(4);
  });
});

it('damping has defaults, and takes others', () => {
  expect(dampingSchema.parse(undefined)).toEqual({ times: 4, withinMs: 900_000, steadyMs: 600_000 });
  expect(dampingSchema.parse({ times: 3, within: '1m' })).toEqual({ times: 3, withinMs: 60_000, steadyMs: 600_000 });
  expect(() => dampingSchema.parse({ times: 1 })).toThrow();
  expect(() => dampingSchema.parse({ steady: '15m' })).toThrow('at most 14m');
});
