import { describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { ManualClock } from '../../src/core/clock.ts';
import { Secret } from '../../src/core/secret.ts';
import { DEFAULT_TLS } from '../../src/notifiers/schema.ts';
import { rfc3339, webhookBody } from '../../src/notifiers/webhook/webhook-body.ts';
import { WebhookNotifier } from '../../src/notifiers/webhook/webhook-notifier.ts';
import { notifierContract } from '../contracts/notifier-contract.ts';
import { HttpPeer } from './http-peer.ts';
import { alertOf, CRASH, eventsUpTo, LEADERLESS, notificationOf, resolved, T0 } from './sample-notifications.ts';
import type { WebhookReceiverOptions } from '../../src/notifiers/schema.ts';
import type { NotifierRig } from '../contracts/notifier-contract.ts';
import type { PeerAnswer } from './http-peer.ts';

const never = new AbortController().signal;

function optionsOf(url: string, more: Partial<WebhookReceiverOptions> = {}): WebhookReceiverOptions {
  return {
    url: new Secret(url),
    hmacSecret: undefined,
    bearerToken: undefined,
    basicAuth: undefined,
    maxAlerts: 1000,
    timeoutMs: 10_000,
    tls: DEFAULT_TLS,
    ...more,
  };
}

async function startRig(): Promise<NotifierRig> {
  const peer = await HttpPeer.start();
  const clock = new ManualClock();
  const path = '/hook/s3cr3t-in-the-path';
  const notifier = new WebhookNotifier(optionsOf(peer.url + path, { bearerToken: new Secret('t0ken-of-the-hook') }), {
    clock,
    externalUrl: 'http://127.0.0.1:9559',
  });
  const echo = `you called ${path} with Bearer t0ken-of-the-hook`;
  const answers: Record<string, PeerAnswer> = {
    '204': { status: 204 },
    '200 with a body that never ends': { status: 200, hangs: 'head' },
    '400 that echoes the request': { status: 400, body: echo },
    '404': { status: 404 },
    '408': { status: 408 },
    '410 with a page of a megabyte': { status: 410, body: 'y'.repeat(1_048_576) },
    '429 with seconds': { status: 429, headers: { 'retry-after': '7' } },
    '429 with a date': { status: 429, headers: { 'retry-after': new Date(clock.wall() + 9000).toUTCString() } },
    '429 with nonsense': { status: 429, headers: { 'retry-after': 'soon' } },
    '500 that echoes the request': { status: 500, body: echo },
    '503 with a day to wait': { status: 503, headers: { 'retry-after': '86400' } },
    'redirect to another host': { status: 307, headers: { location: 'http://127.0.0.2:1/steal' } },
    'redirect in a circle': { status: 307, headers: { location: path } },
    'cut connection': { status: 0, resets: true },
  };
  return {
    notifier,
    clock,
    secrets: ['s3cr3t-in-the-path', 't0ken-of-the-hook'],
    arrived: () => peer.requests.map(({ body }) => body),
    arrange: (behaviour) => {
      const answer = answers[behaviour];
      if (answer !== undefined) peer.usual = () => answer;
    },
    silence: () => {
      peer.usual = () => ({ status: 0, hangs: 'nothing' });
      return { reached: peer.nextRequest() };
    },
    forbidden: [/[\r\n]/],
    maxLength: 8_000_000,
    close: async () => {
      notifier.close();
      await peer.close();
    },
  };
}

notifierContract('the webhook', startRig, [
  { behaviour: '204', outcome: 'delivered' },
  { behaviour: '200 with a body that never ends', outcome: 'delivered' },
  { behaviour: '400 that echoes the request', outcome: 'give_up', reason: /answered 400: you called \[secret\]/ },
  { behaviour: '404', outcome: 'give_up', reason: /^webhook http:\/\/127\.0\.0\.1:\d+ answered 404$/ },
  { behaviour: '408', outcome: 'retry' },
  { behaviour: '410 with a page of a megabyte', outcome: 'give_up' },
  { behaviour: '429 with seconds', outcome: 'retry', retryAfterMs: 7000 },
  { behaviour: '429 with a date', outcome: 'retry', retryAfterMs: 9000 },
  { behaviour: '429 with nonsense', outcome: 'retry' },
  { behaviour: '500 that echoes the request', outcome: 'retry', reason: /\[secret\]/ },
  { behaviour: '503 with a day to wait', outcome: 'retry', retryAfterMs: 3_600_000 },
  { behaviour: 'redirect to another host', outcome: 'give_up', reason: /redirects to elsewhere are not followed/ },
  { behaviour: 'redirect in a circle', outcome: 'give_up' },
  { behaviour: 'cut connection', outcome: 'retry', reason: /request failed/ },
]);

describe('the webhook body', () => {
  it('is what Alertmanager sends, key by key', () => {
    const notification = notificationOf({ alerts: [CRASH, resolved(LEADERLESS, 60_500)], reason: 'some_resolved' });
    const body = webhookBody(notification, { externalUrl: 'http://belfry:9559', maxAlerts: 10 });
    expect(JSON.parse(JSON.stringify(body))).toEqual({
      receiver: 'owner/orders',
      status: 'firing',
      alerts: [
        {
          status: 'firing',
          labels: { alertname: 'BrokerCrashed', cluster: 'orders-dal', broker: '2', severity: 'critical' },
          annotations: CRASH.annotations.toObject(),
          startsAt: '2026-11-22T14:02:07Z',
          endsAt: '0001-01-01T00:00:00Z',
          generatorURL: 'http://127.0.0.1:9559/graph?g0.expr=up',
          fingerprint: CRASH.labels.fingerprint,
        },
        {
          status: 'resolved',
          labels: { alertname: 'LeaderLoss', cluster: 'orders-dal', severity: 'critical' },
          annotations: LEADERLESS.annotations.toObject(),
          startsAt: '2026-11-22T14:02:07.2Z',
          endsAt: '2026-11-22T14:03:07.7Z',
          generatorURL: 'http://127.0.0.1:9559/graph?g0.expr=up',
          fingerprint: LEADERLESS.labels.fingerprint,
        },
      ],
      notification_reason: 'some alerts resolved',
      groupLabels: { cluster: 'orders-dal' },
      commonLabels: { cluster: 'orders-dal', severity: 'critical' },
      commonAnnotations: {},
      routeLabels: {},
      externalURL: 'http://belfry:9559',
      version: '4',
      groupKey: 'incident/01KAPXQ3M0000000000000BELF',
      truncatedAlerts: 0,
      // Belfry's own, beside.
      line1: 'CRITICAL orders-dal: broker 2 crashed 14:02:07 UTC',
      line2:
        'You: If it is not back within 5 minutes, start broker 2 on host kafka2. Auto-pilot observes only. ' +
        'Runbook: https://belfry.example.com/runbooks/broker-crashed',
    });
  });

  it.each([
    [T0, '2026-11-22T14:02:07Z'],
    [T0 + 1, '2026-11-22T14:02:07.001Z'],
    [T0 + 120, '2026-11-22T14:02:07.12Z'],
    [T0 - 7000, '2026-11-22T14:02:00Z'],
    [0, '0001-01-01T00:00:00Z'],
    [Infinity, '0001-01-01T00:00:00Z'],
  ])('writes %d as Go does', (timeMs, text) => {
    expect(rfc3339(timeMs)).toBe(text);
  });

  it("adds what the auto-pilot does and said last, beside Alertmanager's own fields", () => {
    const said = { seq: 2, at: T0, kind: 'note', text: 'Restarting broker 2 (attempt 1).' } as const;
    const notification = notificationOf({
      reason: 'note',
      autopilot: 'Auto-pilot: restarting broker 2.',
      events: [...eventsUpTo(1), said],
    });
    expect(webhookBody(notification, { externalUrl: '', maxAlerts: 5 })).toMatchObject({
      version: '4',
      notification_reason: 'auto-pilot note',
      autopilot: 'Auto-pilot: restarting broker 2.',
      note: said.text,
    });
  });

  it('counts the alerts it leaves out', () => {
    const alerts = Array.from({ length: 7 }, (_, index) => alertOf({ labels: { topic: `t${index}` } }));
    const body = webhookBody(notificationOf({ alerts }), { externalUrl: '', maxAlerts: 5 });
    expect(body.alerts).toHaveLength(5);
    expect(body.truncatedAlerts).toBe(2);
  });
});

describe('the webhook', () => {
  it('signs the body with the time, and names the delivery the same on every attempt', async () => {
    const peer = await HttpPeer.start();
    const clock = new ManualClock(T0);
    const notifier = new WebhookNotifier(optionsOf(`${peer.url}/`, { hmacSecret: new Secret('shared') }), {
      clock,
      externalUrl: undefined,
    });
    await notifier.notify(notificationOf(), {}, never);
    await clock.advance(5000);
    await notifier.notify(notificationOf(), {}, never);
    const [first, second] = peer.requests;
    const timestamp = String(T0 / 1000);
    expect(first?.headers['x-belfry-timestamp']).toBe(timestamp);
    const signature = createHmac('sha256', 'shared')
      .update(`${timestamp}.${first?.body ?? ''}`)
      .digest('hex');
    expect(first?.headers['x-belfry-signature']).toBe(`sha256=${signature}`);
    expect(first?.headers['x-belfry-delivery']).toMatch(/^[0-9a-f]{32}$/);
    expect(second?.headers['x-belfry-delivery']).toBe(first?.headers['x-belfry-delivery']);
    notifier.close();
    await peer.close();
  });

  it('follows a redirect on the same host with the body', async () => {
    const peer = await HttpPeer.start();
    peer.answers.push({ status: 308, headers: { location: '/new' } });
    const notifier = new WebhookNotifier(optionsOf(`${peer.url}/old`), { clock: new ManualClock(), externalUrl: undefined });
    expect(await notifier.notify(notificationOf(), {}, never)).toEqual({ kind: 'delivered' });
    expect(peer.requests.map(({ path }) => path)).toEqual(['/old', '/new']);
    expect(peer.requests[1]?.body).toBe(peer.requests[0]?.body);
    notifier.close();
    await peer.close();
  });

  it('tries again later when nothing listens', async () => {
    const peer = await HttpPeer.start();
    const notifier = new WebhookNotifier(optionsOf(`${peer.url}/s3cr3t-path`), { clock: new ManualClock(), externalUrl: undefined });
    await peer.close();
    const outcome = await notifier.notify(notificationOf(), {}, never);
    expect(outcome).toMatchObject({ kind: 'retry', reason: expect.stringContaining('ECONNREFUSED') });
    expect(JSON.stringify(outcome)).not.toContain('s3cr3t');
    notifier.close();
  });

  it('sends again on a fresh connection when the kept one was closed', async () => {
    const peer = await HttpPeer.start();
    const notifier = new WebhookNotifier(optionsOf(`${peer.url}/`), { clock: new ManualClock(), externalUrl: undefined });
    await notifier.notify(notificationOf(), {}, never);
    peer.answers.push({ status: 0, resets: true });
    expect(await notifier.notify(notificationOf(), {}, never)).toEqual({ kind: 'delivered' });
    notifier.close();
    await peer.close();
  });
});
