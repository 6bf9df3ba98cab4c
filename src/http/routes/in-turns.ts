/** Items that are gathered or sorted together: a few milliseconds of work. */
const ITEMS_A_TURN = 2000;

/** One item after the other, `turn` being taken again and again meanwhile; it may throw, to give up. */
export async function eachInTurns<T>(items: Iterable<T>, visit: (item: T) => void, turn: () => Promise<void>): Promise<void> {
  let count = 0;
  for (const item of items) {
    visit(item);
    if (++count % ITEMS_A_TURN === 0) await turn();
  }
}

/** Everything there is; `turn` as above. */
export async function gatheredInTurns<T>(items: Iterable<T>, turn: () => Promise<void>): Promise<T[]> {
  const all: T[] = [];
  await eachInTurns(items, (item) => void all.push(item), turn);
  return all;
}

/** The items in order, as `toSorted` has them, by merging runs of them; `turn` as above. */
export async function sortedInTurns<T>(items: readonly T[], compare: (a: T, b: T) => number, turn: () => Promise<void>): Promise<T[]> {
  let runs: T[][] = [];
  for (let i = 0; i < items.length; i += ITEMS_A_TURN) {
    if (i > 0) await turn();
    runs.push(items.slice(i, i + ITEMS_A_TURN).sort(compare));
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) merged.push(await gatheredInTurns(mergeOf(runs[i] ?? [], runs[i + 1] ?? [], compare), turn));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* mergeOf<T>(left: readonly T[], right: readonly T[], compare: (a: T, b: T) => number): Generator<T, void> {
  let j = 0;
  for (const item of left) {
    for (let other = right[j]; other !== undefined && compare(other, item) < 0; other = right[++j]) yield other;
    yield item;
  }
  yield* right.slice(j);
}
