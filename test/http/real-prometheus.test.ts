import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reservePort, type ReservedPort } from '../../testbed/free-port.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { delay, SystemClock } from '../../src/core/clock.ts';
import { errorText } from '../../src/core/errors.ts';
import { rulesView } from '../../src/app/rules-view.ts';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { Bench } from '../rules/harness.ts';
import { serverWith } from './harness.ts';

const run = promisify(execFile);
/** Another process offers no event to wait for: it is asked again and again, until it has evaluated its rules. */
const [ATTEMPTS, PAUSE_MS] = [2000, 30];
const missing = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0)
  ? undefined
  : 'prometheus and promtool (Debian package prometheus) are not installed';

const RULES = `
groups:
  - name: brokers
    interval: 1s
    rules:
      - alert: Always
        expr: vector(12.5)
        labels: {severity: critical}
        annotations: {summary: "it is {{ $value }}"}
      - alert: Later
        expr: vector(1)
        for: 1h
      - alert: Never
        expr: vector(1) > 2
        annotations: {summary: nothing}
      - record: job:one
        expr: vector(1)
        labels: {kind: fixed}
  - name: hosts
    interval: 1s
    rules:
      - record: job:two
        expr: vector(2)
  - name: limited
    interval: 1s500ms
    limit: 1
    rules:
      - alert: OverTheLimit
        expr: vector(1) or label_replace(vector(2), "a", "b", "", "")
      - record: job:over_the_limit
        expr: vector(1) or label_replace(vector(2), "a", "b", "", "")
  - name: values
    interval: 1s
    rules:
      - alert: Many
        expr: >-
          label_replace(vector(1/3),"v","third","","")  or  label_replace(vector(-0), 'v', 'minus zero', "", "")
          or label_replace(vector(10 ^ 20) , "v", "large", "", "") or label_replace(vector(+Inf), "v", "inf", "", "")
        for: 500ms
        keep_firing_for: 1h
        labels: {of: '{{ $labels.v }}', nothing: ''}
        annotations: {b: 'x "quoted" {{ $value }}', a: '', c: 'é'}
      - alert: Twice
        expr: label_replace(vector(1), "a", "1", "", "") or vector(1)
        labels: {a: "1"}
      - record: job:twice
        expr: label_replace(vector(1), "a", "1", "", "") or vector(1)
        labels: {a: "1"}
      - record: job:fails
        expr: vector(1) + on () (label_replace(vector(1), "a", "b", "", "") or vector(2))
      - alert: "A name: in {braces}"
        expr: sum  by (a,b) (nowhere{a!="x"} offset 1h)  >  bool 3e1
`;

let folder = '';
let port: ReservedPort | undefined;
let prometheus: ChildProcess | undefined;
let peerUrl = '';
let ours: HttpServer | undefined;

