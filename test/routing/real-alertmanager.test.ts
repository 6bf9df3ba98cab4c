import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { delay, SystemClock } from '../../src/core/clock.ts';
import type { Labels } from '../../src/core/labels.ts';
import type { Matcher } from '../../src/core/matcher.ts';
import { InhibitionIndex, type InhibitRule } from '../../src/routing/inhibition.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { missingAlertmanager, startAlertmanager } from '../http/real-alertmanager.ts';
import { arbitraryRules, fleet, SEED } from './inhibition-cases.ts';

const RUNS = 25;
/** Another process offers no event to wait for. */
const [ATTEMPTS, PAUSE_MS] = [2000, 30];
const HOUR_MS = 3_600_000;

let peer: Awaited<ReturnType<typeof startAlertmanager>> | undefined;

beforeAll(async () => {
  if (missingAlertmanager === undefined) peer = await startAlertmanager(configOf([]));
});

afterAll(async () => {
  await peer?.close();
});

function configOf(rules: readonly InhibitRule[]): string {
  const list = (matchers: readonly Matcher[]): readonly string[] => matchers.map(String);
  return JSON.stringify({
    route: { receiver: 'none', group_wait: '1h' },
    receivers: [{ name: 'none' }],
    inhibit_rules: rules.map(({ sourceMatchers, targetMatchers, equal }) => ({
      source_matchers: list(sourceMatchers),
      target_matchers: list(targetMatchers),
      equal,
    })),
  });
}

async function post(path: string, body?: unknown): Promise<void> {
  const answer = await fetch(`${peer?.url ?? ''}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

/** Names of the alerts that the peer says are inhibited, sorted. */
async function inhibitedThere(): Promise<readonly string[]> {
  const answer = await fetch(`${peer?.url ?? ''}/api/v2/alerts?active=true&inhibited=true`);
  const alerts = (await answer.json()) as { labels: Record<string, string>; status: { inhibitedBy: string[] } }[];
  return alerts
    .filter(({ status }) => status.inhibitedBy.length > 0)
    .map(({ labels }) => labels['alertname'] ?? '')
    .toSorted();
}

function inhibitedHere(rules: readonly InhibitRule[], firing: readonly Labels[]): readonly string[] {
  const index = new InhibitionIndex(rules);
  for (const labels of firing) index.add(labels.key, labels, new Set());
  return firing
    .filter(({ key }) => index.isInhibited(key))
    .map((labels) => labels.get('alertname'))
    .toSorted();
}

describeWhere(missingAlertmanager, 'beside a real Alertmanager', () => {
  it(`the same alerts are inhibited by the same rules (seed ${SEED})`, async () => {
    let inhibited = 0;
    await fc.assert(
      fc.asyncProperty(arbitraryRules, fc.subarray([...fleet], { minLength: 5 }), async (rules, firing) => {
        writeFileSync(peer?.configFile ?? '', configOf(rules));
        const now = new SystemClock().wall();
        const at = (ms: number): string => new Date(now + ms).toISOString();
        const wanted = new Set(firing);
        await post(
          '/api/v2/alerts',
          fleet.map((labels) => ({
            labels: labels.toObject(),
            startsAt: at(-HOUR_MS),
            endsAt: wanted.has(labels) ? at(HOUR_MS) : at(-1),
          })),
        );
        await post('/-/reload');
        const expected = inhibitedHere(rules, firing);
        let found: readonly string[] = [];
        for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
          found = await inhibitedThere();
          if (found.join() === expected.join()) break;
          await delay(new SystemClock(), PAUSE_MS);
        }
        expect(found).toEqual(expected);
        inhibited += expected.length;
      }),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
    expect(inhibited).toBeGreaterThan(RUNS);
  });
});
