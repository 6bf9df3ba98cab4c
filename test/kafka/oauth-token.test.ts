import { describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ManualClock, SystemClock, type Clock } from '../../src/core/clock.ts';
import { breakKindBehind } from '../../src/kafka/break.ts';
import { ClientCredentialsTokens, type ClientCredentials } from '../../src/kafka/oauth-token.ts';

const TIMEOUT_MS = 2000;
const SECRET = 'marker-of-the-secret';

interface Asked {
  readonly authorization: string | undefined;
  readonly form: Readonly<Record<string, string>>;
}

/** An authorization server that answers as the test says, and remembers what it was asked. */
class Endpoint implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly url: string;
  answer: (response: ServerResponse) => void = (response) => json(response, 200, { access_token: this.nextToken(), expires_in: 300 });
  readonly #server: ReturnType<typeof createServer>;
  #tokens = 0;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realms/a-path/token`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#take(request, response));
  }

  static async start(): Promise<Endpoint> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Endpoint(server);
  }

  nextToken(): string {
    return `token-${++this.#tokens}`;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request as AsyncIterable<Buffer>) body += chunk.toString();
    this.asked.push({ authorization: request.headers.authorization, form: Object.fromEntries(new URLSearchParams(body)) });
    this.answer(response);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function tokensOf({ url }: { url: string }, clock: Clock = new SystemClock(), more: Partial<ClientCredentials> = {}) {
  return new ClientCredentialsTokens({ endpoint: url, clientId: 'belfry', clientSecret: SECRET, ...more }, clock);
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(breakKindBehind(error)).toBe('auth');
  return error instanceof Error ? error.message : '';
}

describe('a token', () => {
  it('is asked for with the client credentials, encoded as RFC 6749 says, and with scope and audience where there are some', async () => {
    await using endpoint = await Endpoint.start();
    await tokensOf(endpoint).token(TIMEOUT_MS);
    await tokensOf(endpoint, new SystemClock(), { clientId: 'a b:c', clientSecret: 'p%:é', scope: 'kafka watch', audience: 'k' }).token(
      TIMEOUT_MS,
    );
    const [first, second] = endpoint.asked;
    expect(first).toEqual({
      authorization: `Basic ${Buffer.from(`belfry:${SECRET}`).toString('base64')}`,
      form: { grant_type: 'client_credentials' },
    });
    expect(second).toEqual({
      authorization: `Basic ${Buffer.from('a+b%3Ac:p%25%3A%C3%A9').toString('base64')}`,
      form: { grant_type: 'client_credentials', scope: 'kafka watch', audience: 'k' },
    });
  });

  it('is fetched once for all who wait, and kept until a fifth of its life is left', async () => {
    await using endpoint = await Endpoint.start();
    const clock = new ManualClock(1_700_000_000_000);
    const tokens = tokensOf(endpoint, clock);
    expect(await Promise.all([tokens.token(TIMEOUT_MS), tokens.token(TIMEOUT_MS)])).toEqual(['token-1', 'token-1']);
    await clock.advance(239_000);
    expect(await tokens.token(TIMEOUT_MS)).toBe('token-1');
    await clock.advance(2000);
    expect(await tokens.token(TIMEOUT_MS)).toBe('token-2');
  });

  it('is another after a broker has refused it, but not after it has refused an older one', async () => {
    await using endpoint = await Endpoint.start();
    const tokens = tokensOf(endpoint);
    const first = await tokens.token(TIMEOUT_MS);
    tokens.refused(first);
    expect(await tokens.token(TIMEOUT_MS)).toBe('token-2');
    tokens.refused(first);
    expect(await tokens.token(TIMEOUT_MS)).toBe('token-2');
  });

  it.each([
    ['its own exp', (wallMs: number) => ({ access_token: jwt({ exp: wallMs / 1000 + 100 }) }), 79_000, 81_000],
    ['five minutes where nobody tells', () => ({ access_token: 'opaque' }), 239_000, 241_000],
    ['half of a very short life', () => ({ access_token: 'opaque', expires_in: 10 }), 4900, 5100],
    ['a day at most', () => ({ access_token: 'opaque', expires_in: 1e9 }), 69_000_000, 69_200_000],
    ['an exp in the past as an untold one', () => ({ access_token: jwt({ exp: 5 }) }), 239_000, 241_000],
  ])('lives by %s', async (_, answer, keptMs, renewedMs) => {
    await using endpoint = await Endpoint.start();
    const clock = new ManualClock(1_700_000_000_000);
    endpoint.answer = (response) => json(response, 200, answer(clock.wall()));
    const tokens = tokensOf(endpoint, clock);
    await tokens.token(TIMEOUT_MS);
    await clock.advance(keptMs);
    await tokens.token(TIMEOUT_MS);
    expect(endpoint.asked).toHaveLength(1);
    await clock.advance(renewedMs - keptMs);
    await tokens.token(TIMEOUT_MS);
    expect(endpoint.asked).toHaveLength(2);
  });
});

