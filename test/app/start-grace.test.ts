import { describe, expect, it } from '@jest/globals';
import { createSourcesKnown } from '../../src/app/start-grace.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';
import type { InhibitRule } from '../../src/routing/inhibition.ts';

const rule = (source: string, equal: readonly string[]): InhibitRule => ({
  sourceMatchers: [parseMatcher(source)],
  targetMatchers: [],
  equal,
});

describe('what could inhibit an alert of cluster a is known', () => {
  it.each<[string, InhibitRule, { seen: readonly string[]; evaluated: readonly string[] }, boolean]>([
    ['when a was looked at and the rule evaluated', rule('alertname=S', ['cluster']), { seen: ['a'], evaluated: ['S'] }, true],
    ['not before a was looked at', rule('alertname=S', ['cluster']), { seen: ['b'], evaluated: ['S'] }, false],
    ['not before its rule was evaluated', rule('alertname=S', ['cluster']), { seen: ['a', 'b'], evaluated: ['T'] }, false],
    ['only when all were looked at, where the source may be of any', rule('alertname=S', []), { seen: ['a'], evaluated: ['S'] }, false],
    ['when all were looked at, where the source may be of any', rule('alertname=S', []), { seen: ['a', 'b'], evaluated: ['S'] }, true],
    ['when every rule was evaluated that may be meant', rule('alertname=~"S|T"', ['cluster']), { seen: ['a'], evaluated: ['S'] }, false],
    [
      'when every rule was evaluated, where it names none',
      rule('severity=critical', ['cluster']),
      { seen: ['a'], evaluated: ['S', 'T'] },
      true,
    ],
  ])('%s', (_, over, { seen, evaluated }, expected) => {
    const known = createSourcesKnown({
      clusters: () => ['a', 'b'].map((name) => ({ config: { name }, hasLooked: seen.includes(name) })),
      hasEvaluated: (isMeant) => ['S', 'T'].every((name) => evaluated.includes(name) || !isMeant(name)),
    });
    expect(known(over, 'a')).toBe(expected);
  });
});
