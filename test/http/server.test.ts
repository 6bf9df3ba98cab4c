import { describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { once } from 'node:events';
import { BelfryError } from '../../src/core/errors.ts';
import { parsePage } from '../../src/formats/page-parser.ts';
import type { MetricsPort } from '../../src/http/ports.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { serverWith, WITH_TOKEN } from './harness.ts';

describe('health', () => {
  it('is ready when nothing is missing, and says what is', async () => {
    const { server, rooms } = serverWith();
    expect((await server.inject('/-/ready')).body).toBe('Belfry is ready.\n');
    rooms.notReady = ['state.db cannot be written', 'not looked at yet: orders'];
    const answer = await server.inject('/-/ready');
    expect([answer.statusCode, answer.body]).toEqual([503, 'Belfry is not ready: state.db cannot be written; not looked at yet: orders\n']);
    expect((await server.inject('/-/healthy')).statusCode).toBe(200);
  });
});

describe('a reload', () => {
  it('says that it was made, or why not', async () => {
    const { server, rooms } = serverWith();
    const done = await server.inject({ method: 'POST', url: '/-/reload', headers: WITH_TOKEN });
    expect([done.statusCode, done.body]).toEqual([200, 'reloaded\n']);
    rooms.reloadProblems = ['belfry.yaml:1:1 clusterz: unknown key', 'belfry.yaml:2:1 x: unknown key'];
    const refused = await server.inject({ method: 'POST', url: '/-/reload', headers: WITH_TOKEN });
    expect(refused.statusCode).toBe(400);
    expect(refused.body).toContain('the old one runs on:\nbelfry.yaml:1:1 clusterz: unknown key\nbelfry.yaml:2:1 x: unknown key\n');
  });

  it('has no GET, so that no link can make one', async () => {
    const answer = await serverWith().server.inject({ url: '/-/reload', headers: WITH_TOKEN });
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, 'POST, PUT']);
  });
});

describe('the exposition pages', () => {
  it.each(['/metrics', '/metrics/kafka'])('%s is one that a Prometheus reads', async (url) => {
    const answer = await serverWith().server.inject(url);
    expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(answer.body).toMatch(/\n$/);
    expect(parsePageText(answer.body).length).toBeGreaterThan(0);
  });

  it('keeps a label as it is, whatever it holds', async () => {
    const answer = await serverWith().server.inject('/metrics/kafka');
    expect(parsePageText(answer.body)).toEqual([['kafka_brokers', 'say "hi"\\\nthere', 3]]);
    expect(answer.body).not.toContain('kafka_topic_partitions');
  });

  it('is written piece by piece, others being served between: the next family is not read before the one before is out', async () => {
    const order: string[] = [];
    const metrics: MetricsPort = {
      own: async () => ({ text: '', contentType: 'text/plain' }),
      *kafka() {
        for (const name of ['a', 'b']) {
          order.push(`read ${name}`);
          setImmediate(() => order.push('served'));
          const samples = Array.from({ length: 2500 }, (_, value) => ({ labels: [['cluster', String(value)]] as const, value }));
          yield { name, help: name, type: 'gauge', samples };
        }
      },
    };
    const { server } = serverWith({ ports: { metrics } });
    const samples = parsePageText((await server.inject('/metrics/kafka')).body);
    expect(samples).toHaveLength(5000);
    expect([samples[0], samples[2499], samples[4999]]).toEqual([
      ['a', '0', 0],
      ['a', '2499', 2499],
      ['b', '2499', 2499],
    ]);
    expect(order.slice(0, 3)).toEqual(['read a', 'served', 'read b']);
  });
});

describe('runbooks', () => {
  it('are served as the text they are', async () => {
    const answer = await serverWith().server.inject('/docs/runbooks/BrokerCrashed.md');
    expect([answer.headers['content-type'], answer.body]).toEqual(['text/markdown; charset=utf-8', '# A broker crashed\n']);
  });

  it.each(['Nowhere.md', '..%2Faccess.test.ts', '%2e%2e%2fharness.ts', 'BrokerCrashed', 'BrokerCrashed.md%00', '.md', '..'])(
    'are nothing else: %s',
    async (name) => {
      expect((await serverWith().server.inject(`/docs/runbooks/${name}`)).statusCode).toBe(404);
    },
  );
});

