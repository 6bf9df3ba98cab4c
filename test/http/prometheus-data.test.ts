import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import type { MetricMetadata } from '../../src/http/prometheus-ports.ts';
import { NOW, serverWith } from './harness.ts';

const HOUR = 3_600_000;

function serverWithSeries() {
  const made = serverWith();
  const add = (labels: Readonly<Record<string, string>>, ts: number) =>
    made.rooms.querier.series.push({ labels: Labels.of(labels), points: [{ ts, value: 1 }] });
  add({ __name__: 'up', job: 'node', instance: 'b:9100' }, NOW);
  add({ __name__: 'up', job: 'node', instance: 'a:9100' }, NOW);
  add({ __name__: 'up', job: 'jmx', instance: 'a:7071' }, NOW - 2 * HOUR);
  add({ __name__: 'http.requests', 'dotted.name': 'x' }, NOW);
  return made;
}

async function ask(url: string, server = serverWithSeries().server) {
  const answer = await server.inject({ url });
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
}

const SECONDS = NOW / 1000;

describe('GET /api/v1/series', () => {
  it.each([
    ['match[]=up', ['jmx a:7071', 'node a:9100', 'node b:9100']],
    ['match[]=up{job="node"}', ['node a:9100', 'node b:9100']],
    ['match[]=up{job="jmx"}&match[]={instance=~"b.*"}', ['jmx a:7071', 'node b:9100']],
    [`match[]=up&start=${SECONDS - 60}`, ['node a:9100', 'node b:9100']],
    [`match[]=up&end=${SECONDS - 60}`, ['jmx a:7071']],
    ['match[]=up&start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z', ['jmx a:7071', 'node a:9100', 'node b:9100']],
    ['match[]=nowhere', []],
  ])('tells the series of %s, by their labels', async (parameters, expected) => {
    const { status, body } = await ask(`/api/v1/series?${parameters}`);
    const found = (body['data'] as { job: string; instance: string }[]).map(({ job, instance }) => `${job} ${instance}`);
    expect([status, found.toSorted()]).toEqual([200, expected]);
  });

  it('sorts them as Prometheus does', async () => {
    const { body } = await ask('/api/v1/series?match[]=up');
    expect((body['data'] as { instance: string }[]).map(({ instance }) => instance)).toEqual(['a:7071', 'a:9100', 'b:9100']);
  });

  it('reads a form', async () => {
    const { server } = serverWithSeries();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await server.inject({ method: 'POST', url: '/api/v1/series', headers, payload: 'match[]=up%7Bjob%3D%22jmx%22%7D' });
    expect(answer.json()).toEqual({ status: 'success', data: [{ __name__: 'up', job: 'jmx', instance: 'a:7071' }] });
  });

  it.each([
    ['', 'no match[] parameter provided'],
    ['match[]=', 'invalid parameter "match[]": 1:1: parse error: '],
    ['match[]=up{', 'invalid parameter "match[]": 1:4: parse error: '],
    ['match[]={job=""}', 'invalid parameter "match[]": match[] must contain at least one non-empty matcher'],
    ['match[]=up&limit=-1', 'invalid parameter "limit": limit must be non-negative'],
    ['match[]=rate(up[5m])', 'invalid parameter "match[]": 1:5: parse error: unexpected "("'],
    ['match[]=up[5m]', 'invalid parameter "match[]": 1:3: parse error: unexpected "["'],
    ['match[]=up offset 5m', 'invalid parameter "match[]": 1:4: parse error: unexpected <offset>'],
    ['match[]={a="b"} or up', 'invalid parameter "match[]": 1:9: parse error: unexpected <op:or>'],
    ['match[]=broker-up', 'invalid parameter "match[]": 1:7: parse error: unexpected <op:->'],
    ['match[]=-up', 'invalid parameter "match[]": 1:1: parse error: unexpected <op:->'],
    ['match[]=12', 'invalid parameter "match[]": 1:1: parse error: unexpected number "12"'],
    ['match[]=%20', 'invalid parameter "match[]": 1:2: parse error: unexpected end of input'],
    ['match[]=up&start=then', 'invalid parameter "start"'],
    ['match[]=up&limit=many', 'invalid parameter "limit"'],
  ])('refuses %j', async (parameters, text) => {
    const { status, body } = await ask(`/api/v1/series?${parameters}`);
    expect([status, body]).toMatchObject([400, { status: 'error', errorType: 'bad_data' }]);
    expect(body['error']).toContain(text);
  });

  it('says so where a limit leaves some out', async () => {
    const { body } = await ask('/api/v1/series?match[]=up&limit=2');
    expect(body).toMatchObject({ data: { length: 2 }, warnings: ['results truncated due to limit'] });
    expect((await ask('/api/v1/series?match[]=up&limit=3')).body).not.toHaveProperty('warnings');
  });
});

