import { STATUS_CODES } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { stringify } from 'yaml';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { StatusView } from '../ports.ts';
import { alertmanagerAlertRoutes } from './alertmanager-alerts.ts';
import { InvalidValue, NOBODY, PlainRefusal, type AlertmanagerContext } from './alertmanager-context.ts';
import { alertmanagerSilenceRoutes } from './alertmanager-silences.ts';

const PREFIX = '/api/v2';
/** Whoever points a Prometheus at Belfry is told what to do instead. */
const NO_INTAKE =
  'alerts come from the rules that Belfry evaluates itself and are not taken from others: ' +
  'load the rule file of whoever sends them under `rules:`, and have its samples scraped, or sent to /api/v1/write';
const JSON_RANGES = new Set(['application/json', 'application/*', '*/*']);
const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;

/**
 * Alertmanager's API v2 (api/v2/openapi.yaml there), for amtool, karma and whatever else speaks it: silences, alerts,
 * receivers, status, in its shapes and with its words. Changing anything needs a token with the scope operate.
 */
export function alertmanagerRoutes(server: FastifyInstance, context: AlertmanagerContext): void {
  void server.register(
    async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser(/^application\/json\b/i, { parseAs: 'string' }, (_, body, done) => done(null, body));
      scope.setErrorHandler((error, request, reply) => answerError(error, request, reply, context.log));
      scope.setNotFoundHandler((request, reply) => notFound(server, request, reply));
      scope.addHook('onRequest', async (request, reply) => {
        // The server makes these of GET; here there are none.
        if (request.method === 'HEAD') return notFound(server, request, reply);
        return undefined;
      });
      scope.addHook('preValidation', async ({ headers, is404 }, reply) => {
        if (is404 || takesJson(headers.accept)) return undefined;
        return reply.status(406).send({ code: 406, message: 'unsupported media type requested, only [application/json] are available' });
      });
      statusRoutes(scope, context);
      alertmanagerSilenceRoutes(scope, context);
      alertmanagerAlertRoutes(scope, context);
    },
    { prefix: PREFIX },
  );
}

/** The address without slashes at the end of its path, which Alertmanager's API does not mind; others as they are. */
export function alertmanagerPath(url: string): string {
  return url.startsWith(`${PREFIX}/`) ? url.replace(/^([^?]*[^?/])\/+(?=\?|$)/, '$1') : url;
}

function statusRoutes(scope: FastifyInstance, { access, ports }: AlertmanagerContext): void {
  scope.get('/status', async ({ headers }) => {
    access.require('read', headers);
    const status = ports.operations.status();
    return {
      cluster: { peers: [], status: 'disabled' },
      config: { original: configurationOf(status, ports.alertStatus.receivers()) },
      uptime: new Date(status.startedAt).toISOString(),
      versionInfo: {
        branch: '',
        buildDate: '',
        buildUser: '',
        goVersion: '',
        revision: '',
        version: status.version,
      },
    };
  });

  scope.get('/receivers', async ({ headers }) => {
    access.require('read', headers);
    const names = ports.alertStatus.receivers();
    // Where there are no owners, alerts are shown with this one.
    return (names.length === 0 ? [NOBODY] : names).map((name) => ({ name }));
  });
}

/** Owners as Alertmanager's configuration would name them: who is told of which cluster. `amtool config routes` reads it. */
function configurationOf({ clusters, defaultOwner = '' }: StatusView, receivers: readonly string[]): string {
  const root = defaultOwner === '' ? NOBODY : `owner/${defaultOwner}`;
  const routes = clusters
    .filter(({ owner }) => owner !== undefined && owner !== defaultOwner)
    .map(({ name, owner = '' }) => ({ receiver: `owner/${owner}`, matchers: [`cluster=${JSON.stringify(name)}`] }));
  const platform = { receiver: root, matchers: ['audience="platform"'] };
  return stringify({
    route: { receiver: root, group_by: ['cluster'], routes: [platform, ...routes] },
    receivers: [...new Set([root, ...routes.map(({ receiver }) => receiver), ...receivers])].map((name) => ({ name })),
  });
}

/** go-openapi's envelope, or for Alertmanager's own refusals the sentence alone. */
function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): FastifyReply {
  if (error instanceof PlainRefusal)
    return reply.status(error.status).type('application/json; charset=utf-8').send(JSON.stringify(error.message));
  if (error instanceof InvalidValue) return reply.status(422).send({ code: error.number, message: error.message });
  const given = error instanceof BelfryError ? error.status : statusCodeOf(error);
  if (given === 415) return reply.status(415).send({ code: 415, message: mediaTypeText(request) });
  if (given >= 500) log.error('http_request_failed', { route: request.routeOptions.url ?? 'none', error });
  if (given === 401) reply.header('www-authenticate', 'Bearer realm="Belfry"');
  const text = given >= 500 && !(error instanceof BelfryError) ? (STATUS_CODES[given] ?? 'internal error') : errorText(error);
  return reply.status(given).send({ code: given, message: text });
}

/** Whether an `Accept` header leaves room for JSON, as go-openapi reads it: what names nothing asks for nothing. */
function takesJson(accept: string | undefined): boolean {
  const ranges = (accept ?? '').split(',').map((range) => range.split(';').map((part) => part.trim().toLowerCase()));
  const named = ranges.filter(([type = '']) => type !== '');
  return (
    named.length === 0 ||
    named.some(([type = '', ...rest]) => JSON_RANGES.has(type) && !rest.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter)))
  );
}

function mediaTypeText({ headers }: FastifyRequest): string {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  return `unsupported media type ${JSON.stringify(type.trim() || 'application/octet-stream')}, only [application/json] are allowed`;
}

function statusCodeOf(error: unknown): number {
  const status = error !== null && typeof error === 'object' && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 ? status : 500;
}

function notFound(server: FastifyInstance, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [path = ''] = request.url.split('?');
  const [asked = ''] = request.originalUrl.split('?');
  const allowed = METHODS.filter((method) => server.findRoute({ method, url: routeOf(path) }) !== null);
  if (allowed.length === 0) return reply.status(404).send({ code: 404, message: `path ${asked} was not found` });
  reply.header('allow', allowed.join(','));
  const hint = request.method === 'POST' && path === `${PREFIX}/alerts` ? `; ${NO_INTAKE}` : '';
  return reply.status(405).send({ code: 405, message: `method ${request.method} is not allowed, but [${allowed.join(',')}] are${hint}` });
}

function routeOf(path: string): string {
  return path.replace(/^(\/api\/v2\/silence)\/[^/]+$/, '$1/:id');
}
