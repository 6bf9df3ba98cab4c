import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Soak } from './soak.ts';

const HELP = `Watches a real Kafka for hours while brokers, Belfry and the receivers fail at random, and compares what was told with what was done.

Usage: npm run soak -- [--minutes 120] [--seed N]

Exit code 1 on a violation: a notification lost, doubled (beyond the one in flight at a disturbance) or false, or memory that grows.
The result is also in test/soak/results/SEED.json, the logs of both Belfrys beside it. Ctrl-C ends it with the summary.
`;
const RESULTS = fileURLToPath(new URL('./results/', import.meta.url));

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '120' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else await main(Number(values.minutes), Number(values.seed));

async function main(minutes: number, seed: number): Promise<void> {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // What was started dies with this process.
      if (ending.signal.aborted) process.exit(130);
      ending.abort();
    });
  }
  mkdirSync(RESULTS, { recursive: true });
  say(`soak: ${minutes} minutes, seed ${seed}`);
  await using soak = await Soak.start({
    minutes,
    seed,
    say,
    signal: ending.signal,
    logPath: (name) => join(RESULTS, `${seed}-${name}.log`),
  });
  const summary = await soak.run();
  writeFileSync(join(RESULTS, `${seed}.json`), `${JSON.stringify(summary, null, 2)}\n`);
  say('');
  for (const line of summary.lines) say(line);
  if (summary.violations.length > 0) process.exitCode = 1;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
