import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ManualClock } from '../../src/core/clock.ts';
import type { DeliveryOutcome, Notifier } from '../../src/core/notification.ts';
import { alertOf, CRASH, eventsUpTo, incidentOf, notificationOf, T0 } from '../notifiers/sample-notifications.ts';

/** One notifier with a real peer, made afresh for every test. */
export interface NotifierRig {
  readonly notifier: Notifier;
  readonly clock: ManualClock;
  /** What must not be seen in any reason. */
  readonly secrets: readonly string[];
  /** The text of each message that the peer took, new ones only (no edits). */
  arrived(): readonly string[];
  /** Sets the peer to one row of the table. */
  arrange(behaviour: string): Promise<void> | void;
  /** From now on the peer takes what it is given and never answers; resolves once it has been given something. */
  silence(): { reached: Promise<void> };
  /** What must not be in a message with hostile texts. */
  forbidden: readonly RegExp[];
  /** The longest message that its medium takes, in characters. */
  readonly maxLength: number;
  close(): Promise<void>;
}

export interface ContractRow {
  readonly behaviour: string;
  readonly outcome: DeliveryOutcome['kind'];
  readonly retryAfterMs?: number;
  readonly reason?: RegExp;
}

const EVIL = [
  '<script>alert(1)</script>',
  '<!channel> <!here> @here <@U12345678> <https://evil.example|click>',
  'line one\r\nBcc: victim@example.com\r\n\r\nbody',
  '\u202Egnp.exe\u202C \u2066hidden\u2069 \u200Bzero\uFEFF',
  '*bold* _it_ ~no~ `code` ```block```',
  '\'; " onmouseover=alert(1) x="',
  '👩‍👩‍👧‍👦🔥 مرحبا שלום',
  '\uD800 lonely \u0000 nul \u001B[31m',
];
const MEGABYTE = 'x '.repeat(524_288);

