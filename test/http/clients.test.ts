import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import { alertingRule, firingAlert, NOW, ruleGroup, serverWith } from './harness.ts';

/** What a client sends, and what of the answer it reads. */
interface Step {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly answer: object | RegExp;
}

const [START, END] = [String(NOW / 1000 - 60), String(NOW / 1000)];
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const success = (data: unknown) => ({ status: 'success', data });
const get = (path: string, parameters: Readonly<Record<string, string>>, answer: object | RegExp): Step => ({
  method: 'GET',
  path,
  parameters,
  answer,
});
const post = (path: string, parameters: Readonly<Record<string, string>>, answer: object | RegExp): Step => ({
  method: 'POST',
  path,
  parameters,
  answer,
});

const VECTOR = success({ resultType: 'vector', result: [{ metric: { __name__: 'up', job: 'node' }, value: [1.7e9, '1'] }] });
const MATRIX = success({ resultType: 'matrix', result: [{ metric: { __name__: 'up', job: 'node' } }] });
const SERIES = success([{ __name__: 'up', job: 'node' }]);

const CLIENTS: readonly (readonly [string, readonly Step[]])[] = [
  [
    'Grafana, which tests a data source and then draws with it',
    [
      get('/api/v1/status/buildinfo', {}, success({ version: expect.stringMatching(/^3\.\d+\.\d+/) })),
      post('/api/v1/query', { query: '1+1', time: '4' }, success({ resultType: 'scalar', result: [4, '2'] })),
      get('/api/v1/metadata', { limit: '40000' }, success({ kafka_brokers: [{ type: 'gauge' }] })),
      get('/api/v1/label/__name__/values', { start: START, end: END, limit: '40000' }, success(['up'])),
      get('/api/v1/labels', { 'match[]': '{__name__="up"}', start: START, end: END, limit: '40000' }, success(['__name__', 'job'])),
      post('/api/v1/labels', { 'match[]': '{__name__="up"}', start: START, end: END }, success(['__name__', 'job'])),
      get('/api/v1/label/job/values', { 'match[]': 'up{}', start: START, end: END }, success(['node'])),
      post('/api/v1/series', { 'match[]': '{__name__="up"}', start: START, end: END, limit: '40000' }, SERIES),
      post('/api/v1/query_range', { query: 'up', start: START, end: END, step: '15' }, MATRIX),
      post('/api/v1/query_exemplars', { query: 'up', start: START, end: END }, success([])),
      get(
        '/api/v1/rules',
        { 'rule_group[]': 'brokers' },
        success({ groups: [{ name: 'brokers', rules: [{ name: 'Down', state: 'firing' }] }] }),
      ),
      get('/api/v1/alerts', {}, success({ alerts: [{ labels: { alertname: 'Down' }, state: 'firing' }] })),
      post('/api/v1/format_query', { query: 'up{job="node"}>0' }, success('up{job="node"} > 0')),
    ],
  ],
  [
    'a Python client, which looks at the front page first',
    [
      get('/', {}, /Belfry/),
      get('/api/v1/label/__name__/values', {}, success(['up'])),
      get('/api/v1/query', { query: 'up{job="node"}', time: END }, VECTOR),
      get('/api/v1/query_range', { query: 'up[60s]', start: START, end: END, step: '60' }, { status: 'error', errorType: 'bad_data' }),
      get('/api/v1/query', { query: 'up[60s]', time: END }, MATRIX),
      get('/api/v1/targets', { state: 'active' }, success({ activeTargets: [] })),
      get('/api/v1/targets/metadata', { match_target: '{job="node"}' }, success([])),
    ],
  ],
  [
    'a Go client, which posts first and reads the status pages',
    [
      post('/api/v1/query', { query: 'up', time: END, timeout: '5s' }, VECTOR),
      post('/api/v1/query', { query: 'up{', time: END }, { status: 'error', errorType: 'bad_data' }),
      post('/api/v1/series', { 'match[]': 'up', start: START, end: END }, SERIES),
      get('/api/v1/status/runtimeinfo', {}, success({ storageRetention: '15d' })),
      get('/api/v1/status/flags', {}, success({ 'query.lookback-delta': '5m' })),
      get('/api/v1/status/config', {}, success({ yaml: expect.any(String) })),
      get('/api/v1/status/tsdb', {}, success({ headStats: { numSeries: 1 } })),
      get('/api/v1/status/walreplay', {}, success({ current: 0 })),
      get('/api/v1/alertmanagers', {}, success({ activeAlertmanagers: [] })),
    ],
  ],
  [
    'a tool that counts what is used, and checks that somebody is there',
    [
      get('/-/healthy', {}, /healthy/),
      get('/-/ready', {}, /ready/),
      post(
        '/api/v1/query',
        { query: 'count by (job) (up)', time: END },
        success({ result: [{ metric: { job: 'node' }, value: [1.7e9, '1'] }] }),
      ),
      get('/api/v1/scrape_pools', {}, success({ scrapePools: [] })),
    ],
  ],
];

describe('clients of Prometheus', () => {
  const made = serverWith();
  made.rooms.querier.series.push({ labels: Labels.of({ __name__: 'up', job: 'node' }), points: [{ ts: NOW - 30_000, value: 1 }] });
  const alert = firingAlert({ alertname: 'Down' });
  made.rooms.groups = [ruleGroup('brokers', 'rules.yaml', [alertingRule('Down', { state: 'firing', alerts: [alert] })])];

  it.each(CLIENTS)('are served: %s', async (_, steps) => {
    for (const { method, path, parameters, answer } of steps) {
      const fields = new URLSearchParams(parameters).toString();
      const asked =
        method === 'GET'
          ? { method, url: fields === '' ? path : `${path}?${fields}` }
          : { method, url: path, headers: FORM, payload: fields };
      const { body } = await made.server.inject(asked);
      if (answer instanceof RegExp) expect(body).toMatch(answer);
      else expect({ path, ...(JSON.parse(body) as object) }).toMatchObject({ path, ...answer });
    }
  });
});
