import { Server as TlsServer } from 'node:https';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import { Access, type NamedToken } from './auth.ts';
import { answerClientError } from './client-errors.ts';
import { compressAnswers } from './compression.ts';
import { acceptForms, readForm } from './forms.ts';
import { Methods } from './methods.ts';
import type { HttpPorts } from './ports.ts';
import { alertmanagerPath, alertmanagerRoutes } from './routes/alertmanager.ts';
import { autopilotRoutes } from './routes/autopilot.ts';
import { backfillRoutes } from './routes/backfill.ts';
import { belfryRoutes } from './routes/belfry.ts';
import { federateRoutes } from './routes/federate.ts';
import { lifecycleRoutes } from './routes/lifecycle.ts';
import { prometheusDataRoutes } from './routes/prometheus-data.ts';
import { prometheusStatusRoutes } from './routes/prometheus-status.ts';
import { prometheusRoutes } from './routes/prometheus.ts';
import { queryRangeRoutes } from './routes/query-range.ts';
import { remoteWriteRoutes } from './routes/remote-write.ts';
import { replayRoutes } from './routes/replay.ts';
import { runbookRoutes } from './routes/runbooks.ts';

const REQUEST_TIMEOUT_MS = 30_000;
/** Of an address: the name of a label may stand in it, escaped. */
const PARAMETER_CHARS_MAX = 4096;
/** Of an address with all headers: long selectors stand in addresses, and Prometheus takes them. */
const HEADER_BYTES_MAX = 64 * 1024;
/** Said rather than left to how this Node was started. */
const LEAST_TLS = 'TLSv1.2';
const TOKEN_NEEDED = 'Bearer realm="Belfry"';

export interface HttpServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly externalUrl: string | undefined;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly token: string;
  /** Further tokens with fewer rights, as configured now. */
  readonly tokens?: () => readonly NamedToken[];
  readonly ports: HttpPorts;
  /** Of the installation's docs/runbooks. */
  readonly runbookFolder: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

export interface HttpServer {
  /** Where it listens: `http://127.0.0.1:9559`. */
  readonly url: string;
  /** Another certificate for connections made from now on; nothing where it listens without TLS. */
  renewTls(tls: { readonly cert: string; readonly key: string }): void;
  close(): Promise<void>;
}

/** What every route gets. */
export interface RouteContext {
  readonly server: FastifyInstance;
  readonly access: Access;
  readonly ports: HttpPorts;
  readonly runbookFolder: string;
}

/** Listens; rejects where the address is taken. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = buildServer(options);
  await server.listen({ host: options.listen.host, port: options.listen.port });
  const port = server.addresses().find((address) => typeof address === 'object')?.port ?? options.listen.port;
  const host = options.listen.host.includes(':') ? `[${options.listen.host}]` : options.listen.host;
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    renewTls: (tls) => {
      if (server.server instanceof TlsServer) server.server.setSecureContext({ ...tls, minVersion: LEAST_TLS });
    },
    close: () => server.close(),
  };
}

/** The server without a socket; tests ask it through `inject`. */
export function buildServer(options: HttpServerOptions): FastifyInstance {
  const server = emptyServer(options);
  const { listen, externalUrl, token, tokens = () => [] } = options;
  const access = new Access({ listenHost: listen.host, externalUrl, token, tokens });
  const dropped = options.meter.counter('belfry_http_connections_dropped_total', 'Connections refused because there were too many.');
  server.server.maxConnections = LIMITS.httpConnections;
  server.server.on('drop', () => dropped.add(1));
  const requests = options.meter.histogram(
    'belfry_http_request_duration_seconds',
    'Time to answer a request.',
    [0.001, 0.01, 0.1, 1, 10],
    ['route', 'status'],
  );

  const methods = new Methods(server);
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, async (_: unknown, text: string | Buffer) =>
    readForm(String(text)),
  );
  server.addHook('onRequest', async (request) => access.checkOrigin(request.headers));
  server.addHook('onSend', async (_, reply, payload) => {
    reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store').header('referrer-policy', 'no-referrer');
    // JSON has one encoding only; Prometheus and Alertmanager name none.
    if (reply.getHeader('content-type') === 'application/json; charset=utf-8') reply.header('content-type', 'application/json');
    return payload;
  });
  compressAnswers(server);
  server.addHook('onResponse', async (request, reply) => {
    requests.observe(reply.elapsedTime / 1000, { route: request.routeOptions.url ?? 'none', status: String(reply.statusCode) });
  });
  server.setErrorHandler((error, request, reply) => answerError(error, request, reply, options.log));
  server.setNotFoundHandler((request, reply) => {
    const url = pathOf(request);
    if (request.method === 'OPTIONS' && url.startsWith('/api/v1/')) return optionsOf(reply);
    const allowed = methods.of(url);
    if (allowed.length > 0) return methodNotAllowed(allowed, request, reply);
    return answerError(new BelfryError('NOT_FOUND', `no such page: ${request.url}`), request, reply, options.log);
  });

  const context: RouteContext = { server, access, ports: options.ports, runbookFolder: options.runbookFolder };
  lifecycleRoutes(context);
  federateRoutes(context);
  void server.register(async (scope) => {
    acceptForms(scope);
    prometheusRoutes({ ...context, server: scope });
    queryRangeRoutes({ ...context, server: scope });
    prometheusDataRoutes({ ...context, server: scope });
    prometheusStatusRoutes({ ...context, server: scope });
  });
  remoteWriteRoutes(context);
  backfillRoutes(context);
  belfryRoutes(context);
  replayRoutes(context);
  runbookRoutes(context);
  if (options.ports.autopilot !== undefined) autopilotRoutes({ ...context, autopilot: options.ports.autopilot, clock: options.clock });
  alertmanagerRoutes(server, { ...context, clock: options.clock, log: options.log });
  return server;
}

