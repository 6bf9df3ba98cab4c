import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { Secret } from '../../src/core/secret.ts';
import type { ManualClock } from '../../src/core/clock.ts';
import { Access, type NamedToken, type Scope, SCOPES } from '../../src/http/auth.ts';
import { buildServer } from '../../src/http/server.ts';
import { FakeAutopilot, intentView } from './fake-autopilot.ts';
import { serverWith, TOKEN, WITH_TOKEN } from './harness.ts';

const API = '/api/belfry/v1/autopilot';
const DECISION = { by: 'anna', reason: 'seen' };
let pilot: FakeAutopilot;
let server: FastifyInstance;
let clock: ManualClock;
let tokens: readonly NamedToken[];

beforeEach(() => {
  pilot = new FakeAutopilot();
  tokens = SCOPES.map((scope) => ({ name: `for-${scope}`, scopes: [scope], token: new Secret(`token-${scope}`) }));
  const made = serverWith({ ports: { autopilot: pilot } });
  clock = made.clock;
  server = buildServer({ ...made.serverOptions, tokens: () => tokens });
});
afterEach(() => server.close());

type Method = 'GET' | 'POST' | 'DELETE';
const ask = (method: Method, path: string, payload?: object, headers: Record<string, string> = WITH_TOKEN) =>
  server.inject({ method, url: API + path, headers, ...(payload === undefined ? {} : { payload }) });

const CHANGING: readonly (readonly [Scope, Method, string, object, string])[] = [
  ['executor', 'POST', '/intents/OPEN/lease', { executor: 'exec-1' }, 'lease OPEN exec-1'],
  ['executor', 'POST', '/intents/OPEN/ack', { fencingToken: 7, status: 'running', text: 'x', signature: 'good' }, 'ack {'],
  ['executor', 'POST', '/executors/exec-1/dry-run', { ok: true, text: 'all well' }, 'dryRun exec-1 true all well'],
  ['approve', 'POST', '/intents/OPEN/approve', DECISION, 'approve OPEN anna'],
  ['approve', 'POST', '/intents/OPEN/reject', DECISION, 'reject OPEN anna'],
  ['approve', 'POST', '/halt', DECISION, 'halt anna'],
  ['approve', 'POST', '/resume', DECISION, 'resume anna'],
  ['approve', 'POST', '/breaker/close', DECISION, 'closeBreaker anna'],
  ['approve', 'POST', '/confirm', { ...DECISION, cluster: 'orders' }, 'confirm anna'],
  ['approve', 'POST', '/promote', { ...DECISION, cluster: 'orders', action: 'repair', to: 'auto' }, 'promote {'],
  ['approve', 'POST', '/drill', { cluster: 'orders', broker: 1, by: 'anna' }, 'drill orders 1 anna'],
  ['approve', 'POST', '/clusters/orders/hold', { ...DECISION, for: '2h' }, 'hold orders 7200000 anna'],
  ['approve', 'DELETE', '/clusters/*/hold', { by: 'anna' }, 'release * anna'],
  ['approve', 'POST', '/clusters/orders/reset', { ...DECISION, broker: 2 }, 'reset orders 2 anna'],
];

