/** End offsets of partitions at one time: topic → offset by partition, NaN where unknown. */
export type EndOffsets = ReadonlyMap<string, Float64Array>;

/** Where a topic's partitions stand in the snapshots that share this index. */
type SnapshotIndex = ReadonlyMap<string, { readonly base: number; readonly length: number }>;

/** One column for all topics: an array a topic would cost several times its data, for thousands of topics and tens of snapshots. */
interface Snapshot {
  readonly at: number;
  readonly index: SnapshotIndex;
  readonly ends: Float64Array;
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

  add(at: number, ends: EndOffsets): void {
    const before = this.#snapshots.at(-1)?.index;
    const index = before !== undefined && fits(before, ends) ? before : indexOf(ends);
    let total = 0;
    for (const topicEnds of ends.values()) total += topicEnds.length;
    const column = new Float64Array(total);
    for (const [topic, topicEnds] of ends) column.set(topicEnds, index.get(topic)?.base ?? 0);
    this.#snapshots.push({ at, index, ends: column });
    this.#thin(at);
  }

  /**
   * Milliseconds since the oldest record that a consumer at `committed` has not read was the newest; 0 when it has
   * read all, undefined when the end is not known. Between two snapshots the log is taken to have grown evenly; before
   * the first one nothing is known, the age is then at least what is returned.
   */
  ageMs(topic: string, partition: number, committed: number, now: number): number | undefined {
    const snapshots = this.#snapshots;
    const newest = endIn(snapshots.at(-1), topic, partition);
    if (newest === undefined || Number.isNaN(newest)) return undefined;
    if (committed >= newest) return 0;
    let after: { at: number; end: number } | undefined;
    for (let i = snapshots.length - 1; i >= 0; i--) {
      const snapshot = snapshots[i];
      const end = endIn(snapshot, topic, partition);
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

function endIn(snapshot: Snapshot | undefined, topic: string, partition: number): number | undefined {
  const place = snapshot?.index.get(topic);
  return place === undefined || partition >= place.length ? undefined : snapshot?.ends[place.base + partition];
}

function fits(index: SnapshotIndex, ends: EndOffsets): boolean {
  if (index.size !== ends.size) return false;
  for (const [topic, { length }] of ends) if (index.get(topic)?.length !== length) return false;
  return true;
}

function indexOf(ends: EndOffsets): SnapshotIndex {
  const index = new Map<string, { base: number; length: number }>();
  let base = 0;
  for (const [topic, { length }] of ends) {
    index.set(topic, { base, length });
    base += length;
  }
  return index;
}
