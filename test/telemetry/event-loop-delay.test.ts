import { expect, it } from '@jest/globals';
import { EventLoopDelay } from '../../src/telemetry/event-loop-delay.ts';
import { PrometheusMeter } from '../../src/telemetry/prometheus-meter.ts';

it('shows how long the event loop was held since the last reading', async () => {
  const meter = new PrometheusMeter();
  const delay = new EventLoopDelay(meter);
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 25));
  };
  const read = async (): Promise<Record<string, number>> => {
    delay.read();
    return Object.fromEntries((await meter.samples()).map(({ name, value }) => [name, value]));
  };
  try {
    await turns(3);
    const until = performance.now() + 300;
    while (performance.now() < until);
    await turns(3);
    const held = await read();
    expect(held['belfry_event_loop_delay_max_seconds']).toBeGreaterThan(0.2);
    expect(held['belfry_event_loop_delay_p99_seconds']).toBeGreaterThan(0.2);
    // A reading of no time at all is no delay.
    expect(await read()).toEqual({ belfry_event_loop_delay_max_seconds: 0, belfry_event_loop_delay_p99_seconds: 0 });
  } finally {
    delay.close();
  }
});