function jwt(claims: object): string {
  return ['{}', JSON.stringify(claims), 'signature'].map((part) => Buffer.from(part).toString('base64url')).join('.');
}

describe('an endpoint', () => {
  it.each<readonly [string, (response: ServerResponse) => void, RegExp]>([
    [
      'that refuses the client',
      (r) => json(r, 401, { error: 'invalid_client', error_description: SECRET }),
      /answered 401, invalid_client$/,
    ],
    ['that fails', (r) => r.writeHead(500).end(SECRET), /answered 500$/],
    ['that sends elsewhere', (r) => r.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), /answered 302$/],
    ['that is a page', (r) => r.writeHead(200).end(`<html>${SECRET}`), /its answer is no JSON object$/],
    ['that gives no token', (r) => json(r, 200, { token: SECRET }), /has no access_token$/],
    ['whose token would end the message to the broker', (r) => json(r, 200, { access_token: 'a\u0001auth=x' }), /has no access_token$/],
    ['that gives another kind of token', (r) => json(r, 200, { access_token: 'a', token_type: 'mac' }), /no bearer token$/],
    ['whose error is a text', (r) => json(r, 400, { error: `no ${SECRET}` }), /answered 400$/],
    ['that streams for ever', (r) => void stream(r), /an answer of more than 262144 bytes$/],
    ['that closes', (r) => r.destroy(), /socket hang up|closed/],
  ])('%s is a refusal that names its host and shows no secret', async (_, answer, expected) => {
    await using endpoint = await Endpoint.start();
    endpoint.answer = answer;
    const text = await failureOf(tokensOf(endpoint).token(TIMEOUT_MS));
    expect(text).toMatch(expected);
    expect(text).toContain(`no token from ${new URL(endpoint.url).origin}: `);
    expect(text).not.toMatch(/marker|a-path/);
  });

  it('that accepts and never answers is given up after the time that was given', async () => {
    await using endpoint = await Endpoint.start();
    endpoint.answer = () => undefined;
    expect(await failureOf(tokensOf(endpoint).token(50))).toMatch(/no whole answer within 50 ms$/);
  });

  it('that is down is asked again after five seconds, not for every broker', async () => {
    await using endpoint = await Endpoint.start();
    const clock = new ManualClock(1_700_000_000_000);
    endpoint.answer = (response) => json(response, 503, {});
    const tokens = tokensOf(endpoint, clock);
    const texts = [await failureOf(tokens.token(TIMEOUT_MS)), await failureOf(tokens.token(TIMEOUT_MS))];
    expect([texts[0] === texts[1], endpoint.asked.length]).toEqual([true, 1]);
    endpoint.answer = (response) => json(response, 200, { access_token: 'at-last' });
    await clock.advance(5001);
    expect(await tokens.token(TIMEOUT_MS)).toBe('at-last');
  });

  it('that nobody listens at is named', async () => {
    const text = await failureOf(tokensOf({ url: 'http://127.0.0.1:1/token' }).token(TIMEOUT_MS));
    expect(text).toMatch(/^no token from http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
  });
});

async function stream(response: ServerResponse): Promise<void> {
  response.writeHead(200);
  while (!response.destroyed && response.socket !== null) {
    if (!response.write('x'.repeat(65_536))) await drained(response);
  }
}

/** Until more may be written, or nobody reads any more. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.once('drain', go).once('close', go);
  });
}
