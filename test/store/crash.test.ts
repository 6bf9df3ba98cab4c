import { expect, it } from '@jest/globals';
import { killStore } from './kill-rounds.ts';

/** By hand with more of them, and other seeds: `npm run kill-store`. */
const KILLS = 5;
const SEED = 20261123;

it('holds everything that was flushed when the process is killed at random instants, bit for bit', async () => {
  const { kills, compared, violations } = await killStore({ kills: KILLS, seed: SEED });
  expect(violations).toEqual([]);
  expect(kills).toBe(KILLS);
  expect(compared).toBeGreaterThan(1000);
}, 180_000);
