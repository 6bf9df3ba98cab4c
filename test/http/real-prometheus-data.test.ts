import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createQueryPort } from '../../src/app/query-port.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { Labels, METRIC_NAME } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { describeWhere } from '../../testbed/skip.ts';
import type { GeneratedSeries } from '../promql/expression-generator.ts';
import { hasPrometheus, RealPrometheus } from '../promql/real-prometheus.ts';
import { NOW, serverWith } from './harness.ts';

const run = promisify(execFile);
const missing = hasPrometheus() ? undefined : 'prometheus and promtool (Debian package prometheus) are not installed';
const T = NOW / 1000;

/** Half an hour until now, every 15 seconds, off the whole seconds. */
function points(value: (i: number) => number): GeneratedSeries['points'] {
  return Array.from({ length: 120 }, (_, i) => ({ ts: NOW - 1_800_000 + i * 15_000 + 123, value: value(i) }));
}

const SERIES: readonly GeneratedSeries[] = [
  { name: 'up', labels: { job: 'node', instance: 'b:9100' }, points: points(() => 1) },
  { name: 'up', labels: { job: 'node', instance: 'a:9100' }, points: points((i) => i % 2) },
  { name: 'up', labels: { job: 'jmx', instance: 'a:7071', rack: 'ünï' }, points: points(() => 1) },
  { name: 'requests_total', labels: { job: 'web', path: '/' }, points: points((i) => i * 3.3) },
  { name: 'requests_total', labels: { job: 'web', path: '/x' }, points: points((i) => 1e21 + i) },
  { name: 'broken', labels: { job: 'web' }, points: points((i) => [Number.NaN, Infinity, -Infinity, 1e-7][i % 4] ?? 0) },
];

let prometheus: RealPrometheus | undefined;
let store: SampleStore | undefined;
let ours: HttpServer | undefined;

/** Our API over a store of ours with the same samples. */
async function startOurs(): Promise<void> {
  const clock = new ManualClock(NOW);
  store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000 });
  for (const { name, labels, points: samples } of SERIES) {
    const series = Labels.of({ ...labels, [METRIC_NAME]: name });
    for (const { ts, value } of samples) store.writer.target('test').appendAt(ts, series, Number(value));
  }
  const { catalog } = serverWith().serverOptions.ports;
  const { serverOptions } = serverWith({
    ports: { query: createQueryPort(store.reader, clock), catalog: { ...catalog, series: store.reader } },
  });
  ours = await startHttpServer(serverOptions);
}

type Parameters = Readonly<Record<string, string | readonly string[]>>;

const MULTIPART = 'multipart/form-data; boundary=cut';
const PART = '--cut\r\nContent-Disposition: form-data; name="query"\r\n\r\n1 + 1\r\n--cut--\r\n';

function encoded(parameters: Parameters): URLSearchParams {
  const all = new URLSearchParams();
  for (const [name, values] of Object.entries(parameters)) for (const value of [values].flat()) all.append(name, value);
  return all;
}

async function ask(url: string, path: string, parameters: Parameters, method: 'GET' | 'POST') {
  const form = encoded(parameters);
  const response = await (method === 'POST'
    ? fetch(url + path, { method: 'POST', body: form })
    : fetch(`${url}${path}?${form.toString()}`));
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as object) : undefined };
}

/** Each has its own words for a mistake; its kind and the HTTP status are the same. */
function stable({ status, body }: Awaited<ReturnType<typeof ask>>) {
  return { status, body: body !== undefined && 'error' in body ? { ...body, error: typeof body.error } : body };
}

/** With the words of an expression's mistake up to where it stands: the rest of the sentence is each one's own. */
function framed({ status, body }: Awaited<ReturnType<typeof ask>>) {
  if (body === undefined || !('error' in body)) return { status, body };
  const error = String(body.error)
    .replace(/(parse error: ).*$/s, '$1')
    // Prometheus 3 begins in lower case.
    .replace('Invalid time value', 'invalid time value');
  return { status, body: { ...body, error } };
}

