import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a process and its files weigh at a moment. */
export interface Vitals {
  /** Minutes since the soak began. */
  readonly minutes: number;
  readonly pid: number;
  readonly rssBytes: number;
  readonly fds: number;
  readonly stateBytes: number;
  readonly samplesBytes: number;
}

/** Undefined where the process is gone. */
export function vitalsOf(pid: number, dataPath: string, minutes: number): Vitals | undefined {
  try {
    const rssKb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (rssKb === undefined) return undefined;
    return {
      minutes,
      pid,
      rssBytes: Number(rssKb) * 1024,
      fds: readdirSync(`/proc/${pid}/fd`).length,
      stateBytes: sizeOf(dataPath, 'state.db'),
      samplesBytes: sizeOf(dataPath, 'samples.db'),
    };
  } catch {
    return undefined; // It ended between two of these lines.
  }
}

/** With its write-ahead log. */
function sizeOf(dataPath: string, name: string): number {
  return [name, `${name}-wal`]
    .map((file) => join(dataPath, file))
    .reduce((sum, path) => sum + (existsSync(path) ? statSync(path).size : 0), 0);
}

export interface Trend {
  readonly first: number;
  readonly last: number;
  /** Growth from the first to the last quarter, as a ratio. */
  readonly growth: number;
}

/** Medians of the first and the last quarter after the warm-up; undefined where there are too few samples. */
export function trendOf(samples: readonly Vitals[], warmUpMinutes: number, value: (vitals: Vitals) => number): Trend | undefined {
  const warm = samples.filter(({ minutes }) => minutes >= warmUpMinutes);
  const quarter = Math.floor(warm.length / 4);
  if (quarter < 12) return undefined;
  const first = medianOf(warm.slice(0, quarter).map(value));
  const last = medianOf(warm.slice(-quarter).map(value));
  return { first, last, growth: last / first - 1 };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
