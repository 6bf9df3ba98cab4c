import { severityOf } from '../core/alert.ts';
import { humanDuration } from '../core/duration.ts';
import { LIMITS } from '../core/limits.ts';
import { headlineOf, subjectOf } from './headline.ts';
import { factsOf, isNoEffect, summaryOf } from './message-facts.ts';
import { asSentence, counted, cut, oneLine, webAddress } from './plain-text.ts';
import { TimeText } from './time-text.ts';
import type { MessageFacts, MessageState } from './message-facts.ts';
import type { Alert } from '../core/alert.ts';
import type { Notification } from '../core/notification.ts';

export interface MessageOptions {
  /** IANA zone of the times; UTC where undefined. */
  readonly timezone: string | undefined;
  /** Where Belfry's own pages are, for links. */
  readonly externalUrl: string | undefined;
  /** Where runbooks given as a relative path are found. */
  readonly runbookBaseUrl: string | undefined;
  /** A sentence, where the notification has none of its own: who else acts. Belfry's default is an auto-pilot that watches. */
  readonly autopilot: string;
}

export const DEFAULT_MESSAGE_OPTIONS: MessageOptions = {
  timezone: undefined,
  externalUrl: undefined,
  runbookBaseUrl: undefined,
  autopilot: 'Auto-pilot observes only.',
};

export interface MessageField {
  readonly name: string;
  readonly value: string;
  /** Milliseconds, where the value is a time: a medium that knows its reader's zone shows it there. */
  readonly at?: number;
}

export interface MessageLine {
  readonly state: MessageState;
  readonly text: string;
  readonly at: number;
  /** How long it lasted; undefined while it fires. */
  readonly lastedMs: number | undefined;
}

export interface MessageEvent {
  readonly seq: number;
  readonly at: number;
  readonly text: string;
}

/** Where to read more: `url` where it can be a link, else only the text. */
export interface MessageLink {
  readonly text: string;
  readonly url: string | undefined;
}

/**
 * What is told, before any medium's form: every text is one clean line, every list is bounded. Texts come from rules
 * and labels, so a medium must still escape them.
 */
export interface Message {
  readonly state: MessageState;
  /** The cluster, or empty. */
  readonly where: string;
  /** Line 1 at full length: `STATE cluster: effect; cause; since`. */
  readonly headline: string;
  /** The same without state and cluster, for a medium that shows these apart. */
  readonly line: string;
  /** Line 1 in at most 150 characters: what a locked phone shows. */
  readonly title: string;
  /** What it is about without its state: a receiver keeps the first one for the life of the incident. */
  readonly subject: string;
  /** Line 2: what the reader does. */
  readonly you: string;
  readonly autopilot: string;
  readonly runbook: MessageLink | undefined;
  /** The state it tells was reached then. */
  readonly at: number;
  /** Effects on clients, the most severe first; once it is over, those there were. A sentence saying so where none is known. */
  readonly effects: readonly string[];
  /** What happened, in sentences. */
  readonly descriptions: readonly string[];
  readonly fields: readonly MessageField[];
  readonly alerts: readonly MessageLine[];
  readonly alertsLeft: number;
  readonly events: readonly MessageEvent[];
  /** Where to see all of it; undefined where Belfry does not know its own address. */
  readonly open: string | undefined;
  /** Why this reader gets it, and how to find it again. */
  readonly footer: string;
}

const MAX_EFFECTS = 5;
const MAX_DESCRIPTIONS = 3;
const MAX_DESCRIPTION = 900;
/** What is to be done, and where it is written, is looked for in so many of the most severe alerts. */
const MAX_LOOKED_AT = 200;

/** The message of a notification. Pure: the same notification gives the same message. */
export function buildMessage(notification: Notification, options: MessageOptions): Message {
  const facts = factsOf(notification, TimeText.in(options.timezone));
  const headline = headlineOf(facts);
  return {
    state: facts.state,
    where: facts.where,
    headline: headline.full,
    line: headline.line,
    title: headline.title,
    subject: subjectOf(facts),
    you: youOf(facts),
    autopilot: facts.state === 'TEST' || facts.state === 'RESOLVED' ? '' : cut(oneLine(notification.autopilot ?? options.autopilot), 300),
    runbook: runbookOf(facts, options),
    at: facts.at,
    effects: effectsOf(facts),
    descriptions: descriptionsOf(facts),
    fields: fieldsOf(facts, notification),
    alerts: facts.told.slice(0, LIMITS.alertsInMessage).map((alert) => lineOf(alert)),
    alertsLeft: Math.max(0, facts.told.length - LIMITS.alertsInMessage),
    events: notification.events.map(({ seq, at, text }) => ({ seq, at, text: cut(oneLine(text), 500) })),
    open: options.externalUrl === undefined ? undefined : webAddress(options.externalUrl),
    footer: footerOf(notification),
  };
}

function lineOf(alert: Alert): MessageLine {
  const state = alert.status === 'resolved' ? 'RESOLVED' : (severityOf(alert.labels).toUpperCase() as MessageState);
  const lastedMs = alert.status === 'resolved' ? Math.max(0, alert.endsAt - alert.startsAt) : undefined;
  return { state, text: summaryOf(alert), at: alert.startsAt, lastedMs };
}

function youOf(facts: MessageFacts): string {
  if (facts.state === 'TEST') return 'Nothing to do: this shows that messages reach you here.';
  if (facts.state === 'RESOLVED') {
    if (facts.risks.count > 0) return 'Check the data named below.';
    return facts.doubt === undefined ? 'Nothing more to do.' : 'Check that it is well: Belfry did not see it recover.';
  }
  for (const alert of byImpact(facts)) {
    const text = oneLine(alert.annotations.get('belfry_do'));
    if (text !== '') return cut(asSentence(text), 400);
  }
  return byImpact(facts).some((alert) => runbookText(alert) !== '')
    ? 'Follow the runbook.'
    : 'Decide what to do: this rule names no step and no runbook.';
}

