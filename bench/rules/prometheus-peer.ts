import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reservePort } from '../../testbed/free-port.ts';
import type { BenchContext } from '../bench.ts';
import { startPrometheus } from '../peer-prometheus.ts';
import { fleetOf, INTERVAL_MS, JOB, ruleFile } from './fleet.ts';

/** What Prometheus says of itself. */
export interface PeerResult {
  readonly version: string;
  /** One figure for each evaluation of the group that was seen. */
  readonly evaluationsMs: readonly number[];
  readonly cores: number;
  readonly rssBytes: number;
}

/** Until every target has been scraped twice and the rules have something to do. */
const SETTLE_MS = 1.5 * INTERVAL_MS;

/** Runs Prometheus on the same fleet and rules for a while. It has no history from before: its longer windows are short. */
export async function measurePrometheus(options: {
  readonly version: string;
  readonly dir: string;
  readonly exporterPort: number;
  readonly targets: number;
  readonly durationMs: number;
  readonly context: BenchContext;
}): Promise<PeerResult> {
  const { dir, exporterPort, targets, durationMs, context } = options;
  const port = await reservePort();
  writeFileSync(join(dir, 'rules.yml'), ruleFile());
  const { url, process: running } = await startPrometheus({ dir, port: port.port, configuration: configuration(exporterPort, targets) });
  try {
    context.progress('Prometheus is up');
    await sleep(SETTLE_MS);
    return { version: options.version, ...(await watch(url, durationMs, context.signal)) };
  } finally {
    running.kill('SIGKILL');
    await running.exited;
    await port.release();
  }
}

/** JSON is YAML. */
function configuration(exporterPort: number, targets: number): string {
  const interval = `${INTERVAL_MS / 1000}s`;
  const configs = fleetOf(targets).map(({ instance, path }) => ({
    targets: [`127.0.0.1:${exporterPort}`],
    labels: { instance, __metrics_path__: path },
  }));
  return JSON.stringify({
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: JOB, static_configs: configs }],
  });
}

async function watch(url: string, durationMs: number, signal: AbortSignal): Promise<Omit<PeerResult, 'version'>> {
  const begin = await ownMetrics(url);
  const beginMs = performance.now();
  const evaluationsMs: number[] = [];
  let seen = begin.get('prometheus_rule_group_last_evaluation_timestamp_seconds');
  let last = begin;
  while (performance.now() < beginMs + durationMs && !signal.aborted) {
    await sleep(INTERVAL_MS / 4);
    last = await ownMetrics(url);
    const at = last.get('prometheus_rule_group_last_evaluation_timestamp_seconds');
    if (at !== seen) evaluationsMs.push(1000 * (last.get('prometheus_rule_group_last_duration_seconds') ?? Number.NaN));
    seen = at;
  }
  const cpuSeconds = (last.get('process_cpu_seconds_total') ?? Number.NaN) - (begin.get('process_cpu_seconds_total') ?? Number.NaN);
  return {
    evaluationsMs,
    cores: cpuSeconds / ((performance.now() - beginMs) / 1000),
    rssBytes: last.get('process_resident_memory_bytes') ?? Number.NaN,
  };
}

/** The values of its own page by metric name; there is one rule group. */
async function ownMetrics(url: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = new Map<string, number>();
  for (const [, name = '', value = ''] of text.matchAll(/^(\w+)(?:\{.*\})? (\S+)$/gm)) found.set(name, Number(value));
  return found;
}
