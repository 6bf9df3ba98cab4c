import { expect, it } from '@jest/globals';
import { randomOf } from '../store/kill-rounds.ts';
import { killWrites } from './kill-writes.ts';

/** By hand with more of them, and other seeds: `npm run kill-store -- --remote-write`. */
const KILLS = 2;
const SEED = 20261123;

it('holds every sample whose request was answered when the process is killed at random instants', async () => {
  const { kills, answered, repeated, violations } = await killWrites({ kills: KILLS, random: randomOf(SEED) });
  expect(violations).toEqual([]);
  expect(kills).toBe(KILLS);
  expect(answered).toBeGreaterThan(100);
  expect(repeated).toBeGreaterThan(0);
}, 180_000);
