import type { Layout } from './layout.ts';

/** What is near enough to the mean: replicas and leaders are cheap to count, bytes are dear to move. */
const COUNT_TOLERANCE = 0.05;
const BYTES_TOLERANCE = 0.1;
/** Each pass brings the layout nearer or ends the search; this only guards against a search that takes too long. */
const MAX_PASSES = 200;
/** Of the largest partitions of a crowded broker, and of the best partners elsewhere, so many are tried for an exchange. */
const EXCHANGE_CANDIDATES = 64;
const EXCHANGE_PARTNERS = 16;

/** What is too little and what too much. */
export interface Band {
  readonly low: number;
  readonly high: number;
}

/**
 * Whole numbers within the tolerance of the mean, and those next to it where none is: of a few, one more is a large part.
 */
export function bandAround(mean: number, tolerance: number = COUNT_TOLERANCE): Band {
  return {
    low: Math.min(Math.floor(mean), Math.ceil(mean * (1 - tolerance))),
    high: Math.max(Math.ceil(mean), Math.floor(mean * (1 + tolerance))),
  };
}

/** How far a value lies outside of its band. */
function outside(value: number, { low, high }: Band): number {
  return Math.max(0, value - high, low - value);
}

/**
 * Spreads copies over racks, then evens out how many each broker holds, then how many bytes, with few moves. Every single
 * change makes things better in that order of importance and none makes a more important one worse, so that it ends; and
 * as each pass depends on nothing but the layout, a layout it has ended with is left as it is when asked again.
 */
export function balanceReplicas(layout: Layout): void {
  if (layout.targets.length < 2) return;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    let changes = spreadOverRacks(layout);
    changes += evenCounts(layout);
    changes += evenBytes(layout);
    if (changes === 0) return;
  }
}

/** The broker with the least load among those that may take the place of `from`; -1 where there is none. */
export function bestReceiver(layout: Layout, partition: number, from: number, fits: (broker: number) => boolean): number {
  const meanCount = Math.max(1, meanOf(layout, layout.counts));
  const meanBytes = Math.max(1, meanOf(layout, layout.bytes));
  let best = -1;
  let bestCrowding = Infinity;
  let bestLoad = Infinity;
  for (const broker of layout.targets) {
    if (layout.holds(partition, broker) || !fits(broker)) continue;
    const crowding = layout.crowding(partition, from, broker);
    const load = layout.countOf(broker) / meanCount + layout.bytesOf(broker) / meanBytes;
    if (crowding < bestCrowding || (crowding === bestCrowding && load < bestLoad)) {
      best = broker;
      bestCrowding = crowding;
      bestLoad = load;
    }
  }
  return best;
}

function meanOf(layout: Layout, column: Float64Array): number {
  let sum = 0;
  for (const broker of layout.targets) sum += column[broker] ?? 0;
  return sum / Math.max(1, layout.targets.length);
}

function spreadOverRacks(layout: Layout): number {
  let changes = 0;
  for (const [partition, replicas] of layout.replicas.entries()) {
    if (layout.isPinned(partition) || !sharesRack(layout, replicas)) continue;
    for (const from of [...replicas].toSorted((a, b) => layout.countOf(b) - layout.countOf(a) || a - b)) {
      const to = bestReceiver(layout, partition, from, () => true);
      if (to < 0 || layout.crowding(partition, from, to) >= 0) continue;
      layout.replace(partition, from, to);
      changes += 1;
    }
  }
  return changes;
}

function sharesRack(layout: Layout, replicas: readonly number[]): boolean {
  for (const [i, broker] of replicas.entries()) {
    for (let j = 0; j < i; j++) if (layout.rackOf(replicas[j] ?? -1) === layout.rackOf(broker)) return true;
  }
  return false;
}

function evenCounts(layout: Layout): number {
  const band = bandAround(meanOf(layout, layout.counts));
  let changes = 0;
  for (const from of layout.targets) {
    if (layout.countOf(from) <= band.high) continue;
    for (const partition of candidates(layout, from)) {
      if (layout.countOf(from) <= band.high) break;
      changes += moveTo(layout, partition, from, (broker) => layout.countOf(broker) < band.high);
    }
  }
  for (const to of layout.targets) {
    const sources = layout.targets.filter((broker) => broker !== to).toSorted((a, b) => layout.countOf(b) - layout.countOf(a) || a - b);
    for (const from of sources) {
      if (layout.countOf(to) >= band.low || layout.countOf(from) <= band.low) continue;
      for (const partition of candidates(layout, from)) {
        if (layout.countOf(to) >= band.low || layout.countOf(from) <= band.low) break;
        changes += moveTo(layout, partition, from, (broker) => broker === to);
      }
    }
  }
  return changes;
}

/** 1 where a fitting broker that does not crowd a rack could take the copy, and took it. */
function moveTo(layout: Layout, partition: number, from: number, fits: (broker: number) => boolean): number {
  const to = bestReceiver(layout, partition, from, fits);
  if (to < 0 || layout.crowding(partition, from, to) > 0) return 0;
  layout.replace(partition, from, to);
  return 1;
}

