import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { buildMessage, DEFAULT_MESSAGE_OPTIONS } from '../../src/notifiers/message.ts';
import { clause, cut, fittingLines, oneLine, webAddress } from '../../src/notifiers/plain-text.ts';
import { TimeText } from '../../src/notifiers/time-text.ts';
import { alertOf, CRASH, HARMLESS, LEADERLESS, notificationOf, resolved, T0 } from './sample-notifications.ts';
import type { Alert, ResolveReason } from '../../src/core/alert.ts';
import type { MessageOptions } from '../../src/notifiers/message.ts';

const messageOf = (given: Parameters<typeof notificationOf>[0], options: Partial<MessageOptions> = {}) =>
  buildMessage(notificationOf(given), { ...DEFAULT_MESSAGE_OPTIONS, ...options });
const over = (alerts: readonly Alert[]) => ({ status: 'resolved', reason: 'all_resolved', alerts, at: T0 + 842_000 }) as const;
const effectOf = (text: string) => alertOf({ annotations: { belfry_effect: text } });
const causeOf = (text: string, startsAt = T0) => alertOf({ startsAt, annotations: { belfry_cause: text } });

describe('line 1', () => {
  it.each<[string, Parameters<typeof notificationOf>[0], string]>([
    [
      'says the effect on clients before its cause',
      {},
      'CRITICAL orders-dal: 12 partitions cannot be written or read (payments +2 topics); broker 2 crashed 14:02:07 UTC',
    ],
    [
      'says that there is no effect after the cause',
      { alerts: [HARMLESS] },
      'WARNING orders-dal: broker 2 crashed 14:02:07 UTC; no client impact expected: all 84 partitions have 2 in-sync copies',
    ],
    [
      'says nothing of no effect beside a real one',
      { alerts: [LEADERLESS, HARMLESS] },
      'CRITICAL orders-dal: 12 partitions cannot be written or read (payments +2 topics); broker 2 crashed 14:02:07 UTC',
    ],
    [
      'says that an effect is not known rather than that there is none, after the cause',
      { alerts: [HARMLESS, effectOf('unknown whether clients feel it: not all topics are known')] },
      'CRITICAL orders-dal: broker 2 crashed 14:02:07 UTC; unknown whether clients feel it: not all topics are known',
    ],
    ['has only a cause where no effect was measured', { alerts: [CRASH] }, 'CRITICAL orders-dal: broker 2 crashed 14:02:07 UTC'],
    [
      'has only an effect where no cause is known',
      { alerts: [effectOf('reads fail.')] },
      'CRITICAL orders-dal: reads fail; since 14:02:07 UTC',
    ],
    [
      'tells two effects and causes and counts the others',
      { alerts: [effectOf('a'), effectOf('b'), effectOf('c'), causeOf('x'), causeOf('y', T0 + 1000), causeOf('z')] },
      'CRITICAL orders-dal: a; b (+1 more); x 14:02:07 UTC; y 14:02:08 UTC (+1 more)',
    ],
    [
      'tells a cause once, with its first time',
      { alerts: [causeOf('broker 2 crashed', T0 + 5000), causeOf('broker 2 crashed', T0)] },
      'CRITICAL orders-dal: broker 2 crashed 14:02:07 UTC',
    ],
    [
      'falls back to the summary of a foreign rule',
      { alerts: [alertOf({ annotations: { summary: 'orders-dal: disk of kafka1 is full.' } })] },
      'CRITICAL orders-dal: disk of kafka1 is full; since 14:02:07 UTC',
    ],
    [
      'falls back to the name and the labels',
      { alerts: [alertOf({ labels: { alertname: 'DiskFull', instance: 'kafka1:9100' } })] },
      'CRITICAL orders-dal: DiskFull (instance kafka1:9100); since 14:02:07 UTC',
    ],
    [
      'does without a cluster',
      { alerts: [alertOf({ labels: { alertname: 'Watchdog', cluster: '', severity: 'info' } })], incident: { cluster: '' } },
      'INFO: Watchdog; since 14:02:07 UTC',
    ],
    [
      'gives the date of another day',
      { alerts: [CRASH], at: T0 + 86_400_000 },
      'CRITICAL orders-dal: broker 2 crashed 22 Nov 14:02:07 UTC',
    ],
    [
      'takes its state from what still fires',
      { alerts: [HARMLESS, resolved(LEADERLESS, 1000)] },
      expect.stringMatching(/^WARNING /) as unknown as string,
    ],
    [
      'says how long it lasted, and why it began',
      over([resolved(CRASH, 842_000)]),
      'RESOLVED orders-dal: over after 14 m 2 s; broker 2 crashed 14:02:07 UTC',
    ],
    [
      'says the risk of data loss',
      over([
        resolved(alertOf({ annotations: { belfry_cause: 'unclean election', belfry_risk: 'records of payments-3 may be gone' } }), 842_000),
      ]),
      'RESOLVED orders-dal: over after 14 m 2 s; risk of data loss: records of payments-3 may be gone; unclean election 14:02:07 UTC',
    ],
    ['says that a trial is one', { reason: 'test' }, "TEST orders-dal: this is a trial of Belfry's messages, nothing is wrong"],
  ])('%s', (_, given, line) => {
    expect(messageOf(given).headline).toEqual(line);
  });

  it.each<[ResolveReason, RegExp]>([
    ['no_data', /resolved because data stopped arriving/],
    ['rule_removed', /resolved because its rule was removed/],
    ['target_removed', /resolved because it is no longer watched/],
  ])('says so when it ended by %s', (resolveReason, words) => {
    const message = messageOf(over([resolved(CRASH, 842_000, { resolveReason })]));
    expect(message.headline).toMatch(words);
    expect(message.you).toMatch(/Check that it is well/);
  });

  it('writes times in the zone that is asked for, with its name', () => {
    expect(messageOf({ alerts: [CRASH] }, { timezone: 'America/Chicago' }).headline).toContain('08:02:07 CST');
  });

  it('keeps effect, cause and time in the 150 characters of a title', () => {
    const alerts = [
      effectOf(`12 partitions cannot be written ${'(and more) '.repeat(40)}`),
      causeOf(`broker 2 crashed ${'hard '.repeat(40)}`),
    ];
    const { title } = messageOf({ alerts });
    expect(title.length).toBeLessThanOrEqual(150);
    expect(title).toMatch(/^CRITICAL orders-dal: 12 partitions cannot be written.*…; broker 2 crashed.*… 14:02:07 UTC$/);
  });
});