async function startPrometheus(): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'belfry-prometheus-'));
  writeFileSync(join(folder, 'rules.yaml'), RULES);
  writeFileSync(join(folder, 'prometheus.yml'), 'global: {evaluation_interval: 1s}\nrule_files: [rules.yaml]\n');
  port = await reservePort();
  peerUrl = `http://127.0.0.1:${port.port}`;
  const args = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port.port}`,
    '--log.level=error',
  ];
  prometheus = spawn('prometheus', args, { stdio: 'ignore' });
  for (let attempt = 0; attempt < ATTEMPTS && prometheus.exitCode === null; attempt++) {
    if (await hasEvaluated()) return;
    await delay(new SystemClock(), PAUSE_MS);
  }
  throw new Error('prometheus does not evaluate its rules');
}

async function hasEvaluated(): Promise<boolean> {
  try {
    const text = await (await fetch(`${peerUrl}/api/v1/rules`)).text();
    // "Many" fires from its second evaluation on.
    return text.includes('job:two') && !text.includes('"health":"unknown"') && /"state":"firing","name":"Many"/.test(text);
  } catch (error) {
    if (errorText(error).includes('ECONN')) return false;
    throw error;
  }
}

/** Our API over the same rules, evaluated by our engine. */
async function startOurs(): Promise<HttpServer> {
  const bench = new Bench(RULES);
  bench.engine.start();
  await bench.clock.advance(5000);
  const { serverOptions } = serverWith({ ports: { rules: { groups: () => rulesView(bench.engine.snapshot()) } } });
  return startHttpServer(serverOptions);
}

interface Asked {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly form?: Readonly<Record<string, string>>;
}

async function ask(url: string, { method = 'GET', path, form }: Asked): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url + path, { method, ...(form === undefined ? {} : { body: new URLSearchParams(form) }) });
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as unknown) : undefined };
}

/** What depends on when and where it was asked; error texts are each one's own. */
const VOLATILE = new Set(['evaluationTime', 'file', 'error']);
const TIMES = new Set(['lastEvaluation', 'activeAt', 'keepFiringSince']);

/**
 * The answer with its volatile values replaced by their types. Prometheus 3 leaves out groups that a filter leaves
 * without rules, and shows that a recording rule has no labels, as Belfry does; 2.42 does neither.
 */
function stable(value: unknown): unknown {
  if (Array.isArray(value))
    return value
      .map(stable)
      .filter((item) => !isEmptyGroup(item))
      .toSorted(byLabels);
  if (typeof value !== 'object' || value === null) return value;
  const labels = 'type' in value && value.type === 'recording' ? { labels: {} } : {};
  return {
    ...labels,
    ...Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, stableAt(key, inner)])),
  };
}

function stableAt(key: string, value: unknown): unknown {
  if (VOLATILE.has(key)) return typeof value;
  return TIMES.has(key) && typeof value === 'string' && /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value) ? 'a time' : stable(value);
}

/** Prometheus has the alerts of a rule in no order. */
function byLabels(a: unknown, b: unknown): number {
  const labels = (item: unknown): string =>
    typeof item === 'object' && item !== null && 'activeAt' in item && 'labels' in item ? JSON.stringify(item.labels) : '';
  return labels(a) < labels(b) ? -1 : Number(labels(a) > labels(b));
}

function isEmptyGroup(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'rules' in value && Array.isArray(value.rules) && value.rules.length === 0;
}

const query = (parameters: Readonly<Record<string, string>>): Asked => ({
  path: `/api/v1/query?${new URLSearchParams(parameters).toString()}`,
});
const TIME = '1700000000';

describeWhere(missing, 'beside a real Prometheus', () => {
  beforeAll(async () => {
    await startPrometheus();
    ours = await startOurs();
  }, 180_000);

  afterAll(async () => {
    await ours?.close();
    if (prometheus !== undefined && prometheus.exitCode === null) {
      const ended = once(prometheus, 'exit');
      prometheus.kill('SIGKILL');
      await ended;
    }
    await port?.release();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each<readonly [string, Asked]>([
    ['a scalar', query({ query: '1 / 3', time: TIME })],
    ['a string', query({ query: '"x"', time: TIME })],
    ['a vector', query({ query: 'vector(1)', time: TIME })],
    ...['1e20', '1e21', '1e-6', '1e-7', '-123456.789e-12', '0/0', '-1/0', '1/0', '-0', '5e-324', '1.7976931348623157e308', '2^53 + 1'].map(
      (text) => [`the number ${text}`, query({ query: text, time: TIME })] as const,
    ),
    ...['1e20', '1e21', '1e-6', '1e-7', '-123456.789e-12', '0/0', '-1/0', '-0', '5e-324', '1.7976931348623157e308'].map(
      (text) => [`the sample ${text}`, query({ query: `vector(${text})`, time: TIME })] as const,
    ),
    ['an empty vector', query({ query: 'nowhere', time: TIME })],
    ['an empty matrix', query({ query: 'nowhere[5m]', time: TIME })],
    ['a fraction of a second', query({ query: '1', time: '1700000000.123' })],
    ['RFC 3339', query({ query: '1', time: '2023-11-14T22:13:20.5Z' })],
    ['a form', { method: 'POST', path: '/api/v1/query', form: { query: '2', time: TIME } }],
    ['a form and an address', { method: 'POST', path: '/api/v1/query?time=5&query=3', form: { query: '2', time: TIME } }],
    ['a time-out as a duration', query({ query: '1', time: TIME, timeout: '5s' })],
    ['a time-out as a number', query({ query: '1', time: TIME, timeout: '0.5' })],
    ['a time-out that is over', query({ query: 'vector(1)', time: TIME, timeout: '-1' })],
    ['no query', query({ time: TIME })],
    ['a query that does not end', query({ query: 'up{', time: TIME })],
    ['a query of wrong types', query({ query: 'rate(up)', time: TIME })],
    ['an unknown function', query({ query: 'nope(up)', time: TIME })],
    ['a regular expression that is none', query({ query: 'up{a=~"("}', time: TIME })],
    ['many on both sides', query({ query: 'vector(1) + on() (label_replace(vector(1),"a","b","","") or vector(2))', time: TIME })],
    ['a time that is none', query({ query: '1', time: 'then' })],
    ['a day that is none', query({ query: '1', time: '2023-02-30T00:00:00Z' })],
    ['a time-out that is none', query({ query: '1', time: TIME, timeout: 'long' })],
    ['a time-out in two units in the wrong order', query({ query: '1', time: TIME, timeout: '1s1h' })],
    ['a wrong method', { method: 'DELETE', path: '/api/v1/query' }],
    ['rules', { path: '/api/v1/rules' }],
    ['alerting rules', { path: '/api/v1/rules?type=alert' }],
    ['recording rules', { path: '/api/v1/rules?type=record' }],
    ['rules of neither kind', { path: '/api/v1/rules?type=both' }],
    ['rules of a kind in capitals', { path: '/api/v1/rules?type=ALERT' }],
    ['alerts', { path: '/api/v1/alerts' }],
  ])('%s: the same status, the same answer', async (_, asked) => {
    const [theirs, our] = [await ask(peerUrl, asked), await ask(ours?.url ?? '', asked)];
    expect({ ...our, body: stable(our.body) }).toEqual({ ...theirs, body: stable(theirs.body) });
  });

  it.each([
    ['a scalar', '1+1'],
    ['a vector', 'vector(2)'],
    ['nothing', 'nowhere'],
  ])('promtool prints the same for %s', async (_, expression) => {
    const arguments_ = (url: string): readonly string[] => ['query', 'instant', '--time=1700000000', url, expression];
    const their = await run('promtool', arguments_(peerUrl));
    expect((await run('promtool', arguments_(ours?.url ?? ''))).stdout).toBe(their.stdout);
  });

  it('promtool says what is wrong with an expression', async () => {
    await expect(run('promtool', ['query', 'instant', ours?.url ?? '', 'up{'])).rejects.toThrow('bad_data');
  });
});