describe('how many names are told of', () => {
  it.each([
    ['1', 200],
    ['10000', 200],
    ['10001', 400],
    ['0', 400],
    ['-1', 400],
    ['x', 400],
  ])('%s: %i', async (limit, status) => {
    const { body, status: told } = await ask(`/api/v1/status/tsdb?limit=${limit}`);
    expect([told, body['errorType']]).toEqual([status, status === 200 ? undefined : 'bad_data']);
  });
});

describe('label names and values', () => {
  it('refuses a name that is no UTF-8', async () => {
    const answer = await serverWithSeries().server.inject('/api/v1/label/job%ff/values');
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([400, 'application/json']);
    expect(answer.json()).toMatchObject({ status: 'error', errorType: 'bad_data' });
  });

  it.each([
    ['/api/v1/labels', ['__name__', 'dotted.name', 'instance', 'job']],
    ['/api/v1/labels?match[]=up', ['__name__', 'instance', 'job']],
    ['/api/v1/labels?match[]=nowhere', []],
    ['/api/v1/label/job/values', ['jmx', 'node']],
    [`/api/v1/label/job/values?start=${SECONDS - 60}`, ['node']],
    ['/api/v1/label/__name__/values', ['http.requests', 'up']],
    ['/api/v1/label/instance/values?match[]=up{job="node"}', ['a:9100', 'b:9100']],
    ['/api/v1/label/nowhere/values', []],
    ['/api/v1/label/dotted.name/values', ['x']],
    ['/api/v1/label/U__dotted_2e_name/values', ['x']],
    ['/api/v1/label/U__job/values', ['jmx', 'node']],
  ])('%s', async (url, data) => {
    expect(await ask(url)).toEqual({ status: 200, body: { status: 'success', data } });
  });

  it.each(['/api/v1/labels?match[]=up{', '/api/v1/label/job/values?match[]=', '/api/v1/labels?end=never'])('refuses %s', async (url) => {
    expect(await ask(url)).toMatchObject({ status: 400, body: { errorType: 'bad_data' } });
  });
});

describe('GET /api/v1/metadata', () => {
  const [BROKERS, UP] = [
    { kafka_brokers: [{ type: 'gauge', help: 'Number of brokers.', unit: '' }] },
    { belfry_up: [{ type: 'counter', help: 'Up.', unit: '' }] },
  ];
  it.each([
    ['', { ...BROKERS, ...UP }],
    ['metric=belfry_up', UP],
    ['metric=nowhere', {}],
    ['limit=1', BROKERS],
    ['limit=0', {}],
    ['limit=-1&limit_per_metric=1', { ...BROKERS, ...UP }],
  ])('%j', async (parameters, data) => {
    expect((await ask(`/api/v1/metadata?${parameters}`)).body).toEqual({ status: 'success', data });
  });

  it('tells of scraped pages too: each of what they say once', async () => {
    const made = serverWith();
    const page = (instance: string, ...families: readonly MetricMetadata[]) => ({ labels: Labels.of({ instance }), families });
    const up = { name: 'belfry_up', type: 'counter', help: 'Up.' };
    const heap = { name: 'heap', type: 'gauge', help: 'Heap.', unit: 'bytes' };
    made.rooms.scraped = [page('a', heap, up), page('b', heap), page('c', { ...heap, unit: '' })];
    const entries = [
      { type: 'gauge', help: 'Heap.', unit: 'bytes' },
      { type: 'gauge', help: 'Heap.', unit: '' },
    ];
    const told = async (parameters: string) => (await ask(`/api/v1/metadata?${parameters}`, made.server)).body;
    expect(await told('')).toEqual({ status: 'success', data: { ...BROKERS, ...UP, heap: entries } });
    expect(await told('metric=heap&limit_per_metric=1')).toEqual({ status: 'success', data: { heap: entries.slice(0, 1) } });
    expect(await told('limit=2')).toEqual({ status: 'success', data: { ...BROKERS, ...UP } });
  });

  it('says so where there is more than is told at once', async () => {
    const made = serverWith();
    const families = Array.from({ length: 100_000 }, (_, i): MetricMetadata => ({ name: `m${i}`, type: 'gauge', help: '' }));
    made.rooms.scraped = [{ labels: Labels.empty, families }];
    const { body } = await ask('/api/v1/metadata', made.server);
    expect([Object.keys(body['data'] as object).length, body['warnings']]).toEqual([100_000, ['results truncated due to limit']]);
    expect((await ask('/api/v1/metadata?limit=5', made.server)).body).not.toHaveProperty('warnings');
  });

  it('refuses a limit that is no number', async () => {
    expect(await ask('/api/v1/metadata?limit=x')).toMatchObject({ status: 400, body: { errorType: 'bad_data' } });
  });
});

