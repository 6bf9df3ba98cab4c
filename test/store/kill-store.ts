import { parseArgs } from 'node:util';
import { killWrites } from '../remotewrite/kill-writes.ts';
import { killStore, randomOf } from './kill-rounds.ts';

const HELP = `Kills a process that writes to a sample store with -9 at random instants and compares what is left with what it told.

Usage: npm run kill-store -- [--kills 300] [--seed N] [--remote-write]

--remote-write: a process that takes remote write in over HTTP; every sample that was answered is looked for.
Ctrl-C ends it with the summary. Exit code 1 on a violation. The same code as test/store/crash.test.ts and test/remotewrite/crash.test.ts run in CI with a few kills.
`;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '300' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    'remote-write': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else if (values['remote-write']) await overHttp(Number(values.kills), Number(values.seed));
else await inProcess(Number(values.kills), Number(values.seed));

async function overHttp(kills: number, seed: number): Promise<void> {
  process.stdout.write(`kill-store: ${kills} kills of one that takes remote write in, seed ${seed}\n`);
  const result = await killWrites({ kills, random: randomOf(seed), progress: (text) => process.stdout.write(`  ${text}\n`) });
  for (const violation of result.violations) process.stdout.write(`  ${violation}\n`);
  process.stdout.write(
    `kill-store: ${result.kills} kills, ${result.answered} samples answered, ${result.repeated} requests sent again, ${result.violations.length} violations\n`,
  );
  if (result.violations.length > 0) process.exitCode = 1;
}

async function inProcess(kills: number, seed: number): Promise<void> {
  const ending = new AbortController();
  process.once('SIGINT', () => ending.abort());
  process.stdout.write(`kill-store: ${kills} kills, seed ${seed}\n`);
  const result = await killStore({ kills, seed, signal: ending.signal, progress: (text) => process.stdout.write(`  ${text}\n`) });
  for (const violation of result.violations) process.stdout.write(`  ${violation}\n`);
  process.stdout.write(
    `kill-store: ${result.kills} kills, ${result.rows} rows, ${result.compared} samples compared, ${result.violations.length} violations\n`,
  );
  if (result.violations.length > 0) process.exitCode = 1;
}
