import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Gauge, Meter } from '../core/meter.ts';

/** How often the loop is asked to turn; its own time is taken off what is measured. */
const RESOLUTION_MS = 20;

/** How late the event loop comes to what is due: while it is held, no broker is heard and no rule evaluated. */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #p99: Gauge;
  readonly #max: Gauge;

  constructor(meter: Meter) {
    this.#p99 = meter.gauge('belfry_event_loop_delay_p99_seconds', 'Delay of the event loop since the last reading, 99th percentile.');
    this.#max = meter.gauge('belfry_event_loop_delay_max_seconds', 'Delay of the event loop since the last reading, the worst.');
    this.#histogram.enable();
  }

  /** Shows the time since the last call, and begins anew. */
  read(): void {
    this.#p99.set(secondsLate(this.#histogram.percentile(99)));
    this.#max.set(secondsLate(this.#histogram.max));
    this.#histogram.reset();
  }

  close(): void {
    this.#histogram.disable();
  }
}

function secondsLate(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000) : 0;
}
