import type { IncomingMessage, ServerResponse } from 'node:http';
import { Arrivals, arrivalTime } from './arrivals.ts';
import type { NextOptions } from './arrivals.ts';
import { HttpStandIn, readBody, sendHtml, sendJson } from './http-stand-in.ts';
import type { Outage } from './http-stand-in.ts';
import { refusalOf, textOf } from './slack-limits.ts';
import type { SlackContent } from './slack-limits.ts';
import { slackPage } from './slack-page.ts';
import { BOT, channelObject, contentOf, isTrue, messageObject, optionalString, parseArgs, TEAM, toAnswer } from './slack-wire.ts';
import type { Answer, Call, SlackMessage } from './slack-wire.ts';

/** Something that happened in the stand-in; `message` is a copy as of then. */
export interface SlackEvent {
  type: 'post' | 'update' | 'delete' | 'refused';
  at: number;
  method: string;
  channelName: string;
  message?: SlackMessage;
  /** Slack's error, of a refused call. */
  error?: string;
}

export interface SlackOptions {
  /** The bot token that is let in. Default `xoxb-belfry-testbed`. */
  token?: string;
  /** The channels there are. Default: any name is a channel as soon as something is posted to it. */
  channels?: readonly string[];
}

/** A Slack one can send to, look at, and put out of order: the Web API's methods for messages, and incoming webhooks. */
export class SlackStandIn implements AsyncDisposable {
  readonly token: string;
  readonly events = new Arrivals<SlackEvent>();
  #http!: HttpStandIn;
  readonly #channels = new Map<string, string>();
  readonly #fixedChannels: boolean;
  readonly #messages: SlackMessage[] = [];
  #lastTs = 0;
  #rateLimit: { left: number; retryAfterSeconds: number; until: number | undefined } | undefined;
  #failures: { error: string; left: number } | undefined;
  #editWindowClosed = false;

  private constructor(options: SlackOptions) {
    this.token = options.token ?? 'xoxb-belfry-testbed';
    this.#fixedChannels = options.channels !== undefined;
    for (const name of options.channels ?? []) this.#addChannel(name);
  }

  static async start(options: SlackOptions = {}): Promise<SlackStandIn> {
    const standIn = new SlackStandIn(options);
    standIn.#http = await HttpStandIn.listen((request, response) => void standIn.#handle(request, response));
    return standIn;
  }

  /** The page that shows what arrived. */
  get url(): string {
    return this.#http.url;
  }

  /** For a client: `new WebClient(token, {slackApiUrl})`. */
  get apiUrl(): string {
    return `${this.#http.url}/api/`;
  }

  /** URL of an incoming webhook of a channel. */
  webhookUrl(channel: string): string {
    return `${this.#http.url}/services/${TEAM}/B0HOOK/${encodeURIComponent(channel.replace(/^#/, ''))}`;
  }