/** What a broker could give away, every topic in proportion, so that no topic's load moves as a whole. */
function candidates(layout: Layout, broker: number): readonly number[] {
  const held = [...layout.held(broker)].filter((partition) => !layout.isPinned(partition)).toSorted((a, b) => a - b);
  const perTopic = new Map<string, number>();
  const rank = new Map<number, number>();
  for (const partition of held) {
    const topic = layout.partitions[partition]?.topic ?? '';
    const seen = perTopic.get(topic) ?? 0;
    rank.set(partition, seen);
    perTopic.set(topic, seen + 1);
  }
  const share = (partition: number): number =>
    ((rank.get(partition) ?? 0) + 0.5) / (perTopic.get(layout.partitions[partition]?.topic ?? '') ?? 1);
  return held
    .map((partition) => ({ partition, at: share(partition) }))
    .toSorted((a, b) => a.at - b.at || a.partition - b.partition)
    .map(({ partition }) => partition);
}

function evenBytes(layout: Layout): number {
  const mean = meanOf(layout, layout.bytes);
  const band = bandAround(mean, BYTES_TOLERANCE);
  const counts = bandAround(meanOf(layout, layout.counts));
  let changes = 0;
  for (const from of layout.targets) {
    if (layout.bytesOf(from) > band.high) changes += shedBytes(layout, from, band, counts);
  }
  for (const to of layout.targets) {
    if (layout.bytesOf(to) < band.low) changes += fillBytes(layout, to, band, counts);
  }
  return changes;
}

function shedBytes(layout: Layout, from: number, band: Band, counts: Band): number {
  let changes = 0;
  for (const partition of largest(layout, from)) {
    if (layout.bytesOf(from) <= band.high) break;
    for (const to of byBytes(layout)) {
      if (layout.bytesOf(to) >= band.high || !layout.holds(partition, from)) break;
      changes += shift(layout, { partition, from, to, band, counts });
    }
  }
  return changes;
}

function fillBytes(layout: Layout, to: number, band: Band, counts: Band): number {
  let changes = 0;
  for (const from of byBytes(layout).toReversed()) {
    if (layout.bytesOf(to) >= band.low || layout.bytesOf(from) <= band.low) break;
    for (const partition of largest(layout, from)) {
      if (layout.bytesOf(to) >= band.low) break;
      changes += shift(layout, { partition, from, to, band, counts });
    }
  }
  return changes;
}

interface Shift {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly band: Band;
  readonly counts: Band;
}

/** Moves one copy, or exchanges it for a smaller one, where that brings the bytes nearer by what it costs. */
function shift(layout: Layout, { partition, from, to, band, counts }: Shift): number {
  if (from === to || layout.holds(partition, to) || layout.crowding(partition, from, to) > 0) return 0;
  const size = layout.sizeOf(partition);
  const gainOf = (bytes: number): number =>
    outside(layout.bytesOf(from), band) +
    outside(layout.bytesOf(to), band) -
    outside(layout.bytesOf(from) - bytes, band) -
    outside(layout.bytesOf(to) + bytes, band);
  const before = outside(layout.countOf(from), counts) + outside(layout.countOf(to), counts);
  const after = outside(layout.countOf(from) - 1, counts) + outside(layout.countOf(to) + 1, counts);
  if (after <= before && size > 0 && gainOf(size) >= size) {
    layout.replace(partition, from, to);
    return 1;
  }
  const wanted = size - Math.min(layout.bytesOf(from) - band.low, band.high - layout.bytesOf(to));
  for (const other of partners(layout, to, wanted)) {
    const difference = size - layout.sizeOf(other);
    if (difference <= 0 || layout.holds(other, from) || layout.crowding(other, to, from) > 0) continue;
    if (gainOf(difference) * 2 < size + layout.sizeOf(other)) continue;
    layout.replace(partition, from, to);
    layout.replace(other, to, from);
    return 2;
  }
  return 0;
}

function byBytes(layout: Layout): readonly number[] {
  return layout.targets.toSorted((a, b) => layout.bytesOf(a) - layout.bytesOf(b) || a - b);
}

function largest(layout: Layout, broker: number): readonly number[] {
  return bySize(layout, broker).slice(0, EXCHANGE_CANDIDATES);
}

/** Those of a broker's partitions whose size is nearest to what is wanted in exchange. */
function partners(layout: Layout, broker: number, wantedBytes: number): readonly number[] {
  const sorted = bySize(layout, broker);
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (layout.sizeOf(sorted[middle] ?? -1) > wantedBytes) low = middle + 1;
    else high = middle;
  }
  const start = Math.max(0, low - EXCHANGE_PARTNERS / 2);
  return sorted.slice(start, start + EXCHANGE_PARTNERS);
}

function bySize(layout: Layout, broker: number): readonly number[] {
  return [...layout.held(broker)]
    .filter((partition) => !layout.isPinned(partition))
    .toSorted((a, b) => layout.sizeOf(b) - layout.sizeOf(a) || a - b);
}
