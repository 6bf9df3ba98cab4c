import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Labels } from '../../src/core/labels.ts';
import { matchesAll } from '../../src/core/matcher.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';
import { defaultInhibitRules } from '../../src/routing/default-inhibitions.ts';
import { InhibitionIndex, type InhibitRule } from '../../src/routing/inhibition.ts';
import { arbitraryRules, fleet, SEED } from './inhibition-cases.ts';

function rule(source: readonly string[], target: readonly string[], equal: readonly string[] = []): InhibitRule {
  return { sourceMatchers: source.map(parseMatcher), targetMatchers: target.map(parseMatcher), equal };
}

/** Names of what is inhibited, of alerts given as `name label=value …`. */
function inhibited(rules: readonly InhibitRule[], alerts: readonly string[]): readonly string[] {
  const index = new InhibitionIndex(rules);
  const sets = alerts.map(read);
  for (const labels of sets) index.add(labels.key, labels, new Set());
  return sets.filter(({ key }) => index.isInhibited(key)).map((labels) => labels.get('alertname'));
}

function read(text: string): Labels {
  const [name = '', ...others] = text.split(' ');
  return Labels.of([['alertname', name], ...others.map((pair): [string, string] => [pair.split('=')[0] ?? '', pair.split('=')[1] ?? ''])]);
}

/** What Alertmanager's documentation says, word by word: every rule, every alert. */
function naive(rules: readonly InhibitRule[], alerts: readonly Labels[], target: Labels): readonly string[] {
  const found = new Set<string>();
  for (const { sourceMatchers, targetMatchers, equal } of rules) {
    if (!matchesAll(targetMatchers, target)) continue;
    const isBoth = matchesAll(sourceMatchers, target);
    for (const source of alerts) {
      if (!matchesAll(sourceMatchers, source) || (isBoth && matchesAll(targetMatchers, source))) continue;
      if (equal.every((name) => source.get(name) === target.get(name))) found.add(source.key);
    }
  }
  return [...found].toSorted();
}

const CRITICAL_MUTES_WARNING = rule(['severity=critical'], ['severity=warning'], ['cluster']);

describe('an alert is inhibited', () => {
  const cases: readonly [string, readonly InhibitRule[], readonly string[], readonly string[]][] = [
    ['by a source with equal labels', [CRITICAL_MUTES_WARNING], ['A severity=critical cluster=c', 'B severity=warning cluster=c'], ['B']],
    ['not where an equal label differs', [CRITICAL_MUTES_WARNING], ['A severity=critical cluster=c', 'B severity=warning cluster=d'], []],
    ['where the equal label is missing on both', [CRITICAL_MUTES_WARNING], ['A severity=critical', 'B severity=warning'], ['B']],
    ['not where it is missing on one', [CRITICAL_MUTES_WARNING], ['A severity=critical', 'B severity=warning cluster=c'], []],
    ['not by itself', [rule(['alertname=A'], ['alertname=A'])], ['A'], []],
    ['not by one that matches both sides, as it does', [rule(['alertname=~A|B'], ['alertname=~A|B'])], ['A', 'B'], []],
    [
      'by one that matches one side only, though it matches both',
      [rule(['alertname=~A|B'], ['alertname=~B|C'])],
      ['A', 'B', 'C'],
      ['B', 'C'],
    ],
    ['by one that matches both sides, where it is only a target', [rule(['alertname=~A|B'], ['alertname=~B|C'])], ['B', 'C'], ['C']],
    // The fault of a peer that remembers one source: the two-sided one would hide the other.
    ['by any valid source of several', [rule(['alertname=~A|B'], ['alertname=~B|C'])], ['B', 'A', 'C'], ['B', 'C']],
    [
      'by one that is inhibited itself',
      [rule(['alertname=A'], ['alertname=B']), rule(['alertname=B'], ['alertname=C'])],
      ['A', 'B', 'C'],
      ['B', 'C'],
    ],
  ];
  it.each(cases)('%s', (_, rules, alerts, expected) => {
    expect(inhibited(rules, alerts)).toEqual(expected);
    expect(inhibited(rules, alerts.toReversed())).toEqual(expected.toReversed());
  });
});

