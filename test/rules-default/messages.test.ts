import { describe, expect, it } from '@jest/globals';
import { defaultRules } from './default-rules.ts';

/** Rules about Belfry itself have no clients; the others say what clients feel, that they feel nothing, or that nobody knows. */
const aboutClusters = defaultRules.filter(
  ({ expr, annotations }) => expr.includes('cluster') && annotations['summary']?.startsWith('Belfry') !== true,
);
const platform = defaultRules.filter((rule) => !aboutClusters.includes(rule));

/** It always fires, for machines: nobody does anything about it. */
const told = defaultRules.filter(({ alert }) => alert !== 'Watchdog');

describe('what a shipped rule says', () => {
  it.each(told.map((rule) => [rule.id, rule] as const))('%s: a summary, what to do, and a runbook', (_, { annotations }) => {
    for (const name of ['summary', 'description', 'runbook', 'belfry_do']) expect([name, annotations[name] ?? '']).not.toEqual([name, '']);
  });

  it('about clusters: what clients feel of it, or that it is unknown', () => {
    expect(platform.length).toBeLessThan(defaultRules.length / 2);
    expect(aboutClusters.filter(({ annotations }) => annotations['belfry_effect'] === undefined).map(({ id }) => id)).toEqual([]);
  });
});