const RANGE = { start: String(T - 600), end: String(T), step: '60' };
const range = (query: string, more: Parameters = {}): readonly [string, Parameters] => [
  '/api/v1/query_range',
  { ...RANGE, query, ...more },
];
const series = (...selectors: readonly string[]): readonly [string, Parameters] => ['/api/v1/series', { 'match[]': selectors }];

const LONG = 'a_metric_with_a_rather_long_name_total{label="a value that is long enough", other=~"one|two|three"}';
const FORMATTED = [
  'sum by(a,b)(rate(x[5m]))',
  '1+2*3',
  'up{b="1",a=~"x"} offset 5m @ 1.5',
  `sum by (job) (rate(${LONG}[5m])) / ignoring(a) group_left(b) sum without (x) (${LONG})`,
  `topk(5, ${LONG})`,
  `(${LONG} > bool 5)`,
  `-${LONG}`,
  `-(${LONG} - on() ${LONG})`,
  `label_replace(${LONG}, "a", "$1", "b", "(.*)")`,
  `max_over_time(rate(${LONG}[5m])[1h:1m] offset 1d)`,
  `max_over_time((${LONG} and up)[1h:] @ end())`,
  `${LONG}[5m]`,
  'min_over_time(up[5m:1m])',
  `quantile_over_time(scalar(${LONG}), up[5m:1m])`,
  `time() - ${LONG} and on(a) (vector(1) unless vector(2) or ${LONG})`,
  'up{',
  '',
  'rate(up)',
  'sum(up',
];

