import { z } from 'zod';
import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError } from '../../core/errors.ts';
import { Secret } from '../../core/secret.ts';
import { signBody } from '../../formats/intent-signature.ts';
import type { Finding, Step, StepRun } from '../driver.ts';
import { answerText, JsonClient, type JsonAnswer } from '../json-client.ts';
import type { SecretReader } from '../secret-reader.ts';

const REQUEST_TIMEOUT_MS = 30_000;
/** Questions about the status that may fail one after the other. */
const MAX_FAILURES = 10;

/** How the receiver says how it goes, at once or at its status address. */
const statusSchema = z.object({
  status: z.enum(['accepted', 'running', 'succeeded', 'failed']),
  text: z.string().max(10_000).default(''),
  progress: z.number().optional(),
  /** A broker that it has made. */
  broker: z.number().int().nonnegative().optional(),
  /** Where to ask from now on; on the receiver's own origin. */
  statusUrl: z.string().max(2000).optional(),
});

type Status = z.output<typeof statusSchema>;

export interface WebhookOptions {
  readonly url: string;
  readonly secret: SecretReader;
  readonly ca?: SecretReader;
  readonly pollMs?: number;
  readonly clock: Clock;
}

/**
 * Hands the act to another service: one signed POST (as Belfry's own webhooks are signed), then its status address is
 * asked until it says `succeeded` or `failed`. Only the first answer may do without a status: nothing at all, or JSON that has
 * none, with any other status than 202 says that it is done.
 */
export class WebhookStep implements Step {
  readonly name = 'webhook';
  readonly timeoutMs: number;
  readonly #options: WebhookOptions;

  constructor(timeoutMs: number, options: WebhookOptions) {
    this.timeoutMs = timeoutMs;
    this.#options = options;
  }

  async run(run: StepRun): Promise<void> {
    const { task } = run;
    const body = JSON.stringify({
      intentId: task.intentId,
      cluster: task.cluster,
      action: task.action,
      broker: task.broker,
      desiredBrokers: task.desiredBrokers,
      currentBrokers: task.currentBrokers,
      fencingToken: task.fencingToken,
      added: [...task.added],
    });
    const url = new URL(this.#options.url);
    let said: Status | undefined = this.#read(await this.#ask('POST', url, body, run.signal), true);
    let at: URL | undefined;
    let failures = 0;
    for (;;) {
      if (said !== undefined) {
        failures = 0;
        if (said.broker !== undefined) task.added.add(said.broker);
        if (said.status === 'succeeded') return;
        if (said.status === 'failed') throw new BelfryError('EXECUTOR_FAILED', said.text === '' ? 'it says failed' : said.text);
        run.report(said.text === '' ? said.status : said.text, said.progress);
        at = statusAddress(said, url) ?? at;
      }
      if (at === undefined) throw new BelfryError('EXECUTOR_FAILED', 'it accepted, but named no statusUrl');
      await delay(this.#options.clock, this.#options.pollMs ?? 2000, run.proceed);
      try {
        said = this.#read(await this.#ask('GET', at, '', run.proceed), false);
      } catch (error) {
        said = undefined;
        if (run.proceed.aborted || ++failures >= MAX_FAILURES) throw error;
      }
    }
  }

  check(): Promise<readonly Finding[]> {
    // A request would be an order: only the secret is looked at.
    const isThere = this.#options.secret() !== '';
    return Promise.resolve([{ ok: isThere, text: `webhook to ${new URL(this.#options.url).host}: not called in a dry run` }]);
  }

  async #ask(method: 'GET' | 'POST', url: URL, body: string, signal: AbortSignal): Promise<JsonAnswer> {
    const { clock, ca, secret } = this.#options;
    const { timestamp, signature } = signBody(new Secret(secret()), body, clock.wall());
    const client = new JsonClient({ baseUrl: url.origin, clock, ...(ca === undefined ? {} : { ca }) });
    return await client.request({
      method,
      path: url.pathname + url.search,
      headers: { 'x-belfry-timestamp': timestamp, 'x-belfry-signature': signature },
      timeoutMs: REQUEST_TIMEOUT_MS,
      signal,
      ...(method === 'POST' ? { body } : {}),
    });
  }

  #read(answer: JsonAnswer, mayBeSilent: boolean): Status {
    if (answer.status < 200 || answer.status >= 300)
      throw new BelfryError('EXECUTOR_FAILED', `it answers with status ${answer.status}: ${answerText(answer)}`);
    const read = statusSchema.safeParse(answer.body);
    if (read.success) return read.data;
    if (mayBeSilent && answer.status !== 202 && saysNoStatus(answer)) return { status: 'succeeded', text: '' };
    throw new BelfryError('EXECUTOR_FAILED', `it accepted, but not in words that are known: ${answerText(answer)}`);
  }
}

/** A page for people, such as a proxy's, and a status that we do not know are no word that something was done. */
function saysNoStatus({ text, body }: JsonAnswer): boolean {
  return text.trim() === '' || (typeof body === 'object' && body !== null && !Array.isArray(body) && !('status' in body));
}

function statusAddress({ statusUrl }: Status, base: URL): URL | undefined {
  if (statusUrl === undefined) return undefined;
  const address = URL.canParse(statusUrl, base.href) ? new URL(statusUrl, base) : undefined;
  if (address?.origin !== base.origin) throw new BelfryError('EXECUTOR_FAILED', 'its statusUrl is not on its own origin');
  return address;
}
