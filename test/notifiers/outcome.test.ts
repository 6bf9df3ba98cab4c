import { describe, expect, it } from '@jest/globals';
import { Secret } from '../../src/core/secret.ts';
import { parseRetryAfter } from '../../src/core/retry-after.ts';
import { Reasons } from '../../src/notifiers/outcome.ts';
import { slackHint, slackVerdict } from '../../src/notifiers/slack/slack-answers.ts';
import { escapeMrkdwn, fitMrkdwn, mrkdwnLink } from '../../src/notifiers/slack/mrkdwn.ts';

describe('Retry-After', () => {
  const now = Date.UTC(2026, 10, 22, 14, 0, 0);

  it.each([
    ['30', 30_000],
    [' 0 ', 0],
    ['Sun, 22 Nov 2026 14:00:05 GMT', 5000],
    ['Sun, 22 Nov 2026 13:00:00 GMT', 0],
    ['999999999', 3_600_000],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is %j ms', (header, waitMs) => {
    expect(parseRetryAfter(header, now)).toBe(waitMs);
  });
});

describe('a reason', () => {
  const reasons = new Reasons([new Secret('https://hooks.example.com/services/T000/B000/abcdefgh12345'), new Secret('p&ss wörd')]);

  it.each([
    ['as it is', 'p&ss wörd'],
    ['percent-encoded', encodeURIComponent('p&ss wörd')],
    ['in base64', Buffer.from('p&ss wörd').toString('base64')],
    ['as the path of the address', '/services/T000/B000/abcdefgh12345'],
    ['as the last part of the path', 'abcdefgh12345'],
  ])('does not show a secret %s', (_, form) => {
    expect(reasons.text(`it said ${form}!`)).toBe('it said [secret]!');
  });

  it('is one bounded line', () => {
    const text = reasons.text(`a\r\nb${'c'.repeat(1000)}`);
    expect(text).toMatch(/^a bc+…$/);
    expect(text.length).toBeLessThanOrEqual(300);
  });
});

describe("Slack's words", () => {
  it.each([
    ['ratelimited', 'retry'],
    ['never_heard_of', 'retry'],
    ['constructor', 'retry'],
    ['http_503', 'retry'],
    ['http_404', 'give_up'],
    ['is_archived', 'give_up'],
    ['message_not_found', 'post_anew'],
    ['msg_blocks_too_long', 'plain'],
  ])('%s: %s', (code, verdict) => {
    expect(slackVerdict(code)).toBe(verdict);
  });

  it('come with what to do', () => {
    expect(slackHint('not_in_channel')).toBe('not_in_channel (invite the bot to the channel)');
    expect(slackHint('__proto__')).toBe('__proto__');
  });

  it.each([
    ['<!channel> & co', '&lt;!channel&gt; &amp; co'],
    ['ask @here', 'ask @\u2060here'],
    ['mail@hereford.org', 'mail@hereford.org'],
  ])('%j is escaped to %j', (text, escaped) => {
    expect(escapeMrkdwn(text)).toBe(escaped);
  });

  it('fit when they are escaped, and are cut between characters', () => {
    for (const max of [10, 50, 299]) expect(fitMrkdwn('<&>'.repeat(500), max).length).toBeLessThanOrEqual(max);
    expect(fitMrkdwn('&'.repeat(20), 11)).toBe('&amp;…');
    expect(mrkdwnLink('https://a/?b=1&c=2', 'x|<y>')).toBe('<https://a/?b=1&amp;c=2|x¦&lt;y&gt;>');
  });
});
