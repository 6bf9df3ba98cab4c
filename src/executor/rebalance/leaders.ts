import { bandAround } from './balance.ts';
import type { Layout } from './layout.ts';

/**
 * Evens out how many partitions prefer each broker as their leader, by changing the order of replicas only. Where a broker
 * shares no partition with one that leads too few, leaderships are passed on along the shortest chain of brokers.
 */
export function balanceLeaders(layout: Layout, mayReorder: (partition: number) => boolean): void {
  const chains = new LeaderChains(layout, mayReorder);
  const band = bandAround(chains.mean);
  const target = new Set(layout.targets);
  const over = (broker: number): boolean => target.has(broker) && chains.led(broker) > band.high;
  const room = (broker: number): boolean => target.has(broker) && chains.led(broker) < band.high;
  const spare = (broker: number): boolean => target.has(broker) && chains.led(broker) > band.low;
  const under = (broker: number): boolean => target.has(broker) && chains.led(broker) < band.low;
  for (let changed = true; changed;) {
    changed = false;
    while (chains.pass(over, room)) changed = true;
    while (chains.pass(spare, under)) changed = true;
  }
}

class LeaderChains {
  readonly mean: number;
  readonly #layout: Layout;
  readonly #led: Float64Array;
  readonly #size: number;
  /** From × to → partitions that prefer the one and have a copy on the other; entries may be out of date. */
  readonly #edges = new Map<number, number[]>();
  readonly #isTarget: Uint8Array;

  constructor(layout: Layout, mayReorder: (partition: number) => boolean) {
    this.#layout = layout;
    this.#size = layout.ids.length;
    this.#led = new Float64Array(this.#size);
    this.#isTarget = new Uint8Array(this.#size);
    for (const broker of layout.targets) this.#isTarget[broker] = 1;
    let total = 0;
    for (const [partition, [preferred]] of layout.replicas.entries()) {
      if (preferred === undefined || this.#isTarget[preferred] !== 1) continue;
      this.#led[preferred] = this.led(preferred) + 1;
      total += 1;
      if (mayReorder(partition)) this.#addEdges(partition);
    }
    this.mean = total / Math.max(1, layout.targets.length);
  }

  led(broker: number): number {
    return this.#led[broker] ?? 0;
  }

  /** Passes one leadership from a broker of the first kind to one of the second; false where no chain leads there. */
  pass(isSource: (broker: number) => boolean, isSink: (broker: number) => boolean): boolean {
    const cameFrom = new Map<number, number>();
    const queue = this.#layout.targets.filter(isSource).toSorted((a, b) => this.led(b) - this.led(a) || a - b);
    for (const source of queue) cameFrom.set(source, -1);
    for (const broker of queue) {
      for (const next of this.#layout.targets) {
        if (cameFrom.has(next) || this.#edge(broker, next) === undefined) continue;
        cameFrom.set(next, broker);
        if (isSink(next)) {
          this.#follow(next, cameFrom);
          return true;
        }
        queue.push(next);
      }
    }
    return false;
  }

  #follow(sink: number, cameFrom: ReadonlyMap<number, number>): void {
    for (let to = sink, from = cameFrom.get(to) ?? -1; from >= 0; to = from, from = cameFrom.get(to) ?? -1) {
      const partition = this.#edge(from, to);
      if (partition === undefined) return;
      this.#layout.prefer(partition, to);
      this.#led[from] = this.led(from) - 1;
      this.#led[to] = this.led(to) + 1;
      this.#addEdges(partition);
    }
  }

  /** A partition that prefers `from` and could prefer `to`. */
  #edge(from: number, to: number): number | undefined {
    const edge = this.#edges.get(from * this.#size + to);
    for (let partition = edge?.at(-1); partition !== undefined; partition = edge?.at(-1)) {
      if (this.#layout.replicasOf(partition)[0] === from) return partition;
      edge?.pop();
    }
    return undefined;
  }

  #addEdges(partition: number): void {
    const [preferred = -1, ...others] = this.#layout.replicasOf(partition);
    for (const other of others) {
      if (this.#isTarget[other] !== 1) continue;
      const key = preferred * this.#size + other;
      const edge = this.#edges.get(key);
      if (edge === undefined) this.#edges.set(key, [partition]);
      else edge.push(partition);
    }
  }
}
