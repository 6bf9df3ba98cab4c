import { ACTIONS, INTENT_STATES, targetOf, type Action, type GuardVerdict, type Intent, type IntentState } from '../core/autopilot.ts';
import { BelfryError } from '../core/errors.ts';

/**
 * Intents as CloudEvents 1.0 (github.com/cloudevents/spec), in structured mode (one JSON document) and in binary mode
 * (attributes in headers, data in the body). Readers ignore members they do not know and refuse a type they do not know.
 */

const SPEC_VERSION = '1.0';
export const STRUCTURED_CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8';
const DATA_CONTENT_TYPE = 'application/json';
/** The specification wants an absolute URI here, and a Belfry does not know by which address it is reached: so it is a name. */
const DATA_SCHEMA = 'urn:belfry:schemas:intent.v1';
/** Of one event as text; a reader refuses a longer one before it parses it. */
export const EVENT_BYTES_MAX = 1024 * 1024;

/** `data` of the event. Times are Unix milliseconds; a field without a value is null. */
export interface IntentEventData {
  readonly intentId: string;
  /** Idempotency key. */
  readonly key: string;
  readonly cluster: string;
  readonly action: Action;
  /** `broker/2`, or `brokers=4`. */
  readonly target: string;
  readonly broker: number | null;
  readonly desiredBrokers: number | null;
  readonly currentBrokers: number | null;
  /** Whether load has to be moved before the act is done: true for scaling. */
  readonly rebalance: boolean;
  readonly reason: string;
  readonly guards: readonly GuardVerdict[];
  readonly state: IntentState;
  readonly expiresAt: number;
  readonly incidentId: string;
  readonly attempt: number;
  readonly drill: boolean;
  readonly lastWord: string;
  /** Of whom has the lease; null without one. */
  readonly executor: string | null;
  /** 0 before a lease. */
  readonly fencingToken: number;
  /** As intent-signature.ts makes it. */
  readonly signature: string;
}

/** One event: the attributes of the specification, then the extension `partitionkey`, then the data. */
export interface IntentCloudEvent {
  readonly specversion: typeof SPEC_VERSION;
  /** Such as `belfry.intent.scale_out.v1`. */
  readonly type: string;
  /** `/belfry/clusters/NAME`. */
  readonly source: string;
  /** `{intentId}.{state}.{changedAt}`: the same for every attempt to deliver the same news. */
  readonly id: string;
  readonly subject: string;
  /** RFC 3339. */
  readonly time: string;
  readonly datacontenttype: typeof DATA_CONTENT_TYPE;
  readonly dataschema: string;
  /** The cluster: a topic keeps the order of a cluster's events. */
  readonly partitionkey: string;
  readonly data: IntentEventData;
}

