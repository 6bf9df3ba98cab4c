import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scrapedMetadata } from '../../src/app/catalog-port.ts';
import { Labels } from '../../src/core/labels.ts';
import { formatOf } from '../../src/formats/exposition.ts';
import type { PageTemplate } from '../../src/formats/page-layout.ts';
import { parsePage } from '../../src/formats/page-parser.ts';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { FixtureExporter, OPENMETRICS, TEXT_FORMAT } from '../../testbed/fixture-exporter.ts';
import { reservePort, type ReservedPort } from '../../testbed/free-port.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { hasPrometheus } from '../promql/real-prometheus.ts';
import { serverWith } from './harness.ts';

const missing = hasPrometheus() ? undefined : 'prometheus and promtool (Debian package prometheus) are not installed';

const TEXT = `# HELP requests_total Requests "done"\\nin \\\\ all.
# TYPE requests_total counter
requests_total{path="/"} 1
# TYPE heap_bytes gauge
heap_bytes 5
# HELP plain Only help.
plain 1
# TYPE strange untyped
strange 1
# TYPE latency histogram
latency_bucket{le="+Inf"} 1
latency_sum 1
latency_count 1
# TYPE age summary
age{quantile="0.5"} 1
age_sum 1
age_count 1
bare 1
`;
const OTHER = TEXT.replace('Only help.', 'Other words.').replace('heap_bytes gauge', 'heap_bytes counter');
const OPEN = `# TYPE jobs counter
# HELP jobs Jobs \\"done\\".
jobs_total 1
# TYPE wait_seconds gauge
# UNIT wait_seconds seconds
wait_seconds 1.5
# TYPE build info
build_info{version="1"} 1
# TYPE state stateset
state{state="a"} 1
# EOF
`;
const PAGES = [
  ['same', TEXT, TEXT_FORMAT],
  ['same', TEXT, TEXT_FORMAT],
  ['other', OTHER, TEXT_FORMAT],
  ['open', OPEN, OPENMETRICS],
] as const;

const folder = mkdtempSync(join(tmpdir(), 'belfry-prometheus-'));
const exporters: FixtureExporter[] = [];
let port: ReservedPort | undefined;
let prometheus: ChildProcess | undefined;
let ours: HttpServer | undefined;
let [theirUrl, ourUrl] = ['', ''];

interface Answer {
  readonly status: number;
  readonly body: { readonly data?: unknown; readonly errorType?: string };
}

async function ask(url: string, path: string): Promise<Answer> {
  const response = await fetch(`${url}/api/v1/${path}`);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

/** Prometheus goes through its families in no order; what it says of itself is left out. */
function unordered({ status, body: { data, errorType } }: Answer) {
  if (Array.isArray(data)) return { status, data: data.map((item) => JSON.stringify(sorted(item))).toSorted() };
  const families = Object.entries((data ?? {}) as Readonly<Record<string, readonly object[]>>);
  return {
    status,
    errorType,
    data: Object.fromEntries(families.map(([name, all]) => [name, all.map((one) => JSON.stringify(one)).toSorted()])),
  };
}

/** With its keys in one order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [key, sorted(inner)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** How much there is, where which is left open. */
function size({ status, body: { data } }: Answer) {
  return { status, count: Object.keys(data ?? {}).length };
}

describeWhere(missing, 'metadata of scraped pages beside a real Prometheus', () => {
  beforeAll(async () => {
    const pages: { labels: Labels; template: PageTemplate | undefined }[] = [];
    const jobs = [];
    for (const [job, text, contentType] of PAGES) {
      const exporter = await FixtureExporter.start(text);
      exporter.contentType = contentType;
      exporters.push(exporter);
      const { template } = parsePage(Buffer.from(text), formatOf(contentType)).layout;
      pages.push({ labels: Labels.of({ job: `${job}${exporters.length}`, instance: exporter.target }), template });
      jobs.push({ job_name: `${job}${exporters.length}`, scrape_interval: '1s', static_configs: [{ targets: [exporter.target] }] });
    }
    port = await reservePort();
    theirUrl = `http://127.0.0.1:${port.port}`;
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify({ scrape_configs: jobs }));
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port.port}`,
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
    await Promise.all(exporters.map(({ scrapes }) => scrapes.next(undefined, { timeoutMs: 60_000 })));
    const { serverOptions } = serverWith();
    const { catalog } = serverOptions.ports;
    const scraped = () => scrapedMetadata(pages);
    ours = await startHttpServer({
      ...serverOptions,
      ports: { ...serverOptions.ports, catalog: { ...catalog, metadata: () => [], scraped } },
    });
    ourUrl = ours.url;
    for (;;) {
      const { body } = await ask(theirUrl, 'targets/metadata');
      if (Array.isArray(body.data) && body.data.length >= 6 * 3 + 4) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }, 180_000);

  afterAll(async () => {
    if (prometheus !== undefined && prometheus.exitCode === null) {
      const ended = once(prometheus, 'exit');
      prometheus.kill('SIGKILL');
      await ended;
    }
    await ours?.close();
    await Promise.all(exporters.map((exporter) => exporter[Symbol.asyncDispose]()));
    await port?.release();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    'metadata',
    'metadata?metric=plain',
    'metadata?metric=jobs',
    'metadata?metric=jobs_total',
    'metadata?metric=nowhere',
    'metadata?limit=0',
    'targets/metadata',
    `targets/metadata?match_target=${encodeURIComponent('{job="open4"}')}`,
    `targets/metadata?match_target=${encodeURIComponent('{job=~"same.+"}')}&metric=requests_total`,
    `targets/metadata?match_target=${encodeURIComponent('{job="nowhere"}')}`,
    'targets/metadata?metric=latency',
    'targets/metadata?metric=nowhere',
    'targets/metadata?limit=0',
  ])('%s', async (path) => {
    expect(unordered(await ask(ourUrl, path))).toEqual(unordered(await ask(theirUrl, path)));
  });

  it.each(['metadata?limit=2', 'targets/metadata?limit=1&metric=plain'])('%s: as much of it', async (path) => {
    expect(size(await ask(ourUrl, path))).toEqual(size(await ask(theirUrl, path)));
  });
});
