import { describe, expect, it, jest } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { FixtureExporter } from '../../testbed/fixture-exporter.ts';
import type { MetricsPage } from '../../testbed/fixture-exporter.ts';
import { Stage } from '../../testbed/stage.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { everythingElse, NO_KAFKA, ownMetric, report, SILENCE, told } from './harness.ts';

jest.setTimeout(300_000);

const GOOD_PAGE = 'fixture_good{of="a"} 1\nfixture_good{of="b"} 2\n';
/** Belfry may grow by this much over pages that are far too large. */
const GROWTH_MAX_MB = 300;

interface BadPage {
  readonly job: string;
  readonly page: MetricsPage;
  readonly code: string;
}

const BAD_PAGES: readonly BadPage[] = [
  { job: 'malformed', page: { kind: 'text', text: 'fixture_good 1\nthis is not = a sample {\n' }, code: 'EXPOSITION_MALFORMED' },
  { job: 'no-text', page: { kind: 'text', text: 'fixture_latin{name="caf\u0000"} x\n' }, code: 'EXPOSITION_MALFORMED' },
  { job: 'not-utf8', page: { kind: 'garbage', bytes: 4096 }, code: 'EXPOSITION_MALFORMED' },
  { job: 'cut-off', page: { kind: 'truncated', text: GOOD_PAGE }, code: 'SCRAPE_FAILED' },
  { job: 'gigabyte', page: { kind: 'generated', bytes: 1_000_000_000 }, code: 'SCRAPE_BODY_TOO_LARGE' },
];

describe('the processors of a host', () => {
  it('are told of when they are busy, with the host, and when they are idle again', async () => {
    const cpu = new Processors();
    await using exporter = await FixtureExporter.start(() => cpu.page());
    await using stage = await Stage.start({
      clusters: [{ ...NO_KAFKA, exporters: [{ job: 'node', targets: [exporter.target], interval: '1s' }] }],
      rules: shippedRules({
        only: ['CpuHigh'],
        for: { CpuHigh: '2s' },
        keepFiringFor: { CpuHigh: '1s' },
        windows: { CpuHigh: { '[5m]': '[4s]' } },
      }),
    });
    await stage.belfry.queryUntil('avg(rate(node_cpu_seconds_total{mode="idle"}[4s]))', ([idle]) => (idle?.value ?? 0) > 0.4);
    expect(await everythingElse(stage)).toEqual(SILENCE);
    cpu.idleRatio = 0.02;
    const busy = await told(stage, { status: 'firing', alertname: 'CpuHigh', instance: exporter.target });
    expect(busy.labels).toMatchObject({ severity: 'warning', cluster: 'fixture' });
    expect(busy.annotations['summary']).toMatch(/ are 9\d(\.\d+)?% busy$/);
    cpu.idleRatio = 0.6;
    await told(stage, { status: 'resolved', alertname: 'CpuHigh', instance: exporter.target });
  });
});

