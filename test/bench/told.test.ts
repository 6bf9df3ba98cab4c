import { describe, expect, it } from '@jest/globals';
import { isMailOf, isSlackOf, isWebhookOf, saysCrash, tellsEnd } from '../../bench/detect/told.ts';
import type { Mail } from '../../testbed/mail-sink.ts';
import type { SlackEvent } from '../../testbed/slack-stand-in.ts';
import type { WebhookRequest } from '../../testbed/webhook-sink.ts';
import { rulesWithoutFor } from '../../bench/detect/belfry-stage.ts';

const AT = Date.parse('2026-11-22T14:02:07.300Z');
const KILL = { broker: 2, at: AT };

function webhook(alert: Readonly<Record<string, unknown>>, at = AT + 80): WebhookRequest {
  const json = { version: '4', alerts: [{ status: 'firing', ...alert }] };
  return { at, method: 'POST', path: '/', headers: {}, body: '', json, status: 200 };
}

describe('a delivery belongs to a kill', () => {
  const labels = { alertname: 'BrokerCrashed', broker: '2' };
  it.each<[string, boolean, WebhookRequest]>([
    ['the alert of this broker, begun after the signal', true, webhook({ labels, startsAt: '2026-11-22T14:02:07.345Z' })],
    ['another broker', false, webhook({ labels: { ...labels, broker: '1' }, startsAt: '2026-11-22T14:02:07.345Z' })],
    ['another alert', false, webhook({ labels: { ...labels, alertname: 'BrokerStopped' }, startsAt: '2026-11-22T14:02:07.345Z' })],
    ['an earlier crash that is still told', false, webhook({ labels, startsAt: '2026-11-22T14:01:07.345Z' })],
    ['its end', false, webhook({ labels, status: 'resolved', startsAt: '2026-11-22T14:02:07.345Z' })],
    ['a body without alerts', false, { ...webhook({}), json: 'hello' }],
    ['alerts that are none', false, { ...webhook({}), json: { alerts: [null, 7] } }],
  ])('webhook: %s: %s', (_, expected, request) => {
    expect(isWebhookOf(request, KILL)).toBe(expected);
  });

  it('knows the end of an alert by its labels', () => {
    expect(tellsEnd(webhook({ labels, status: 'resolved' }), labels)).toBe(true);
    expect(tellsEnd(webhook({ labels, status: 'resolved' }), { ...labels, broker: '3' })).toBe(false);
    expect(tellsEnd(webhook({ labels }), labels)).toBe(false);
  });

  it.each([
    ['broker 2 crashed 14:02:07 UTC', true],
    ['WARNING bench: broker 2 crashed 14:02:08 UTC; no client impact expected', true],
    ['broker 1 crashed 14:02:07 UTC', false],
    ['broker 12 crashed 14:02:07 UTC', false],
    ['broker 2 crashed 14:01:20 UTC', false],
    ['broker 2 crashed 14:02:20 UTC', false],
    ['broker 2 crashed 13:00:00 UTC; broker 2 crashed 14:02:07 UTC', true],
  ])('text: %s: %s', (text, expected) => {
    expect(saysCrash(text, KILL, AT + 1200)).toBe(expected);
  });

  it('takes the seconds before midnight for those of the day before', () => {
    const kill = { broker: 2, at: Date.parse('2026-11-22T23:59:59.990Z') };
    expect(saysCrash('broker 2 crashed 23:59:59 UTC', kill, kill.at + 50)).toBe(true);
  });

  it.each([
    ['[WARNING] bench: broker 2 crashed', true],
    ['[RESOLVED] bench: broker 2 crashed', false],
  ])('mail: %s: %s', (subject, expected) => {
    const mail: Pick<Mail, 'at' | 'subject' | 'text'> = { at: AT + 90, subject, text: 'broker 2 crashed 14:02:07 UTC' };
    expect(isMailOf(mail, KILL)).toBe(expected);
  });
});

describe('a delivery in Slack', () => {
  const event = (type: SlackEvent['type'], message: Readonly<Record<string, unknown>>): Pick<SlackEvent, 'type' | 'at' | 'message'> => {
    const whole = { text: 'WARNING bench: broker 2 crashed 14:02:07 UTC', blocks: [], broadcast: false, ...message };
    return { type, at: AT + 70, message: whole as unknown as NonNullable<SlackEvent['message']> };
  };
  it.each<[string, boolean, ReturnType<typeof event>]>([
    ['a new message in the channel', true, event('post', {})],
    ['an answer in the thread that the channel sees', true, event('post', { threadTs: '1.2', broadcast: true })],
    ['an answer in the thread alone', false, event('post', { threadTs: '1.2' })],
    ['an edit, which pings nobody', false, event('update', {})],
    ['a message about something else', false, event('post', { text: 'broker 3 crashed 14:02:07 UTC' })],
    ['what came before the kill', false, { ...event('post', {}), at: AT - 1 }],
    ['a refused call', false, { type: 'refused', at: AT + 70 }],
  ])('is %s: %s', (_, expected, happened) => {
    expect(isSlackOf(happened, KILL)).toBe(expected);
  });
});

describe('the shipped rules', () => {
  it('lose the wait of one alert and nothing else', () => {
    const changed = rulesWithoutFor(
      'B',
      'groups:\n  - name: g\n    rules:\n      - alert: A\n        for: 5m\n      - alert: B\n        for: 30s\n',
    );
    expect(changed).toBe('groups:\n  - name: g\n    rules:\n      - alert: A\n        for: 5m\n      - alert: B\n        for: 0s\n');
  });

  it('have the alert that is to be changed', () => {
    expect(rulesWithoutFor('LeaderLoss')).toContain('for: 0s');
    expect(() => rulesWithoutFor('NoSuchAlert')).toThrow('the rules have no alert NoSuchAlert');
  });
});
