import { createPublicKey, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { reservePort } from './free-port.ts';
import type { ReservedPort } from './free-port.ts';

const KEY_ID = 'testbed';
export const ISSUER = 'https://issuer.example.com/realms/kafka';
export const AUDIENCE = 'kafka';

export interface TokenEndpointOptions {
  /** Client id → its secret. */
  readonly clients: Readonly<Record<string, string>>;
  readonly lifetimeSeconds: number;
  /** Signs with the key of this one. */
  readonly signsAs?: TokenEndpoint;
  /** HTTPS with this certificate (PEM). */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/**
 * An authorization server for tests: `/token` gives signed JWTs by the client-credentials flow, `/jwks` (over plain HTTP, on a
 * port of its own) the key that brokers check them with.
 */
export class TokenEndpoint implements AsyncDisposable {
  readonly tokenUrl: string;
  readonly jwksUrl: string;
  /** How many tokens were given out. */
  given = 0;
  /** Of every answer of `/token` instead of a token. */
  outage: number | undefined;
  readonly #options: TokenEndpointOptions;
  readonly #ports: readonly [ReservedPort, ReservedPort];
  readonly #servers: readonly [http.Server | https.Server, http.Server];
  readonly #key: KeyObject;

  private constructor(options: TokenEndpointOptions, ports: readonly [ReservedPort, ReservedPort]) {
    this.#options = options;
    this.#ports = ports;
    this.#key = options.signsAs === undefined ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey : options.signsAs.#key;
    const answer = (request: IncomingMessage, response: ServerResponse): void => void this.#answer(request, response);
    this.#servers = [
      options.tls === undefined ? http.createServer(answer) : https.createServer(options.tls, answer),
      http.createServer(answer),
    ];
    this.tokenUrl = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${ports[0].port}/token`;
    this.jwksUrl = `http://127.0.0.1:${ports[1].port}/jwks`;
  }

  static async start(options: TokenEndpointOptions): Promise<TokenEndpoint> {
    const endpoint = new TokenEndpoint(options, [await reservePort(), await reservePort()]);
    await Promise.all(
      endpoint.#servers.map(
        (server, index) => new Promise<void>((resolve) => server.listen(endpoint.#ports[index]?.port, '127.0.0.1', resolve)),
      ),
    );
    return endpoint;
  }

  /** A token as clients get one, or with other claims or another key. */
  sign(subject: string, more: Readonly<Record<string, unknown>> = {}, key: KeyObject = this.#key): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: ISSUER,
      aud: AUDIENCE,
      sub: subject,
      scope: 'kafka',
      iat: now,
      exp: now + this.#options.lifetimeSeconds,
      ...more,
    };
    const signed = [{ alg: 'RS256', typ: 'JWT', kid: KEY_ID }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${signed}.${createSign('RSA-SHA256').update(signed).sign(key).toString('base64url')}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request as AsyncIterable<Buffer>) body += chunk.toString();
    const reply = (status: number, answer: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    };
    if (request.url === '/jwks') {
      reply(200, { keys: [{ ...createPublicKey(this.#key).export({ format: 'jwk' }), kid: KEY_ID, alg: 'RS256', use: 'sig' }] });
      return;
    }
    if (this.outage !== undefined) {
      reply(this.outage, {});
      return;
    }
    const [id = '', secret = ''] = Buffer.from(request.headers.authorization?.replace('Basic ', '') ?? '', 'base64')
      .toString()
      .split(':');
    if (this.#options.clients[decodeURIComponent(id)] !== decodeURIComponent(secret)) {
      reply(401, { error: 'invalid_client' });
    } else if (new URLSearchParams(body).get('grant_type') !== 'client_credentials') {
      reply(400, { error: 'unsupported_grant_type' });
    } else {
      this.given += 1;
      reply(200, { access_token: this.sign(decodeURIComponent(id)), token_type: 'Bearer', expires_in: this.#options.lifetimeSeconds });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#servers.map(async (server) => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }),
    );
    await Promise.all(this.#ports.map((port) => port.release()));
  }
}

/** What a listener of the testbed needs to check the endpoint's tokens (Kafka 3.3 and up). */
export function bearerListener(
  endpoint: TokenEndpoint,
  version: string,
): { props: Readonly<Record<string, string>>; jvmArgs: readonly string[] } {
  const [major = 0] = version.split('.').map(Number);
  const room = 'org.apache.kafka.common.security.oauthbearer';
  return {
    props: {
      'sasl.enabled.mechanisms': 'OAUTHBEARER',
      'oauthbearer.sasl.jaas.config': `${room}.OAuthBearerLoginModule required;`,
      'oauthbearer.sasl.server.callback.handler.class': `${room}.${major >= 4 ? '' : 'secured.'}OAuthBearerValidatorCallbackHandler`,
      'sasl.oauthbearer.jwks.endpoint.url': endpoint.jwksUrl,
      'sasl.oauthbearer.expected.audience': AUDIENCE,
      'sasl.oauthbearer.expected.issuer': ISSUER,
    },
    // Since 3.9.1 a broker asks only addresses that are named so.
    jvmArgs: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${endpoint.jwksUrl}`],
  };
}
