import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { Secret } from '../../src/core/secret.ts';
import { type Scope, SCOPES } from '../../src/http/auth.ts';
import { buildServer } from '../../src/http/server.ts';
import { FakeAutopilot, intentView } from './fake-autopilot.ts';
import { serverWith, TOKEN } from './harness.ts';

const PILOT = '/api/belfry/v1/autopilot';

/**
 * Every route there is, and what a token must be allowed to do for it. `open` needs none anywhere; `read` none on loopback.
 * A new route that is not here fails the first test.
 */
const ROUTES: Readonly<Record<Scope | 'open', readonly string[]>> = {
  open: ['GET /', 'GET /-/healthy', 'GET /-/ready'],
  read: [
    'GET /metrics',
    'GET /metrics/kafka',
    'GET /federate',
    ...['query', 'query_range', 'query_exemplars', 'format_query', 'parse_query', 'series', 'labels'].flatMap((name) => [
      `GET /api/v1/${name}`,
      `POST /api/v1/${name}`,
    ]),
    ...['rules', 'alerts', 'alertmanagers', 'scrape_pools', 'label/:name/values', 'metadata', 'targets', 'targets/metadata'].map(
      (name) => `GET /api/v1/${name}`,
    ),
    ...['buildinfo', 'runtimeinfo', 'flags', 'config', 'tsdb', 'walreplay'].map((name) => `GET /api/v1/status/${name}`),
    ...['status', 'silences', 'silence/:id', 'receivers', 'alerts', 'alerts/groups'].map((name) => `GET /api/v2/${name}`),
    'GET /api/belfry/v1/status',
    'GET /api/belfry/v1/incidents',
    'GET /api/belfry/v1/export',
    'GET /api/belfry/v1/alerts/muted',
    ...['', '/intents', '/intents/:id', '/journal', '/report', '/clusters/:name/desired'].map((path) => `GET ${PILOT}${path}`),
    // It tells what would be done, and does nothing.
    `POST ${PILOT}/simulate`,
    'GET /docs/runbooks/:name',
  ],
  operate: [
    'POST /-/reload',
    'PUT /-/reload',
    'POST /api/v2/silences',
    'DELETE /api/v2/silence/:id',
    'POST /api/belfry/v1/owners/:owner/test',
    'DELETE /api/belfry/v1/clusters/:cluster/brokers/:id',
    'POST /api/belfry/v1/clusters/:cluster/accept',
    'POST /api/belfry/v1/replay',
    'DELETE /api/belfry/v1/replay/:id',
  ],
  approve: [
    ...['approve', 'reject'].map((word) => `POST ${PILOT}/intents/:id/${word}`),
    ...['halt', 'resume', 'confirm', 'breaker/close', 'promote', 'drill'].map((word) => `POST ${PILOT}/${word}`),
    `POST ${PILOT}/clusters/:name/hold`,
    `DELETE ${PILOT}/clusters/:name/hold`,
    `POST ${PILOT}/clusters/:name/reset`,
  ],
  executor: [...['lease', 'heartbeat', 'ack'].map((word) => `POST ${PILOT}/intents/:id/${word}`), `POST ${PILOT}/executors/:name/dry-run`],
  write: ['POST /api/v1/write', 'POST /api/belfry/v1/import'],
};

const ALL = (Object.keys(ROUTES) as (Scope | 'open')[]).flatMap((scope) =>
  ROUTES[scope].map((route) => ({ scope, route, method: route.split(' ')[0] as Method, path: route.split(' ')[1] ?? '' })),
);
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

describe('every route', () => {
  let near: FastifyInstance;
  let far: FastifyInstance;

  beforeAll(async () => {
    [near, far] = await Promise.all([serverOn('127.0.0.1'), serverOn('0.0.0.0')]);
  });

  afterAll(async () => {
    await Promise.all([near.close(), far.close()]);
  });

  it('stands in the table above, and no other', () => {
    expect([...routesOf(near)].toSorted((a, b) => (a < b ? -1 : 1))).toEqual(
      ALL.map(({ route }) => route).toSorted((a, b) => (a < b ? -1 : 1)),
    );
  });

  it.each(ALL)('$route: $scope', async ({ scope, method, path }) => {
    const status = async (server: FastifyInstance, token?: string): Promise<number> => {
      const headers = { host: '10.0.0.1', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
      const url = path.replaceAll(/:[a-z]+/g, 'X');
      return (await server.inject({ method, url, headers })).statusCode;
    };
    const isLetIn = (answer: number): boolean => answer !== 401 && answer !== 403;
    const isMutating = scope !== 'read' && scope !== 'open';
    for (const [server, isFar] of [
      [near, false],
      [far, true],
    ] as const) {
      const needsToken = isMutating || (isFar && scope === 'read');
      for (const token of [undefined, 'wrong', TOKEN.slice(1)]) {
        expect([token, isLetIn(await status(server, token))]).toEqual([token, !needsToken]);
        if (needsToken) expect(await status(server, token)).toBe(401);
      }
      expect(isLetIn(await status(server, TOKEN))).toBe(true);
      for (const held of SCOPES) {
        const answer = await status(server, `token-of-${held}`);
        if (isMutating && held !== scope) expect([held, answer]).toEqual([held, 403]);
        else expect([held, isLetIn(answer)]).toEqual([held, true]);
      }
    }
  });
});

function serverOn(listen: string): Promise<FastifyInstance> {
  const pilot = new FakeAutopilot();
  pilot.all = [intentView('X', { state: 'open' })];
  const { serverOptions } = serverWith({ listen, ports: { autopilot: pilot } });
  const tokens = SCOPES.map((scope) => ({ name: `for-${scope}`, scopes: [scope], token: new Secret(`token-of-${scope}`) }));
  const server = buildServer({ ...serverOptions, tokens: () => tokens });
  return Promise.resolve(server.ready()).then(() => server);
}

/** `METHOD /path` of all routes, from the tree that fastify prints; HEAD goes with GET. */
function* routesOf(server: FastifyInstance): Generator<string> {
  const above: string[] = [];
  for (const line of server.printRoutes({ commonPrefix: false }).split('\n')) {
    const found = /^((?:│ {3}| {4})*)[├└]── (\S*)(?: \(([A-Z, ]+)\))?$/.exec(line);
    if (found === null) continue;
    const [, indent = '', part = '', methods = ''] = found;
    const depth = indent.length / 4;
    above.length = depth;
    above.push(part);
    for (const method of methods.split(', ')) if (method !== '' && method !== 'HEAD') yield `${method} ${above.join('')}`;
  }
}