export interface BinaryEvent {
  /** Lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The event that tells of an intent as it stands. */
export function intentEvent(intent: Intent, signature: string): IntentCloudEvent {
  const target = targetOf(intent);
  return {
    specversion: SPEC_VERSION,
    type: eventType(intent.action),
    source: `/belfry/clusters/${encodeURIComponent(intent.cluster)}`,
    id: `${intent.id}.${intent.state}.${intent.changedAt}`,
    subject: target,
    time: new Date(intent.changedAt).toISOString(),
    datacontenttype: DATA_CONTENT_TYPE,
    dataschema: DATA_SCHEMA,
    partitionkey: intent.cluster,
    data: {
      intentId: intent.id,
      key: intent.key,
      cluster: intent.cluster,
      action: intent.action,
      target,
      broker: intent.broker ?? null,
      desiredBrokers: intent.desiredBrokers ?? null,
      currentBrokers: intent.currentBrokers ?? null,
      rebalance: intent.action === 'scale_out' || intent.action === 'scale_in',
      reason: intent.reason,
      guards: intent.guards,
      state: intent.state,
      expiresAt: intent.expiresAt,
      incidentId: intent.incidentId,
      attempt: intent.attempt,
      drill: intent.drill,
      lastWord: intent.lastWord,
      executor: intent.lease?.executor ?? null,
      fencingToken: intent.lease?.fencingToken ?? 0,
      signature,
    },
  };
}

export function encodeStructured(event: IntentCloudEvent): string {
  return JSON.stringify(event);
}

/** As for HTTP; in Kafka's headers the prefix is `ce_` and the content type's name is the same. */
export function encodeBinary(event: IntentCloudEvent, prefix: 'ce-' | 'ce_' = 'ce-'): BinaryEvent {
  const headers: Record<string, string> = { 'content-type': event.datacontenttype };
  for (const name of ['specversion', 'type', 'source', 'id', 'subject', 'time', 'dataschema', 'partitionkey'] as const) {
    headers[prefix + name] = prefix === 'ce-' ? headerText(event[name]) : event[name];
  }
  return { headers, body: JSON.stringify(event.data) };
}

/** Reads an event in structured mode. Throws `BAD_REQUEST`, naming the member that is wrong. */
export function parseStructured(text: string): IntentCloudEvent {
  const given = jsonObject(text, 'the event');
  return eventOf((name) => given[name], given['data']);
}

/** Reads an event in binary mode, HTTP's or Kafka's; header names in any case. Throws `BAD_REQUEST`. */
export function parseBinary({ headers, body }: BinaryEvent): IntentCloudEvent {
  const given = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    const http = /^ce-/i.test(name);
    given.set(name.toLowerCase().replace(/^ce[-_]/, ''), http ? plainText(value) : value);
  }
  const contentType = given.get('content-type') ?? given.get('content_type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(contentType)) throw wrong('content-type', `is ${JSON.stringify(contentType.slice(0, 100))}`);
  return eventOf((name) => (name === 'datacontenttype' ? DATA_CONTENT_TYPE : given.get(name)), jsonObject(body, 'data'));
}

type Attributes = (name: string) => unknown;

function eventOf(attribute: Attributes, data: unknown): IntentCloudEvent {
  if (attribute('specversion') !== SPEC_VERSION) throw wrong('specversion', `is not ${SPEC_VERSION}`);
  const content = attribute('datacontenttype') ?? DATA_CONTENT_TYPE;
  if (content !== DATA_CONTENT_TYPE) throw wrong('datacontenttype', `is not ${DATA_CONTENT_TYPE}`);
  const parsed = dataOf(data);
  const type = text(attribute('type'), 'type');
  if (type !== eventType(parsed.action)) throw wrong('type', `is not ${eventType(parsed.action)}`);
  const time = text(attribute('time'), 'time');
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(time) || Number.isNaN(Date.parse(time))) {
    throw wrong('time', 'is not a time of RFC 3339');
  }
  const event: IntentCloudEvent = {
    specversion: SPEC_VERSION,
    type,
    source: text(attribute('source'), 'source'),
    id: text(attribute('id'), 'id'),
    subject: text(attribute('subject'), 'subject'),
    time,
    datacontenttype: DATA_CONTENT_TYPE,
    dataschema: text(attribute('dataschema'), 'dataschema'),
    partitionkey: text(attribute('partitionkey'), 'partitionkey'),
    data: parsed,
  };
  // What is signed is the data: an envelope that says otherwise was put around it by someone else.
  if (event.partitionkey !== parsed.cluster) throw wrong('partitionkey', 'is not the cluster of its data');
  if (event.source !== `/belfry/clusters/${encodeURIComponent(parsed.cluster)}`) throw wrong('source', 'is not the cluster of its data');
  if (event.subject !== parsed.target) throw wrong('subject', 'is not the target of its data');
  if (!event.id.startsWith(`${parsed.intentId}.${parsed.state}.`)) throw wrong('id', 'is not of the intent and state of its data');
  return event;
}

