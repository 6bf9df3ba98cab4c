import os from 'node:os';
import { parseArgs } from 'node:util';
import { MissingToolError } from '../testbed/kafka-dist.ts';
import { autopilot } from './autopilot/autopilot.ts';
import { BenchUsageError, type Bench } from './bench.ts';
import { blocks } from './blocks/blocks.ts';
import { detect } from './detect/detect.ts';
import { footprint } from './footprint/footprint.ts';
import { machine, textOf, writeResults } from './report.ts';
import { query } from './query/query.ts';
import { replay } from './replay/replay.ts';
import { rules } from './rules/rules.ts';
import { scale } from './scale/scale.ts';

const BENCHES: readonly Bench[] = [detect, autopilot, rules, blocks, query, scale, footprint, replay];

const HELP = `Benches of Belfry: they measure and tell, and fail on no figure.

Usage: npm run bench -- NAME [--quick] [options]
       npm run bench -- NAME --help

${BENCHES.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

  --quick    fewer samples

Progress goes to standard error, the tables and one last line "NAME: figure unit, …" to standard output, every sample to
bench/results/NAME.json. A machine that does something else meanwhile shows in the figures: the load is printed with them.
`;

async function main(args: readonly string[]): Promise<number> {
  const [name = '--help', ...rest] = args;
  if (name === '--help' || name === '-h') {
    process.stdout.write(HELP);
    return 0;
  }
  const bench = BENCHES.find((candidate) => candidate.name === name);
  if (bench === undefined) {
    process.stderr.write(`bench: there is no ${name}; there is ${BENCHES.map((known) => known.name).join(', ')}\n`);
    return 2;
  }
  const { values } = parseArgs({
    args: rest,
    options: { ...bench.options, quick: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
  });
  if (values['help'] === true) {
    process.stdout.write(bench.help);
    return 0;
  }
  await run(bench, values);
  return 0;
}

async function run(bench: Bench, values: Readonly<Record<string, unknown>>): Promise<void> {
  const loadBefore = os.loadavg();
  const begin = performance.now();
  const progress = (text: string): void => {
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    process.stderr.write(`[${seconds.padStart(6)} s] ${text}\n`);
  };
  const report = await bench.run({ quick: values['quick'] === true, values, progress, signal: endOnSignal(progress) });
  const on = machine(loadBefore);
  progress(`all samples: ${writeResults(bench.name, report, on)}`);
  process.stdout.write(`${textOf(bench.name, report, on)}\n`);
}

/** The first signal makes the round under way the last one, so that its figures are told; the second ends at once. */
function endOnSignal(progress: (text: string) => void): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // What was started dies with this process.
      if (ending.signal.aborted) process.exit(130);
      progress(`${signal}: this round is the last; once more to end at once`);
      ending.abort();
    });
  }
  return ending.signal;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const known = error instanceof MissingToolError || error instanceof BenchUsageError || (error instanceof TypeError && 'code' in error);
  console.error(known ? error.message : error);
  process.exitCode = 1;
}
