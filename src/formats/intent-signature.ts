import { createHmac, timingSafeEqual } from 'node:crypto';
import { targetOf, type Ack, type Intent } from '../core/autopilot.ts';
import type { Secret } from '../core/secret.ts';

/**
 * How intents, acks and webhook bodies are signed: HMAC-SHA256, in lower-case hexadecimal. What is signed is a few
 * lines and never JSON, so that any language writes the same bytes.
 */

/** How far the time of a webhook may be from the reader's clock. */
export const REPLAY_WINDOW_MS = 5 * 60_000;

/** What is signed of an intent; times are Unix milliseconds. */
export interface SignedIntent {
  readonly id: string;
  readonly cluster: string;
  /** As `targetOf` writes it. */
  readonly target: string;
  readonly action: string;
  readonly expiresAt: number;
  /** 0 before a lease. */
  readonly fencingToken: number;
}

/** What is signed of an ack: the text is for people, and nothing follows from it. */
export type SignedAck = Pick<Ack, 'intentId' | 'fencingToken' | 'status' | 'process' | 'progress'>;

/** What the signature of an intent covers as it stands now. */
export function signedPartOf(intent: Intent): SignedIntent {
  const { id, cluster, action, expiresAt, lease } = intent;
  return { id, cluster, target: targetOf(intent), action, expiresAt, fencingToken: lease?.fencingToken ?? 0 };
}

export function signIntent(key: Secret, intent: SignedIntent): string {
  return sign(key, intentLines(intent));
}

/** Whether the signature is the key's own; compared without telling by its duration how much of it is right. */
export function verifyIntent(key: Secret, intent: SignedIntent, signature: string): boolean {
  return isSame(signIntent(key, intent), signature);
}

export function signAck(key: Secret, ack: SignedAck): string {
  return sign(key, ackLines(ack));
}

export function verifyAck(key: Secret, ack: SignedAck, signature: string): boolean {
  return isSame(signAck(key, ack), signature);
}

/** The two headers of a webhook; `timestamp` is Unix seconds. */
export interface BodySignature {
  readonly timestamp: string;
  /** `sha256=` and the HMAC over the timestamp, a full stop and the body. */
  readonly signature: string;
}

/** Signs a webhook's body. `nowMs` is the wall clock: the reader compares it with its own. */
export function signBody(secret: Secret, body: string, nowMs: number): BodySignature {
  const timestamp = String(Math.floor(nowMs / 1000));
  return { timestamp, signature: `sha256=${sign(secret, `${timestamp}.${body}`)}` };
}

/** Why a webhook is not to be believed: `signature` is forged or damaged, `replay` was signed too long ago, or ahead of time. */
export type BodyVerdict = 'genuine' | 'signature' | 'replay';

export function verifyBody(secret: Secret, body: string, given: BodySignature, nowMs: number): BodyVerdict {
  if (!/^\d{1,12}$/.test(given.timestamp)) return 'signature';
  if (!isSame(`sha256=${sign(secret, `${given.timestamp}.${body}`)}`, given.signature)) return 'signature';
  return Math.abs(nowMs - Number(given.timestamp) * 1000) <= REPLAY_WINDOW_MS ? 'genuine' : 'replay';
}

/** A line break inside a field would move the fields after it; no genuine id, cluster or target has one. */
function intentLines({ id, cluster, target, action, expiresAt, fencingToken }: SignedIntent): string {
  return ['belfry.intent.v1', ...[id, cluster, target, action].map(oneLine), expiresAt, fencingToken].join('\n');
}

/** One that tells of the process has two lines more: what it finds decides whether a broker is left alone or has failed. */
function ackLines({ intentId, fencingToken, status, process, progress }: SignedAck): string {
  const found = process === undefined && progress === undefined ? [] : [process ?? '', progress ?? ''];
  return ['belfry.ack.v1', oneLine(intentId), fencingToken, oneLine(status), ...found].join('\n');
}

function oneLine(field: string): string {
  return field.replaceAll(/[\r\n]/g, ' ');
}

function sign(key: Secret, text: string): string {
  return createHmac('sha256', key.reveal()).update(text, 'utf8').digest('hex');
}

function isSame(expected: string, given: string): boolean {
  const a = Buffer.from(expected, 'utf8');
  const b = Buffer.from(given, 'utf8');
  return a.length === b.length && timingSafeEqual(a, b);
}