  /** Messages that are there, oldest first; of one channel (`#name` or name), if given. */
  messages(channel?: string): SlackMessage[] {
    const name = channel?.replace(/^#/, '');
    return this.#messages.filter((message) => !message.deleted && (name === undefined || message.channelName === name));
  }

  /** Waits for an event, arrived or still to come. */
  async next(predicate?: (event: SlackEvent) => boolean, options?: NextOptions): Promise<SlackEvent> {
    return await this.events.next(predicate, options);
  }

  /** After `afterN` more messages every call gets 429 with Retry-After, until so many seconds have passed since the first of them. */
  rateLimit({ afterN, retryAfterSeconds }: { afterN: number; retryAfterSeconds: number }): void {
    this.#rateLimit = { left: afterN, retryAfterSeconds, until: undefined };
  }

  /** The next `times` calls are refused with this error of Slack's, e.g. `is_archived`, `internal_error`. */
  failNext(error: string, times = 1): void {
    this.#failures = { error, left: times };
  }

  /** From now on edits are refused with `edit_window_closed`. */
  closeEditWindow(closed = true): void {
    this.#editWindowClosed = closed;
  }

  /** Puts it out of order, or back in order with `undefined`. The page stays readable unless its port is closed. */
  async outage(outage: Outage | undefined): Promise<void> {
    await this.#http.outage(outage);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '/', 'http://stand-in');
      if (request.method === 'GET' && url.pathname === '/') {
        sendHtml(response, slackPage(this.messages(), [...this.#channels.values()], url.searchParams.get('channel') ?? undefined));
        return;
      }
      const body = await readBody(request);
      const args = {
        ...Object.fromEntries(url.searchParams),
        ...parseArgs(String(request.headers['content-type'] ?? ''), body.toString('utf8')),
      };
      const limited = this.#retryAfter();
      if (limited !== undefined) {
        this.#record({ type: 'refused', method: url.pathname, channelName: textOf(args['channel']), error: 'ratelimited' });
        sendJson(response, 429, { ok: false, error: 'ratelimited' }, { 'retry-after': String(limited) });
      } else if (url.pathname.startsWith('/api/')) {
        sendJson(response, 200, this.#call({ method: url.pathname.slice(5), args }, request.headers.authorization));
      } else if (url.pathname.startsWith('/services/')) {
        const [status, text] = this.#webhook(url.pathname, args);
        response.writeHead(status, { 'content-type': 'text/html' }).end(text);
      } else {
        response.writeHead(404).end();
      }
    } catch (error) {
      if (!response.headersSent) response.writeHead(400, { 'content-type': 'text/plain' });
      response.end(`${String(error)}\n`);
    }
  }

  /** Seconds a caller is told to wait; undefined when the call may go on. */
  #retryAfter(): number | undefined {
    const limit = this.#rateLimit;
    if (limit === undefined || limit.left > 0) return undefined;
    const now = performance.now();
    limit.until ??= now + limit.retryAfterSeconds * 1000;
    if (now < limit.until) return Math.max(1, Math.ceil((limit.until - now) / 1000));
    this.#rateLimit = undefined;
    return undefined;
  }

  #call(call: Call, authorization: string | undefined): Answer {
    const { method, args } = call;
    const token = authorization === undefined ? args['token'] : /^Bearer (.+)$/.exec(authorization)?.[1];
    let answer: Answer;
    if (token === undefined) answer = { ok: false, error: 'not_authed' };
    else if (token !== this.token) answer = { ok: false, error: 'invalid_auth' };
    else if (this.#failures !== undefined && this.#failures.left > 0) {
      this.#failures.left -= 1;
      answer = { ok: false, error: this.#failures.error };
    } else answer = this.#answer(call);
    if (!answer.ok) this.#record({ type: 'refused', method, channelName: textOf(args['channel']).replace(/^#/, ''), error: answer.error });
    return answer;
  }

  #answer({ method, args }: Call): Answer {
    switch (method) {
      case 'api.test':
        return { ok: true, args };
      case 'auth.test':
        return { ok: true, url: `${this.url}/`, team: 'Belfry testbed', team_id: TEAM, ...BOT, is_enterprise_install: false };
      case 'chat.postMessage':
        return this.#post(args);
      case 'chat.update':
        return this.#update(args);
      case 'chat.delete':
        return this.#delete(args);
      case 'chat.getPermalink':
        return this.#permalink(args);
      case 'conversations.list':
        return { ok: true, channels: [...this.#channels].map(channelObject), response_metadata: { next_cursor: '' } };
      case 'conversations.info':
      case 'conversations.join': {
        const id = this.#channelId(args['channel']);
        return id === undefined
          ? { ok: false, error: 'channel_not_found' }
          : { ok: true, channel: channelObject([id, this.#channels.get(id) ?? '']) };
      }
      case 'conversations.history':
      case 'conversations.replies':
        return this.#list(method, args);
      default:
        return { ok: false, error: 'unknown_method' };
    }
  }

  #post(args: Call['args']): Answer {
    const channel = this.#channelId(args['channel'], true);
    if (channel === undefined) return { ok: false, error: 'channel_not_found' };
    const content = contentOf(args);
    if ('error' in content) return { ok: false, error: content.error };
    const refusal = refusalOf(content);
    if (refusal !== undefined) return toAnswer(refusal);
    const threadTs = optionalString(args['thread_ts']);
    if (threadTs !== undefined && this.#find(channel, threadTs) === undefined) return { ok: false, error: 'thread_not_found' };
    const message = this.#add(
      channel,
      content,
      { threadTs, broadcast: isTrue(args['reply_broadcast']), webhook: false },
      'chat.postMessage',
    );
    return { ok: true, channel, ts: message.ts, message: messageObject(message) };
  }

  #update(args: Call['args']): Answer {
    // Unlike posting, editing takes the id of a channel only.
    const channel = textOf(args['channel']);
    if (!this.#channels.has(channel)) return { ok: false, error: 'channel_not_found' };
    const message = this.#find(channel, textOf(args['ts']));
    if (message === undefined) return { ok: false, error: 'message_not_found' };
    if (this.#editWindowClosed) return { ok: false, error: 'edit_window_closed' };
    const content = contentOf(args);
    if ('error' in content) return { ok: false, error: content.error };
    const refusal = refusalOf(content);
    if (refusal !== undefined) return toAnswer(refusal);
    this.#spend();
    Object.assign(message, content);
    message.versions.push({ at: arrivalTime(), ...content });
    this.#record({ type: 'update', method: 'chat.update', channelName: message.channelName, message });
    return { ok: true, channel, ts: message.ts, text: message.text, message: messageObject(message) };
  }

  #delete(args: Call['args']): Answer {
    const message = this.#find(textOf(args['channel']), textOf(args['ts']));
    if (message === undefined) return { ok: false, error: 'message_not_found' };
    message.deleted = true;
    this.#record({ type: 'delete', method: 'chat.delete', channelName: message.channelName, message });
    return { ok: true, channel: message.channel, ts: message.ts };
  }

  #permalink(args: Call['args']): Answer {
    const message = this.#find(textOf(args['channel']), textOf(args['message_ts']));
    if (message === undefined) return { ok: false, error: 'message_not_found' };
    return { ok: true, channel: message.channel, permalink: `${this.url}/?channel=${message.channelName}#m${message.ts}` };
  }

  #list(method: string, args: Call['args']): Answer {
    const channel = this.#channelId(args['channel']);
    if (channel === undefined) return { ok: false, error: 'channel_not_found' };
    const all = this.messages().filter((message) => message.channel === channel);
    if (method === 'conversations.history') {
      const top = all.filter((message) => message.threadTs === undefined || message.broadcast);
      return { ok: true, messages: top.reverse().map(messageObject), has_more: false };
    }
    const ts = textOf(args['ts']);
    if (!all.some((message) => message.ts === ts)) return { ok: false, error: 'thread_not_found' };
    return {
      ok: true,
      messages: all.filter((message) => message.ts === ts || message.threadTs === ts).map(messageObject),
      has_more: false,
    };
  }

  #webhook(path: string, args: Call['args']): [status: number, text: string] {
    const name = decodeURIComponent(path.split('/')[4] ?? '');
    const channel = name === '' ? undefined : this.#channelId(name, true);
    if (channel === undefined) return [404, 'no_service'];
    const content = contentOf(args);
    if ('error' in content) return [400, content.error === 'invalid_blocks_format' ? content.error : 'invalid_payload'];
    const refusal = refusalOf(content);
    if (refusal !== undefined) {
      this.#record({ type: 'refused', method: 'webhook', channelName: name, error: refusal.error });
      return [400, refusal.error];
    }
    this.#add(channel, content, { threadTs: undefined, broadcast: false, webhook: true }, 'webhook');
    return [200, 'ok'];
  }

  #add(
    channel: string,
    content: SlackContent,
    where: { threadTs: string | undefined; broadcast: boolean; webhook: boolean },
    method: string,
  ): SlackMessage {
    this.#spend();
    const { threadTs, broadcast, webhook } = where;
    const postedAt = arrivalTime();
    const parent = threadTs === undefined ? undefined : this.#find(channel, threadTs);
    const root = parent?.threadTs ?? parent?.ts;
    const message: SlackMessage = {
      ...content,
      ts: this.#nextTs(postedAt),
      channel,
      channelName: this.#channels.get(channel) ?? '',
      ...(root === undefined ? {} : { threadTs: root }),
      broadcast: broadcast && root !== undefined,
      webhook,
      postedAt,
      deleted: false,
      versions: [{ at: postedAt, ...content }],
    };
    this.#messages.push(message);
    this.#record({ type: 'post', method, channelName: message.channelName, message });
    return message;
  }

  #spend(): void {
    if (this.#rateLimit !== undefined) this.#rateLimit.left -= 1;
  }

  #record(event: Omit<SlackEvent, 'at'>): void {
    this.events.add({ ...event, at: arrivalTime(), ...(event.message === undefined ? {} : { message: structuredClone(event.message) }) });
  }

  #find(channel: string, ts: string): SlackMessage | undefined {
    return this.#messages.find((message) => message.channel === channel && message.ts === ts && !message.deleted);
  }

  #nextTs(at: number): string {
    this.#lastTs = Math.max(this.#lastTs + 1, Math.floor(at * 1000));
    const digits = String(this.#lastTs);
    return `${digits.slice(0, -6)}.${digits.slice(-6)}`;
  }

  /** Slack takes a channel's id, its name, or its name with a hash. */
  #channelId(given: unknown, mayCreate = false): string | undefined {
    if (typeof given !== 'string' || given === '') return undefined;
    if (this.#channels.has(given)) return given;
    const name = given.replace(/^#/, '');
    for (const [id, known] of this.#channels) if (known === name) return id;
    return mayCreate && !this.#fixedChannels ? this.#addChannel(name) : undefined;
  }

  #addChannel(given: string): string {
    const id = `C${String(this.#channels.size + 1).padStart(8, '0')}`;
    this.#channels.set(id, given.replace(/^#/, ''));
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}
