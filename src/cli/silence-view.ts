import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { humanDuration } from '../core/duration.ts';
import { Labels } from '../core/labels.ts';
import { Matcher, matchesAll } from '../core/matcher.ts';
import type { SilenceState } from '../core/silence.ts';
import { TimeText } from '../notifiers/time-text.ts';
import { type BelfryClient, JsonBody } from './client.ts';
import { printable, table } from './table.ts';

const time = z.string().transform((text, context) => {
  const ts = Date.parse(text);
  if (Number.isNaN(ts)) context.addIssue('expected a time');
  return ts;
});
const silenceSchema = z.object({
  id: z.string(),
  status: z.object({ state: z.enum(['active', 'pending', 'expired']) }),
  startsAt: time,
  endsAt: time,
  createdBy: z.string(),
  comment: z.string(),
  annotations: z.record(z.string(), z.string()).default({}),
  matchers: z.array(z.object({ name: z.string(), value: z.string(), isRegex: z.boolean(), isEqual: z.boolean() })),
});
const alertSchema = z.object({
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
  fingerprint: z.string(),
  startsAt: time,
  status: z.object({
    state: z.string(),
    silencedBy: z.array(z.string()),
    inhibitedBy: z.array(z.string()),
    mutedBy: z.array(z.string()).default([]),
  }),
});

/** A silence as the running Belfry tells it. */
export interface ShownSilence {
  readonly id: string;
  readonly state: SilenceState;
  readonly matchers: readonly Matcher[];
  readonly startsAt: number;
  readonly endsAt: number;
  readonly createdBy: string;
  readonly comment: string;
  /** What tools note on it. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** An alert that fires. */
export interface FiringAlert {
  readonly labels: Labels;
  readonly annotations: Readonly<Record<string, string>>;
  readonly fingerprint: string;
  readonly startsAt: number;
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: readonly string[];
  readonly maintenance: readonly string[];
  readonly state: string;
}

/** All that are kept, in the order of the API: active, pending, expired. */
export async function readSilences(client: BelfryClient): Promise<readonly ShownSilence[]> {
  const silences = await client.ask(z.array(silenceSchema), 'GET', '/api/v2/silences');
  return silences.map(({ status, matchers, ...silence }) => ({
    ...silence,
    state: status.state,
    matchers: matchers.map(
      ({ name, value, isRegex, isEqual }) =>
        new Matcher(name, isEqual ? (isRegex ? '=~' : '=') : isRegex ? '!~' : '!=', value, 'alertmanager'),
    ),
  }));
}

/** Every alert that fires, muted or not. */
export async function readFiringAlerts(client: BelfryClient): Promise<readonly FiringAlert[]> {
  const alerts = await client.ask(z.array(alertSchema), 'GET', '/api/v2/alerts');
  return alerts.map(({ labels, status, ...alert }) => ({ ...alert, ...status, maintenance: status.mutedBy, labels: Labels.of(labels) }));
}

export function matchedBy(matchers: readonly Matcher[], alerts: readonly FiringAlert[]): readonly FiringAlert[] {
  return alerts.filter(({ labels }) => matchesAll(matchers, labels));
}

/** What is to be silenced, from when to when, by whom and why. */
export type SilenceRequest = Omit<ShownSilence, 'id' | 'state'> & { readonly id?: string };

/** Makes one, or with an id changes that one; the id it has now. */
export async function postSilence(
  client: BelfryClient,
  { id, matchers, startsAt, endsAt, createdBy, comment, annotations }: SilenceRequest,
): Promise<string> {
  const body = new JsonBody({
    ...(id === undefined ? {} : { id }),
    matchers: matchers.map(({ name, op, value }) => ({ name, value, isRegex: op.endsWith('~'), isEqual: !op.startsWith('!') })),
    startsAt: new Date(startsAt).toISOString(),
    endsAt: new Date(endsAt).toISOString(),
    createdBy,
    comment,
    annotations,
  });
  return (await client.ask(z.object({ silenceID: z.string() }), 'POST', '/api/v2/silences', body)).silenceID;
}

/** Why nobody is told of it: who silenced it and until when, what inhibits it, which maintenance is open. Empty where people are told. */
export function mutedText(alert: FiringAlert, silences: readonly ShownSilence[], alerts: readonly FiringAlert[], times: Times): string {
  const reasons = alert.silencedBy.map((id) => {
    const silence = silences.find((each) => each.id === id);
    return silence === undefined ? `silence ${id}` : `silenced by ${silence.createdBy} until ${times.full(silence.endsAt)}`;
  });
  const names = new Set(
    alert.inhibitedBy.map((id) => alerts.find(({ fingerprint }) => fingerprint === id)?.labels.get('alertname') ?? `alert ${id}`),
  );
  if (names.size > 0) reasons.push(`inhibited by ${[...names].join(', ')}`);
  if (alert.maintenance.length > 0) reasons.push(`maintenance ${alert.maintenance.join(', ')}`);
  if (alert.state === 'unprocessed') reasons.push('Belfry is starting');
  return reasons.join('; ');
}

/** Writes times in the reader's zone, always with its name. */
export type Times = Pick<TimeText, 'full'>;

/** In the zone that is named, else in this machine's. */
export function timesIn(timezone: string | undefined): Times {
  return TimeText.in(timezone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone);
}

/** The value of `--timezone`. */
export function parseTimezone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw new InvalidArgumentError('expected a time zone, such as Europe/Berlin or UTC.');
  }
}

export function matchersText(matchers: readonly Matcher[]): string {
  return matchers.map(String).join(', ');
}

/** The alerts as a table, the first so many. */
export function alertsText(alerts: readonly FiringAlert[], now: number): string {
  const shown = alerts.slice(0, ALERTS_SHOWN);
  const rows = shown.map(({ labels, annotations, startsAt }) =>
    [
      (labels.get('severity') || 'firing').toUpperCase(),
      labels.get('cluster') || '-',
      labels.get('alertname'),
      humanDuration(now - startsAt),
      annotations['summary'] ?? annotations['description'] ?? '',
    ].map(printable),
  );
  const more = alerts.length > shown.length ? `… and ${alerts.length - shown.length} more (belfry alerts shows all)\n` : '';
  return table([['STATE', 'CLUSTER', 'ALERT', 'FOR', 'SUMMARY'], ...rows]) + more;
}

const ALERTS_SHOWN = 20;
