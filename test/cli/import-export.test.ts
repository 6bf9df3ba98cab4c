import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { createBackfillPort } from '../../src/app/backfill-port.ts';
import { createQueryPort } from '../../src/app/query-port.ts';
import { runProgram } from '../../src/cli/program.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { acquireLock } from '../../src/store/state/lock.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { NOW, serverWith, TOKEN } from '../http/harness.ts';
import { RealReceiver } from '../remotewrite/real-receiver.ts';
import { layout, metric } from '../store/fixture.ts';
import { Shell } from './harness.ts';

const HOUR = 3_600_000;
const FAMILIES = [
  { name: 'jobs_total', type: 'counter', help: 'Jobs "done",\nin all.' },
  { name: 'temperature', type: 'gauge', help: '' },
  { name: 'tasks', type: 'counter', help: 'As OpenMetrics pages name it.' },
];

let shell: Shell;
let store: SampleStore;
let server: HttpServer;

beforeEach(async () => {
  shell = new Shell();
  const clock = new ManualClock(NOW);
  store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: 360 * HOUR });
  const ports = {
    backfill: createBackfillPort(store, async () => new Map(FAMILIES.map((family) => [family.name, family])), clock),
    query: createQueryPort(store.reader, clock),
  };
  server = await startHttpServer(serverWith({ ports }).serverOptions);
  Object.assign(shell.variables, { url: server.url, token: TOKEN });
});

afterEach(async () => {
  await server.close();
  store.close();
  shell.close();
});

const at = (hours: number): string => String((NOW + hours * HOUR) / 1000);
const TEXT = `# TYPE jobs counter
# HELP jobs Jobs \\"done\\",\\nin all.
jobs_total{queue="a\\\\b \\"c\\"\\n"} 1 ${at(-50)}
jobs_total{queue="a\\\\b \\"c\\"\\n"} 2.5 ${at(-49.5)}
jobs_total{queue="ü"} 7 ${at(-50)}
# TYPE strange unknown
strange NaN ${at(-3)}
strange +Inf ${at(-2)}
strange -0 ${at(-1)}.5
# TYPE temperature gauge
temperature -1.5e-7 ${at(-300)}
temperature{room="1"} 100000000000000000000000 ${at(-1)}
# EOF
`.replaceAll('.5\n', '.500\n');
const CANONICAL = TEXT.replaceAll('.500\n', '.5\n')
  .replace('-1.5e-7', '-0.00000015')
  .replace(/-0 (\d+)\.5\n/, '-0 $1.500\n');

function file(name: string, content: string | Buffer): string {
  writeFileSync(join(shell.folder, name), content);
  return name;
}

