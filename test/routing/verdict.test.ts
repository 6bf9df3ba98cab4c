import { describe, expect, it } from '@jest/globals';
import type { DedupRow } from '../../src/core/state.ts';
import { dueAt, isResolveHeld, policyOf, verdictOf, type Telling, type Verdict, type WhatChanged } from '../../src/routing/verdict.ts';

const NOW = 1_700_000_000_000;

function entry(status: DedupRow['status'], loudAt = NOW - 60_000): DedupRow {
  const key = { groupKey: 'incident/1', receiver: 'owner/orders', integration: 'slack', index: 0, shard: 'orders-dal' };
  return { ...key, status, reason: 'first', seq: 1, decidedAt: loudAt, loudAt };
}

function shown(verdict: Verdict): string {
  return verdict.tell ? `${verdict.reason}${verdict.loud ? ', loud' : ''}` : `nothing: ${verdict.because}`;
}

const QUIET: WhatChanged = { firing: true, newAlerts: 0, resolved: 0, worse: false };

describe('what a destination is told of a change', () => {
  // number, what it was last told, what changed, verdict where messages can be edited, verdict for mail
  it.each<[number, 'nothing' | 'firing' | 'resolved' | 'resolved, held', Partial<WhatChanged>, string, string?]>([
    [1, 'nothing', { newAlerts: 1 }, 'first, loud'],
    [2, 'nothing', { newAlerts: 3, worse: true }, 'first, loud'],
    [3, 'nothing', {}, 'first, loud'],
    [4, 'nothing', { firing: false, resolved: 1 }, 'nothing: never_told'],
    [5, 'firing', { newAlerts: 1 }, 'new_alerts', 'nothing: edit_not_sent'],
    [6, 'firing', { newAlerts: 1, worse: true }, 'worse, loud'],
    [7, 'firing', { resolved: 1 }, 'some_resolved', 'nothing: edit_not_sent'],
    [8, 'firing', { newAlerts: 1, resolved: 2 }, 'new_alerts', 'nothing: edit_not_sent'],
    [9, 'firing', { newAlerts: 1, resolved: 2, worse: true }, 'worse, loud'],
    [10, 'firing', {}, 'nothing: unchanged'],
    [11, 'firing', { firing: false, resolved: 1 }, 'all_resolved, loud'],
    [12, 'firing', { firing: false }, 'all_resolved, loud'],
    [13, 'resolved', { newAlerts: 1 }, 'first, loud'],
    [14, 'resolved', { firing: false, resolved: 1 }, 'nothing: already_told'],
    [15, 'resolved', { firing: false }, 'nothing: already_told'],
    [16, 'resolved, held', { newAlerts: 1 }, 'new_alerts'],
    [17, 'resolved, held', { newAlerts: 1, worse: true }, 'worse, loud'],
    [18, 'resolved, held', { firing: false }, 'nothing: already_told'],
    [19, 'nothing', { note: 'quiet' }, 'first, loud'],
    [20, 'firing', { note: 'quiet' }, 'note', 'note, loud'],
    [21, 'firing', { note: 'loud' }, 'note, loud'],
    [22, 'firing', { note: 'loud', worse: true, newAlerts: 1 }, 'worse, loud'],
    [23, 'resolved', { note: 'quiet', firing: false }, 'note', 'note, loud'],
    [24, 'resolved', { note: 'loud', newAlerts: 1 }, 'first, loud'],
    [25, 'resolved, held', { note: 'quiet', firing: false }, 'nothing: already_told'],
    [26, 'resolved, held', { note: 'loud', newAlerts: 1 }, 'note, loud'],
    [27, 'nothing', { note: 'quiet', firing: false }, 'nothing: never_told'],
    [28, 'firing', { texts: true }, 'changed', 'nothing: edit_not_sent'],
    [29, 'firing', { texts: true, worse: true }, 'worse, loud'],
  ])('%i. told %s, then %j: %s', (_, told, change, edits, mail = edits) => {
    const held = told === 'resolved, held';
    const was = told === 'nothing' ? undefined : entry(told === 'firing' ? 'firing' : 'resolved');
    expect(shown(verdictOf(was, { ...QUIET, ...change }, { policy: policyOf('slack'), resolveIsHeld: held }))).toBe(edits);
    expect(shown(verdictOf(was, { ...QUIET, ...change }, { policy: policyOf('email'), resolveIsHeld: held }))).toBe(mail);
  });
});

it('holds a resolve back for the group interval, unless nothing was told', () => {
  const over = { ...entry('resolved', NOW), reason: 'all_resolved' } as const;
  expect([0, 999, 1000].map((ms) => isResolveHeld(over, NOW + ms, 1000))).toEqual([true, true, false]);
  expect(isResolveHeld({ ...over, decidedAt: 0 }, NOW, 1000)).toBe(false);
  expect(isResolveHeld(entry('resolved', NOW), NOW, 1000)).toBe(false);
  expect(isResolveHeld(entry('firing', NOW), NOW, 1000)).toBe(false);
});

describe('when it is due', () => {
  const loud = { reason: 'worse', loud: true } as const;
  const first = { reason: 'first', loud: true } as const;
  const edit = { reason: 'new_alerts', loud: false } as const;
  const over = { reason: 'all_resolved', loud: true } as const;
  const note = { reason: 'note', loud: true } as const;
  const urgent = { ...note, urgent: true } as const;
  // number, integration, verdict, milliseconds since the last loud message was due, milliseconds until this one is
  it.each<[number, string, Telling, number | undefined, number]>([
    [1, 'slack', first, undefined, 0],
    [2, 'slack', loud, 10, 0],
    [3, 'slack', edit, 10, 1000],
    [4, 'slack', over, 10, 1000],
    [5, 'email', first, undefined, 0],
    [6, 'email', loud, 60_000, 240_000],
    [7, 'email', loud, 300_000, 0],
    [8, 'email', loud, -200_000, 200_000],
    [9, 'email', over, 10, 1000],
    [10, 'email', first, 60_000, 240_000],
    [11, 'email', note, 60_000, 240_000],
    [12, 'email', urgent, 60_000, 0],
    [13, 'email', urgent, -200_000, 0],
  ])('%i. %s, %j, %s ms after the last: in %i ms', (_, integration, verdict, sinceMs, expected) => {
    const was = sinceMs === undefined ? undefined : entry('firing', NOW - sinceMs);
    expect(dueAt(verdict, was, NOW, { policy: policyOf(integration), groupIntervalMs: 1000 }) - NOW).toBe(expected);
  });

  it('has these defaults', () => {
    expect(policyOf('email')).toEqual({ edits: false, staysTrue: false, loudIntervalMs: 300_000 });
    expect(policyOf('email', 1000).loudIntervalMs).toBe(1000);
    expect(policyOf('slack')).toEqual({ edits: true, staysTrue: true, loudIntervalMs: 0 });
    expect(policyOf('pagerduty')).toEqual({ edits: true, staysTrue: false, loudIntervalMs: 0 });
  });
});
