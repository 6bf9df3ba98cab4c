import { appendFileSync } from 'node:fs';

/**
 * Runs inside the measured process (`node --import`): looks every 10 ms how late the event loop was and tells it once a second,
 * one JSON line each, in the file that BELFRY_BENCH_PROBE names.
 */
export interface ProbeLine {
  /** Unix ms. */
  readonly at: number;
  readonly looks: number;
  /** Those that were later than a millisecond, in ms. */
  readonly lateMs: readonly number[];
  /** What the main thread computed in each of those turns, in ms: less than the lateness where others had the processor. */
  readonly computedMs: readonly number[];
  /** Each turn that computed long: when it ended, in microseconds of the clock that CPU profiles use, and what it computed. */
  readonly longTurns: readonly { readonly endUs: number; readonly lateMs: number; readonly computedMs: number }[];
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly arrayBufferBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
}

const EVERY_MS = 10;
const TOLD_FROM_MS = 1;
/** From this on a turn is long. */
const LONG_MS = 20;
const TELL_EVERY_MS = 1000;

const file = process.env['BELFRY_BENCH_PROBE'];
let due = performance.now() + EVERY_MS;
let toldAt = performance.now();
let looks = 0;
let lateMs: number[] = [];
let computedMs: number[] = [];
let longTurns: ProbeLine['longTurns'][number][] = [];
let computedBefore = process.threadCpuUsage();

function look(): void {
  const now = performance.now();
  looks += 1;
  const computed = process.threadCpuUsage();
  if (now - due > TOLD_FROM_MS) {
    lateMs.push(Math.round((now - due) * 10) / 10);
    const ms = Math.round((computed.user - computedBefore.user + computed.system - computedBefore.system) / 100) / 10;
    computedMs.push(ms);
    if (ms > LONG_MS) longTurns.push({ endUs: Number(process.hrtime.bigint() / 1000n), lateMs: now - due, computedMs: ms });
  }
  computedBefore = computed;
  if (now - toldAt >= TELL_EVERY_MS && file !== undefined) {
    const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
    const line: ProbeLine = {
      at: Date.now(),
      looks,
      lateMs,
      computedMs,
      longTurns,
      rssBytes: rss,
      heapBytes: heapUsed,
      arrayBufferBytes: arrayBuffers,
      heapTotalBytes: heapTotal,
      externalBytes: external,
    };
    appendFileSync(file, `${JSON.stringify(line)}\n`);
    toldAt = performance.now();
    looks = 0;
    lateMs = [];
    computedMs = [];
    longTurns = [];
  }
  due = performance.now() + EVERY_MS;
  setTimeout(look, EVERY_MS).unref();
}

if (file !== undefined) setTimeout(look, EVERY_MS).unref();