/** What to do follows from what clients feel: an alert with an effect on them first, then all in the order they came. */
function byImpact(facts: MessageFacts): readonly Alert[] {
  const told = facts.told.slice(0, MAX_LOOKED_AT);
  const felt = told.find(({ annotations }) => {
    const effect = annotations.get('belfry_effect');
    return effect !== '' && !isNoEffect(effect);
  });
  return felt === undefined ? told : [felt, ...told];
}

function runbookText(alert: Alert): string {
  return oneLine(alert.annotations.get('runbook_url')) || oneLine(alert.annotations.get('runbook'));
}

function runbookOf(facts: MessageFacts, options: MessageOptions): MessageLink | undefined {
  const text = byImpact(facts)
    .map((alert) => runbookText(alert))
    .find((found) => found !== '');
  if (text === undefined) return undefined;
  const direct = webAddress(text);
  if (direct !== undefined) return { text: 'Runbook', url: direct };
  if (options.runbookBaseUrl !== undefined && /^[\w-][\w./-]*$/.test(text) && !text.includes('..')) {
    const base = options.runbookBaseUrl.replace(/\/*$/, '/');
    return { text: 'Runbook', url: webAddress(base + text) };
  }
  return { text: cut(text, 200), url: undefined };
}

/** Only what a rule measured is stated; unknown says unknown. */
function effectsOf(facts: MessageFacts): readonly string[] {
  if (facts.state === 'TEST') return [];
  if (facts.effects.count === 0)
    return facts.state === 'RESOLVED' || facts.where === '' ? [] : ['Unknown: the rule that fired does not measure it.'];
  const told = facts.effects.first.slice(0, MAX_EFFECTS).map((text) => cut(asSentence(text), 300));
  const left = facts.effects.count - told.length;
  return left > 0 ? [...told, `And ${counted(left, 'more effect')}.`] : told;
}

/** `since 14:02:07 UTC`, and once it is over `14:02:07 UTC, for 14 m`; the time as the medium writes it. */
export function whenText({ lastedMs }: MessageLine, time: string): string {
  return lastedMs === undefined ? `since ${time}` : `${time}, for ${humanDuration(lastedMs)}`;
}

/** The effects that line 1 does not tell already. */
export function effectsBesideLine({ effects, line }: Message): readonly string[] {
  return effects.filter((effect) => !line.includes(effect.slice(1, -1)));
}

function descriptionsOf(facts: MessageFacts): readonly string[] {
  const texts = new Set<string>();
  for (const { annotations } of facts.told.slice(0, MAX_LOOKED_AT)) {
    const text = oneLine(annotations.get('description'));
    if (text !== '' && text !== oneLine(annotations.get('summary'))) texts.add(cut(text, MAX_DESCRIPTION));
    if (texts.size === MAX_DESCRIPTIONS) break;
  }
  const told = [...texts];
  for (const risk of facts.risks.first.slice(0, MAX_EFFECTS)) told.unshift(`Risk of data loss: ${cut(risk, 300)}.`);
  return told;
}

function fieldsOf(facts: MessageFacts, notification: Notification): readonly MessageField[] {
  const { incident } = notification;
  const fields: MessageField[] = [];
  if (facts.where !== '') fields.push({ name: 'Cluster', value: facts.where });
  if (incident.broker !== '') fields.push({ name: 'Broker', value: cut(oneLine(incident.broker), 60) });
  fields.push({ name: 'Since', value: facts.time.full(facts.startedAt), at: facts.startedAt });
  if (facts.state === 'RESOLVED') fields.push({ name: 'Lasted', value: humanDuration(facts.endedAt - facts.startedAt) });
  else if (facts.at - facts.startedAt >= 60_000) fields.push({ name: 'So far', value: humanDuration(facts.at - facts.startedAt) });
  const firing = notification.alerts.filter(({ status }) => status === 'firing').length;
  const resolved = notification.alerts.length - firing;
  const counts = [firing > 0 ? `${firing} firing` : '', resolved > 0 ? `${resolved} resolved` : ''].filter((text) => text !== '');
  if (counts.length > 0) fields.push({ name: 'Alerts', value: counts.join(', ') });
  if (incident.owner !== '') fields.push({ name: 'Owner', value: cut(oneLine(incident.owner), 60) });
  return fields;
}

function footerOf({ incident, receiver, alerts }: Notification): string {
  const rules = new Set<string>();
  for (const { labels } of alerts.slice(0, MAX_LOOKED_AT)) {
    const name = oneLine(labels.get('alertname'));
    if (name !== '') rules.add(cut(name, 60));
    if (rules.size === 4) break;
  }
  const owner = receiver.startsWith('owner/') ? cut(oneLine(receiver.slice(6)), 60) : '';
  const of = incident.cluster === '' ? '' : ` of ${cut(oneLine(incident.cluster), 60)}`;
  const why = owner === '' ? `You get this as receiver ${cut(oneLine(receiver), 100)}.` : `You get this as ${owner}, named as owner${of}.`;
  const named =
    rules.size === 0 ? '' : ` ${rules.size === 1 ? 'Rule' : 'Rules'} ${[...rules].slice(0, 3).join(', ')}${rules.size > 3 ? ' …' : ''}.`;
  return `${why}${named} Incident ${cut(oneLine(incident.id), 40)}.`;
}