describe('line 2', () => {
  it.each<[string, Parameters<typeof notificationOf>[0], string]>([
    ['is what the alert that clients feel says', {}, 'Start broker 2 on host kafka2; until then writes to payments fail.'],
    ['may say that nothing is to be done yet', { alerts: [HARMLESS] }, 'Nothing yet.'],
    ['leads to the runbook', { alerts: [alertOf({ annotations: { runbook_url: 'https://example.com/r' } })] }, 'Follow the runbook.'],
    ['owns up where the rule says nothing', { alerts: [alertOf()] }, 'Decide what to do: this rule names no step and no runbook.'],
    ['is at rest when it is over', over([resolved(CRASH, 1000)]), 'Nothing more to do.'],
  ])('%s', (_, given, you) => {
    expect(messageOf(given).you).toBe(you);
  });

  it.each([
    ['https://example.com/a?b=1&c=2', 'https://example.com/a?b=1&c=2'],
    ['docs/runbooks/broker-crashed.md', 'https://docs.example.com/docs/runbooks/broker-crashed.md'],
    ['javascript:alert(1)', undefined],
    ['https://user:secret@example.com/', undefined],
    ['../../etc/passwd', undefined],
    ['https://example.com/">x', 'https://example.com/%22%3Ex'],
  ])('links the runbook %s to %s', (runbook, url) => {
    const message = messageOf({ alerts: [alertOf({ annotations: { runbook } })] }, { runbookBaseUrl: 'https://docs.example.com/' });
    expect(message.runbook?.url).toBe(url);
  });
});