/** What every way to reach a receiver promises to the outbox. */
export function notifierContract(name: string, start: () => Promise<NotifierRig>, table: readonly ContractRow[]): void {
  describe(`${name}, as every notifier`, () => {
    let rig: NotifierRig;
    const never = new AbortController().signal;

    beforeEach(async () => {
      rig = await start();
    });
    afterEach(async () => {
      await rig.close();
      // A closed connection tells so in a later turn of the loop.
      await rig.clock.advance(0);
      expect(rig.clock.pendingTimers).toBe(0);
    });

    it('delivers a message that names its state and its cluster', async () => {
      expect((await rig.notifier.notify(notificationOf(), {}, never)).kind).toBe('delivered');
      expect(rig.arrived()).toHaveLength(1);
      expect(rig.arrived()[0]).toMatch(/CRITICAL|firing/);
      expect(rig.arrived()[0]).toContain('orders-dal');
    });

    it.each(table)('$behaviour: $outcome', async ({ behaviour, outcome, retryAfterMs, reason }) => {
      await rig.arrange(behaviour);
      const got = await rig.notifier.notify(notificationOf(), {}, never);
      expect(got.kind).toBe(outcome);
      if (got.kind === 'delivered') return;
      for (const secret of rig.secrets) expect(got.reason).not.toContain(secret);
      expect(got.reason.length).toBeLessThanOrEqual(300);
      expect(got.reason).toMatch(/^[^\r\n]+$/);
      if (reason !== undefined) expect(got.reason).toMatch(reason);
      if (got.kind === 'retry') expect(got.retryAfterMs).toBe(retryAfterMs);
    });

    it('tries again later when the peer does not answer in time', async () => {
      const { reached } = rig.silence();
      const outcome = rig.notifier.notify(notificationOf(), {}, never);
      await reached;
      await rig.clock.advance(60_001);
      expect((await outcome).kind).toBe('retry');
    });

    it('ends at once when it is stopped', async () => {
      const { reached } = rig.silence();
      const stop = new AbortController();
      const outcome = rig.notifier.notify(notificationOf(), {}, stop.signal);
      await reached;
      stop.abort();
      expect(await outcome).toMatchObject({ kind: 'retry', reason: expect.stringContaining('stopped') });
    });

    it('does nothing when it was stopped before', async () => {
      expect((await rig.notifier.notify(notificationOf(), {}, AbortSignal.abort())).kind).toBe('retry');
      expect(rig.arrived()).toEqual([]);
    });

    it('summarises ten thousand alerts', async () => {
      const alerts = Array.from({ length: 10_000 }, (_, index) =>
        alertOf({
          labels: { topic: `topic-${index}` },
          annotations: { summary: `topic-${index} lacks a copy`, belfry_effect: `effect ${index}` },
        }),
      );
      const outcome = await rig.notifier.notify(notificationOf({ alerts, events: eventsUpTo(200) }), {}, never);
      expect(outcome.kind).toBe('delivered');
      expect(rig.arrived()[0]?.length).toBeLessThan(rig.maxLength);
    });

    it.each([...EVIL, MEGABYTE].map((text) => ({ text, shown: JSON.stringify(text.slice(0, 40)) })))(
      'is not led astray by $shown',
      async ({ text }) => {
        const annotations = { summary: text, description: text, belfry_effect: text, belfry_cause: text, belfry_do: text, runbook: text };
        const alerts = [0, 1].map((number) =>
          alertOf({
            labels: { alertname: text.slice(0, 4096), topic: String(number), cluster: text.slice(0, 4096), tenant: text },
            annotations,
          }),
        );
        const notification = notificationOf({
          alerts,
          incident: { cluster: text, broker: text, owner: text },
          receiver: `owner/${text}`,
          events: [{ seq: 1, at: T0, kind: 'firing', text }],
        });
        const outcome = await rig.notifier.notify(notification, {}, never);
        expect(outcome.kind).toBe('delivered');
        for (const pattern of rig.forbidden) expect(rig.arrived()[0]).not.toMatch(pattern);
        expect(rig.arrived()[0]?.length).toBeLessThan(rig.maxLength);
      },
    );

    it('shows no secret in what the outbox counts by', () => {
      for (const secret of rig.secrets) expect(rig.notifier.destination).not.toContain(secret);
    });

    it('survives what it remembers being something else', async () => {
      const strange = { ts: 7, root: 'x\r\ny', subject: 3, loud: 1, lastSeq: 'many', pending: 0, channel: 1 };
      expect((await rig.notifier.notify(notificationOf(), strange, never)).kind).toBe('delivered');
    });

    it('tells an incident from its first alert to its end', async () => {
      const steps = [
        notificationOf({ events: eventsUpTo(1) }),
        notificationOf({ events: eventsUpTo(2), reason: 'new_alerts', loud: false, at: T0 + 30_000 }),
        notificationOf({ events: eventsUpTo(3), reason: 'worse', at: T0 + 600_000 }),
        notificationOf({
          events: eventsUpTo(4),
          reason: 'all_resolved',
          status: 'resolved',
          at: T0 + 1_200_000,
          alerts: [{ ...CRASH, status: 'resolved', endsAt: T0 + 1_199_000, resolveReason: 'recovered' }],
          incident: incidentOf({ closedAt: T0 + 1_200_000 }),
        }),
      ];
      let remembered = {};
      for (const step of steps) {
        const outcome = await rig.notifier.notify(step, remembered, never);
        expect(outcome.kind).toBe('delivered');
        if (outcome.kind === 'delivered') remembered = outcome.receiverData ?? remembered;
        // What is remembered goes through the database.
        remembered = JSON.parse(JSON.stringify(remembered)) as typeof remembered;
        await rig.clock.advance(600_000);
      }
      expect(rig.arrived().at(-1)).toMatch(/RESOLVED|resolved/);
    });
  });
}