describe('what changes something', () => {
  beforeEach(() => void (pilot.all = [intentView('OPEN', { state: 'open' })]));

  it.each(CHANGING)('needs the scope %s: %s %s', async (scope, method, path, body, called) => {
    for (const other of SCOPES.filter((one) => one !== scope)) {
      const refused = await ask(method, path, body, { authorization: `Bearer token-${other}` });
      expect([refused.statusCode, refused.json().error]).toEqual([403, `the token for-${other} has no scope ${scope}`]);
    }
    expect((await ask(method, path, body, {})).statusCode).toBe(401);
    expect(pilot.calls).toEqual([]);
    expect((await ask(method, path, body, { authorization: `Bearer token-${scope}` })).statusCode).toBeLessThan(300);
    expect(pilot.calls.filter((call) => !call.startsWith('journal'))).toEqual([expect.stringContaining(called)]);
  });

  it.each(CHANGING)('may be done with the token of the data folder (%s): %s %s', async (_, method, path, body) => {
    expect((await ask(method, path, body)).statusCode).toBeLessThan(300);
  });

  it.each(CHANGING)('wants a body that is whole (%s): %s %s', async (_, method, path, body) => {
    for (const field of Object.keys(body).filter((name) => !['force', 'cluster', 'text'].includes(name))) {
      const answer = await ask(method, path, { ...body, [field]: {} });
      expect([answer.statusCode, answer.json().error]).toEqual([400, expect.stringContaining(field)]);
    }
    expect(pilot.calls).toEqual([]);
  });

  it('says by which token it was done', async () => {
    await ask('POST', '/halt', DECISION, { authorization: 'Bearer token-approve' });
    await ask('POST', '/resume', DECISION);
    expect(pilot.calls).toEqual(['halt anna (token for-approve) seen', 'resume anna seen']);
  });

  it('answers with the state', async () => {
    expect((await ask('POST', '/halt', DECISION)).json()).toMatchObject({ halted: 'anna: seen', clusters: [{ name: 'orders' }] });
    expect((await ask('POST', '/confirm', DECISION)).json()).toMatchObject({ raised: [{ to: 'auto' }], durable: true });
  });
});

describe('reading', () => {
  it.each(['', '/intents', '/intents/I1', '/journal', '/report', '/clusters/orders/desired'])(
    'needs no token on loopback: %s',
    async (path) => {
      expect((await ask('GET', path, undefined, {})).statusCode).toBe(200);
    },
  );

  it('gives numbers at the top level for whoever sizes a cluster, and 503 where they are not known', async () => {
    expect((await ask('GET', '/clusters/orders/desired')).json()).toMatchObject({ cluster: 'orders', desired: 4, current: 3 });
    pilot.known = false;
    expect((await ask('GET', '/clusters/orders/desired')).statusCode).toBe(503);
  });

  it('shows an intent with its guards and its journal', async () => {
    expect((await ask('GET', '/intents/I1')).json()).toMatchObject({
      id: 'I1',
      target: 'broker/2',
      signature: 'f00d',
      blockedBy: { guard: 'last_copy' },
      journal: [{ text: 'repair of broker 2 waits for approval' }],
    });
    expect((await ask('GET', '/intents/nope')).statusCode).toBe(404);
  });

  it.each([
    ['/journal?cluster=orders&intent=I1&before=9&limit=5', 'journal {"limit":5,"cluster":"orders","intentId":"I1","before":9}'],
    ['/journal?limit=99999', 'journal {"limit":1000}'],
    ['/report?cluster=orders&days=7', 'report orders 7'],
    ['/report', 'report undefined 30'],
  ])('passes on what is asked: %s', async (path, called) => {
    await ask('GET', path);
    expect(pilot.calls).toEqual([called]);
  });

  it.each(['/journal?limit=x', '/journal?before=-1', '/report?days=0', '/intents?state=nope', '/intents?wait=soon'])(
    'refuses %s',
    async (path) => {
      expect((await ask('GET', path)).statusCode).toBe(400);
    },
  );

  it('simulates without changing anything', async () => {
    const answer = await ask('POST', '/simulate', { cluster: 'orders', faults: ['broker=2:down'] }, {});
    expect(answer.json().sentences).toEqual(['Broker 2 would be suspect.']);
  });
});

describe('an executor', () => {
  it('is told by 409 which guard holds, or that its lease is lost, and by 403 that its ack is not signed', async () => {
    const lease = await ask('POST', '/intents/I1/lease', { executor: 'exec-1' });
    expect([lease.statusCode, lease.json().error]).toEqual([409, 'last_copy holds: payments-3 has its only copy there']);
    expect((await ask('POST', '/intents/I1/heartbeat', { fencingToken: 6 })).statusCode).toBe(409);
    const ack = { fencingToken: 7, status: 'succeeded', text: '', signature: 'bad' };
    expect((await ask('POST', '/intents/I1/ack', ack)).statusCode).toBe(403);
  });

  it('gets lease and signature at each heartbeat', async () => {
    const answer = await ask('POST', '/intents/I1/heartbeat', { fencingToken: 7 });
    expect(answer.json()).toEqual({ lease: expect.objectContaining({ fencingToken: 7, ttlMs: 60_000 }), signature: 'f00d' });
  });
});