describe('a message', () => {
  it('says that an effect is unknown rather than none', () => {
    expect(messageOf({ alerts: [CRASH] }).effects).toEqual(['Unknown: the rule that fired does not measure it.']);
  });

  it.each([
    [
      'what the auto-pilot does about this very incident',
      { autopilot: 'Auto-pilot: restarting\nbroker 2.' },
      'Auto-pilot: restarting broker 2.',
    ],
    ['that it watches, where nobody was asked', {}, DEFAULT_MESSAGE_OPTIONS.autopilot],
    ['nothing of it, where it has nothing to say', { autopilot: '' }, ''],
  ])('says %s', (_, given, expected) => {
    expect(messageOf(given).autopilot).toBe(expected);
  });

  it('lists twenty alerts and counts the others', () => {
    const alerts = Array.from({ length: 58 }, (_, index) => alertOf({ labels: { topic: `t${index}` } }));
    const message = messageOf({ alerts });
    expect(message.alerts).toHaveLength(20);
    expect(message.alertsLeft).toBe(38);
  });

  it('has a subject that does not change with the numbers', () => {
    const after = alertOf({ annotations: { ...LEADERLESS.annotations.toObject(), belfry_effect: '3 partitions cannot be written' } });
    expect(messageOf({ alerts: [CRASH, after] }).subject).toBe(messageOf({}).subject);
  });

  it('is clean lines within their limits, whatever the texts are', () => {
    const text = fc.string({ unit: 'binary', maxLength: 400 });
    const alert = fc
      .record({
        summary: text,
        description: text,
        belfry_effect: text,
        belfry_cause: text,
        belfry_do: text,
        belfry_risk: text,
        runbook: text,
      })
      .map((annotations) => alertOf({ annotations }));
    fc.assert(
      fc.property(fc.array(alert, { maxLength: 6 }), text, fc.boolean(), (alerts, cluster, ended) => {
        const message = messageOf({ alerts, incident: { cluster }, status: ended ? 'resolved' : 'firing' });
        expect(message.title.length).toBeLessThanOrEqual(150);
        expect(message.headline.length).toBeLessThanOrEqual(600);
        for (const line of [message.title, message.headline, message.subject, message.you, ...message.effects, ...message.descriptions]) {
          expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u);
          expect(line.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 300, seed: 20_261_122 },
    );
  });
});

describe('pieces of text', () => {
  it.each([
    ['a\r\nb\t c', 'a b c'],
    ['\u202Eevil\u202C', 'evil'],
    ['👩‍👧 ok', '👩‍👧 ok'],
    ['\uD800x', '\uFFFDx'],
  ])('%j on one line is %j', (text, line) => {
    expect(oneLine(text)).toBe(line);
  });

  it('is a clause without the stop at its end', () => {
    expect(clause('It is over. \n')).toBe('It is over');
  });

  it.each([
    ['short', 10, 'short'],
    ['a longer text', 9, 'a longer…'],
    ['😀😀😀', 4, '😀…'],
    ['x', 0, 'x'.slice(1)],
  ])('%j in %d characters is %j', (text, max, expected) => {
    expect(cut(text, max)).toBe(expected);
  });

  it('keeps whole lines', () => {
    expect(fittingLines(['12', '34', '56'], 6)).toEqual({ kept: ['12', '34'], left: 1 });
  });

  it.each(['ftp://a/', 'http://', 'x', `https://a/${'b'.repeat(2000)}`])('does not link %s', (text) => {
    expect(webAddress(text)).toBeUndefined();
  });
});

describe('a time', () => {
  const time = TimeText.in('Europe/Berlin');

  it.each([
    [T0, T0, '15:02:07 GMT+1'],
    [T0 - 86_400_000, T0, '21 Nov 15:02:07 GMT+1'],
    [Date.UTC(2025, 6, 1), T0, '1 Jul 2025 02:00:00 GMT+2'],
  ])('at %d is short beside %d: %s', (at, reference, text) => {
    expect(time.at(at, reference)).toBe(text);
  });

  it('does not fail on a time that no calendar has', () => {
    expect(time.full(Infinity)).toMatch(/1970/);
  });
});
