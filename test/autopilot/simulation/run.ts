import { parseArgs } from 'node:util';
import { SystemClock } from '../../../src/core/clock.ts';
import { Violation } from './referee.ts';
import { Simulation } from './simulation.ts';

/** `node test/autopilot/simulation/run.ts --steps 1000000 --seed N`: the same simulation as the test's, for longer. */
const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    each: { type: 'string', default: '10000' },
  },
});
const TELL_EVERY_STEPS = 100_000;
const clock = new SystemClock();
const startedAt = clock.elapsed();
let toldAt = 0;
const total = { steps: 0, leases: 0, acts: 0, restarts: 0, probes: 0 };

for (let seed = Number(values.seed); total.steps < Number(values.steps); seed++) {
  try {
    const result = await new Simulation(seed).run(Math.min(Number(values.each), Number(values.steps) - total.steps));
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += result[key];
    if (total.steps - toldAt >= TELL_EVERY_STEPS) tell();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    process.stdout.write(`seed ${seed}: ${error.message}\n${error.history.join('\n')}\n`);
    process.exitCode = 1;
    break;
  }
}
tell();

function tell(): void {
  toldAt = total.steps;
  const seconds = (clock.elapsed() - startedAt) / 1000;
  process.stdout.write(
    `autopilot simulation: ${total.steps} steps, ${Math.round(total.steps / seconds)} steps/s, ${total.leases} leases, ${total.acts} acts, ` +
      `${total.restarts} restarts of Belfry, ${total.probes} single crashes mended\n`,
  );
}
