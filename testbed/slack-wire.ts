import { isObject, textOf } from './slack-limits.ts';
import type { SlackContent } from './slack-limits.ts';

/** One version of a message: what it said from `at` (ms since the epoch) on. */
export interface SlackVersion extends SlackContent {
  at: number;
}

export interface SlackMessage extends SlackContent {
  /** Slack's id of a message in its channel. */
  ts: string;
  channel: string;
  channelName: string;
  /** ts of the message whose thread this is in. */
  threadTs?: string;
  /** A reply that is shown in the channel, too. */
  broadcast: boolean;
  /** Came by an incoming webhook. */
  webhook: boolean;
  postedAt: number;
  deleted: boolean;
  /** All it ever said, first to last; the last is what it says now. */
  versions: SlackVersion[];
}

/** A call of the Web API. */
export interface Call {
  method: string;
  args: Readonly<Record<string, unknown>>;
}

/** What Slack answers, with status 200 also when it refuses. */
export type Answer = { ok: true; [key: string]: unknown } | { ok: false; error: string; response_metadata?: { messages: string[] } };

export const TEAM = 'T0BELFRY';
export const BOT = { user_id: 'U0BELFRY', bot_id: 'B0BELFRY', user: 'belfry' };

/** Arguments of a call: JSON, or a form (whose `payload`, of webhooks, is JSON). Not JSON at all is an error of the caller's. */
export function parseArgs(contentType: string, body: string): Record<string, unknown> {
  if (body === '') return {};
  if (!contentType.startsWith('application/json')) {
    const form = Object.fromEntries(new URLSearchParams(body));
    if (form['payload'] === undefined) return form;
    body = form['payload'];
  }
  const parsed: unknown = JSON.parse(body);
  if (!isObject(parsed)) throw new Error('invalid_payload');
  return parsed;
}

/** The message in the arguments of a call; forms carry lists as JSON. */
export function contentOf(args: Call['args']): SlackContent | { error: string } {
  const blocks = listOf(args['blocks']);
  const attachments = listOf(args['attachments']);
  if (blocks === undefined) return { error: 'invalid_blocks_format' };
  if (attachments === undefined) return { error: 'invalid_attachments' };
  return { text: textOf(args['text']), blocks, attachments };
}

function listOf(given: unknown): readonly unknown[] | undefined {
  if (given === undefined || given === null || given === '') return [];
  if (Array.isArray(given)) return given;
  if (typeof given !== 'string') return undefined;
  try {
    const parsed: unknown = JSON.parse(given);
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** A refusal as an answer. */
export function toAnswer({ error, details }: { error: string; details?: string[] }): Answer {
  return {
    ok: false,
    error,
    ...(details === undefined ? {} : { response_metadata: { messages: details.map((detail) => `[ERROR] ${detail}`) } }),
  };
}

/** A message as Slack's API shows it. */
export function messageObject(message: SlackMessage): Record<string, unknown> {
  const { ts, text, blocks, attachments, threadTs, versions } = message;
  const last = versions.at(-1);
  return {
    type: 'message',
    ...BOT,
    user: BOT.user_id,
    team: TEAM,
    ts,
    text,
    blocks,
    attachments,
    ...(threadTs === undefined ? {} : { thread_ts: threadTs }),
    ...(versions.length > 1 && last !== undefined ? { edited: { user: BOT.user_id, ts: (last.at / 1000).toFixed(6) } } : {}),
  };
}

/** A channel as Slack's API shows it. */
export function channelObject([id, name]: readonly [string, string]): Record<string, unknown> {
  return { id, name, is_channel: true, is_member: true, is_archived: false, is_private: false };
}

/** A text that is there and not empty. */
export function optionalString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A flag, of JSON or of a form. */
export function isTrue(value: unknown): boolean {
  return value === true || value === 'true' || value === '1';
}
