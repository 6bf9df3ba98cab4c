import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createQueryPort } from '../../src/app/query-port.ts';
import { Labels } from '../../src/core/labels.ts';
import type { ParseOptions } from '../../src/promql/parse.ts';
import { alertingRule, firingAlert, NOW, recordingRule, ruleGroup, serverWith } from './harness.ts';

async function ask(url: string, server = serverWith().server) {
  const answer = await server.inject({ url });
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
}

function queryUrl(parameters: Readonly<Record<string, string>>): string {
  return `/api/v1/query?${new URLSearchParams(parameters).toString()}`;
}

function serverWithUp(value: number) {
  const made = serverWith();
  made.rooms.querier.series.push({
    labels: Labels.of({ __name__: 'up', cluster: 'ünï "x"\n' }),
    points: [{ ts: NOW - 1000, value }],
  });
  return made;
}

describe('GET /api/v1/query', () => {
  it.each([
    [
      'a vector',
      'up',
      { resultType: 'vector', result: [{ metric: { __name__: 'up', cluster: 'ünï "x"\n' }, value: [1_700_000_000, '1'] }] },
    ],
    [
      'a matrix',
      'up[1m]',
      { resultType: 'matrix', result: [{ metric: { __name__: 'up', cluster: 'ünï "x"\n' }, values: [[1_699_999_999, '1']] }] },
    ],
    ['a scalar', '1 + 1', { resultType: 'scalar', result: [1_700_000_000, '2'] }],
    ['a string', '"text"', { resultType: 'string', result: [1_700_000_000, 'text'] }],
    ['nothing', 'nowhere', { resultType: 'vector', result: [] }],
  ])('answers %s', async (_, query, data) => {
    expect(await ask(queryUrl({ query }), serverWithUp(1).server)).toEqual({ status: 200, body: { status: 'success', data } });
  });

  it('takes experimental functions from the moment they are enabled, in every page that reads an expression', async () => {
    const { rooms, clock } = serverWith();
    let features: ParseOptions = {};
    const { server } = serverWith({ ports: { query: createQueryPort(rooms.querier, clock, () => features) } });
    const query = 'limitk(1, mad_over_time(up[5m]))';
    const range = new URLSearchParams({ query, start: '1', end: '2', step: '1' }).toString();
    const urls = [
      queryUrl({ query }),
      `/api/v1/query_range?${range}`,
      ...['format', 'parse'].map((page) => `/api/v1/${page}_query?${range}`),
    ];
    for (const url of urls)
      expect(await ask(url, server)).toMatchObject({ status: 400, body: { error: expect.stringContaining('experimental_functions') } });
    features = { experimentalFunctions: true };
    for (const url of urls) expect(await ask(url, server)).toMatchObject({ status: 200 });
  });

  it.each([
    ['1/3', '0.3333333333333333'],
    ['1e20', '100000000000000000000'],
    ['1e21', '1e+21'],
    ['1e-6', '0.000001'],
    ['1e-7', '1e-07'],
    ['-0', '-0'],
    ['0/0', 'NaN'],
    ['1/0', '+Inf'],
    ['-1/0', '-Inf'],
    ['2^53', '9007199254740992'],
  ])('writes %s as %s', async (query, text) => {
    const { body } = await ask(queryUrl({ query: `vector(${query})` }));
    expect(body['data']).toMatchObject({ result: [{ value: [1_700_000_000, text] }] });
  });

  it.each([
    ['Unix seconds', '1435781451.781', 1_435_781_451.781],
    ['Unix seconds with an exponent', '1.4e9', 1_400_000_000],
    ['before 1970', '-1.5', -1.5],
    ['RFC 3339', '2015-07-01T20:10:51.781Z', 1_435_781_451.781],
    ['RFC 3339 with an offset', '2015-07-01T22:10:51+02:00', 1_435_781_451],
    ['nanoseconds', '2015-07-01T20:10:51.781999999Z', 1_435_781_451.781],
    ['nothing, for now', '', 1_700_000_000],
  ])('takes a time as %s', async (_, time, seconds) => {
    const { body } = await ask(queryUrl({ query: '1', time }));
    expect(body['data']).toMatchObject({ result: [seconds, '1'] });
  });

  it.each([
    ['vector(1)', '0', '0'],
    ['vector(1)', '1.5', '1.500'],
    ['vector(1)', '-0.001', '-0.001'],
    ['vector(1)', '-12.34', '-12.340'],
    ['vector(1)', '1435781451.781', '1435781451.781'],
    ['vector(1)', '12345678901.01', '12345678901.010'],
    ['1', '1.5', '1.5'],
    ['"1"', '12345678901.01', '12345678901.01'],
  ])('writes of %s the time %s as %s', async (query, time, text) => {
    expect((await serverWith().server.inject(queryUrl({ query, time }))).payload).toContain(`[${text},"1"]`);
  });

  it.each([
    ['no expression', { query: '' }, 400, 'bad_data', 'no expression'],
    ['a mistake in it', { query: 'up{' }, 400, 'bad_data', 'invalid parameter "query": 1:4: parse error: '],
    ['a mistake of types', { query: 'rate(up)' }, 400, 'bad_data', 'invalid parameter "query": 1:6: parse error: '],
    ['what cannot be evaluated', { query: 'up + on() up' }, 422, 'execution', ''],
    ['a time that is none', { query: '1', time: 'yesterday' }, 400, 'bad_data', 'invalid parameter "time"'],
    ['a day that is none', { query: '1', time: '2024-02-30T00:00:00Z' }, 400, 'bad_data', 'invalid parameter "time"'],
    ['a time beyond all dates', { query: '1', time: '1e300' }, 400, 'bad_data', 'invalid parameter "time"'],
    ['a time that is no number', { query: '1', time: 'NaN' }, 400, 'bad_data', 'invalid parameter "time"'],
    ['an infinite time', { query: '1', time: 'Inf' }, 400, 'bad_data', 'invalid parameter "time"'],
    ['a time-out that is none', { query: '1', timeout: 'soon' }, 400, 'bad_data', 'invalid parameter "timeout"'],
    ['a time-out that is no number', { query: '1', timeout: 'NaN' }, 400, 'bad_data', 'invalid parameter "timeout"'],
    [
      'a lookback that is none',
      { query: '1', lookback_delta: '5 m' },
      400,
      'bad_data',
      'error parsing lookback delta duration: cannot parse "5 m" to a valid duration',
    ],
    ['no lookback at all', { query: '1', lookback_delta: '0' }, 400, 'bad_data', 'invalid parameter "lookback_delta"'],
  ])('refuses %s', async (_, parameters, status, errorType, text) => {
    const { server, rooms } = serverWithUp(1);
    rooms.querier.series.push({ labels: Labels.of({ __name__: 'up', cluster: 'b' }), points: [{ ts: NOW - 1000, value: 1 }] });
    const answer = await ask(queryUrl(parameters), server);
    expect(answer).toMatchObject({ status, body: { status: 'error', errorType } });
    expect(answer.body['error']).toContain(text);
    expect(Object.keys(answer.body).toSorted()).toEqual(['error', 'errorType', 'status']);
  });

  it.each([['all'], ['true'], ['1']])('tells what it took where stats=%s is asked for', async (stats) => {
    const { server } = serverWithUp(1);
    const { body } = await ask(queryUrl({ query: 'up + count_over_time(up[5m])', stats }), server);
    expect(body['data']).toMatchObject({
      stats: { timings: { execTotalTime: 0, innerEvalTime: 0, queryPreparationTime: 0 }, samples: { totalQueryableSamples: 2 } },
    });
    expect((await ask(queryUrl({ query: 'up', stats: '' }), server)).body['data']).not.toHaveProperty('stats');
  });

  it('escapes what could end a script', async () => {
    const { server } = serverWith();
    const { payload } = await server.inject({ url: queryUrl({ query: '"<>&\u2028\u2029"' }) });
    expect(payload).toContain('"\\u003c\\u003e\\u0026\\u2028\\u2029"');
    const labelled = await server.inject({ url: queryUrl({ query: 'label_replace(vector(1), "a", "<b>", "", "")' }) });
    expect(labelled.payload).toContain('{"a":"\\u003cb\\u003e"}');
  });

  it('gives up at the time-out it is given', async () => {
    const { body, status } = await ask(queryUrl({ query: 'up', timeout: '-1' }), serverWithUp(1).server);
    expect([status, body['errorType']]).toEqual([503, 'timeout']);
  });

  it.each([
    ['500ms', 0],
    ['0.5', 0],
    ['1h', 1],
    ['3600', 1],
  ])('looks back as far as it is told: %s', async (lookback, found) => {
    const { body } = await ask(queryUrl({ query: 'up', lookback_delta: lookback }), serverWithUp(1).server);
    expect((body['data'] as { result: unknown[] }).result).toHaveLength(found);
  });

  it.each(['up', 'up[1h]'])('gives no more series than are wanted: %s', async (query) => {
    const { server, rooms } = serverWithUp(1);
    rooms.querier.series.push({ labels: Labels.of({ __name__: 'up', cluster: 'b' }), points: [{ ts: NOW - 1000, value: 1 }] });
    const { body } = await ask(queryUrl({ query, limit: '1' }), server);
    expect(body).toMatchObject({ data: { result: { length: 1 } }, warnings: ['results truncated due to limit'] });
    expect((await ask(queryUrl({ query, limit: '2' }), server)).body).not.toHaveProperty('warnings');
    expect((await ask(queryUrl({ query, limit: 'x' }), server)).status).toBe(400);
  });

  it('says what is doubtful beside the answer', async () => {
    const { body } = await ask(queryUrl({ query: 'quantile(2, up)' }), serverWithUp(1).server);
    expect(body['status']).toBe('success');
    expect((body['warnings'] as string[])[0]).toMatch(/quantile/);
  });

  it('says no more than ten doubts of a kind, and how many more there are', async () => {
    const doubts = (count: number): string[] => Array.from({ length: count }, (_, i) => `quantile(${i + 2}, rate({__name__="m${i}"}[1h]))`);
    const { server, rooms } = serverWithUp(1);
    const points = [NOW - 2000, NOW - 1000].map((ts) => ({ ts, value: 1 }));
    for (let i = 0; i < 13; i++) rooms.querier.series.push({ labels: Labels.of({ __name__: `m${i}` }), points });
    const { body } = await ask(queryUrl({ query: doubts(13).join(' or ') }), server);
    expect([(body['warnings'] as string[]).slice(10), (body['infos'] as string[]).slice(10)]).toEqual([
      ['3 more warning annotations omitted'],
      ['3 more info annotations omitted'],
    ]);
    const ten = await ask(queryUrl({ query: doubts(10).join(' or ') }), server);
    expect(ten.body).toMatchObject({ warnings: { length: 10 }, infos: { length: 10 } });
  });
});