function dataOf(given: unknown): IntentEventData {
  const data = record(given, 'data');
  const at = (name: string): string => `data.${name}`;
  const guards = data['guards'];
  if (!Array.isArray(guards) || guards.length > 100) throw wrong('data.guards', 'is not a list of at most 100');
  const parsed: IntentEventData = {
    intentId: text(data['intentId'], at('intentId')),
    key: text(data['key'], at('key')),
    cluster: text(data['cluster'], at('cluster')),
    action: oneOf(ACTIONS, data['action'], at('action')),
    target: text(data['target'], at('target')),
    broker: optionalCount(data['broker'], at('broker')),
    desiredBrokers: optionalCount(data['desiredBrokers'], at('desiredBrokers')),
    currentBrokers: optionalCount(data['currentBrokers'], at('currentBrokers')),
    rebalance: flag(data['rebalance'], at('rebalance')),
    reason: anyText(data['reason'], at('reason')),
    guards: guards.map((verdict, i) => verdictOf(verdict, `data.guards[${i}]`)),
    state: oneOf(INTENT_STATES, data['state'], at('state')),
    expiresAt: count(data['expiresAt'], at('expiresAt')),
    incidentId: anyText(data['incidentId'], at('incidentId')),
    attempt: count(data['attempt'], at('attempt')),
    drill: flag(data['drill'] ?? false, at('drill')),
    lastWord: anyText(data['lastWord'] ?? '', at('lastWord')),
    executor: data['executor'] === undefined || data['executor'] === null ? null : text(data['executor'], at('executor')),
    fencingToken: count(data['fencingToken'], at('fencingToken')),
    signature: text(data['signature'], at('signature')),
  };
  const { broker, desiredBrokers, target } = parsed;
  if (target !== targetOf({ broker: broker ?? undefined, desiredBrokers: desiredBrokers ?? undefined })) {
    throw wrong('data.target', 'is not what its broker and number of brokers say');
  }
  return parsed;
}

function verdictOf(given: unknown, name: string): GuardVerdict {
  const verdict = record(given, name);
  return {
    guard: text(verdict['guard'], `${name}.guard`),
    holds: flag(verdict['holds'], `${name}.holds`),
    sentence: anyText(verdict['sentence'], `${name}.sentence`),
    ...(verdict['approvable'] === undefined ? {} : { approvable: flag(verdict['approvable'], `${name}.approvable`) }),
  };
}

function eventType(action: Action): string {
  return `belfry.intent.${action}.v1`;
}

/** Percent-encodes what the HTTP binding keeps out of headers: quotes, per cent, spaces, and all but printable ASCII. */
function headerText(value: string): string {
  return value.replaceAll(/[^\u0021\u0023\u0024\u0026-\u007e]/gu, (char) => encodeURIComponent(char.isWellFormed() ? char : '\ufffd'));
}

function plainText(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch (error) {
    throw new BelfryError('BAD_REQUEST', 'cloud event: a header is not percent-encoded as it should be', { cause: error });
  }
}

function jsonObject(json: string, name: string): Record<string, unknown> {
  if (Buffer.byteLength(json) > EVENT_BYTES_MAX) throw new BelfryError('LIMIT_EXCEEDED', `cloud event: more than ${EVENT_BYTES_MAX} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new BelfryError('BAD_REQUEST', `cloud event: ${name} is not JSON`, { cause: error });
  }
  return record(value, name);
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(name, 'is not an object');
  return { ...value };
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw wrong(name, 'is not a text');
  return value;
}

function anyText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw wrong(name, 'is not a text');
  return value;
}

function flag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw wrong(name, 'is neither true nor false');
  return value;
}

function count(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(name, 'is not a whole number');
  return value;
}

function optionalCount(value: unknown, name: string): number | null {
  return value === undefined || value === null ? null : count(value, name);
}

function oneOf<T extends string>(known: readonly T[], value: unknown, name: string): T {
  const found = known.find((one) => one === value);
  if (found === undefined) throw wrong(name, `is none of ${known.join(', ')}`);
  return found;
}

function wrong(name: string, what: string): BelfryError {
  return new BelfryError('BAD_REQUEST', `cloud event: ${name} ${what}`);
}
