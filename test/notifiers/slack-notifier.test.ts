import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { Secret } from '../../src/core/secret.ts';
import { HttpPoster } from '../../src/notifiers/http-post.ts';
import { DEFAULT_MESSAGE_OPTIONS } from '../../src/notifiers/message.ts';
import { DEFAULT_TLS } from '../../src/notifiers/schema.ts';
import { SlackClient } from '../../src/notifiers/slack/slack-client.ts';
import { SlackNotifier } from '../../src/notifiers/slack/slack-notifier.ts';
import { SlackWebhookNotifier } from '../../src/notifiers/slack/slack-webhook-notifier.ts';
import { SlackStandIn } from '../../testbed/slack-stand-in.ts';
import { notifierContract } from '../contracts/notifier-contract.ts';
import { HttpPeer } from './http-peer.ts';
import { alertOf, CRASH, eventsUpTo, HARMLESS, notificationOf, resolved, T0 } from './sample-notifications.ts';
import type { Notification, ReceiverData } from '../../src/core/notification.ts';
import type { ContractRow, NotifierRig } from '../contracts/notifier-contract.ts';
import type { PeerAnswer } from './http-peer.ts';

const never = new AbortController().signal;
const TOKEN = 'xoxb-not-to-be-seen';
const HOOK = '/services/T000/B000/not-to-be-seen';
const message = { ...DEFAULT_MESSAGE_OPTIONS, externalUrl: 'https://belfry.example.com/' };

function slackOf(apiUrl: string, token = TOKEN, mention?: string) {
  const clock = new ManualClock();
  const poster = new HttpPoster({ clock, tls: DEFAULT_TLS });
  const client = new SlackClient({ token: new Secret(token), apiUrl, poster, clock, timeoutMs: 10_000 });
  const notifier = new SlackNotifier({ client, token: new Secret(token), channel: '#orders-kafka', mention, message });
  return { clock, poster, notifier };
}

const ok = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: '{"ok":true,"channel":"C012345","ts":"1795356127.000100"}',
};
const refusal = (error: string, headers = {}): PeerAnswer => ({ status: 200, headers, body: JSON.stringify({ ok: false, error }) });

/** The parts of a message by Slack's form encoding, or JSON of an incoming webhook. */
function partsOf(body: string): { text: string; blocks: string; all: string } {
  if (body.startsWith('{')) {
    const { text = '', blocks = [] } = JSON.parse(body) as { text?: string; blocks?: unknown };
    return { text, blocks: JSON.stringify(blocks), all: text + JSON.stringify(blocks) };
  }
  const form = new URLSearchParams(body);
  const text = form.get('text') ?? '';
  const blocks = form.get('blocks') ?? '[]';
  return { text, blocks, all: text + blocks };
}

async function rigOf(kind: 'bot' | 'hook'): Promise<NotifierRig> {
  const peer = await HttpPeer.start(() => (kind === 'bot' ? ok : { status: 200, body: 'ok' }));
  const { clock, poster, notifier: bot } = slackOf(`${peer.url}/api/`);
  const hook = new SlackWebhookNotifier({
    url: new Secret(peer.url + HOOK),
    mention: undefined,
    message,
    poster,
    clock,
    timeoutMs: 10_000,
  });
  const answers: Record<string, PeerAnswer> = {
    '429 for 30 s': { status: 429, headers: { 'retry-after': '30' }, body: '{"ok":false,"error":"ratelimited"}' },
    '429 without a time': { status: 429 },
    '500 that echoes the token': { status: 500, body: `token ${TOKEN} at ${HOOK}` },
    '503 for 5 s': { status: 503, headers: { 'retry-after': '5' } },
    '404': { status: 404, body: 'not found' },
    '404 no_service': { status: 404, body: 'no_service' },
    '410 channel_is_archived': { status: 410, body: 'channel_is_archived' },
    'garbage instead of JSON': { status: 200, body: `<html>${TOKEN}</html>` },
    'redirect to another host': { status: 302, headers: { location: 'http://127.0.0.2:1/' } },
    'cut connection': { status: 0, resets: true },
  };
  return {
    notifier: kind === 'bot' ? bot : hook,
    clock,
    secrets: [TOKEN, 'not-to-be-seen', 'T000'],
    arrived: () => peer.requests.filter(({ path }) => !path.endsWith('chat.update')).map(({ body }) => partsOf(body).all),
    arrange: (behaviour) => {
      peer.usual = () => answers[behaviour] ?? refusal(behaviour);
    },
    silence: () => {
      peer.usual = () => ({ status: 0, hangs: 'nothing' });
      return { reached: peer.nextRequest() };
    },
    forbidden: [
      /<!(here|channel|everyone|subteam)/,
      /<@/,
      /@here/,
      /<https:\/\/evil/,
      /<script/,
      /[\u202A-\u202E\u2066-\u2069]/,
      /\\r|\\u0000|\\u001b|\\ud800/i,
    ],
    maxLength: 8200,
    close: async () => {
      poster.close();
      await peer.close();
    },
  };
}

