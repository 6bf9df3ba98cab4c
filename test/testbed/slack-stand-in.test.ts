import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebClient } from '@slack/web-api';
import { SLACK_LIMITS } from '../../testbed/slack-limits.ts';
import { SlackStandIn } from '../../testbed/slack-stand-in.ts';

let slack: SlackStandIn;
let client: WebClient;

beforeEach(async () => {
  slack = await SlackStandIn.start();
  client = new WebClient(slack.token, { slackApiUrl: slack.apiUrl, retryConfig: { retries: 0 }, rejectRateLimitedCalls: true });
});

afterEach(async () => {
  await slack[Symbol.asyncDispose]();
});

/** One call as any client may make it, past Slack's SDK. */
async function call(method: string, args: Record<string, unknown>, token = slack.token): Promise<Record<string, unknown>> {
  const response = await fetch(`${slack.apiUrl}${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(args),
  });
  return (await response.json()) as Record<string, unknown>;
}

describe('messages', () => {
  it('are posted, edited and replied to through the Slack SDK, and keep their history', async () => {
    const posted = await client.chat.postMessage({ channel: '#orders', text: 'one', blocks: [{ type: 'divider' }] });
    const { channel = '', ts = '' } = posted;
    await client.chat.postMessage({ channel, text: 'in thread', thread_ts: ts, reply_broadcast: true });
    await client.chat.update({ channel, ts, text: 'two' });
    const [first, reply] = slack.messages('#orders');
    expect(first).toMatchObject({ text: 'two', blocks: [], channelName: 'orders', versions: [{ text: 'one' }, { text: 'two' }] });
    expect(reply).toMatchObject({ text: 'in thread', threadTs: ts, broadcast: true });
    const replies = await client.conversations.replies({ channel, ts });
    expect(replies.messages?.map(({ text }) => text)).toEqual(['two', 'in thread']);
  });

  it('next waits for what is still to come, and says what came instead when it does not', async () => {
    const since = slack.events.count;
    const waiting = slack.next(({ type, message }) => type === 'post' && message?.text === 'second', { since });
    await client.chat.postMessage({ channel: 'orders', text: 'first' });
    await client.chat.postMessage({ channel: 'orders', text: 'second' });
    expect((await waiting).message?.text).toBe('second');
    await expect(slack.next(({ type }) => type === 'delete', { timeoutMs: 10 })).rejects.toThrow(/within 10 ms.*second/);
  });

  it('take forms as well as JSON, and incoming webhooks', async () => {
    const form = new URLSearchParams({ token: slack.token, channel: 'orders', text: 'form', blocks: '[{"type":"divider"}]' });
    const answer: unknown = await (await fetch(`${slack.apiUrl}chat.postMessage`, { method: 'POST', body: form })).json();
    expect(answer).toMatchObject({ ok: true });
    const hook = await fetch(slack.webhookUrl('#orders'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"text":"hook"}',
    });
    expect(await hook.text()).toBe('ok');
    expect(slack.messages('orders').map(({ text, webhook }) => [text, webhook])).toEqual([
      ['form', false],
      ['hook', true],
    ]);
  });
});

describe('refusals have the names of Slack', () => {
  const section = (length: number): unknown => ({ type: 'section', text: { type: 'mrkdwn', text: 'x'.repeat(length) } });

  it.each([
    ['no_text', {}],
    ['msg_too_long', { text: 'x'.repeat(SLACK_LIMITS.textLength + 1) }],
    ['invalid_blocks', { text: 'x', blocks: Array.from({ length: 51 }, () => ({ type: 'divider' })) }],
    ['invalid_blocks', { text: 'x', blocks: [section(3001)] }],
    ['invalid_blocks', { text: 'x', blocks: [section(0)] }],
    ['invalid_blocks', { text: 'x', blocks: [{ type: 'header', text: { type: 'plain_text', text: 'x'.repeat(151) } }] }],
    ['invalid_blocks', { text: 'x', blocks: [{ type: 'header', text: { type: 'mrkdwn', text: 'x' } }] }],
    ['invalid_blocks', { text: 'x', blocks: [{ type: 'carousel' }] }],
    ['msg_blocks_too_long', { text: 'x', blocks: Array.from({ length: 5 }, () => section(2900)) }],
    ['invalid_blocks_format', { text: 'x', blocks: 'no list' }],
    ['thread_not_found', { text: 'x', thread_ts: '1.000001' }],
  ])('%s', async (error, args) => {
    expect(await call('chat.postMessage', { channel: 'orders', ...args })).toMatchObject({ ok: false, error });
    expect(slack.messages()).toEqual([]);
    expect(slack.events.all).toMatchObject([{ type: 'refused', error }]);
  });

  it('takes what is exactly at the limits', async () => {
    const blocks = [section(3000), { type: 'header', text: { type: 'plain_text', text: 'x'.repeat(150) } }];
    expect(await call('chat.postMessage', { channel: 'orders', text: 'x'.repeat(40_000), blocks })).toMatchObject({ ok: true });
  });

  it('invalid_auth, unknown channels where channels are given, messages that are not there, closed edit windows', async () => {
    await slack[Symbol.asyncDispose]();
    slack = await SlackStandIn.start({ channels: ['#orders'] });
    expect(await call('chat.postMessage', { channel: 'orders', text: 'x' }, 'xoxb-wrong')).toMatchObject({ error: 'invalid_auth' });
    expect(await call('chat.postMessage', { channel: 'payments', text: 'x' })).toMatchObject({ error: 'channel_not_found' });
    const { channel, ts } = await call('chat.postMessage', { channel: 'orders', text: 'x' });
    expect(await call('chat.update', { channel: 'orders', ts, text: 'y' })).toMatchObject({ error: 'channel_not_found' });
    expect(await call('chat.update', { channel, ts: '1.000001', text: 'y' })).toMatchObject({ error: 'message_not_found' });
    slack.closeEditWindow();
    expect(await call('chat.update', { channel, ts, text: 'y' })).toMatchObject({ error: 'edit_window_closed' });
    slack.failNext('internal_error');
    expect(await call('auth.test', {})).toMatchObject({ error: 'internal_error' });
    expect(await call('auth.test', {})).toMatchObject({ ok: true, user: 'belfry' });
  });
});

describe('out of order', () => {
  it('rateLimit: 429 with Retry-After after so many messages, over after that time', async () => {
    slack.rateLimit({ afterN: 1, retryAfterSeconds: 1 });
    await client.chat.postMessage({ channel: 'orders', text: 'first' });
    await expect(client.chat.postMessage({ channel: 'orders', text: 'second' })).rejects.toMatchObject({
      code: 'slack_webapi_rate_limited_error',
      retryAfter: 1,
    });
    let answer: Record<string, unknown>;
    do answer = await call('chat.postMessage', { channel: 'orders', text: 'third' });
    while (answer['ok'] !== true);
    expect(slack.messages().map(({ text }) => text)).toEqual(['first', 'third']);
  });

  it('outages: refuse, 503 and hang, and back on the same port', async () => {
    await slack.outage('refuse');
    await expect(call('auth.test', {})).rejects.toThrow('fetch failed');
    await slack.outage(503);
    expect((await fetch(`${slack.apiUrl}auth.test`, { method: 'POST' })).status).toBe(503);
    await slack.outage('hang');
    await expect(fetch(`${slack.apiUrl}auth.test`, { method: 'POST', signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout/);
    await slack.outage(undefined);
    expect(await call('auth.test', {})).toMatchObject({ ok: true });
  });
});

describe('the page', () => {
  it('shows channels, threads and edits, and escapes what it shows', async () => {
    const { channel = '', ts = '' } = await client.chat.postMessage({
      channel: 'orders',
      text: '*bold* <https://example.com|link> <script>alert(1)</script>',
    });
    await client.chat.postMessage({ channel, thread_ts: ts, text: '`a &lt; b` :warning:' });
    await client.chat.update({
      channel,
      ts,
      text: '_now_ &lt;img src=x&gt;',
      blocks: [{ type: 'header', text: { type: 'plain_text', text: '<b>' } }],
    });
    const text = await (await fetch(slack.url)).text();
    expect(text).toContain('# orders');
    expect(text).toContain('1 reply');
    expect(text).toContain('(edited once, last at ');
    expect(text).toContain('<b>bold</b> <a href="https://example.com"');
    expect(text).toContain('<code>a &#60; b</code> ⚠️');
    expect(text).not.toMatch(/<script>alert|<img|<h2 class="header"><b>/);
  });
});
