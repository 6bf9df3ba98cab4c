import { createHash } from 'node:crypto';
import type { LogLine } from '../../testbed/belfry-process.ts';
import type { SlackEvent } from '../../testbed/slack-stand-in.ts';
import type { Mail } from '../../testbed/mail-sink.ts';
import type { Stage } from '../../testbed/stage.ts';
import type { WebhookRequest } from '../../testbed/webhook-sink.ts';
import { bodyOf, type ToldAlert } from '../acceptance/harness.ts';

export const SINKS = ['slack', 'mail', 'webhook'] as const;
export type Sink = (typeof SINKS)[number];

/** One thing a sink was told: a post, an edit or an answer in a thread, a mail, a request that was answered with 200. */
export interface Telling {
  readonly sink: Sink;
  /** ms since the epoch, on the clock of the sinks. */
  readonly at: number;
  readonly incident: string;
  /** Whether it says that all is over; undefined where it says nothing of that (an answer in a thread). */
  readonly over: boolean | undefined;
  /** Two tellings with the same key are one told twice. */
  readonly key: string;
  readonly text: string;
  /** Of the webhook only. */
  readonly alerts: readonly ToldAlert[];
}

/** A delivery that Belfry has noted durably: it must never be made again. */
export interface Settled {
  readonly sink: Sink;
  readonly at: number;
  readonly incident: string;
}

const SINK_OF: Readonly<Record<string, Sink>> = { slack: 'slack', email: 'mail', webhook: 'webhook' };

/** What a Belfry's log says it has delivered. It says so after its transaction. */
export function settledIn(log: readonly LogLine[]): Settled[] {
  return log.flatMap(({ event, integration, group, time }) => {
    const sink = SINK_OF[String(integration)];
    if (event !== 'notification_delivered' || sink === undefined) return [];
    return [{ sink, at: Date.parse(String(time)), incident: String(group).replace(/^incident\//, '') }];
  });
}

export interface Double {
  readonly first: Telling;
  readonly second: Telling;
}

const ULID = /\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b/;

/**
 * What three sinks were told, and what twice:
 * - Slack: a second message for an incident in the channel, the same answer twice in a thread, an edit that changes nothing;
 * - mail: a second mail with the same Message-ID, which Belfry makes from the incident and the change that is told;
 * - webhook: a second 200 for the same group, status, reason and note, and the same alerts with their states, texts and times.
 */
export class Ledger {
  readonly tellings: Telling[] = [];
  readonly doubles: Double[] = [];
  readonly #stage: Stage;
  readonly #seen = new Map<string, Telling>();
  readonly #last = new Map<string, Telling>();
  readonly #incidentOfThread = new Map<string, string>();
  readonly #read = { slack: 0, mail: 0, webhook: 0 };

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Reads what has arrived since the last time. */
  take(): void {
    const { slack, mail, webhook } = this.#stage;
    const slackEvents = slack.events.all.slice(this.#read.slack);
    const mails = mail.mails.all.slice(this.#read.mail);
    const requests = webhook.requests.all.slice(this.#read.webhook);
    this.#read.slack += slackEvents.length;
    this.#read.mail += mails.length;
    this.#read.webhook += requests.length;
    const found = [
      ...slackEvents.map((event) => this.#ofSlack(event)),
      ...mails.map(ofMail),
      ...requests.filter(({ status, method }) => status === 200 && method === 'POST').map(ofWebhook),
    ];
    for (const telling of found) if (telling !== undefined) this.#add(telling);
  }

  /** By incident, the last that says whether it is over. */
  lastOf(sink: Sink): ReadonlyMap<string, Telling> {
    const found = new Map<string, Telling>();
    for (const telling of this.#last.values()) if (telling.sink === sink) found.set(telling.incident, telling);
    return found;
  }

  /** Of each sink: how many it got. */
  counts(): Record<Sink, number> {
    const counts = { slack: 0, mail: 0, webhook: 0 };
    for (const { sink } of this.tellings) counts[sink]++;
    return counts;
  }

  #add(telling: Telling): void {
    // Told three times, the third is compared with the second: each may have been in flight at a kill of its own.
    const first = this.#seen.get(telling.key);
    if (first !== undefined) this.doubles.push({ first, second: telling });
    this.#seen.set(telling.key, telling);
    this.tellings.push(telling);
    if (telling.over !== undefined) this.#last.set(`${telling.sink} ${telling.incident}`, telling);
  }

  #ofSlack({ type, at, message }: SlackEvent): Telling | undefined {
    if (message === undefined || type === 'delete' || type === 'refused') return undefined;
    const { ts, threadTs, text, blocks, versions } = message;
    const shown = `${text}\n${JSON.stringify(blocks)}`;
    if (threadTs !== undefined) {
      const incident = this.#incidentOfThread.get(threadTs) ?? '';
      return { sink: 'slack', at, incident, over: undefined, key: `reply ${incident} ${text}`, text, alerts: [] };
    }
    const incident = ULID.exec(shown)?.[0] ?? '';
    this.#incidentOfThread.set(ts, incident);
    const over = text.startsWith('RESOLVED');
    if (type === 'post') return { sink: 'slack', at, incident, over, key: `root ${incident}`, text: shown, alerts: [] };
    const before = versions.at(-2);
    const same = before !== undefined && `${before.text}\n${JSON.stringify(before.blocks)}` === shown;
    // The first edit to a content is new; the same content again right after it is not.
    const key = same ? `edit ${ts} ${digest(shown)}` : `edit ${ts} ${digest(shown)} ${versions.length}`;
    const telling: Telling = { sink: 'slack', at, incident, over, key, text: shown, alerts: [] };
    if (same) this.#seen.set(key, { ...telling, at: before.at });
    return telling;
  }
}

function ofMail({ at, headers, subject, text, messageId }: Mail): Telling {
  const incident = headers['x-belfry-incident'] ?? '';
  return {
    sink: 'mail',
    at,
    incident,
    over: subject.startsWith('[RESOLVED]'),
    key: `mail ${messageId}`,
    text: `${subject}\n${text}`,
    alerts: [],
  };
}

function ofWebhook(request: WebhookRequest): Telling {
  const body = bodyOf(request);
  const { notification_reason: reason = '', note = '' } = request.json as { notification_reason?: string; note?: string };
  const alerts = body.alerts.map(({ status, labels, annotations, startsAt, endsAt }) => [status, labels, annotations, startsAt, endsAt]);
  const content = digest(JSON.stringify([body.status, reason, note, alerts]));
  return {
    sink: 'webhook',
    at: request.at,
    incident: body.groupKey.replace(/^incident\//, ''),
    over: body.status === 'resolved',
    key: `webhook ${body.groupKey} ${content}`,
    text: `${body.status} (${reason}) ${body.alerts.map(({ status, labels }) => `${status} ${nameOf(labels)}`).join(', ')}`,
    alerts: body.alerts,
  };
}

/** `BrokerCrashed orders-dal/2 warning`. */
export function nameOf(labels: Readonly<Record<string, string>>): string {
  const { alertname = '', cluster = '', broker = '', severity = '' } = labels;
  return `${alertname} ${cluster}/${broker} ${severity}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
