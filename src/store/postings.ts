/** How much longer one list must be before searching it beats walking along it. */
const GALLOP_RATIO = 16;

/** What two ascending lists have in common; walks along both, or gallops through the longer where it is much longer. */
export function intersect(a: Int32Array, b: Int32Array): Int32Array {
  const short = a.length <= b.length ? a : b;
  const long = short === a ? b : a;
  const out = new Int32Array(short.length);
  const n = short.length * GALLOP_RATIO < long.length ? intersectGalloping(short, long, out) : intersectWalking(short, long, out);
  return out.subarray(0, n);
}

function intersectWalking(a: Int32Array, b: Int32Array, out: Int32Array): number {
  let n = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const left = a[i]!;
    const right = b[j]!;
    if (left === right) out[n++] = left;
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return n;
}

function intersectGalloping(short: Int32Array, long: Int32Array, out: Int32Array): number {
  let n = 0;
  let from = 0;
  for (const wanted of short) {
    from = gallop(long, from, wanted);
    if (from === long.length) break;
    if (long[from] === wanted) out[n++] = wanted;
  }
  return n;
}

/** The first index at or after `from` whose entry is not below `wanted`: steps that double, then a binary search. */
function gallop(list: Int32Array, from: number, wanted: number): number {
  let step = 1;
  let high = from;
  while (high < list.length && list[high]! < wanted) {
    from = high + 1;
    high += step;
    step *= 2;
  }
  let end = Math.min(high, list.length);
  while (from < end) {
    const middle = (from + end) >>> 1;
    if (list[middle]! < wanted) from = middle + 1;
    else end = middle;
  }
  return from;
}

/** All entries of ascending lists, ascending, each once; by one bitmap below `end`. */
export function union(lists: readonly Int32Array[], end: number): Int32Array {
  if (lists.length === 0) return new Int32Array(0);
  if (lists.length === 1) return lists[0]!;
  const bits = new Uint32Array((end + 31) >>> 5);
  let n = 0;
  for (const list of lists) n += mark(bits, list);
  return unmark(bits, n);
}

function mark(bits: Uint32Array, list: Int32Array): number {
  let added = 0;
  for (let i = 0; i < list.length; i++) {
    const id = list[i]!;
    const bit = 1 << (id & 31);
    if ((bits[id >>> 5]! & bit) !== 0) continue;
    bits[id >>> 5]! |= bit;
    added++;
  }
  return added;
}

function unmark(bits: Uint32Array, n: number): Int32Array {
  const out = new Int32Array(n);
  let at = 0;
  for (let word = 0; word < bits.length; word++) {
    for (let rest = bits[word]!; rest !== 0; rest &= rest - 1) out[at++] = (word << 5) + 31 - Math.clz32(rest & -rest);
  }
  return out;
}
