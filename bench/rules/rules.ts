import { fileURLToPath } from 'node:url';
import { HEAP_FLAGS, MALLOC_ENVIRONMENT } from '../../bin/memory.mjs';
import { spawnGuarded, type GuardedProcess } from '../../testbed/guarded-process.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { BenchUsageError, type Bench, type BenchContext, type BenchReport } from '../bench.ts';
import { versionOf } from '../peer-prometheus.ts';
import { measurePrometheus, type PeerResult } from './prometheus-peer.ts';
import { reportOf } from './rules-report.ts';
import type { StageConfig, StageResult } from './stage.ts';

/** Rows of history that the rings start with: a little more than they hold, and than the longest window. */
const PREFILL_ROWS = 130;

const HELP = `rules: 65 rules over 300 targets of 390 series each, every 5 s; Prometheus beside it.

Usage: npm run bench -- rules [--quick] [options]

  --targets N    simulated brokers (300)
  --rounds N     evaluations to measure (12; 3 with --quick; by hand 100 and 40)
  --direct       rows are appended by hand on a clock by hand, as fast as it goes: no HTTP, no parsing, no Prometheus
  --grow         by hand besides: a tenth of the targets, and ten times as many (2 GB)
  --no-peer      without Prometheus, also where it is installed
  --cpu-prof DIR Belfry writes CPU profiles there when it ends

Belfry's store, scrapers and rule engine run in a process of their own, whose processor time and memory are told; the
fleet's pages come from another. Then, in the same run, Prometheus scrapes the same pages with the same rules; each has the
machine for itself. Belfry starts with ${PREFILL_ROWS} rows of history, Prometheus with none, so that its longer windows are short.
`;

/** Of the number of targets, by hand: ten times as many are too many to be scraped from one process on one machine. */
const GROWTH = [0.1, 10];

export const rules: Bench = {
  name: 'rules',
  summary: '65 rules over 117,000 series every 5 s: evaluation time, CPU, memory, bytes; Prometheus beside it',
  help: HELP,
  options: {
    targets: { type: 'string' },
    rounds: { type: 'string' },
    direct: { type: 'boolean', default: false },
    grow: { type: 'boolean', default: false },
    'no-peer': { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
  },
  run,
};

async function run(context: BenchContext): Promise<BenchReport> {
  const { values, quick } = context;
  const targets = countOf('--targets', values['targets'], 300);
  const mode = values['direct'] === true ? 'direct' : 'live';
  const byHandRounds = quick ? 40 : 100;
  const rounds = countOf('--rounds', values['rounds'], mode === 'direct' ? byHandRounds : quick ? 3 : 12);
  const dir = await makeTempDir();
  const exporters = mode === 'live' ? await startExporters(targets) : undefined;
  try {
    const stageConfig = { mode, targets, prefillRows: PREFILL_ROWS, rounds, dir, port: exporters?.port ?? 0 } as const;
    context.progress(`Belfry: ${targets} targets, ${rounds} evaluations`);
    const stage = await runStage(stageConfig, context);
    const growth: { targets: number; stage: StageResult }[] = [];
    for (const factor of values['grow'] === true ? GROWTH : []) {
      const count = Math.max(1, Math.round(targets * factor));
      context.progress(`Belfry by hand: ${count} targets`);
      growth.push({
        targets: count,
        stage: await runStage({ ...stageConfig, mode: 'direct', targets: count, rounds: factor > 1 ? 20 : byHandRounds }, context),
      });
    }
    const peer =
      exporters === undefined || values['no-peer'] === true ? undefined : await peerOf({ dir, targets, rounds, exporters, context });
    return reportOf({ mode, targets, stage, growth, peer: peer?.result, notes: peer?.notes ?? [] });
  } finally {
    exporters?.process.kill('SIGKILL');
    await exporters?.process.exited;
    await removeTempDir(dir);
  }
}

interface Exporters {
  readonly process: GuardedProcess;
  readonly port: number;
}

async function peerOf(options: {
  readonly dir: string;
  readonly targets: number;
  readonly rounds: number;
  readonly exporters: Exporters;
  readonly context: BenchContext;
}): Promise<{ readonly result: PeerResult | undefined; readonly notes: readonly string[] }> {
  const { dir, targets, rounds, exporters, context } = options;
  const version = versionOf('prometheus');
  if (version === undefined) return { result: undefined, notes: ['no Prometheus is installed'] };
  context.progress(`Prometheus ${version}`);
  try {
    const durationMs = rounds * 5000;
    const result = await measurePrometheus({ version, dir, exporterPort: exporters.port, targets, durationMs, context });
    return { result, notes: [] };
  } catch (error) {
    // Belfry's own figures stand without it.
    return {
      result: undefined,
      notes: [`Prometheus ${version} could not be measured: ${error instanceof Error ? error.message : String(error)}`],
    };
  }
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

async function startExporters(targets: number): Promise<Exporters> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let output = '';
  const child = spawnGuarded({
    command: process.execPath,
    args: [script('exporters.ts'), String(targets)],
    onOutput: (text) => {
      output += text;
      const port = /^(\d+)\n/.exec(output)?.[1];
      if (port !== undefined) resolve(Number(port));
    },
  });
  const port = await Promise.race([promise, child.exited.then(() => undefined)]);
  if (port === undefined) throw new Error(`the exporters ended: ${output}`);
  return { process: child, port };
}

async function runStage(config: StageConfig, { values }: BenchContext): Promise<StageResult> {
  const profile = values['cpu-prof'];
  const flags = typeof profile === 'string' ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [];
  let output = '';
  let errors = '';
  const child = spawnGuarded({
    command: process.execPath,
    args: [...HEAP_FLAGS, ...flags, '--expose-gc', script('stage.ts'), JSON.stringify(config)],
    // As bin/belfry.mjs begins a Belfry.
    env: MALLOC_ENVIRONMENT,
    onOutput: (text, from) => {
      if (from === 'stdout') output += text;
      else errors += text;
    },
  });
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`the process under measurement ended with ${code}: ${errors}`);
  return JSON.parse(output) as StageResult;
}

function countOf(option: string, value: unknown, otherwise: number): number {
  if (typeof value !== 'string') return otherwise;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw new BenchUsageError(`${option} expects a whole number from 1 on, not '${value}'`);
  return number;
}