describe('GET /api/v1/targets', () => {
  function serverWithTargets() {
    const made = serverWith();
    const shared = { lastScrapeDurationMs: 12.5, intervalMs: 15_000, timeoutMs: 10_000 };
    made.rooms.targets = [
      {
        ...shared,
        job: 'node',
        labels: Labels.of({ job: 'node', instance: 'a:9100', cluster: 'orders' }),
        url: 'http://a:9100/metrics',
        health: 'up',
        lastError: '',
        lastScrape: NOW,
      },
      {
        ...shared,
        job: 'jmx',
        labels: Labels.of({ job: 'jmx', instance: 'a:7071' }),
        url: 'https://a:7071/m',
        health: 'unknown',
        lastError: 'refused',
        lastScrape: 0,
      },
    ];
    return made.server;
  }

  it('shows a target as Prometheus does, pool after pool', async () => {
    const { body } = await ask('/api/v1/targets', serverWithTargets());
    const { activeTargets, droppedTargets } = body['data'] as { activeTargets: unknown[]; droppedTargets: unknown[] };
    const [jmx, node] = activeTargets;
    expect(droppedTargets).toEqual([]);
    expect(node).toEqual({
      discoveredLabels: {
        __address__: 'a:9100',
        __metrics_path__: '/metrics',
        __scheme__: 'http',
        __scrape_interval__: '15s',
        __scrape_timeout__: '10s',
        cluster: 'orders',
        job: 'node',
      },
      labels: { job: 'node', instance: 'a:9100', cluster: 'orders' },
      scrapePool: 'node',
      scrapeUrl: 'http://a:9100/metrics',
      globalUrl: 'http://a:9100/metrics',
      lastError: '',
      lastScrape: '2023-11-14T22:13:20.000Z',
      lastScrapeDuration: 0.0125,
      health: 'up',
      scrapeInterval: '15s',
      scrapeTimeout: '10s',
    });
    expect(jmx).toMatchObject({ health: 'unknown', lastError: 'refused', lastScrape: '0001-01-01T00:00:00Z' });
  });

  it.each([
    ['state=active', 2],
    ['state=ANY', 2],
    ['state=dropped', 0],
    ['scrapePool=jmx', 1],
    ['scrapePool=nowhere', 0],
  ])('filters by %s', async (parameters, count) => {
    const { body } = await ask(`/api/v1/targets?${parameters}`, serverWithTargets());
    expect(body).toMatchObject({ data: { activeTargets: { length: count } } });
  });

  it('names its pools', async () => {
    expect((await ask('/api/v1/scrape_pools', serverWithTargets())).body).toEqual({
      status: 'success',
      data: { scrapePools: ['jmx', 'node'] },
    });
  });
});

describe('GET /api/v1/status', () => {
  it.each([
    ['buildinfo', { version: '3.0.0+belfry.0.1.0' }],
    [
      'runtimeinfo',
      {
        startTime: '2023-11-14T22:13:20.000Z',
        serverTime: '2023-11-14T22:13:21.000Z',
        reloadConfigSuccess: false,
        lastConfigTime: '2023-11-14T22:13:20.000Z',
        storageRetention: '15d',
        corruptionCount: 0,
      },
    ],
    ['flags', { 'query.lookback-delta': '5m', 'query.timeout': '10s', 'web.listen-address': '127.0.0.1:9559' }],
    ['config', { yaml: 'global:\n  evaluation_interval: 5s\n' }],
    [
      'tsdb',
      {
        headStats: { numSeries: 4, minTime: NOW - 1000, maxTime: NOW },
        seriesCountByMetricName: [
          { name: 'up', value: 3 },
          { name: 'http.requests', value: 1 },
        ],
      },
    ],
    ['tsdb?limit=1', { seriesCountByMetricName: [{ name: 'up', value: 3 }] }],
  ])('%s', async (page, data) => {
    expect(await ask(`/api/v1/status/${page}`)).toMatchObject({ status: 200, body: { status: 'success', data } });
  });
});
