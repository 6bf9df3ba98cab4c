// What keeps Belfry's resident memory near what it uses. Plain JavaScript, for belfry.mjs; the benches take it from here too.
import v8 from 'node:v8';

/**
 * Of the C library's allocator, which reads its environment once, as a process begins. One arena: the threads that compress
 * and write would each keep what they once had. Large blocks (rings, pages, sealed blocks) are mapped one by one: left alone,
 * the allocator raises that threshold to 32 MB as it goes, and puts them where they cannot be given back.
 */
export const MALLOC_ENVIRONMENT = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '1048576' };

/**
 * The young generation's size, which V8 takes at its start only. With the 1 MB that it begins with, 50 clusters that are first looked
 * at cost three times as many collections: their first Metadata took 5.4 s, the longest turn 140 ms; with 4 MB 4.7 s and 95 ms, for
 * 4 MB of memory. With 8 MB it was no faster.
 */
export const HEAP_FLAGS = ['--min-semi-space-size=4'];

/** Says to the process that begins anew that the variables above are not its user's. */
const MARK = 'BELFRY_MALLOC';

/**
 * V8 keeps the pages of a heap that was once large for later, unless a collection is to save memory, and none is while garbage
 * is made all the time: starting, and the first look at a big cluster, would stay in the books for good. So all of them save
 * memory, and the young generation stays as small as it begins. Costs a tenth more processor time in evaluations, nothing that
 * could be measured in all.
 */
export function tuneHeap() {
  v8.setFlagsFromString('--optimize-for-size');
  v8.setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Begins the process anew with the allocator's settings: the same process to all who watch it, some 40 ms later. Not where
 * anyone has set one of them, nor with another C library than glibc or an older Node, which cannot.
 */
export function tuneAllocator() {
  const { env } = process;
  const names = Object.keys(MALLOC_ENVIRONMENT);
  if (env[MARK] !== undefined) {
    // They were for this process, not for those that it starts.
    for (const name of [MARK, ...names]) delete env[name];
    return;
  }
  const isWanted = process.platform === 'linux' && process.execve !== undefined && process.channel === undefined;
  if (!isWanted || names.some((name) => env[name] !== undefined)) return;
  try {
    const args = [process.execPath, ...HEAP_FLAGS, ...process.execArgv, ...process.argv.slice(1)];
    process.execve(process.execPath, args, { ...env, ...MALLOC_ENVIRONMENT, [MARK]: '1' });
  } catch {
    // Node's own permissions forbid it: then Belfry takes a little more memory.
  }
}
