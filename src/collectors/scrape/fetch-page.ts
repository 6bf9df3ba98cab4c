import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createGunzip } from 'node:zlib';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Secret } from '../../core/secret.ts';
import type { PagePlace } from './large-pages.ts';

export interface PageSource {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly basicAuth: { readonly username: string; readonly password: Secret } | undefined;
  readonly bearerToken: Secret | undefined;
  readonly tls:
    | {
        readonly ca: string | undefined;
        readonly cert: string | undefined;
        readonly key: Secret | undefined;
        readonly serverName: string | undefined;
        readonly rejectUnauthorized: boolean;
      }
    | undefined;
  readonly bodyBytesMax: number;
  /** Told to the exporter, so that it gives up in time itself. */
  readonly timeoutMs: number;
}

export interface FetchedPage {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
}

/**
 * OpenMetrics is asked for only as a fallback: text is what every exporter writes fastest. Without `escaping=allow-utf-8`
 * client libraries write names such as `disk.used` with underscores.
 */
const ACCEPT = [
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=1',
  'text/plain;version=0.0.4;q=0.9',
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.8',
  '*/*;q=0.1',
].join(',');

/** Fetches one target's page over a connection that is kept. No redirect is followed: an exporter has none to give. */
export class PageFetcher {
  readonly #source: PageSource;
  readonly #agent: HttpAgent;

  constructor(source: PageSource) {
    this.#source = source;
    this.#agent = source.scheme === 'http' ? new HttpAgent(AGENT) : new HttpsAgent({ ...AGENT, ...tlsOptions(source) });
  }

  /** Throws `SCRAPE_FAILED`, `SCRAPE_TIMEOUT` (the signal) or `SCRAPE_BODY_TOO_LARGE`. */
  async fetch(signal: AbortSignal, place: PagePlace): Promise<FetchedPage> {
    try {
      const response = await this.#open(signal);
      if (response.statusCode !== 200) {
        // Nobody waits for the rest of it, which may have no end.
        response.destroy();
        throw new BelfryError('SCRAPE_FAILED', `answered with HTTP status ${response.statusCode ?? 'none'}`);
      }
      const body = await readBody(response, this.#source.bodyBytesMax, place);
      return { body, contentType: response.headers['content-type'] };
    } catch (error) {
      if (error instanceof BelfryError) throw error;
      if (signal.aborted) throw new BelfryError('SCRAPE_TIMEOUT', `no complete answer in time`, { cause: signal.reason });
      throw new BelfryError('SCRAPE_FAILED', errorText(error), { cause: error });
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Once more where an idle connection was closed just as it was used again: that says nothing about the exporter. */
  #open(signal: AbortSignal, isSecond = false): Promise<IncomingMessage> {
    const { scheme, host, port, path } = this.#source;
    return new Promise((resolve, reject) => {
      const send = scheme === 'http' ? httpRequest : httpsRequest;
      const request = send({ host, port, path, agent: this.#agent, signal, headers: this.#headers() }, resolve);
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ECONNRESET' || !request.reusedSocket || isSecond) reject(error);
        else this.#open(signal, true).then(resolve, reject);
      });
      request.end();
    });
  }

  #headers(): Record<string, string> {
    const { basicAuth, bearerToken, timeoutMs } = this.#source;
    const headers: Record<string, string> = {
      accept: ACCEPT,
      'accept-encoding': 'identity',
      'user-agent': 'Belfry',
      'x-prometheus-scrape-timeout-seconds': String(timeoutMs / 1000),
    };
    if (basicAuth !== undefined) {
      headers['authorization'] = `Basic ${Buffer.from(`${basicAuth.username}:${basicAuth.password.reveal()}`).toString('base64')}`;
    } else if (bearerToken !== undefined) headers['authorization'] = `Bearer ${bearerToken.reveal()}`;
    return headers;
  }
}

const AGENT = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 } as const;

function tlsOptions({ tls }: PageSource) {
  if (tls === undefined) return {};
  return {
    rejectUnauthorized: tls.rejectUnauthorized,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key.reveal() }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  };
}

/** The body, unpacked where it is gzip. The limit holds for what comes out, so that a small page cannot unpack to a huge one. */
async function readBody(response: IncomingMessage, bytesMax: number, place: PagePlace): Promise<Uint8Array> {
  const encoding = response.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip') {
    response.destroy();
    throw new BelfryError('SCRAPE_FAILED', `unknown content encoding ${JSON.stringify(encoding.slice(0, 50))}`);
  }
  const stream = encoding === 'gzip' ? response.pipe(createGunzip()) : response;
  if (stream !== response) response.on('error', (error) => stream.destroy(error));
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > bytesMax) {
      response.destroy();
      throw new BelfryError('SCRAPE_BODY_TOO_LARGE', `the page is larger than ${bytesMax} bytes`);
    }
    chunks.push(chunk);
    await place.grown(sizeBytes);
  }
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, sizeBytes);
}
