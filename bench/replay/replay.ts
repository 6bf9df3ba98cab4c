import { fileURLToPath } from 'node:url';
import { spawnGuarded } from '../../testbed/guarded-process.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { type Bench, type BenchContext, type BenchReport, countOf } from '../bench.ts';
import type { FillConfig, FillResult } from './fill.ts';
import type { StageConfig, StageResult } from './stage.ts';

const HELP = `replay: the stored history of a fleet through 65 rules, as belfry replay does it.

Usage: npm run bench -- replay [--quick] [options]

  --targets N    simulated brokers of 390 series each (300)
  --hours N      of history (24; 2 with --quick)
  --interval N   seconds between two scrapes, and between two evaluations (15; 60 with --quick)
  --cpu-prof DIR the process under measurement writes a CPU profile there

The history is written by one process, as fast as it goes, and replayed by another, whose processor time and peak of resident
memory are told. A day at 15 s are 674 million samples, which take minutes to write; at 5 s, three times as many. No peer
has a replay of alerting rules.
`;

export const replay: Bench = {
  name: 'replay',
  summary: 'a day of 117,000 series through 65 rules: how much faster than real time, CPU, memory',
  help: HELP,
  options: { targets: { type: 'string' }, hours: { type: 'string' }, interval: { type: 'string' }, 'cpu-prof': { type: 'string' } },
  run,
};

async function run(context: BenchContext): Promise<BenchReport> {
  const { values, quick } = context;
  const targets = countOf('--targets', values['targets'], 300);
  const hours = countOf('--hours', values['hours'], quick ? 2 : 24);
  const intervalMs = 1000 * countOf('--interval', values['interval'], quick ? 60 : 15);
  const dir = await makeTempDir();
  try {
    context.progress(`writing ${hours} h of ${targets} targets, a row every ${intervalMs / 1000} s`);
    const config: FillConfig = { dir, targets, intervalMs, rows: Math.floor((hours * 3_600_000) / intervalMs) };
    const fill = await inProcess<FillResult>('fill.ts', config, context, []);
    context.progress(`replaying ${Math.round(fill.samples / 1e6)} million samples`);
    const profile = values['cpu-prof'];
    const flags = typeof profile === 'string' ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [];
    const stageConfig: StageConfig = { dir, intervalMs };
    return reportOf(config, fill, await inProcess<StageResult>('stage.ts', stageConfig, context, flags));
  } finally {
    await removeTempDir(dir);
  }
}

function reportOf({ targets, intervalMs }: FillConfig, fill: FillResult, stage: StageResult): BenchReport {
  const evaluations = Math.floor((1000 * stage.rangeSeconds) / intervalMs);
  const faster = stage.rangeSeconds / stage.wallSeconds;
  const rows = [
    ['history', `${(stage.rangeSeconds / 3600).toFixed(1)} h, ${(fill.samples / 1e6).toFixed(0)} million samples`],
    ['file', `${(fill.fileBytes / 1e6).toFixed(0)} MB, ${(fill.fileBytes / fill.samples).toFixed(2)} bytes a sample`],
    ['wall', `${stage.wallSeconds.toFixed(1)} s, of it ${stage.openSeconds.toFixed(1)} s up to the first slice`],
    ['CPU', `${stage.cpuSeconds.toFixed(1)} s`],
    ['faster than real time', `${faster.toFixed(0)} times`],
    ['one evaluation of all rules', `${((1000 * stage.wallSeconds) / evaluations).toFixed(2)} ms, the reading of its samples included`],
    ['samples of the history', `${(fill.samples / stage.wallSeconds / 1e6).toFixed(1)} million a second`],
    ['peak RSS', `${(stage.peakBytes / 1e6).toFixed(0)} MB`],
    ['firings', String(stage.firings)],
  ];
  return {
    tables: [{ title: `${stage.rules} rules, ${targets} targets, every ${intervalMs / 1000} s`, columns: ['what', 'figure'], rows }],
    notes: ['no peer replays alerting rules', ...stage.errors.map((error) => `failed: ${error}`)],
    figures: [
      { name: 'wall', value: stage.wallSeconds, unit: 's' },
      { name: 'CPU', value: stage.cpuSeconds, unit: 's' },
      { name: 'faster than real time', value: faster, unit: 'times' },
      { name: 'peak RSS', value: stage.peakBytes / 1e6, unit: 'MB' },
    ],
    results: { targets, intervalMs, fill, stage },
  };
}

async function inProcess<Result>(script: string, config: object, context: BenchContext, flags: readonly string[]): Promise<Result> {
  let output = '';
  let errors = '';
  let told = 0;
  const child = spawnGuarded({
    command: process.execPath,
    args: [...flags, fileURLToPath(new URL(script, import.meta.url)), JSON.stringify(config)],
    onOutput: (text, from) => {
      if (from === 'stdout') {
        output += text;
        return;
      }
      errors = (errors + text).slice(-4000);
      const percent = Number(/(\d+) %\n$/.exec(text)?.[1] ?? 0);
      if (percent >= told + 10) context.progress(`${script}: ${(told = percent)} %`);
    },
  });
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${errors}`);
  return JSON.parse(output) as Result;
}