describe('the Belfry API', () => {
  it('forgets the broker that is meant', async () => {
    const { server, rooms } = serverWith();
    const answer = await server.inject({
      method: 'DELETE',
      url: '/api/belfry/v1/clusters/orders%20x/brokers/7',
      headers: WITH_TOKEN,
    });
    expect([answer.statusCode, answer.body, rooms.calls]).toEqual([204, '', ['forget orders x 7']]);
  });

  it.each(['%20', '-1', '1e3', '0x10', '1.5', 'abc', '12345678901', ''])('takes %j for no broker', async (id) => {
    const { server, rooms } = serverWith();
    const answer = await server.inject({ method: 'DELETE', url: `/api/belfry/v1/clusters/orders/brokers/${id}`, headers: WITH_TOKEN });
    expect([answer.statusCode, rooms.calls]).toEqual([400, []]);
    expect(answer.json()).toMatchObject({ status: 'error', errorType: 'bad_data' });
  });

  it('sends a test to an owner', async () => {
    const { server, rooms } = serverWith();
    const answer = await server.inject({ method: 'POST', url: '/api/belfry/v1/owners/orders/test', headers: WITH_TOKEN });
    expect(answer.json()).toEqual({ deliveries: [{ integration: 'slack', outcome: 'delivered', ok: true }] });
    expect(rooms.calls).toEqual(['send-test orders']);
  });
});

describe('what is asked in a wrong way', () => {
  it.each([
    ['a page that is not there', 'GET', '/nowhere', 404, 'text/plain'],
    ['an API that is not there', 'GET', '/api/v1/nowhere', 404, 'application/json'],
    ['a method that is not there', 'DELETE', '/api/v1/rules', 405, 'text/plain'],
    ['a method with a query', 'POST', '/-/healthy?x=1', 405, 'text/plain'],
    ['an address that is none', 'GET', '/api/v1/%zz', 400, 'application/json'],
  ] as const)('is answered for %s', async (_, method, url, status, type) => {
    const answer = await serverWith().server.inject({ method, url });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toContain(type);
    if (type === 'application/json') expect(answer.json()).toMatchObject({ status: 'error', errorType: expect.any(String) });
  });

  it('shows nothing of an error of our own', async () => {
    const broken = () => {
      throw new Error('/secret/path: hunter2');
    };
    const { server } = serverWith({ ports: { rules: { groups: broken } } });
    const answer = await server.inject('/api/v1/alerts');
    expect([answer.statusCode, answer.json()]).toEqual([500, { status: 'error', errorType: 'internal', error: 'internal error' }]);
  });

  it.each([
    ['NOT_FOUND', 404, 'not_found'],
    ['NOT_READY', 503, 'timeout'],
    ['PROMQL_LIMIT', 422, 'execution'],
    ['FORBIDDEN', 403, 'forbidden'],
  ] as const)('keeps the status of %s', async (code, status, errorType) => {
    const failing = () => {
      throw new BelfryError(code, 'why');
    };
    const { server } = serverWith({ ports: { rules: { groups: failing } } });
    const answer = await server.inject('/api/v1/rules');
    expect([answer.statusCode, answer.json()]).toEqual([status, { status: 'error', errorType, error: 'why' }]);
  });

  it.each(['/-/healthy', '/metrics', '/api/v1/rules', '/api/v1/query?query=1'])('HEAD is GET without a body: %s', async (url) => {
    const { server } = serverWith();
    const answer = await server.inject({ method: 'HEAD', url });
    expect([answer.statusCode, answer.body]).toEqual([200, '']);
  });

  it('has headers that keep a browser from guessing, storing and telling', async () => {
    for (const url of ['/-/healthy', '/nowhere', '/api/v1/alerts']) {
      const { headers } = await serverWith().server.inject(url);
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
    }
  });
});

describe('the listening server', () => {
  it('says where it is, refuses garbage and ends its connections when it is closed', async () => {
    const { serverOptions } = serverWith();
    const server = await startHttpServer(serverOptions);
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write('garbage\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400/);
    const idle = connect(Number(new URL(server.url).port), '127.0.0.1');
    await once(idle, 'connect');
    const ended = once(idle, 'close');
    await server.close();
    await ended;
  });

  it('lets in a health check of HTTP/1.0, which has no Host', async () => {
    const server = await startHttpServer(serverWith().serverOptions);
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write('GET /-/healthy HTTP/1.0\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('200 OK');
    socket.destroy();
    await server.close();
  });

  it('says so where the address is taken', async () => {
    const { serverOptions } = serverWith();
    const server = await startHttpServer(serverOptions);
    const port = Number(new URL(server.url).port);
    await expect(startHttpServer({ ...serverOptions, listen: { host: '127.0.0.1', port } })).rejects.toThrow('EADDRINUSE');
    await server.close();
  });
});

/** Metric, label `cluster` and value of every sample of a page. */
function parsePageText(text: string): readonly (readonly unknown[])[] {
  const { layout, values } = parsePage(Buffer.from(text), 'text');
  return layout.series.map((series, i) => [series.metricName, series.get('cluster'), values[i]]);
}