describeWhere(missing, 'data and ranges beside a real Prometheus', () => {
  beforeAll(async () => {
    prometheus = await RealPrometheus.start(SERIES);
    await startOurs();
  }, 180_000);

  afterAll(async () => {
    await ours?.close();
    store?.close();
    await prometheus?.stop();
  });

  it.each<readonly [string, Parameters]>([
    range('up'),
    range('sum by (job) (up)'),
    range('rate(requests_total[2m])'),
    range('requests_total'),
    range('broken'),
    range('1.5'),
    range('nowhere'),
    range('time()', { step: '0.25', start: String(T - 10.3) }),
    range('up', { step: '1m30s' }),
    range('up', { step: '1h' }),
    range('up', { start: '2023-11-14T22:00:00Z', end: '2023-11-14T22:10:00.5Z' }),
    range('1', { start: '0', end: '11000', step: '1' }),
    range('1', { start: '0', end: '11000.9', step: '1' }),
    range('1', { start: '0', end: '11001', step: '1' }),
    range('up', { step: '0' }),
    range('up', { step: '-5' }),
    range('up', { step: '' }),
    range('up', { step: 'wide' }),
    range('up', { step: 'NaN' }),
    range('up', { start: '' }),
    range('up', { end: 'x' }),
    range('up', { end: String(T - 601) }),
    range('up', { start: String(T), end: String(T) }),
    range(''),
    range('up{'),
    range('up[5m]'),
    range('"text"'),
    range('up * on() up'),
    range('up', { timeout: '-1' }),
    range('up', { timeout: 'x' }),
    series('up'),
    series('up{job="node"}', 'requests_total'),
    series('{job=~".+"}'),
    series('nowhere'),
    series(),
    series(''),
    series('{}'),
    series('{job=""}'),
    series('up['),
    series('up offset 5m'),
    series('sum(up)'),
    ['/api/v1/series', { 'match[]': 'up', start: RANGE.start, end: RANGE.end }],
    ['/api/v1/series', { 'match[]': 'up', start: 'x' }],
    ...FORMATTED.map((query): readonly [string, Parameters] => ['/api/v1/format_query', { query }]),
    ['/api/v1/query_exemplars', { query: 'up', start: RANGE.start, end: RANGE.end }],
    ['/api/v1/query_exemplars', { query: 'up{', start: RANGE.start, end: RANGE.end }],
    ['/api/v1/query_exemplars', { query: 'up', start: RANGE.end, end: RANGE.start }],
    ['/api/v1/labels', {}],
    ['/api/v1/labels', { 'match[]': ['up', 'broken'] }],
    ['/api/v1/labels', { 'match[]': 'up', start: RANGE.start, end: RANGE.end }],
    ['/api/v1/labels', { 'match[]': 'nowhere' }],
    ['/api/v1/labels', { 'match[]': '{' }],
    ['/api/v1/labels', { end: 'x' }],
  ])('%s %j: the same status, the same answer, asked either way', async (path, parameters) => {
    for (const method of ['GET', 'POST'] as const) {
      const theirs = await ask(prometheus?.url ?? '', path, parameters, method);
      expect(stable(await ask(ours?.url ?? '', path, parameters, method))).toEqual(stable(theirs));
    }
  });

  it.each<readonly [string, Parameters]>([
    ['/api/v1/label/job/values', {}],
    ['/api/v1/label/__name__/values', {}],
    ['/api/v1/label/rack/values', {}],
    ['/api/v1/label/nowhere/values', {}],
    ['/api/v1/label/instance/values', { 'match[]': 'up{job="node"}' }],
    ['/api/v1/label/instance/values', { 'match[]': ['up{job="node"}', 'up{job="jmx"}'], start: RANGE.start }],
    ['/api/v1/label/instance/values', { 'match[]': 'sum(up)' }],
    ['/api/v1/metadata', { metric: 'nowhere' }],
    ['/api/v1/metadata', { limit: 'x' }],
    ['/api/v1/targets', { state: 'dropped' }],
    ['/api/v1/alertmanagers', {}],
    ['/api/v1/status/nowhere', {}],
  ])('%s %j: the same status, the same answer', async (path, parameters) => {
    const theirs = await ask(prometheus?.url ?? '', path, parameters, 'GET');
    const our = stable(await ask(ours?.url ?? '', path, parameters, 'GET'));
    if (theirs.body === undefined) expect(our.status).toBe(theirs.status);
    else expect(our).toMatchObject(stable(theirs));
  });

  it.each<readonly [string, Parameters]>([
    ['/api/v1/query', { query: 'up{' }],
    ['/api/v1/query', { query: '' }],
    ['/api/v1/query', { query: '1 +' }],
    ['/api/v1/query', { query: 'rate(up)' }],
    ['/api/v1/query', { query: 'nope(up)' }],
    ['/api/v1/query', { query: 'first_over_time(up[5m])' }],
    ['/api/v1/query', { query: 'up anchored' }],
    ['/api/v1/query', { query: 'rate(up[5m] smoothed)' }],
    ['/api/v1/query', { query: 'up + on() fill_left(0) up' }],
    ['/api/v1/query', { query: '1', time: 'x' }],
    ['/api/v1/query', { query: '1', timeout: 'x' }],
    range('1', { start: 'x' }),
    range('1', { end: '' }),
    range('1', { step: 'x' }),
    range('1', { step: '' }),
    range('1', { step: '0' }),
    range('1', { step: '-1' }),
    range('1', { step: '1e20' }),
    range('1', { end: '1' }),
    range('1', { start: '0' }),
    range('1', { timeout: 'x' }),
    series(),
    series('{}'),
    series('{a=""}'),
    series('up{'),
    ['/api/v1/series', { 'match[]': 'up', start: 'x' }],
    ['/api/v1/labels', { 'match[]': '{}' }],
    ['/api/v1/labels', { 'match[]': '{' }],
    ['/api/v1/label/job/values', { 'match[]': '{}' }],
    ['/api/v1/label/job/values', { end: 'x' }],
    ['/api/v1/metadata', { limit: 'x' }],
    ['/api/v1/targets/metadata', {}],
    ['/api/v1/targets/metadata', { match_target: 'x{' }],
    ['/api/v1/targets/metadata', { limit: 'x' }],
    ['/api/v1/format_query', { query: 'up{' }],
    ['/api/v1/query_exemplars', { query: 'up{' }],
    ['/api/v1/query_exemplars', { query: 'up', start: RANGE.end, end: RANGE.start }],
    ['/api/v1/rules', { type: 'x' }],
  ])('%s %j: the words of a mistake are the same up to its place', async (path, parameters) => {
    const theirs = await ask(prometheus?.url ?? '', path, parameters, 'GET');
    expect(framed(await ask(ours?.url ?? '', path, parameters, 'GET'))).toEqual(framed(theirs));
  });

  it.each([
    ['a form of several parts', MULTIPART, PART, ''],
    ['what makes a vector', 'application/x-www-form-urlencoded', 'query=vector(0.1 * 3)', ''],
    ['a text that ends a script', 'application/x-www-form-urlencoded', 'query="</script>%26"', ''],
    ['plain text, which is no form', 'text/plain', 'query=5', 'query=3'],
    ['plain text and nothing else', 'text/plain', 'query=5', ''],
    ['what is no JSON', 'application/json', '{', 'query=3'],
    ['bytes', 'application/octet-stream', 'query=5', 'query=3'],
    ['a broken escape', 'application/x-www-form-urlencoded', 'timeout=%zz', 'query=3'],
    ['a semicolon', 'application/x-www-form-urlencoded', 'query=5;time=2', 'query=3'],
    ['a time-out beyond all measure', 'application/x-www-form-urlencoded', 'query=5&timeout=1e10', ''],
    ['a time-out that is just not', 'application/x-www-form-urlencoded', 'query=5&timeout=9e9', ''],
  ])('%s is posted: the same answer in the same words and bytes', async (_, type, body, parameters) => {
    const told = async (url = '') => {
      const path = `/api/v1/query?time=1435781451.78&${parameters}`;
      const response = await fetch(url + path, { method: 'POST', headers: { 'content-type': type }, body });
      return [response.status, response.headers.get('content-type'), await response.text()];
    };
    expect(await told(ours?.url)).toEqual(await told(prometheus?.url));
  });

  it.each([['buildinfo'], ['runtimeinfo'], ['tsdb'], ['config'], ['walreplay']])(
    'status/%s has no key that Prometheus has not',
    async (page) => {
      const [theirs, our] = [
        await ask(prometheus?.url ?? '', `/api/v1/status/${page}`, {}, 'GET'),
        await ask(ours?.url ?? '', `/api/v1/status/${page}`, {}, 'GET'),
      ];
      const keys = ({ body }: typeof our): readonly string[] => Object.keys((body as { data: object }).data);
      // serverTime came with Prometheus 3.
      expect([...keys(theirs), 'serverTime']).toEqual(expect.arrayContaining([...keys(our)]));
    },
  );

  it.each([
    ['instant', ['query', 'instant', `--time=${T}`, 'URL', 'sort(sum by (path) (requests_total))']],
    ['range', ['query', 'range', `--start=${T - 60}`, `--end=${T}`, '--step=30s', 'URL', 'up']],
    ['range of a scalar', ['query', 'range', `--start=${T - 60}`, `--end=${T}`, '--step=30s', '-o', 'json', 'URL', '1 / 3']],
    ['series', ['query', 'series', '--match=up', '--match=requests_total{path="/"}', `--start=${T - 900}`, `--end=${T}`, 'URL']],
    ['labels', ['query', 'labels', `--start=${T - 900}`, `--end=${T}`, 'URL', 'job']],
    ['labels of a metric', ['query', 'labels', '--match=up', `--start=${T - 900}`, `--end=${T}`, 'URL', 'instance']],
  ])('promtool prints the same for %s', async (_, args) => {
    const against = async (url = ''): Promise<string> =>
      (
        await run(
          'promtool',
          args.map((arg) => (arg === 'URL' ? url : arg)),
        )
      ).stdout;
    const theirs = await against(prometheus?.url);
    expect(theirs).not.toBe('');
    expect(await against(ours?.url)).toBe(theirs);
  });

  it.each([[['query', 'range', 'URL', 'up[5m]']], [['query', 'series', '--match=up{', 'URL']]])(
    'promtool fails where Prometheus refuses: %j',
    async (args) => {
      await expect(
        run(
          'promtool',
          args.map((arg) => (arg === 'URL' ? (ours?.url ?? '') : arg)),
        ),
      ).rejects.toThrow('bad_data');
    },
  );
});
