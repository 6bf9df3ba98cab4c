import { z } from 'zod';
import { ACTIONS, INTENT_STATES, targetOf, type Ack } from '../core/autopilot.ts';
import { BelfryError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import { signAck, verifyIntent } from '../formats/intent-signature.ts';
import { answerText, type JsonAnswer, type JsonClient } from './json-client.ts';
import type { SecretReader } from './secret-reader.ts';

const PREFIX = '/api/belfry/v1/autopilot';
/** What a long poll may take longer than it was asked to wait. */
const POLL_SLACK_MS = 10_000;
const MAX_INTENTS = 1000;

const wholeNumber = z.number().int().nonnegative();
const optionalNumber = wholeNumber.nullish().transform((value) => value ?? undefined);

/** What an executor needs of Belfry's view of an intent; more may be there. */
const intentSchema = z.object({
  id: z.string().max(100),
  cluster: z.string().max(300),
  action: z.enum(ACTIONS),
  broker: optionalNumber,
  desiredBrokers: optionalNumber,
  currentBrokers: optionalNumber,
  state: z.enum(INTENT_STATES),
  reason: z.string().max(10_000).default(''),
  expiresAt: z.number(),
  signature: z.string().max(200),
});

export type OfferedIntent = z.output<typeof intentSchema>;

const leaseSchema = z.object({
  fencingToken: wholeNumber.positive(),
  ttlMs: z.number().positive(),
});

const listSchema = z.object({ intents: z.array(z.unknown()).max(MAX_INTENTS) });
const grantSchema = z.object({ intent: intentSchema, lease: leaseSchema, signature: z.string().max(200) });
const renewalSchema = z.object({ lease: leaseSchema, signature: z.string().max(200) });

/** The right to act on one intent; `ttlMs` counts from the request. */
export interface Grant {
  readonly intent: OfferedIntent;
  readonly fencingToken: number;
  readonly ttlMs: number;
}

export interface BelfryApiOptions {
  readonly client: JsonClient;
  readonly signingKey: SecretReader;
  /** As executor.yaml names it. */
  readonly executor: string;
  /**
   * Tells this process from others of the same name: Belfry gives whoever holds a lease the same lease again, and two
   * processes of one configuration must not both act under it.
   */
  readonly instance: string;
  readonly timeoutMs: number;
}

/**
 * What an executor says to Belfry. Rejects with `EXECUTOR_FAILED` where Belfry cannot be reached or answers something
 * else, `CONFLICT` with its own sentence where it refuses (409), `FORBIDDEN` where a signature is not its own.
 */
export class BelfryApi {
  readonly #options: BelfryApiOptions;

  constructor(options: BelfryApiOptions) {
    this.#options = options;
  }

  /** Where Belfry is, without anything secret. */
  get shownUrl(): string {
    return this.#options.client.shownUrl;
  }

  /** The open intents of a cluster, as soon as there is one; none when the wait is over. Their signatures are not checked yet. */
  async openIntents(cluster: string, waitMs: number, signal: AbortSignal): Promise<readonly OfferedIntent[]> {
    const waitSeconds = Math.ceil(waitMs / 1000);
    const query = `state=open&cluster=${encodeURIComponent(cluster)}&wait=${waitSeconds}s`;
    const answer = await this.#options.client.request({
      method: 'GET',
      path: `${PREFIX}/intents?${query}`,
      timeoutMs: waitSeconds * 1000 + POLL_SLACK_MS,
      signal,
    });
    const { intents } = this.#read(answer, listSchema);
    // One that this version does not know, such as of a new action, must not hide the others.
    return intents.flatMap((intent) => {
      const read = intentSchema.safeParse(intent);
      return read.success && read.data.cluster === cluster && read.data.state === 'open' ? [read.data] : [];
    });
  }

  /** Whether the intent was made by whoever holds the key, for this very target. */
  isGenuine(intent: OfferedIntent, fencingToken: number, signature: string): boolean {
    const { id, cluster, action, expiresAt } = intent;
    return verifyIntent(this.#key(), { id, cluster, target: targetOf(intent), action, expiresAt, fencingToken }, signature);
  }

  /** Asks for the lease. The grant is for the intent that was offered, or rejects. */
  async lease(offered: OfferedIntent, signal: AbortSignal): Promise<Grant> {
    const answer = await this.#post(offered.id, 'lease', { executor: this.#holder }, signal);
    const { intent, lease, signature } = this.#read(answer, grantSchema);
    const same = intent.id === offered.id && intent.cluster === offered.cluster && intent.action === offered.action;
    if (!same || targetOf(intent) !== targetOf(offered))
      throw new BelfryError('FORBIDDEN', `the lease on intent ${offered.id} is for something else than what was offered`);
    if (!this.isGenuine(intent, lease.fencingToken, signature))
      throw new BelfryError('FORBIDDEN', `the lease on intent ${offered.id} is not signed by Belfry's key`);
    return { intent, fencingToken: lease.fencingToken, ttlMs: lease.ttlMs };
  }

  /** Renews the lease; how long it is good for from the request on. */
  async heartbeat(grant: Grant): Promise<number> {
    const { fencingToken, intent } = grant;
    const answer = await this.#post(intent.id, 'heartbeat', { fencingToken });
    const { lease, signature } = this.#read(answer, renewalSchema);
    if (lease.fencingToken !== fencingToken || !this.isGenuine(intent, fencingToken, signature))
      throw new BelfryError('FORBIDDEN', `the answer to the heartbeat of intent ${intent.id} is not signed by Belfry's key`);
    return lease.ttlMs;
  }

  async ack(ack: Ack): Promise<void> {
    const { intentId, ...rest } = ack;
    this.#refusal(await this.#post(intentId, 'ack', { ...rest, signature: signAck(this.#key(), ack) }));
  }

  /** Asks for the auto-pilot's state: whether Belfry answers and knows the token. */
  async look(signal: AbortSignal): Promise<void> {
    const { client, timeoutMs } = this.#options;
    this.#refusal(await client.request({ method: 'GET', path: PREFIX, timeoutMs, signal }));
  }

  /** Tells Belfry what a dry run found: promotion asks for it. */
  async reportDryRun(ok: boolean, text: string): Promise<void> {
    const { client, timeoutMs, executor } = this.#options;
    const path = `${PREFIX}/executors/${encodeURIComponent(executor)}/dry-run`;
    this.#refusal(await client.request({ method: 'POST', path, body: JSON.stringify({ ok, text }), timeoutMs }));
  }

  get #holder(): string {
    return `${this.#options.executor}.${this.#options.instance}`;
  }

  #key(): Secret {
    return new Secret(this.#options.signingKey());
  }

  #post(id: string, verb: string, body: object, signal?: AbortSignal): Promise<JsonAnswer> {
    return this.#options.client.request({
      method: 'POST',
      path: `${PREFIX}/intents/${encodeURIComponent(id)}/${verb}`,
      body: JSON.stringify(body),
      timeoutMs: this.#options.timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #read<Schema extends z.ZodType>(answer: JsonAnswer, schema: Schema): z.output<Schema> {
    this.#refusal(answer);
    const read = schema.safeParse(answer.body);
    if (read.success) return read.data;
    throw new BelfryError('EXECUTOR_FAILED', `what answers at ${this.shownUrl} is not Belfry, or another version of it`);
  }

  #refusal(answer: JsonAnswer): void {
    const { status } = answer;
    if (status >= 200 && status < 300) return;
    const text = answerText(answer);
    if (status === 409 || status === 404 || status === 410) throw new BelfryError('CONFLICT', text);
    if (status === 401) throw new BelfryError('UNAUTHORIZED', `Belfry does not know the token: ${text}`);
    if (status === 403) throw new BelfryError('FORBIDDEN', `Belfry refuses: ${text}`);
    throw new BelfryError('EXECUTOR_FAILED', `Belfry at ${this.shownUrl} answers with status ${status}: ${text}`);
  }
}
