import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { INSTANTS, killNine, type KillNineResult } from './kill-nine.ts';

const HELP = `Kills Belfry with -9 at random instants of its work and compares what was told with what was so.

Usage: npm run kill-nine -- [--kills 1000] [--seed N] [--lanes 2]

Ctrl-C ends it with the summary. Exit code 1 on a violation; what it takes to find out why is then in test/soak/results/kill-nine-SEED.json. The same code as test/acceptance/kill-nine.test.ts runs in CI with 25 kills.
`;

const RESULTS = fileURLToPath(new URL('../soak/results/', import.meta.url));

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    lanes: { type: 'string', default: '2' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else await main(Number(values.kills), Number(values.seed), Number(values.lanes));

async function main(kills: number, seed: number, lanes: number): Promise<void> {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // What was started dies with this process.
      if (ending.signal.aborted) process.exit(130);
      ending.abort();
    });
  }
  process.stdout.write(`kill-nine: ${kills} kills, seed ${seed}, ${lanes} at a time\n`);
  const begin = performance.now();
  const results = await Promise.all(
    Array.from({ length: lanes }, (_, lane) =>
      killNine({
        kills: Math.ceil(kills / lanes),
        seed: seed + lane,
        signal: ending.signal,
        progress: (text) => process.stdout.write(`  seed ${seed + lane}: ${text}\n`),
      }),
    ),
  );
  for (const [lane, { violations, evidence }] of results.entries()) {
    if (violations.length === 0) continue;
    mkdirSync(RESULTS, { recursive: true });
    writeFileSync(`${RESULTS}kill-nine-${seed + lane}.json`, `${JSON.stringify({ violations, ...evidence }, null, 1)}\n`);
  }
  process.stdout.write(`kill-nine: ${summary(results)} in ${Math.round((performance.now() - begin) / 1000)} s\n`);
  if (results.some(({ violations }) => violations.length > 0)) process.exitCode = 1;
}

function summary(results: readonly KillNineResult[]): string {
  const sum = (of: (result: KillNineResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  const kills = INSTANTS.map((instant) => `${sum((result) => result.kills[instant])} after ${instant}`);
  return [
    `${sum((result) => INSTANTS.reduce((total, instant) => total + result.kills[instant], 0))} kills (${kills.join(', ')})`,
    `${sum(({ changes }) => changes)} changes`,
    `told ${sum(({ told }) => told.slack)} by Slack, ${sum(({ told }) => told.mail)} by mail, ${sum(({ told }) => told.webhook)} by webhook`,
    `${sum(({ inFlight }) => inFlight.length)} doubled in flight`,
    `${sum(({ violations }) => violations.length)} violations`,
  ].join(', ');
}
