import { z } from 'zod';
import { BelfryError } from '../core/errors.ts';
import { Matcher } from '../core/matcher.ts';
import { parseMatcher } from '../core/parse-matcher.ts';
import { duration, strict } from '../core/schema-parts.ts';
import { DAMPING, type DampingOptions } from './damping.ts';
import { defaultInhibitRules } from './default-inhibitions.ts';
import type { InhibitRule } from './inhibition.ts';

export type { DampingOptions, InhibitRule };

const RULES_MAX = 1000;
const MATCHERS_MAX = 50;
const EQUAL_MAX = 50;

/** Any text, as in Alertmanager since its 0.27. */
const labelName = z.string().refine((name) => name !== '' && name.isWellFormed(), 'must be a label name');

/** Problems of what the parser takes become the file's problems. */
function parsed<Out>(parse: () => Out, context: z.RefinementCtx): Out {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
}

/** One entry of `source_matchers`: a matcher, or several as `{a="b", c!="d"}`. */
const matcherText = z
  .string({ error: 'expected a matcher such as severity="critical"' })
  .max(65_536)
  .transform((text, context) => parsed(() => splitMatchers(text).map(parseMatcher), context));

const matchers = z
  .array(matcherText)
  .max(MATCHERS_MAX)
  .default([])
  .transform((lists) => lists.flat());

/** The older form: label and value, or label and pattern. */
function matchersByLabel(op: '=' | '=~') {
  return z
    .record(labelName, z.string())
    .default({})
    .transform((byLabel, context) =>
      parsed(() => Object.entries(byLabel).map(([name, value]) => new Matcher(name, op, value, 'alertmanager')), context),
    );
}

const inhibitRuleSchema = strict({
  /** For people; nothing is done with it. */
  name: z.string().max(200).optional(),
  source_matchers: matchers,
  source_match: matchersByLabel('='),
  source_match_re: matchersByLabel('=~'),
  target_matchers: matchers,
  target_match: matchersByLabel('='),
  target_match_re: matchersByLabel('=~'),
  equal: z.array(labelName).max(EQUAL_MAX).default([]),
}).transform((rule): InhibitRule => ({
  sourceMatchers: [...rule.source_match, ...rule.source_match_re, ...rule.source_matchers],
  targetMatchers: [...rule.target_match, ...rule.target_match_re, ...rule.target_matchers],
  equal: rule.equal,
}));

/** `inhibit_rules:`, as in an Alertmanager file. */
export const inhibitRulesSchema = z.array(inhibitRuleSchema).max(RULES_MAX).default([]);

/** Rules say the end of an alert again for 15 minutes: one that is held back for longer would be lost with the process. */
const STEADY_MAX_MS = 14 * 60_000;

/** `damping:`: when an alert flaps, and when it does not any more. */
export const dampingSchema = strict({
  times: z.number().int().min(2).max(1000).default(DAMPING.times),
  within: duration({ minMs: 1000 }).default(DAMPING.withinMs),
  steady: duration({ minMs: 1000 })
    .refine((steadyMs) => steadyMs <= STEADY_MAX_MS, 'must be at most 14m')
    .default(DAMPING.steadyMs),
})
  .prefault({})
  .transform(({ times, within, steady }): DampingOptions => ({ times, withinMs: within, steadyMs: steady }));

/** The file's own inhibition rules, beside those that Belfry ships unless they are switched off. */
export function inhibitRulesOf(own: readonly InhibitRule[], withDefaults: boolean): readonly InhibitRule[] {
  return withDefaults ? [...defaultInhibitRules(), ...own] : own;
}

/** Cuts `{a="b", c!="d"}` at the commas outside of quotes; `{}` has none and matches everything. */
function splitMatchers(text: string): readonly string[] {
  const trimmed = text.trim();
  const opens = trimmed.startsWith('{');
  // Either brace may stand alone, as there; behind an opening one inside it belongs to an expression.
  const closes = trimmed.endsWith('}') && (opens || !trimmed.includes('{'));
  const inner = trimmed.slice(opens ? 1 : 0, closes ? -1 : undefined);
  if (opens && closes && inner.trim() === '') return [];
  const parts: string[] = [''];
  for (const [piece] of inner.matchAll(/\\[\\"]|"(?:[^"\\]|\\.)*"|./gs)) {
    if (piece === ',') parts.push('');
    else parts.push(`${parts.pop() ?? ''}${piece}`);
  }
  // A comma may follow the last one; between two others, nothing is no matcher.
  return parts.length > 1 && parts.at(-1)?.trim() === '' ? parts.slice(0, -1) : parts;
}