const common: readonly ContractRow[] = [
  { behaviour: '429 for 30 s', outcome: 'retry', retryAfterMs: 30_000 },
  { behaviour: '500 that echoes the token', outcome: 'retry' },
  { behaviour: '503 for 5 s', outcome: 'retry', retryAfterMs: 5000 },
  { behaviour: '404', outcome: 'give_up' },
  { behaviour: 'cut connection', outcome: 'retry' },
];

notifierContract('Slack', () => rigOf('bot'), [
  ...common,
  { behaviour: '429 without a time', outcome: 'retry', retryAfterMs: 30_000 },
  { behaviour: 'garbage instead of JSON', outcome: 'retry', reason: /an answer that is not one of Slack/ },
  ...['ratelimited', 'internal_error', 'fatal_error', 'service_unavailable', 'request_timeout', 'something_new'].map(
    (behaviour) => ({ behaviour, outcome: 'retry' }) as const,
  ),
  ...[
    'channel_not_found',
    'not_in_channel',
    'is_archived',
    'invalid_auth',
    'account_inactive',
    'token_revoked',
    'missing_scope',
    'no_permission',
  ].map((behaviour) => ({ behaviour, outcome: 'give_up', reason: new RegExp(behaviour) }) as const),
]);

notifierContract('an incoming webhook of Slack', () => rigOf('hook'), [
  ...common,
  { behaviour: '429 without a time', outcome: 'retry' },
  { behaviour: '404 no_service', outcome: 'give_up', reason: /no_service/ },
  { behaviour: '410 channel_is_archived', outcome: 'give_up', reason: /channel_is_archived/ },
  { behaviour: 'redirect to another host', outcome: 'give_up' },
]);

describe('an incoming webhook of Slack, which can edit nothing', () => {
  it('is sent what is loud, and that it is over even where nobody is to be pinged', async () => {
    const peer = await HttpPeer.start(() => ({ status: 200, body: 'ok' }));
    const { clock, poster } = slackOf(`${peer.url}/api/`);
    const hook = new SlackWebhookNotifier({ url: new Secret(peer.url + HOOK), mention: 'here', message, poster, clock, timeoutMs: 10_000 });
    const tell = (given: Partial<Notification>) => hook.notify(notificationOf(given), {}, never);
    await tell({ loud: true });
    await tell({ loud: false, reason: 'new_alerts' });
    const over = { loud: false, status: 'resolved', reason: 'all_resolved', alerts: [resolved(CRASH, 60_000)] } as const;
    await tell({ ...over, at: T0 + 60_000 });
    poster.close();
    await peer.close();
    expect(peer.requests.map(({ body }) => [body.includes('RESOLVED'), body.includes('<!here>')])).toEqual([
      [false, true],
      [true, false],
    ]);
  });
});