describe('POST /api/v1/query', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };

  it('reads a form, which wins over the address', async () => {
    const { server } = serverWith();
    const answer = await server.inject({
      method: 'POST',
      url: '/api/v1/query?query=2&time=5',
      headers: form,
      payload: 'query=1%2B1&time=7',
    });
    expect(answer.json()).toMatchObject({ data: { result: [7, '2'] } });
  });

  it('reads the address where there is no form', async () => {
    const { server } = serverWith();
    expect((await server.inject({ method: 'POST', url: '/api/v1/query?query=3' })).json()).toMatchObject({
      data: { result: [1.7e9, '3'] },
    });
  });

  it('refuses a form that is too large, in the same envelope', async () => {
    const { server } = serverWith();
    const payload = `query=${'1'.repeat(9 * 1024 * 1024)}`;
    const answer = await server.inject({ method: 'POST', url: '/api/v1/query', headers: form, payload });
    expect([answer.statusCode, answer.json()]).toMatchObject([413, { status: 'error', errorType: 'bad_data' }]);
  });
});

const FIRING = firingAlert({ alertname: 'Down', cluster: 'a' }, { value: 12.5, keepFiringSince: NOW - 10 });
const GROUPS = [
  ruleGroup('brokers', '/etc/belfry/rules.yaml', [
    alertingRule('Down', { state: 'firing', alerts: [FIRING, firingAlert({ alertname: 'Down' }, { state: 'inactive' })] }),
    alertingRule('Low', { labels: { severity: 'warning', team: '{{ $labels.team }}' }, health: 'err', lastError: 'why' }),
    recordingRule('job:up:sum', { labels: { kind: 'sum' } }),
  ]),
  ruleGroup('hosts', '/etc/belfry/hosts.yaml', [recordingRule('cpu:idle', { lastEvaluation: 0, health: 'unknown' })]),
  ruleGroup('empty', '/etc/belfry/hosts.yaml', []),
];