describe('pages that are no good', () => {
  it('are named errors of their target, and disturb nothing else', async () => {
    await using good = await FixtureExporter.start(GOOD_PAGE);
    await using duplicates = await FixtureExporter.start('fixture_twice{a="1"} 1\nfixture_twice{a="1"} 2\nfixture_once 3\n');
    await using timestamps = await FixtureExporter.start(
      () => `fixture_far 1 ${Date.now() + 86_400_000}\nfixture_old 1 1000\nfixture_near 7 ${Date.now()}\n`,
    );
    await using bad = await startBadExporters();
    const exporters = [
      { job: 'good', targets: [good.target] },
      { job: 'duplicates', targets: [duplicates.target] },
      { job: 'timestamps', targets: [timestamps.target] },
      ...BAD_PAGES.map(({ job }) => ({ job, targets: [bad.target(job)] })),
    ].map((exporter) => ({ ...exporter, interval: '10s' }));
    await using stage = await Stage.start({
      clusters: [{ ...NO_KAFKA, exporters }],
      rules: shippedRules({ only: ['ExporterDown'], for: { ExporterDown: '1h' } }),
    });
    const { belfry } = stage;
    const before = memoryMb(belfry.pid, 'VmRSS');
    for (const { job, code } of BAD_PAGES) {
      const line = await belfry.logged('scrape_failed', ({ target }) => String(target).includes(`/${job}/`));
      expect([job, line['code']]).toEqual([job, code]);
    }
    await bad.scraped('gigabyte', 3);
    report(`memory after three pages of 1 GB: ${memoryMb(belfry.pid, 'VmHWM')} MB at most, ${before} MB before`);
    expect(memoryMb(belfry.pid, 'VmHWM') - before).toBeLessThan(GROWTH_MAX_MB);

    const failures = await ownMetric(stage, 'belfry_scrape_failures_total');
    for (const { job, code } of BAD_PAGES)
      expect(failures).toContainEqual(expect.stringMatching(new RegExp(`job="${job}",code="${code}"|code="${code}",job="${job}"`)));
    const up = await belfry.queryUntil('up{job!="kafka", job!="belfry"}', (samples) => samples.length === exporters.length);
    expect(Object.fromEntries(up.map(({ metric: { job = '' }, value }) => [job, value]))).toEqual({
      good: 1,
      duplicates: 1,
      timestamps: 1,
      ...Object.fromEntries(BAD_PAGES.map(({ job }) => [job, 0])),
    });
    const dropped = await ownMetric(stage, 'belfry_scrape_samples_dropped_total');
    expect(dropped).toContainEqual(expect.stringMatching(/job="duplicates",reason="duplicate"/));
    expect(dropped).toContainEqual(expect.stringMatching(/job="timestamps",reason="timestamp"/));
    expect(await belfry.query('fixture_good')).toHaveLength(2);
    expect(await belfry.query('fixture_once')).toMatchObject([{ value: 3 }]);
    expect(await belfry.query('{__name__=~"fixture_far|fixture_old|fixture_near"}')).toMatchObject([
      { metric: { __name__: 'fixture_near' }, value: 7 },
    ]);
    expect(await belfry.query('{__name__=~"fixture_generated|fixture_latin"}')).toEqual([]);
    // A target that stays broken is said once, not at every scrape.
    expect(belfry.log.all.filter(({ event, target }) => event === 'scrape_failed' && String(target).includes('/malformed/'))).toHaveLength(
      1,
    );
  });
});

/** A host's counters that grow with the clock, at a share of idling that the test sets. */
class Processors {
  idleRatio = 0.6;
  #at = performance.now();
  #idle = 1000;
  #busy = 1000;

  page(): string {
    const seconds = (performance.now() - this.#at) / 1000;
    this.#at = performance.now();
    this.#idle += seconds * this.idleRatio;
    this.#busy += seconds * (1 - this.idleRatio);
    return `# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} ${this.#idle}
node_cpu_seconds_total{cpu="0",mode="user"} ${this.#busy}
`;
  }
}

interface BadExporters extends AsyncDisposable {
  target(job: string): string;
  scraped(job: string, times: number): Promise<void>;
}

async function startBadExporters(): Promise<BadExporters> {
  const all = new Map<string, FixtureExporter>();
  for (const { job, page } of BAD_PAGES) {
    const exporter = await FixtureExporter.start();
    exporter.set(page);
    all.set(job, exporter);
  }
  const get = (job: string): FixtureExporter => {
    const exporter = all.get(job);
    if (exporter === undefined) throw new Error(`no exporter ${job}`);
    return exporter;
  };
  return {
    target: (job) => get(job).target,
    scraped: async (job, times) => {
      const { scrapes } = get(job);
      // The one after the last counted: that one has then ended.
      await scrapes.next(() => scrapes.count > times, { timeoutMs: 120_000 });
    },
    [Symbol.asyncDispose]: async () => {
      for (const exporter of all.values()) await exporter[Symbol.asyncDispose]();
    },
  };
}

function memoryMb(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(match?.[1]) / 1024);
}