describe('Slack', () => {
  async function withSlack(
    work: (slack: SlackStandIn, tell: (given: Partial<Notification>) => Promise<ReceiverData>) => Promise<void>,
    mention?: string,
  ) {
    const slack = await SlackStandIn.start({ channels: ['orders-kafka'] });
    const { notifier, poster } = slackOf(slack.apiUrl, slack.token, mention);
    let remembered: ReceiverData = {};
    try {
      await work(slack, async (given) => {
        const outcome = await notifier.notify(notificationOf(given), remembered, never);
        expect(outcome).toMatchObject({ kind: 'delivered' });
        if (outcome.kind === 'delivered') remembered = outcome.receiverData ?? {};
        return remembered;
      });
    } finally {
      poster.close();
      await slack[Symbol.asyncDispose]();
    }
  }

  const warning = { alerts: [HARMLESS], events: eventsUpTo(1) };
  const over = {
    status: 'resolved',
    reason: 'all_resolved',
    alerts: [resolved(CRASH, 60_000)],
    events: eventsUpTo(4),
  } as const;

  it('keeps one message that it edits, and tells the story in its thread', async () => {
    await withSlack(async (slack, tell) => {
      await tell(warning);
      await tell({
        alerts: [HARMLESS, alertOf({ labels: { topic: 'x' } })],
        events: eventsUpTo(2),
        reason: 'new_alerts',
        loud: false,
        at: T0 + 1000,
      });
      await tell({ ...over, at: T0 + 60_000 });
      const [root, ...answers] = slack.messages();
      expect(root?.versions).toHaveLength(3);
      expect(root?.text).toMatch(/^RESOLVED orders-dal: over after 1 m/);
      expect(answers.map(({ threadTs, broadcast }) => [threadTs, broadcast])).toEqual([
        [root?.ts, false],
        [root?.ts, false],
      ]);
      expect(answers[0]?.text).toContain('12 partitions have no leader');
    });
  });

  it('calls people with a new message in the channel when it gets worse, and repeats', async () => {
    await withSlack(async (slack, tell) => {
      await tell(warning);
      await tell({ events: eventsUpTo(2), reason: 'worse', at: T0 + 1000 });
      await tell({ events: eventsUpTo(2), reason: 'repeat', at: T0 + 14_400_000 });
      const [, worse, repeat] = slack.messages();
      expect(worse?.broadcast).toBe(true);
      expect(worse?.text).toMatch(/^🔴 CRITICAL orders-dal: 12 partitions cannot be written or read/u);
      expect(repeat?.broadcast).toBe(true);
    });
  });

  it('tells a note in the thread: a quiet one there only, a loud one in the channel too, with a mention', async () => {
    const said = (seq: number, text: string) => ({ seq, at: T0 + seq * 1000, kind: 'note' as const, text });
    const events = [...eventsUpTo(1), said(2, 'Restarting broker 2.'), said(3, 'Broker 2 needs you.')];
    await withSlack(async (slack, tell) => {
      await tell({ events: events.slice(0, 1) });
      await tell({ events: events.slice(0, 2), reason: 'note', loud: false, at: T0 + 2000, autopilot: 'Auto-pilot: restarting broker 2.' });
      await tell({ events, reason: 'note', at: T0 + 3000 });
      const [root, quiet, loud] = slack.messages();
      expect(JSON.stringify(root?.versions)).toContain('Auto-pilot: restarting broker 2.');
      expect([quiet?.broadcast, quiet?.text]).toEqual([false, expect.stringMatching(/Restarting broker 2\.$/)]);
      expect([loud?.broadcast, loud?.text]).toEqual([true, expect.stringMatching(/^🔴 CRITICAL.*<!here>\n.*Broker 2 needs you\.$/u)]);
    }, 'here');
  });

  it('tells in the thread what happened before its first message got through', async () => {
    await withSlack(async (slack, tell) => {
      await tell({ events: eventsUpTo(3) });
      const [root, story] = slack.messages();
      expect(story).toMatchObject({
        threadTs: root?.ts,
        broadcast: false,
        text: expect.stringMatching(/12 partitions have no leader.*\n.*Broker 3 crashed/),
      });
    });
  });

  it('shows a recovery in the channel only after half an hour', async () => {
    await withSlack(async (slack, tell) => {
      await tell(warning);
      await tell({ ...over, at: T0 + 31 * 60_000 });
      expect(slack.messages().map(({ broadcast }) => broadcast)).toEqual([false, true]);
    });
  });

  it('mentions its people when it is critical first, or becomes so, and on no edit', async () => {
    await withSlack(async (slack, tell) => {
      await tell(warning);
      await tell({ events: eventsUpTo(2), reason: 'worse', at: T0 + 1000 });
      const [root, worse] = slack.messages();
      expect(JSON.stringify(root)).not.toContain('subteam');
      expect(worse?.text).toContain('<!subteam^S0123456>');
    }, 'S0123456');
    await withSlack(async (slack, tell) => {
      await tell({});
      expect(JSON.stringify(slack.messages()[0]?.blocks)).toContain('<!here>');
      await tell({ events: eventsUpTo(2), reason: 'new_alerts', loud: false, at: T0 + 1000, alerts: [CRASH] });
      expect(JSON.stringify(slack.messages()[0]?.blocks)).not.toContain('<!here>');
    }, 'here');
  });

  it('does nothing when it is told the same again', async () => {
    await withSlack(async (slack, tell) => {
      const first = await tell(warning);
      expect(await tell(warning)).toEqual(first);
      expect(slack.messages()).toHaveLength(1);
      expect(slack.messages()[0]?.versions).toHaveLength(1);
    });
  });

  it.each([
    ['edit_window_closed', 'the time for edits is over'],
    ['message_not_found', 'somebody deleted the message'],
    ['cant_update_message', 'it may not be edited'],
  ])('posts anew after %s: %s', async (error) => {
    await withSlack(async (slack, tell) => {
      const first = await tell(warning);
      slack.failNext(error);
      const second = await tell({ alerts: [CRASH], reason: 'new_alerts', loud: false, at: T0 + 1000 });
      expect(second['ts']).not.toBe(first['ts']);
      expect(slack.messages()).toHaveLength(2);
    });
  });

  it.each(['msg_blocks_too_long', 'invalid_blocks', 'msg_too_long'])('sends the plain text after %s', async (error) => {
    await withSlack(async (slack, tell) => {
      slack.failNext(error);
      await tell({});
      expect(slack.messages()[0]?.text).toMatch(/^CRITICAL orders-dal/);
    });
  });

  it('goes on where an attempt stopped', async () => {
    const peer = await HttpPeer.start(() => ok);
    const { notifier, poster } = slackOf(`${peer.url}/api/`);
    const first = await notifier.notify(notificationOf(warning), {}, never);
    const worse = notificationOf({ events: eventsUpTo(2), reason: 'worse', at: T0 + 1000 });
    // The answer in the thread is taken, the edit is put off.
    peer.answers.push(ok, { status: 429, headers: { 'retry-after': '1' } });
    const second = await notifier.notify(worse, first.kind === 'delivered' ? (first.receiverData ?? {}) : {}, never);
    expect(second).toMatchObject({ kind: 'retry', retryAfterMs: 1000, receiverData: { lastSeq: 2 } });
    const before = peer.requests.length;
    const third = await notifier.notify(worse, second.kind === 'retry' ? (second.receiverData ?? {}) : {}, never);
    expect(third.kind).toBe('delivered');
    expect(peer.requests.slice(before).map(({ path }) => path)).toEqual(['/api/chat.update']);
    poster.close();
    await peer.close();
  });

  it('keeps within its budget of blocks and characters', async () => {
    const peer = await HttpPeer.start(() => ok);
    const { notifier, poster } = slackOf(`${peer.url}/api/`);
    const long = '&<>'.repeat(2000);
    const annotations = {
      summary: long,
      description: long,
      belfry_effect: long,
      belfry_cause: long,
      belfry_do: long,
      runbook: `https://x.example/${'a'.repeat(1900)}`,
    };
    const alerts = Array.from({ length: 100 }, (_, index) =>
      alertOf({ labels: { topic: `t${index}` }, annotations: { ...annotations, belfry_effect: `${index}${long}` } }),
    );
    await notifier.notify(notificationOf({ alerts, incident: { cluster: long, broker: long, owner: long } }), {}, never);
    const { text, blocks } = partsOf(peer.requests[0]?.body ?? '');
    expect(text.length).toBeLessThanOrEqual(150);
    expect(blocks.length).toBeLessThanOrEqual(8000);
    const list = JSON.parse(blocks) as { text?: { text: string } }[];
    expect(list.length).toBeLessThanOrEqual(12);
    for (const block of list) expect(block.text?.text.length ?? 0).toBeLessThanOrEqual(2800);
    poster.close();
    await peer.close();
  });
});