describe('the rules that are shipped', () => {
  const cases: readonly [string, readonly string[], readonly string[]][] = [
    [
      'ClusterUnreachable mutes all others of its cluster',
      [
        'ClusterUnreachable cluster=c',
        'LeaderLoss cluster=c severity=critical',
        'LeaderLoss cluster=d',
        'Watchdog',
        'BelfryStateNotDurable',
      ],
      ['LeaderLoss'],
    ],
    [
      'BelfryIsolated mutes what is only that something was not reached, of all clusters',
      ['BelfryIsolated', 'BrokerUnreachableFromBelfry cluster=d broker=1', 'CollectorStale cluster=e', 'ExporterDown cluster=e'],
      ['BrokerUnreachableFromBelfry', 'CollectorStale', 'ExporterDown'],
    ],
    [
      'BelfryIsolated mutes nothing that is known of a cluster: it answers, or all its brokers refuse',
      [
        'BelfryIsolated',
        'ClusterUnreachable cluster=c',
        'BrokerCrashed cluster=d broker=1',
        'BrokerStopped cluster=d broker=2',
        'BrokerFlapping cluster=d broker=3',
        'NoQuorumLeader cluster=d',
        'DiskLow cluster=e',
      ],
      [],
    ],
    [
      'a broker that is away mutes the ticket about missing copies, not the page',
      ['BrokerStopped cluster=c broker=1', 'UnderReplicated cluster=c severity=warning', 'UnderReplicated cluster=c severity=critical'],
      ['UnderReplicated'],
    ],
    [
      'a broker that is away mutes what reads it, not what reads others',
      [
        'BrokerCrashed cluster=c broker=1',
        'ExporterDown cluster=c broker=1',
        'CollectorStale cluster=c broker=2',
        'ExporterDown cluster=c',
      ],
      ['ExporterDown'],
    ],
    [
      'BrokerFlapping mutes the breaks of its broker',
      ['BrokerFlapping cluster=c broker=1', 'BrokerCrashed cluster=c broker=1', 'BrokerCrashed cluster=c broker=2', 'LeaderLoss cluster=c'],
      ['BrokerCrashed'],
    ],
  ];
  it.each(cases)('%s', (_, alerts, expected) => {
    expect(inhibited(defaultInhibitRules(), alerts)).toEqual(expected);
  });
});

describe('the index', () => {
  it('says the same as looking at every rule and every alert, whatever comes and goes, and names all whose verdict changed', () => {
    fc.assert(
      fc.property(arbitraryRules, fc.array(fc.tuple(fc.nat(fleet.length - 1), fc.boolean()), { maxLength: 60 }), (rules, steps) => {
        const index = new InhibitionIndex(rules);
        const firing = new Map<string, Labels>();
        for (const [i, fires] of steps) {
          const labels = fleet[i] ?? Labels.empty;
          const before = new Map([...firing.keys()].map((key) => [key, index.isInhibited(key)]));
          const touched = new Set<string>();
          if (fires) {
            firing.set(labels.key, labels);
            index.add(labels.key, labels, touched);
          } else if (firing.delete(labels.key)) {
            index.removeTarget(labels.key);
            index.removeSource(labels.key, touched);
          }
          const all = [...firing.values()];
          for (const target of all) {
            const expected = naive(rules, all, target);
            expect([target.toString(), index.isInhibited(target.key)]).toEqual([target.toString(), expected.length > 0]);
            expect(index.inhibitorsOf(target.key, 1000)).toEqual(expected);
            const was = before.get(target.key);
            if (was !== undefined && was !== expected.length > 0 && target !== labels) expect([...touched]).toContain(target.key);
          }
        }
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  it('touches nothing where one of several sources comes or goes', () => {
    const index = new InhibitionIndex([CRITICAL_MUTES_WARNING]);
    const add = (text: string): Set<string> => {
      const touched = new Set<string>();
      index.add(read(text).key, read(text), touched);
      return touched;
    };
    for (let i = 0; i < 100; i++) add(`W${i} severity=warning cluster=c`);
    expect(add('A severity=critical cluster=c').size).toBe(100);
    expect(add('B severity=critical cluster=c').size).toBe(0);
    const touched = new Set<string>();
    index.removeSource(read('A severity=critical cluster=c').key, touched);
    expect(touched.size).toBe(0);
    index.removeSource(read('B severity=critical cluster=c').key, touched);
    expect(touched.size).toBe(100);
  });

  it('forgets what is gone', () => {
    const index = new InhibitionIndex([CRITICAL_MUTES_WARNING]);
    const labels = read('A severity=critical cluster=c');
    index.add(labels.key, labels, new Set());
    expect(index.isSource(labels.key)).toBe(true);
    index.removeTarget(labels.key);
    expect(index.isSource(labels.key)).toBe(true);
    index.removeSource(labels.key, new Set());
    expect([index.isSource(labels.key), index.rulesOver(labels.key)]).toEqual([false, []]);
  });
});
