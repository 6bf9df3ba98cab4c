import { cut } from '../plain-text.ts';

const CALLS = /@(?=(?:here|channel|everyone|group)\b)/gi;

/**
 * A text as it is in Slack's mrkdwn. Slack reads commands (`<!channel>`, links, users) only between angle brackets, so
 * the three characters of its escaping are enough; the joiner keeps an older client or a bridge from reading a bare
 * `@here` as a call to everybody.
 */
export function escapeMrkdwn(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll(CALLS, '@\u2060');
}

/** A text for `plain_text`, which knows no escaping: nothing in it may look like a command to a bridge that copies it. */
export function plainText(text: string): string {
  return text.replaceAll('<', '‹').replaceAll('>', '›').replaceAll(CALLS, '@\u2060');
}

/** The text escaped, cut so that what is sent has at most `max` characters. */
export function fitMrkdwn(text: string, max: number): string {
  let raw = cut(text, max);
  for (let escaped = escapeMrkdwn(raw); ; escaped = escapeMrkdwn(raw)) {
    if (escaped.length <= max) return escaped;
    raw = cut(text, Math.min(raw.length - 1, Math.floor((raw.length * max) / escaped.length)));
  }
}

/** A link; the address comes from `webAddress`, which leaves none of the characters that end one. */
export function mrkdwnLink(url: string, text: string): string {
  return `<${url.replaceAll('&', '&amp;')}|${escapeMrkdwn(text).replaceAll('|', '¦')}>`;
}

/** A time that Slack shows in the reader's own zone; the fallback is for clients that cannot. */
export function mrkdwnTime(timeMs: number, fallback: string): string {
  return `<!date^${Math.floor(timeMs / 1000)}^{date_short_pretty} {time_secs}|${escapeMrkdwn(fallback).replaceAll('|', '¦')}>`;
}

/** Who is called: `here`, `channel`, a user (U…, W…) or a user group (S…). */
export function mrkdwnMention(mention: string): string {
  if (mention === 'here' || mention === 'channel') return `<!${mention}>`;
  return mention.startsWith('S') ? `<!subteam^${mention}>` : `<@${mention}>`;
}
