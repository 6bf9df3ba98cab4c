import { fileURLToPath } from 'node:url';
import { spawnGuarded, type GuardedProcess } from '../guarded-process.ts';
import type { Command, Counts, Ready } from './control.ts';
import type { ClusterShape } from './shape.ts';
import type { TrafficCounts } from './traffic.ts';

const SCRIPT = fileURLToPath(new URL('main.ts', import.meta.url));

/**
 * Simulated clusters in a process of their own, which dies with this one: TCP listeners on 127.0.0.1 that speak what Belfry's
 * watch asks of brokers, at sizes for which no machine here has room. `test/testbed/simulated.test.ts` holds them against real ones.
 */
export class SimulatedFleet implements AsyncDisposable {
  readonly shapes: readonly ClusterShape[];
  readonly #process: GuardedProcess;
  readonly #ready: Ready;

  private constructor(shapes: readonly ClusterShape[], process: GuardedProcess, ready: Ready) {
    this.shapes = shapes;
    this.#process = process;
    this.#ready = ready;
  }

  static async start(shapes: readonly ClusterShape[]): Promise<SimulatedFleet> {
    const { promise, resolve } = Promise.withResolvers<Ready>();
    let output = '';
    const child = spawnGuarded({
      command: process.execPath,
      args: [SCRIPT, JSON.stringify(shapes)],
      onOutput: (text) => {
        output += text;
        const end = output.indexOf('\n');
        if (output.startsWith('{"control"') && end > 0) resolve(JSON.parse(output.slice(0, end)) as Ready);
      },
    });
    const ready = await Promise.race([promise, child.exited.then(() => undefined)]);
    if (ready === undefined) throw new Error(`the simulated clusters ended: ${output.slice(-2000)}`);
    return new SimulatedFleet(shapes, child, ready);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Port of a broker; brokers count from 1. */
  port(cluster: number, broker: number): number {
    return this.#ready.ports[cluster]?.[broker - 1] ?? 0;
  }

  /** `host:port` of the first brokers. */
  bootstrap(cluster: number, brokers = 3): readonly string[] {
    return (this.#ready.ports[cluster] ?? []).slice(0, brokers).map((port) => `127.0.0.1:${port}`);
  }

  /** Resolves when it is done. */
  async tell(command: Command): Promise<readonly TrafficCounts[]> {
    return await this.#ask({ method: 'POST', body: JSON.stringify(command) });
  }

  /** What each cluster's brokers have counted since the last reset. */
  async counts(): Promise<readonly TrafficCounts[]> {
    return await this.#ask({});
  }

  async #ask(init: RequestInit): Promise<readonly TrafficCounts[]> {
    const response = await fetch(`http://127.0.0.1:${this.#ready.control}/`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return (JSON.parse(text) as Counts).clusters;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#process.exited;
  }
}
