/** A broker that is alive, and so may be given replicas. */
export interface PlanBroker {
  readonly id: number;
  readonly rack: string | undefined;
}

export interface PlanPartition {
  readonly topic: string;
  readonly partition: number;
  /** The first is the preferred leader. Of a partition that is being moved: where it is going. */
  readonly replicas: readonly number[];
  /** -1 where there is none. */
  readonly leader: number;
  /** Of one copy. */
  readonly bytes: number;
  /** It is being moved already: it counts, and is left alone. */
  readonly pinned?: boolean;
}

/**
 * Who holds what, while a plan is made: brokers are indices 0 … N-1 in the order of their ids, with those that stand in a
 * replica list and are not alive. The counts follow every change.
 */
export class Layout {
  /** Index → broker id, ascending. */
  readonly ids: readonly number[];
  /** Indices that may be given replicas, ascending. */
  readonly targets: readonly number[];
  readonly partitions: readonly PlanPartition[];
  /** Partition → broker indices. */
  readonly replicas: readonly number[][];
  readonly counts: Float64Array;
  readonly bytes: Float64Array;
  readonly #racks: Int32Array;
  readonly #held: readonly Set<number>[];

  /** `excluded` brokers are given nothing, alive or not. */
  constructor(brokers: readonly PlanBroker[], partitions: readonly PlanPartition[], excluded: ReadonlySet<number>) {
    const rackOf = new Map(brokers.map(({ id, rack }) => [id, rack]));
    const known = new Set(rackOf.keys());
    for (const { replicas } of partitions) for (const id of replicas) known.add(id);
    this.ids = [...known].toSorted((a, b) => a - b);
    const indexOf = new Map(this.ids.map((id, index) => [id, index]));
    this.targets = this.ids.flatMap((id, index) => (rackOf.has(id) && !excluded.has(id) ? [index] : []));
    this.#racks = rackNumbers(this.ids, rackOf);
    this.partitions = partitions;
    this.counts = new Float64Array(this.ids.length);
    this.bytes = new Float64Array(this.ids.length);
    this.#held = this.ids.map(() => new Set());
    this.replicas = partitions.map(({ replicas, bytes }, partition) =>
      replicas.map((id) => {
        const broker = indexOf.get(id) ?? -1;
        this.#add(partition, broker, bytes);
        return broker;
      }),
    );
  }

  /** The index of a broker; -1 where there is no such broker. */
  indexOf(id: number): number {
    return this.ids.indexOf(id);
  }

  rackOf(broker: number): number {
    return this.#racks[broker] ?? -1;
  }

  held(broker: number): ReadonlySet<number> {
    return this.#held[broker] ?? new Set();
  }

  holds(partition: number, broker: number): boolean {
    return this.#held[broker]?.has(partition) === true;
  }

  countOf(broker: number): number {
    return this.counts[broker] ?? 0;
  }

  bytesOf(broker: number): number {
    return this.bytes[broker] ?? 0;
  }

  replicasOf(partition: number): readonly number[] {
    return this.replicas[partition] ?? [];
  }

  sizeOf(partition: number): number {
    return this.partitions[partition]?.bytes ?? 0;
  }

  isPinned(partition: number): boolean {
    return this.partitions[partition]?.pinned === true;
  }

  /**
   * How many pairs of one partition's copies that share a rack the replacement adds; negative where it spreads them better.
   */
  crowding(partition: number, from: number, to: number): number {
    const fromRack = this.rackOf(from);
    const toRack = this.rackOf(to);
    if (fromRack === toRack) return 0;
    let change = 0;
    for (const broker of this.replicasOf(partition)) {
      if (broker === from) continue;
      const rack = this.rackOf(broker);
      if (rack === toRack) change += 1;
      else if (rack === fromRack) change -= 1;
    }
    return change;
  }

  /** Puts one copy elsewhere; it keeps its place in the order of preference. */
  replace(partition: number, from: number, to: number): void {
    const replicas = this.replicas[partition];
    const place = replicas?.indexOf(from) ?? -1;
    if (replicas === undefined || place < 0) return;
    const bytes = this.sizeOf(partition);
    replicas[place] = to;
    this.#held[from]?.delete(partition);
    this.counts[from] = this.countOf(from) - 1;
    this.bytes[from] = this.bytesOf(from) - bytes;
    this.#add(partition, to, bytes);
  }

  /** Makes one of a partition's brokers its preferred leader; the order of the others stays. */
  prefer(partition: number, broker: number): void {
    const replicas = this.replicas[partition];
    const place = replicas?.indexOf(broker) ?? -1;
    if (replicas === undefined || place < 0) return;
    replicas.splice(place, 1);
    replicas.unshift(broker);
  }

  #add(partition: number, broker: number, bytes: number): void {
    this.#held[broker]?.add(partition);
    this.counts[broker] = this.countOf(broker) + 1;
    this.bytes[broker] = this.bytesOf(broker) + bytes;
  }
}

/** Brokers of one rack have the same number; one without a rack is a rack of its own. */
function rackNumbers(ids: readonly number[], rackOf: ReadonlyMap<number, string | undefined>): Int32Array {
  const numbers = new Map<string, number>();
  return Int32Array.from(ids, (id, index) => {
    const rack = rackOf.get(id);
    if (rack === undefined) return ids.length + index;
    const number = numbers.get(rack) ?? numbers.size;
    numbers.set(rack, number);
    return number;
  });
}