/** Nothing in it yet but how much it takes, and what becomes of a request that it cannot read. */
function emptyServer({ tls, log }: HttpServerOptions): FastifyInstance {
  const shared = {
    bodyLimit: LIMITS.requestBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // An address that is configured with a slash at its end is followed by one more.
    routerOptions: { maxParamLength: PARAMETER_CHARS_MAX, ignoreDuplicateSlashes: true },
    forceCloseConnections: true,
    rewriteUrl: ({ url = '/' }: { readonly url?: string | undefined }) => alertmanagerPath(url),
    clientErrorHandler: answerClientError,
  };
  const told = (error: unknown, request: unknown, reply: unknown): void =>
    void answerError(error, request as FastifyRequest, reply as FastifyReply, log);
  const http = { maxHeaderSize: HEADER_BYTES_MAX };
  const made =
    tls === undefined
      ? fastify({ ...shared, frameworkErrors: told, http })
      : fastify({ ...shared, frameworkErrors: told, https: { ...tls, ...http, minVersion: LEAST_TLS } });
  return made as unknown as FastifyInstance;
}

/** Of the address what the router goes by. */
function pathOf({ url }: FastifyRequest): string {
  const [path = ''] = url.split('?');
  return path.replaceAll(/\/{2,}/g, '/');
}

/** As Prometheus answers; pages of other origins have been refused before, so none is named as allowed. */
function optionsOf(reply: FastifyReply): FastifyReply {
  const methods = 'GET, POST, OPTIONS';
  reply.header('allow', methods).header('access-control-allow-methods', methods);
  return reply.status(204).header('access-control-allow-headers', 'Accept, Authorization, Content-Type, Origin').send();
}

function methodNotAllowed(allowed: readonly string[], request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const text = `${request.method} is not allowed here, but ${allowed.join(' and ')}\n`;
  return reply.status(405).header('allow', allowed.join(', ')).type('text/plain; charset=utf-8').send(text);
}

/** Prometheus's envelope below /api, one line of text elsewhere. */
function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): FastifyReply {
  const status = error instanceof BelfryError ? error.status : statusOf(error);
  const text = status >= 500 && !(error instanceof BelfryError) ? 'internal error' : placeOf(error) + errorText(error);
  // 503 is for later: a query that took too long is no fault.
  if (status >= 500 && status !== 503) log.error('http_request_failed', { route: request.routeOptions.url ?? 'none', error });
  reply.status(status);
  if (status === 401) reply.header('www-authenticate', TOKEN_NEEDED);
  if (!pathOf(request).startsWith('/api/')) return reply.type('text/plain; charset=utf-8').send(`${text}\n`);
  // As bytes, whose type stays as it is: no hook hears of an address that cannot be read.
  const body = JSON.stringify({ status: 'error', errorType: errorType(status), error: text });
  return reply.header('content-type', 'application/json').send(Buffer.from(body));
}

/** `LINE:COLUMN: ` of what was asked, such as an expression, as Prometheus begins its answers; empty where it has no place. */
function placeOf(error: unknown): string {
  const position = error instanceof BelfryError ? error.position : undefined;
  return position === undefined ? '' : `${position.line}:${position.column}: `;
}

function statusOf(error: unknown): number {
  const status = error !== null && typeof error === 'object' && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 ? status : 500;
}

/** The words of Prometheus's API (web/api/v1). */
function errorType(status: number): string {
  if (status === 404) return 'not_found';
  if (status === 422) return 'execution';
  if (status === 499) return 'canceled';
  if (status === 503) return 'timeout';
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  return status < 500 ? 'bad_data' : 'internal';
}
