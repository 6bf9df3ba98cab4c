import { LogLevel, WebAPIHTTPError, WebAPIPlatformError, WebAPIRateLimitedError, WebClient } from '@slack/web-api';
import { parseRetryAfter } from '../../core/retry-after.ts';
import type { Clock } from '../../core/clock.ts';
import type { Secret } from '../../core/secret.ts';
import type { HttpAnswer, HttpPoster } from '../http-post.ts';
import type { SlackBlock } from './blocks.ts';

/** A refusal by Slack: `code` as in its documentation, `retryAfterMs` where it asks for patience. */
export class SlackRefusal extends Error {
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor(code: string, retryAfterMs?: number) {
    super(code);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface SlackMessage {
  readonly channel: string;
  readonly text: string;
  readonly blocks?: readonly SlackBlock[];
  /** The thread's first message. */
  readonly threadTs?: string;
  /** Show the answer in the channel too: it counts as a new message there. */
  readonly broadcast?: boolean;
}

/** Where a message stands: the id of its channel and its `ts`. */
export interface SlackPlace {
  readonly channel: string;
  readonly ts: string;
}

/** What Slack asks to wait where it does not say how long. */
const DEFAULT_RETRY_AFTER_MS = 30_000;

/**
 * Two methods of Slack's Web API, one attempt each. The SDK's own retries and sleeping are off, since only the outbox
 * waits; it speaks through our connections, so that the caller's signal, the timeout and the limits hold.
 */
export class SlackClient {
  readonly #token: Secret;
  readonly #apiUrl: string | undefined;
  readonly #poster: HttpPoster;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  constructor(options: { token: Secret; apiUrl: string | undefined; poster: HttpPoster; clock: Clock; timeoutMs: number }) {
    this.#token = options.token;
    this.#apiUrl = options.apiUrl;
    this.#poster = options.poster;
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Throws `SlackRefusal`, or what the connection threw. */
  async post(message: SlackMessage, signal: AbortSignal): Promise<SlackPlace> {
    const answer = await this.#call(
      'chat.postMessage',
      {
        ...contentOf(message),
        unfurl_links: false,
        unfurl_media: false,
        ...(message.threadTs === undefined ? {} : { thread_ts: message.threadTs }),
        ...(message.broadcast === true ? { reply_broadcast: true } : {}),
      },
      signal,
    );
    const { channel, ts } = answer;
    if (typeof ts !== 'string') throw new SlackRefusal('an answer without ts');
    return { channel: typeof channel === 'string' ? channel : message.channel, ts };
  }

  /** Goes the way of a message but for the network: the SDK's first call costs some 10 ms that no first alert should wait for. */
  async rehearse(): Promise<void> {
    try {
      await this.post({ channel: 'rehearsal', text: 'rehearsal' }, AbortSignal.abort());
    } catch {
      // Nothing was to be sent: being aborted is what it is for.
    }
  }

  /** Edits the message at `ts`. Throws as `post` does. */
  async update(ts: string, message: SlackMessage, signal: AbortSignal): Promise<void> {
    // Without blocks Slack keeps the old ones: an empty list takes them away.
    await this.#call('chat.update', { ...contentOf(message), ts, blocks: message.blocks ?? [] }, signal);
  }

  async #call(method: string, body: Record<string, unknown>, signal: AbortSignal): Promise<Record<string, unknown>> {
    try {
      return { ...(await this.#client(signal).apiCall(method, body)) };
    } catch (error) {
      if (error instanceof WebAPIRateLimitedError) throw new SlackRefusal('ratelimited', error.retryAfter * 1000);
      if (error instanceof WebAPIPlatformError) {
        const code = String(error.data.error);
        const known = /^[a-z_]{1,80}$/.test(code) ? code : 'an answer that is not one of Slack';
        throw new SlackRefusal(known, secondsToMs(error.data.response_metadata?.retryAfter));
      }
      if (error instanceof WebAPIHTTPError) {
        const waitMs = parseRetryAfter(error.headers['retry-after'], this.#clock.wall());
        throw new SlackRefusal(`http_${error.statusCode}`, waitMs);
      }
      throw error;
    }
  }

  /** One client an attempt, since the SDK has no signal of its own. */
  #client(signal: AbortSignal): WebClient {
    return new WebClient(this.#token.reveal(), {
      ...(this.#apiUrl === undefined ? {} : { slackApiUrl: this.#apiUrl }),
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
      allowAbsoluteUrls: false,
      logger: SILENT,
      fetch: async (url, init = {}) => {
        const answer = await this.#poster.post({
          url: new URL(url),
          headers: init.headers ?? {},
          body: typeof init.body === 'string' ? init.body : '',
          signal,
          timeoutMs: this.#timeoutMs,
        });
        return fetchResponse(String(url), answer, this.#clock.wall());
      },
    });
  }
}

function contentOf({ channel, text, blocks }: SlackMessage): Record<string, unknown> {
  return { channel, text, parse: 'none', link_names: false, ...(blocks === undefined ? {} : { blocks }) };
}

function secondsToMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

/** The answer in the shape the SDK reads; a 429 always says for how long, in seconds. */
function fetchResponse(url: string, answer: HttpAnswer, wall: number) {
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) if (typeof value === 'string') headers.set(name, value);
  if (answer.status === 429) {
    const waitMs = parseRetryAfter(headers.get('retry-after') ?? undefined, wall) ?? DEFAULT_RETRY_AFTER_MS;
    headers.set('retry-after', String(Math.max(1, Math.ceil(waitMs / 1000))));
  }
  const text = answer.body.toString('utf8');
  return {
    ok: answer.status >= 200 && answer.status < 300,
    status: answer.status,
    statusText: '',
    url,
    headers,
    arrayBuffer: async () => new Uint8Array(answer.body).buffer,
    json: async (): Promise<unknown> => JSON.parse(text) as unknown,
    text: async () => text,
  };
}

/** The SDK would log to the console, and its debug lines hold whole messages; every failure comes back as an error anyway. */
const nothing = (): void => undefined;
const SILENT = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  setLevel: nothing,
  setName: nothing,
  getLevel: () => LogLevel.ERROR,
};
