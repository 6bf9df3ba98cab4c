import { expect, it, jest } from '@jest/globals';
import { report } from './harness.ts';
import { killNine } from './kill-nine.ts';

jest.setTimeout(300_000);

/** `npm run kill-nine -- --kills 1000` is the same for longer. */
it.each([{ seed: 1 }])(
  'killed with -9 at 25 instants of its work: nothing lost, nothing doubled but what was in flight (seed $seed)',
  async ({ seed }) => {
    // Most of a kill is waiting: three at a time take hardly longer than one.
    const kills = [8, 8, 9];
    const results = await Promise.all(kills.map((count, lane) => killNine({ kills: count, seed: seed + lane * 1000 })));
    report(
      results
        .map(({ kills, changes, inFlight }) => `${JSON.stringify(kills)}, ${changes} changes, ${inFlight.length} doubled in flight`)
        .join('; '),
    );
    expect(results.flatMap(({ violations }) => violations)).toEqual([]);
  },
);
