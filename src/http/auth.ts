import { randomBytes, timingSafeEqual, createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { IncomingHttpHeaders } from 'node:http';
import { BelfryError } from '../core/errors.ts';
import { isLoopback } from '../core/loopback.ts';
import type { Secret } from '../core/secret.ts';

/** What a token may be used for; every one includes `read`. */
export const SCOPES = ['read', 'operate', 'approve', 'executor', 'write'] as const;

export type Scope = (typeof SCOPES)[number];

/** A token of the configuration, for one holder and some uses. */
export interface NamedToken {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly token: Secret;
}

export interface AccessOptions {
  /** The address Belfry listens on. */
  readonly listenHost: string;
  /** The address by which people reach it from elsewhere, such as through a proxy. */
  readonly externalUrl: string | undefined;
  /** Everything may be done with it. */
  readonly token: string;
  /** Those of the configuration now; read at each request, so that a reload takes one away at once. */
  readonly tokens?: () => readonly NamedToken[];
}

/** A new token: 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** Who may ask for what. Loopback may read without a token; anything that changes something needs one everywhere. */
export class Access {
  readonly #tokenHash: Buffer;
  readonly #tokens: () => readonly NamedToken[];
  readonly #hosts: ReadonlySet<string>;
  readonly #loopback: boolean;
  readonly #externalOrigin: string | undefined;

  constructor(options: AccessOptions) {
    this.#tokenHash = hash(options.token);
    this.#tokens = options.tokens ?? (() => []);
    this.#loopback = isLoopback(options.listenHost);
    const external = options.externalUrl === undefined ? undefined : new URL(options.externalUrl);
    this.#externalOrigin = external?.origin;
    this.#hosts = new Set(['localhost', bare(options.listenHost), ...(external === undefined ? [] : [bare(external.hostname)])]);
  }

  /**
   * A page on the web may make a browser send requests here under a name that resolves to this machine (DNS
   * rebinding), so the Host must be an address or a known name, and an Origin must be the very place that was asked, or
   * the external address. A request without a Host (HTTP/1.0, as some health checks send) is no browser's. Throws `FORBIDDEN`.
   */
  checkOrigin({ host, origin }: IncomingHttpHeaders): void {
    const name = host === undefined ? undefined : hostOf(host);
    if (host !== undefined && (name === undefined || !this.#isOurs(name)))
      throw new BelfryError('FORBIDDEN', `unknown Host ${JSON.stringify(host)}: use an address, or set http.external_url`);
    if (origin === undefined || (origin === this.#externalOrigin && origin !== 'null')) return;
    if (host === undefined || !isOriginOf(origin, host))
      throw new BelfryError('FORBIDDEN', `requests from ${JSON.stringify(origin)} are not allowed`);
  }

  /** Whether the request has a right to the scope. */
  allows(scope: Scope, headers: IncomingHttpHeaders): boolean {
    if (scope === 'read' && this.#loopback) return true;
    return this.#scopesOf(headers)?.has(scope) === true;
  }

  /** Throws `UNAUTHORIZED` without a token that is known, `FORBIDDEN` where it has no right to the scope. */
  require(scope: Scope, headers: IncomingHttpHeaders): void {
    if (this.allows(scope, headers)) return;
    if (this.#scopesOf(headers) !== undefined)
      throw new BelfryError('FORBIDDEN', `the token ${this.holderOf(headers) ?? ''} has no scope ${scope}`);
    throw new BelfryError(
      'UNAUTHORIZED',
      tokenOf(headers) === undefined
        ? 'needs the header Authorization: Bearer TOKEN (the token is in the file "token" of the data folder)'
        : 'wrong token',
    );
  }

  /** Whether a token was sent that is one. */
  isKnown(headers: IncomingHttpHeaders): boolean {
    return this.#scopesOf(headers) !== undefined;
  }

  /** The name of the configured token that was sent; undefined for the one of the data folder, or none. */
  holderOf(headers: IncomingHttpHeaders): string | undefined {
    const given = tokenOf(headers);
    return given === undefined ? undefined : this.#named(given)?.name;
  }

  /** Undefined without a token that is known. */
  #scopesOf(headers: IncomingHttpHeaders): ReadonlySet<Scope> | undefined {
    const given = tokenOf(headers);
    if (given === undefined) return undefined;
    if (timingSafeEqual(hash(given), this.#tokenHash)) return new Set(SCOPES);
    const named = this.#named(given);
    return named === undefined ? undefined : new Set<Scope>(['read', ...named.scopes]);
  }

  #named(given: string): NamedToken | undefined {
    const givenHash = hash(given);
    return this.#tokens().find(({ token }) => timingSafeEqual(givenHash, hash(token.reveal())));
  }

  #isOurs(host: string): boolean {
    return isIP(host) !== 0 || this.#hosts.has(host);
  }
}

function tokenOf({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
}

/** The host of `host:port` without port and brackets, in lower case. */
function hostOf(text: string): string | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  return host === undefined ? undefined : bare(host);
}

/** A name as it is compared: lower case, no brackets, no dot of the root at its end. */
function bare(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

/** Whether a page of this origin came from this Host; either may leave out the scheme's own port. */
function isOriginOf(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: originHost, origin: parsed } = new URL(origin);
  const asked = `${protocol}//${host}`;
  return parsed !== 'null' && URL.canParse(asked) && new URL(asked).host === originHost;
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