describe('belfry import and export', () => {
  it('bring out what was brought in, letter by letter', async () => {
    expect(await shell.run('import', file('old.om', TEXT))).toMatchObject({ failure: '', exitCode: 0, out: '8 samples were brought in\n' });
    const { out, failure } = await shell.run('export', '--match', '{__name__=~".+"}');
    expect([failure, out]).toEqual(['', CANONICAL]);
  });

  it('tell the type of a counter whose page is OpenMetrics', async () => {
    await shell.run('import', file('tasks.om', `tasks_total 1 ${at(-1)}\n# EOF\n`));
    const { out } = await shell.run('export', '--match', 'tasks_total');
    expect(out).toBe(`# TYPE tasks counter\n# HELP tasks As OpenMetrics pages name it.\ntasks_total 1 ${at(-1)}\n# EOF\n`);
  });

  it('say what was brought in before they were stopped', async () => {
    let err = '';
    const said = { isTerminal: false, write: (text: string) => void (err += text) };
    const context = shell.context({ signal: AbortSignal.abort(), err: said });
    await expect(runProgram(context, ['import', file('old.om', TEXT)])).rejects.toThrow();
    expect(err).toBe('stopped: 0 samples were brought in\n');
  });

  it('take the same file again without a word, packed or not', async () => {
    await shell.run('import', file('old.om', TEXT));
    const again = await shell.run('import', file('old.om.gz', gzipSync(TEXT)), 'old.om');
    expect(again).toMatchObject({ exitCode: 0, out: '0 samples were brought in, 16 were there already\n' });
  });

  it('say what they leave out, and keep the rest', async () => {
    store.writer.target('t').append(NOW - HOUR, layout(metric('x')), Float64Array.of(1));
    const text = `x 5 ${at(-1)}\nx 1 ${at(-2)}\nx 1 ${at(-400)}\nx 1 ${at(1)}\n# EOF\n`;
    const { out, exitCode } = await shell.run('import', file('x.om', text), '--json');
    expect([JSON.parse(out), exitCode]).toEqual([{ stored: 1, known: 0, conflicting: 1, tooOld: 1, tooNew: 1, overLimit: 0 }, 1]);
  });

  it.each([
    ['a line that is none', `x 1 ${at(-1)}\ny{ 1\n# EOF\n`, /bad\.om: line 2: /],
    ['a sample without a time', `x 1 ${at(-1)}\ny 1\n# EOF\n`, /line 2: a sample without a time/],
    ['something after the end', `# EOF\nx 1 ${at(-1)}\n`, /line 2: something after # EOF/],
    ['no end', `x 1 ${at(-1)}\n`, /bad\.om does not end with # EOF/],
    ['nothing in it', '', /does not end with # EOF/],
  ])('refuse a file with %s', async (_, text, message) => {
    expect(await shell.run('import', file('bad.om', text))).toMatchObject({ exitCode: 1, failure: expect.stringMatching(message) });
  });

  it('name the line of a mistake far into a large file', async () => {
    const line = `x{text="${'y'.repeat(4000)}"} 1 `;
    const lines = Array.from({ length: 3000 }, (_, i) => `${line}${NOW / 1000 - 3000 + i}`);
    lines[2500] = 'x{';
    expect((await shell.run('import', file('large.om', `${lines.join('\n')}\n# EOF\n`))).failure).toMatch(/large\.om: line 2501: /);
    lines[2500] = `${line}${NOW / 1000}`;
    expect((await shell.run('import', file('large.om', `${lines.join('\n')}\n# EOF\n`))).failure).toBe('');
    const { out } = await shell.run('query', 'count_over_time(x[1h])');
    expect(out).toMatch(/ 3000\n$/);
  });

  it('write a file that is whole, with a part of the time', async () => {
    await shell.run('import', file('old.om', TEXT));
    const { failure } = await shell.run('export', '--match', 'jobs_total', '--start', at(-49.9), '--end', at(-49), '--output', 'out.om.gz');
    expect(failure).toBe('');
    const text = gunzipSync(readFileSync(join(shell.folder, 'out.om.gz'))).toString();
    expect(text.split('\n').filter((line) => !line.startsWith('#'))).toEqual([
      `jobs_total{queue="a\\\\b \\"c\\"\\n"} 2.5 ${at(-49.5)}`,
      '',
    ]);
  });

  it('work on the folder of a Belfry that does not run, and on no other', async () => {
    mkdirSync(join(shell.folder, 'data'));
    const args = ['import', file('old.om', TEXT), '--storage.path', 'data'];
    const release = acquireLock(join(shell.folder, 'data/belfry.lock'));
    expect((await shell.run(...args)).failure).toMatch(/another Belfry is running on this folder/);
    release();
    expect((await shell.run(...args)).out).toBe('8 samples were brought in\n');
    expect((await shell.run(...args)).out).toBe('0 samples were brought in, 8 were there already\n');
    const clock = new ManualClock(NOW);
    const options = { path: join(shell.folder, 'data/samples.db'), clock, log: silentLogger, meter: silentMeter, retentionMs: 360 * HOUR };
    const offline = openSampleStore(options);
    expect(offline.reader.seriesCount()).toBe(5);
    offline.close();
  });
});

describe('belfry export out of a folder', () => {
  const options = () => ({
    path: join(shell.folder, 'data/samples.db'),
    clock: new ManualClock(NOW),
    log: silentLogger,
    meter: silentMeter,
  });
  const A = metric('a', 'x=1');
  const ALL = ['export', '--match', '{__name__=~".+"}', '--storage.path', 'data'];
  let other: SampleStore;

  beforeEach(() => {
    mkdirSync(join(shell.folder, 'data'));
    other = openSampleStore({ ...options(), retentionMs: 360 * HOUR, limits: { rows: 16 } });
  });

  afterEach(() => other.close());

  const line = (name: string, value: number, ts: number): string => `${name} ${value} ${ts / 1000}`;
  const samplesOf = (text: string): readonly string[] => text.split('\n').filter((one) => one !== '' && !one.startsWith('#'));

  it('has what is in blocks, in the log and brought in, also beside a Belfry that writes', async () => {
    const values = Float64Array.of(0, 0);
    for (let i = 0; i < 50; i++) {
      values.fill(i);
      other.writer.target('t').append(NOW - HOUR + i * 1000, layout(A, metric('b')), values);
      other.writer.target('p').appendAt(NOW - HOUR + i * 2000, metric('c'), i / 2);
    }
    await other.backfill.store([{ labels: A, ts: [NOW - 2 * HOUR, NOW - HOUR + 500], values: [7, 8] }]);
    other.flush();
    const { out, failure } = await shell.run(...ALL);
    expect([failure, out.endsWith('# EOF\n')]).toEqual(['', true]);
    const row = (name: string): readonly string[] => Array.from({ length: 50 }, (_, i) => line(name, i, NOW - HOUR + i * 1000));
    const points = Array.from({ length: 50 }, (_, i) => line('c', i / 2, NOW - HOUR + i * 2000));
    const a = [
      line('a{x="1"}', 7, NOW - 2 * HOUR),
      row('a{x="1"}')[0]!,
      line('a{x="1"}', 8, NOW - HOUR + 500),
      ...row('a{x="1"}').slice(1),
    ];
    expect(samplesOf(out)).toEqual([...a, ...row('b'), ...points].map((one) => one.replace(/\.5$/, '.500')));
    other.close();
    const again = await shell.run(...ALL, '--start', at(-1), '--end', String((NOW - HOUR + 3000) / 1000), '--match', 'nothing');
    expect(samplesOf(again.out)).toHaveLength(5 + 4 + 2);
  });

  it('says how much of it cannot be read', async () => {
    for (let i = 0; i < 40; i++) other.writer.target('t').append(NOW - HOUR + i * 1000, layout(A), Float64Array.of(i));
    other.close();
    const file = new Database(join(shell.folder, 'data/samples.db'));
    file.exec("UPDATE blocks SET bytes = x'00' WHERE id = (SELECT min(id) FROM blocks)");
    file.close();
    const { out, err } = await shell.run(...ALL);
    expect(err).toBe('1 parts of the history could not be read, or were deleted meanwhile\n');
    expect(samplesOf(out).length).toBeGreaterThan(10);
  });

  it.each([
    ['no folder', ['export', '--match', 'up', '--storage.path', 'nowhere'], /nowhere.samples\.db cannot be read/],
    ['what is no selector', ['export', '--match', 'up + 1', '--storage.path', 'data'], /^unexpected/],
    ['a selector of everything', ['export', '--match', '{x=~".*"}', '--storage.path', 'data'], /at least one non-empty matcher/],
  ])('refuses %s', async (_, args, message) => {
    expect(await shell.run(...args)).toMatchObject({ exitCode: 1, failure: expect.stringMatching(message) });
  });
});

const missing = spawnSync('promtool', ['--version']).status === 0 ? undefined : 'promtool (Debian package prometheus) is not installed';

describeWhere(missing, 'promtool', () => {
  it('makes blocks of an export, and what it dumps of them is the same', async () => {
    await shell.run('import', file('old.om', TEXT));
    await shell.run('export', '--match', '{__name__=~".+"}', '--output', 'all.om');
    const made = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', 'all.om', 'blocks'], {
      cwd: shell.folder,
      encoding: 'utf8',
    });
    expect([made.status, made.stderr]).toEqual([0, '']);
    mkdirSync(join(shell.folder, 'blocks/wal'));
    const { stdout } = spawnSync('promtool', ['tsdb', 'dump', 'blocks'], { cwd: shell.folder, encoding: 'utf8' });
    const dumped = stdout
      .trim()
      .split('\n')
      .toSorted((a, b) => (a < b ? -1 : 1));
    expect(dumped).toHaveLength(8);
    expect(dumped[1]).toBe(`{__name__="jobs_total", queue="a\\\\b \\"c\\"\\n"} 2.5 ${NOW - 49.5 * HOUR}`);
  });

  it('makes blocks of an export on which Prometheus answers queries as Belfry does', async () => {
    const families = ['requests', 'seconds', 'heap', 'version'];
    const types = ['counter', 'histogram', 'gauge', 'info'];
    let text = '';
    for (const [i, family] of families.entries()) {
      text += `# TYPE ${family} ${types[i]}\n`;
      // Off the grid of the steps: windows are closed on the left there, and open here.
      for (let row = 0; row < 120; row++) text += linesOf(family, row, (NOW - HOUR + row * 30_000 + 7123) / 1000);
    }
    expect((await shell.run('import', file('fleet.om', `${text}# EOF\n`))).failure).toBe('');
    await shell.run('export', '--match', '{__name__=~".+"}', '--output', 'fleet-out.om');
    const prometheus = new RealReceiver();
    try {
      const args = ['tsdb', 'create-blocks-from', 'openmetrics', 'fleet-out.om', prometheus.data];
      expect(spawnSync('promtool', args, { cwd: shell.folder, encoding: 'utf8' }).stderr).toBe('');
      await prometheus.start();
      for (const query of QUERIES) {
        const parameters = new URLSearchParams({ query, start: at(-1), end: at(0), step: '150' }).toString();
        const [ours, theirs] = await Promise.all(
          [server.url, prometheus.url].map((url) => rangeOf(`${url}/api/v1/query_range?${parameters}`)),
        );
        expect([query, Object.keys(theirs!).length > 0]).toEqual([query, true]);
        expect([query, ours]).toEqual([query, theirs]);
      }
    } finally {
      await prometheus.stop();
    }
  }, 180_000);
});

const QUERIES = [
  'heap',
  'rate(requests_total[5m])',
  'sum by (path) (increase(requests_total[10m]))',
  'histogram_quantile(0.9, sum by (le) (rate(seconds_bucket[10m])))',
  'rate(seconds_sum[10m]) / rate(seconds_count[10m])',
  'max_over_time(heap[7m]) * on () group_left () count(version_info)',
  'count({__name__=~".+"})',
];

/** What a page of that family would have said then. */
function linesOf(family: string, row: number, seconds: number): string {
  const lines: Record<string, readonly string[]> = {
    requests: ['/a', '/b "c"'].map((path, i) => `requests_total{path=${JSON.stringify(path)}} ${(row % 70) * 13 * (i + 1)}`),
    seconds: [
      ...['0.1', '0.5', '+Inf'].map((le, i) => `seconds_bucket{le="${le}"} ${row * (i + 2) + (row % 3)}`),
      `seconds_sum ${row / 3}`,
      `seconds_count ${row * 4 + (row % 3)}`,
    ],
    heap: [`heap ${row % 40 === 39 ? 'NaN' : Math.sqrt(row)}`],
    version: [`version_info{release="1.${Math.floor(row / 50)}"} 1`],
  };
  return (lines[family] ?? []).map((line) => `${line} ${seconds.toFixed(3)}\n`).join('');
}

/** By series: the values, each to twelve digits. */
async function rangeOf(url: string): Promise<Record<string, readonly string[]>> {
  const answer = (await (await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } })).json()) as {
    data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
  };
  return Object.fromEntries(
    answer.data.result.map(({ metric: labels, values }) => [
      Labels.of(labels).toString(),
      values.map(([seconds, value]) => `${Number(value).toPrecision(12)}@${seconds}`),
    ]),
  );
}
