/** End offsets of partitions at one time: topic → offset by partition, NaN where unknown. */
export type EndOffsets = ReadonlyMap<string, Float64Array>;

interface Snapshot {
  readonly at: number;
  readonly ends: EndOffsets;
}

/** How densely the past is kept: [younger than, one snapshot per]. About 90 snapshots over a day. */
const DENSITY: readonly (readonly [number, number])[] = [
  [15 * 60_000, 0],
  [2 * 3_600_000, 5 * 60_000],
  [24 * 3_600_000, 3_600_000],
];

/**
 * End offsets of the past, from which the age of an offset follows: a record was written when the log's end passed
 * it. The idea is Burrow's; here the past is kept denser the younger it is.
 */
export class EndHistory {
  #snapshots: Snapshot[] = [];

  get length(): number {
    return this.#snapshots.length;
  }

  /** The arrays are kept, not copied. */
  add(at: number, ends: EndOffsets): void {
    this.#snapshots.push({ at, ends });
    this.#thin(at);
  }

  /**
   * Milliseconds since the oldest record that a consumer at `committed` has not read was the newest; 0 when it has
   * read all, undefined when the end is not known. Between two snapshots the log is taken to have grown evenly; before
   * the first one nothing is known, the age is then at least what is returned.
   */
  ageMs(topic: string, partition: number, committed: number, now: number): number | undefined {
    const snapshots = this.#snapshots;
    const newest = snapshots.at(-1)?.ends.get(topic)?.[partition];
    if (newest === undefined || Number.isNaN(newest)) return undefined;
    if (committed >= newest) return 0;
    let after: { at: number; end: number } | undefined;
    for (let i = snapshots.length - 1; i >= 0; i--) {
      const snapshot = snapshots[i];
      const end = snapshot?.ends.get(topic)?.[partition];
      if (snapshot === undefined || end === undefined || Number.isNaN(end)) continue;
      if (end > committed) {
        after = { at: snapshot.at, end };
        continue;
      }
      if (after === undefined) return 0;
      const share = (committed + 1 - end) / (after.end - end);
      return Math.max(0, now - (snapshot.at + share * (after.at - snapshot.at)));
    }
    return after === undefined ? undefined : Math.max(0, now - after.at);
  }

  /** Of the older past, the first snapshot of each five minutes or hour stays. */
  #thin(now: number): void {
    const kept: Snapshot[] = [];
    for (const snapshot of this.#snapshots) {
      const age = now - snapshot.at;
      const spacing = DENSITY.find(([youngerThan]) => age <= youngerThan)?.[1];
      if (spacing === undefined) continue;
      const before = kept.at(-1)?.at ?? Number.NEGATIVE_INFINITY;
      if (spacing === 0 || Math.floor(before / spacing) !== Math.floor(snapshot.at / spacing)) kept.push(snapshot);
    }
    this.#snapshots = kept;
  }
}
