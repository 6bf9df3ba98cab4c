import fc from 'fast-check';
import { Labels } from '../../src/core/labels.ts';
import { Matcher, type MatchOp } from '../../src/core/matcher.ts';
import type { InhibitRule } from '../../src/routing/inhibition.ts';

/** Another one with BELFRY_TEST_SEED; what failed says it. */
export const SEED = Number(process.env['BELFRY_TEST_SEED'] ?? 20_261_123);

const VALUES = ['', '1', '2'];
const NAMES = ['a', 'b', 'c'];

/** Every alert there may be: few labels with few values, so that all kinds of matches come about. */
export const fleet: readonly Labels[] = VALUES.flatMap((a) =>
  VALUES.flatMap((b) => VALUES.map((c) => Labels.of({ alertname: `N${a}${b}${c}`, a, b, c }))),
);

/** The last pattern matches the empty text, too. */
const PATTERNS = ['1', '1|2', '.+', '.*', '|1'];

const matcher = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom<MatchOp>('=', '!=', '=~', '!~'), fc.nat(4))
  .map(([name, op, i]) => new Matcher(name, op, op === '=' || op === '!=' ? (VALUES[i % 3] ?? '') : (PATTERNS[i] ?? '')));
const matchers = fc.array(matcher, { minLength: 1, maxLength: 2 });

export const arbitraryRules: fc.Arbitrary<readonly InhibitRule[]> = fc.array(
  fc.record({ sourceMatchers: matchers, targetMatchers: matchers, equal: fc.subarray(NAMES) }),
  { minLength: 1, maxLength: 4 },
);