describe('a long poll', () => {
  const poll = (query: string) =>
    ask('GET', `/intents?state=open&${query}`).then((answer) => answer.json().intents.map(({ id }: { id: string }) => id));

  it('answers at once where one is open', async () => {
    pilot.all = [intentView('I1'), intentView('I2', { state: 'open' })];
    expect(await poll('wait=20s')).toEqual(['I2']);
  });

  it('answers when one opens in the cluster that is asked for', async () => {
    const answer = poll('cluster=orders&wait=20s');
    await clock.advance(1000);
    pilot.change([intentView('I3', { state: 'open', cluster: 'billing' })]);
    await clock.advance(1000);
    expect(pilot.listeners.size).toBe(1);
    pilot.change([intentView('I4', { state: 'open' })]);
    expect(await answer).toEqual(['I4']);
    expect([pilot.listeners.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  it.each([
    ['20s', 20_000],
    ['10m', 30_000],
  ])('of %s is over after %d ms', async (wait, ms) => {
    let over = false;
    const answer = poll(`wait=${wait}`).then((ids) => ((over = true), ids));
    while (pilot.listeners.size === 0) await clock.advance(0);
    await clock.advance(ms - 1);
    expect(over).toBe(false);
    await clock.advance(1);
    expect(await answer).toEqual([]);
  });

  const pollAs = (headers: Record<string, string>, remoteAddress = '127.0.0.1') =>
    server.inject({ method: 'GET', url: `${API}/intents?state=open&wait=30s`, headers, remoteAddress });

  it.each<[string, number, Record<string, string>, string]>([
    ['without a token', 20, {}, '20 requests without a token wait for an intent already'],
    ['of one token and address', 50, { authorization: 'Bearer token-read' }, '50 requests of this token and address wait'],
  ])('is refused where too many wait %s: others have their places', async (_, most, headers, sentence) => {
    const waiting = Array.from({ length: most }, () => pollAs(headers));
    while (pilot.listeners.size < most) await clock.advance(0);
    const refused = await pollAs(headers);
    expect([refused.statusCode, refused.json().error]).toEqual([429, expect.stringContaining(sentence)]);
    const executor = pollAs({ authorization: 'Bearer token-executor' });
    while (pilot.listeners.size < most + 1) await clock.advance(0);
    await clock.advance(30_000);
    expect([(await executor).statusCode, ...new Set((await Promise.all(waiting)).map(({ statusCode }) => statusCode))]).toEqual([200, 200]);
    const again = pollAs(headers);
    while (pilot.listeners.size < 1) await clock.advance(0);
    await clock.advance(30_000);
    expect((await again).statusCode).toBe(200);
  });

  it('is refused where too many wait', async () => {
    const waiting = Array.from({ length: 200 }, (_, i) => pollAs(WITH_TOKEN, `127.0.0.${(i % 5) + 1}`));
    while (pilot.listeners.size < 200) await clock.advance(0);
    expect((await pollAs(WITH_TOKEN, '127.0.0.9')).statusCode).toBe(503);
    await clock.advance(30_000);
    await Promise.all(waiting);
    expect(pilot.listeners.size).toBe(0);
  });
});

describe('a token of the configuration', () => {
  it('is gone with the reload that takes it away', () => {
    const access = new Access({ listenHost: '0.0.0.0', externalUrl: undefined, token: TOKEN, tokens: () => tokens });
    const headers = { authorization: 'Bearer token-executor' };
    expect([access.allows('read', headers), access.allows('executor', headers), access.allows('operate', headers)]).toEqual([
      true,
      true,
      false,
    ]);
    tokens = [];
    expect(access.allows('read', headers)).toBe(false);
    expect(() => access.require('read', headers)).toThrow('wrong token');
  });
});