function serverWithRules() {
  const made = serverWith();
  made.rooms.groups = GROUPS;
  return made.server;
}

describe('GET /api/v1/rules', () => {
  it('shows every rule with its state', async () => {
    const { body } = await ask('/api/v1/rules', serverWithRules());
    const { groups } = body['data'] as { groups: { name: string; rules: unknown[] }[] };
    const [hosts, brokers] = groups;
    expect(brokers).toMatchObject({
      name: 'brokers',
      file: '/etc/belfry/rules.yaml',
      interval: 5,
      limit: 0,
      evaluationTime: 0.002,
      lastEvaluation: '2023-11-14T22:13:20.000Z',
    });
    expect(brokers?.rules).toEqual([
      {
        state: 'firing',
        name: 'Down',
        query: 'up == 0',
        duration: 60,
        keepFiringFor: 0,
        labels: { severity: 'critical' },
        annotations: { summary: 'down' },
        alerts: [
          {
            labels: { alertname: 'Down', cluster: 'a' },
            annotations: {},
            state: 'firing',
            activeAt: '2023-11-14T22:12:20.000Z',
            keepFiringSince: '2023-11-14T22:13:19.990Z',
            value: '1.25e+01',
          },
        ],
        health: 'ok',
        evaluationTime: 0.0015,
        lastEvaluation: '2023-11-14T22:13:20.000Z',
        type: 'alerting',
      },
      expect.objectContaining({ name: 'Low', health: 'err', lastError: 'why', alerts: [] }),
      {
        name: 'job:up:sum',
        query: 'up == 0',
        labels: { kind: 'sum' },
        health: 'ok',
        evaluationTime: 0.0015,
        lastEvaluation: '2023-11-14T22:13:20.000Z',
        type: 'recording',
      },
    ]);
    expect(hosts?.rules).toMatchObject([{ health: 'unknown', lastEvaluation: '0001-01-01T00:00:00Z' }]);
  });

  it.each([
    ['', ['hosts: cpu:idle', 'brokers: Down Low job:up:sum']],
    ['type=Alert', ['brokers: Down Low']],
    ['type=alert', ['brokers: Down Low']],
    ['type=record', ['hosts: cpu:idle', 'brokers: job:up:sum']],
    ['rule_name[]=Low&rule_name[]=cpu:idle', ['hosts: cpu:idle', 'brokers: Low']],
    ['rule_name[]=nowhere', []],
    ['rule_group[]=hosts&rule_group[]=empty', ['hosts: cpu:idle']],
    ['file[]=/etc/belfry/hosts.yaml', ['hosts: cpu:idle']],
    ['file[]=/etc/belfry/hosts.yaml&type=alert', []],
    ['match[]={severity="critical"}', ['brokers: Down']],
    ['match[]={severity="critical"}&match[]={kind=~"s.m"}', ['brokers: Down job:up:sum']],
    ['match[]={severity=~".%2B",severity!="critical"}', ['brokers: Low']],
    // A template is its text.
    ['match[]={team="{{ $labels.team }}"}', ['brokers: Low']],
    ['match[]={severity="warning",team=""}', []],
  ])('filters by %j', async (parameters, expected) => {
    const { body } = await ask(`/api/v1/rules?${parameters}`, serverWithRules());
    const { groups } = body['data'] as { groups: { name: string; rules: { name: string }[] }[] };
    expect(groups.map(({ name, rules }) => `${name}: ${rules.map((rule) => rule.name).join(' ')}`)).toEqual(expected);
  });

  it.each([
    ['true', null],
    ['1', null],
    ['T', null],
    ['false', { length: 1 }],
    ['', { length: 1 }],
  ])('leaves out alerts where exclude_alerts is %j', async (value, alerts) => {
    const { body } = await ask(`/api/v1/rules?rule_name[]=Down&exclude_alerts=${value}`, serverWithRules());
    expect(body['data']).toMatchObject({ groups: [{ rules: [{ alerts }] }] });
  });

  it('finds the next page by a token, whatever the filters say', async () => {
    const server = serverWithRules();
    const token = createHash('sha256').update('/etc/belfry/hosts.yaml;hosts').digest('hex');
    const { body } = await ask(`/api/v1/rules?group_limit=2&group_next_token=${token}&type=alert`, server);
    expect(body['data']).toMatchObject({ groups: [{ name: 'brokers' }] });
  });

  it('shows the groups page by page', async () => {
    const server = serverWithRules();
    const pages: string[][] = [];
    let more = '';
    do {
      const { body } = await ask(`/api/v1/rules?group_limit=1${more}`, server);
      const { groups, groupNextToken } = body['data'] as { groups: { name: string }[]; groupNextToken?: string };
      pages.push(groups.map(({ name }) => name));
      more = groupNextToken === undefined ? '' : `&group_next_token=${groupNextToken}`;
    } while (more !== '');
    expect(pages).toEqual([['hosts'], ['brokers']]);
  });

  it.each([
    'type=both',
    'exclude_alerts=yes',
    'match[]=up{',
    'match[]=rate(up[5m])',
    'group_limit=x',
    'group_limit=0',
    'group_limit=-1',
    'group_limit=2147483648',
    'group_next_token=x',
    'group_limit=1&group_next_token=x',
  ])('refuses %s', async (parameters) => {
    expect(await ask(`/api/v1/rules?${parameters}`, serverWithRules())).toMatchObject({ status: 400, body: { errorType: 'bad_data' } });
  });
});

describe('GET /api/v1/alerts', () => {
  it('shows what fires or is pending, not what is over', async () => {
    const { body } = await ask('/api/v1/alerts', serverWithRules());
    expect(body).toMatchObject({ status: 'success', data: { alerts: [{ labels: { cluster: 'a' }, state: 'firing', value: '1.25e+01' }] } });
    expect((body['data'] as { alerts: unknown[] }).alerts).toHaveLength(1);
  });
});
