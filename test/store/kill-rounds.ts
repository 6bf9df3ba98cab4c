import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { Matcher } from '../../src/core/matcher.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { Buffers } from './fixture.ts';
import { FOREVER_MS, LIMITS, Plan, RETENTION_MS, ROW_MS, T0, TARGETS } from './kill-plan.ts';

const CHILD = fileURLToPath(new URL('./kill-child.ts', import.meta.url));
/** A child is killed after at most so many rows, at any instant of the next ones: how busy the machine is does not matter. */
const ROWS_MAX = 50;
const WITHIN_MS = 25;
/** One in so many is killed while it opens the store. */
const OPENING_ONE_IN = 6;
const OPENING_MAX_MS = 60;
/** So many lives at most before what they left is compared. */
const LIVES_MAX = 3;
const LOOKBACK_MS = 300_000;
/** Instants at which it is compared which series have a value and which have ended. */
const INSTANTS = 4;

export interface KillStoreOptions {
  readonly kills: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string) => void;
}

export interface KillStoreResult {
  readonly kills: number;
  readonly rows: number;
  /** Samples that were compared, each as often as it was. */
  readonly compared: number;
  /** What was lost, or is not as it was written. */
  readonly violations: readonly string[];
}

/** What one child did: the rows from `from` on, of which those up to `safe` must be there. */
interface Life {
  readonly from: number;
  readonly safe: number;
}

/** Kills a process that writes to a store with -9 at random instants, again and again, and compares what is left with what it told. */
export async function killStore({ kills, seed, signal, progress }: KillStoreOptions): Promise<KillStoreResult> {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-kill-store-'));
  const random = randomOf(seed);
  const ledger = new Ledger(new Plan(seed), random);
  try {
    let done = 0;
    while (done < kills && ledger.violations.length === 0 && signal?.aborted !== true) {
      const lives = Math.min(kills - done, 1 + Math.floor(random() * LIVES_MAX));
      for (let i = 0; i < lives; i++) ledger.note(await liveAndDie(join(folder, 'samples.db'), seed, ledger.told, random));
      done += lives;
      ledger.compare(join(folder, 'samples.db'));
      progress?.(`${done} kills, ${ledger.told} rows, ${ledger.compared} samples compared`);
    }
    return { kills: done, rows: ledger.told, compared: ledger.compared, violations: ledger.violations };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function liveAndDie(path: string, seed: number, told: number, random: () => number): Promise<string> {
  const opening = Math.floor(random() * OPENING_ONE_IN) === 0;
  const rows = opening ? 0 : Math.floor(random() * ROWS_MAX);
  const delayMs = random() * (opening ? OPENING_MAX_MS : WITHIN_MS);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, path, String(seed), String(told)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let begun = 0;
    let timer: NodeJS.Timeout | undefined;
    child.stderr.on('data', (chunk: Buffer) => (text += `trouble ${chunk.toString()}\n`));
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      begun += chunk.toString().split('row ').length - 1;
      if (opening ? text.includes('opens') : begun > rows) timer ??= setTimeout(() => child.kill('SIGKILL'), delayMs);
    });
    child.on('error', reject);
    child.on('close', (_, signal) => {
      clearTimeout(timer);
      // A line that was cut off tells nothing.
      if (signal === 'SIGKILL') resolve(text.slice(0, text.lastIndexOf('\n') + 1));
      else reject(new Error(text));
    });
  });
}

/** What must be there, and whether it is. */
class Ledger {
  readonly violations: string[] = [];
  compared = 0;
  /** The last row that was told as safe. */
  told = 0;
  /** The furthest that the clock of a child has been, and its retention with it. */
  #clockRow = 0;
  readonly #plan: Plan;
  readonly #random: () => number;
  readonly #lives: Life[] = [];
  /** Per series, what an earlier comparison has found, as times. Later ones must find the same, less what is too old. */
  readonly #known = new Map<string, readonly number[]>();
  readonly #out = new Buffers();

  constructor(plan: Plan, random: () => number) {
    this.#plan = plan;
    this.#random = random;
  }

  /** Takes down what a child has told in its life. */
  note(text: string): void {
    let from = -1;
    let safe = -1;
    for (const line of text.split('\n')) {
      const [word, rest] = [line.split(' ')[0], line.slice(line.indexOf(' ') + 1)];
      if (word === 'from') from = Number(rest);
      if (word === 'safe') safe = Number(rest);
      if (word === 'row') this.#clockRow = Number(rest) + 1;
      if (word === 'trouble') this.violations.push(`the process said ${rest}`);
    }
    if (from < 0) return;
    this.#lives.push({ from, safe });
    this.told = Math.max(this.told, safe);
  }

  /** Opens the store as it was left and reads all of it. */
  compare(path: string): void {
    const note = (event: string, fields: object = {}): void => {
      if (event !== 'store_ahead_of_clock') this.violations.push(`${event} ${JSON.stringify(fields)}`);
    };
    const store = openSampleStore({
      path,
      clock: new ManualClock(T0 + this.told * ROW_MS),
      log: { ...silentLogger, error: note, warn: note },
      meter: silentMeter,
      retentionMs: FOREVER_MS,
      limits: LIMITS,
    });
    try {
      for (const [target, { kind }] of TARGETS.entries()) this.#compareTarget(store, target, kind === 'points');
      const { from = 0, safe = -1 } = this.#lives.at(-1) ?? {};
      // Of what is about to be deleted some may be gone.
      const first = Math.max(from + 1, this.#clockRow - RETENTION_MS / ROW_MS + 1);
      for (let i = 0; i < INSTANTS && safe >= first; i++)
        this.#compareInstant(store, from, first + Math.floor(this.#random() * (safe - first + 1)));
    } finally {
      store.close();
    }
  }

  #compareTarget(store: SampleStore, target: number, points: boolean): void {
    const { kind, series } = TARGETS[target]!;
    const selection = store.reader.select([new Matcher('target', '=', kind)], 0, 2 * T0);
    const found = new Map(Array.from({ length: selection.n }, (_, i) => [selection.labels(i).toString(), i]));
    for (const [i, labels] of series.entries()) {
      const index = found.get(labels.toString());
      const n = index === undefined ? 0 : selection.window(index, 0, 2 * T0, this.#out);
      this.#compareSeries(`${kind} ${i}`, n, (row) => this.#expected(target, i, row, points));
    }
  }

  /** The times and values that a row of the plan gives a series. */
  #expected(target: number, series: number, row: number, points: boolean): readonly (readonly [ts: number, value: number])[] {
    const value = this.#plan.value(target, series, row);
    if (points) return this.#plan.points(series, row).map((ts) => [ts, value]);
    const sample = this.#plan.sample(target, series, row);
    return sample === undefined ? [] : [[this.#plan.ts(target, row), sample]];
  }

  #compareSeries(name: string, n: number, expected: (row: number) => readonly (readonly [number, number])[]): void {
    const { timestamps, values } = this.#out;
    const cutoff = T0 + this.#clockRow * ROW_MS - RETENTION_MS;
    const there = new Set(timestamps.subarray(0, n));
    const must = [...(this.#known.get(name) ?? [])];
    for (const [i, { from, safe }] of this.#lives.entries()) {
      const next = this.#lives[i + 1]?.from ?? Infinity;
      // What was not told as safe may be gone, but only all that came after some row.
      let last = safe;
      for (let at = n - 1; at >= 0 && timestamps[at]! >= T0 + from * ROW_MS; at--) {
        const row = rowOf(timestamps[at]!);
        if (row < next) last = Math.max(last, row - 1);
      }
      for (let row = Math.max(from, rowOf(cutoff)); row <= last; row++) for (const [ts] of expected(row)) must.push(ts);
    }
    for (const ts of must) if (ts >= cutoff && !there.has(ts)) this.#violation(`${name} has lost its sample of ${ts - T0}`);
    // Whatever is there is as it was written.
    for (let i = 0; i < n; i++) {
      const sample = expected(rowOf(timestamps[i]!)).find(([ts]) => ts === timestamps[i]);
      if (sample === undefined || !Object.is(sample[1], values[i]))
        this.#violation(`${name} has ${values[i]} at ${timestamps[i]! - T0}, not ${sample?.[1]}`);
      this.compared++;
    }
    this.#known.set(name, [...timestamps.subarray(0, n)]);
  }

  /** Which series have a value at a row, and which have ended with it. */
  #compareInstant(store: SampleStore, from: number, row: number): void {
    for (const [target, { kind, series }] of TARGETS.entries()) {
      if (kind === 'points' || this.#plan.turn(target, row) === 'nothing') continue;
      const selection = store.reader.select([new Matcher('target', '=', kind)], 0, 2 * T0);
      const { n } = selection;
      const out = { values: new Float64Array(n), timestamps: new Float64Array(n), present: new Uint8Array(n) };
      selection.instant(this.#plan.ts(target, row), LOOKBACK_MS, out);
      const found = new Map(Array.from({ length: n }, (_, i) => [selection.labels(i).toString(), i]));
      for (const [i, labels] of series.entries()) {
        const index = found.get(labels.toString());
        const value = index === undefined || out.present[index] === 0 ? undefined : out.values[index];
        const sample = this.#plan.sample(target, i, row);
        if (!Object.is(value, sample)) this.#violation(`${kind} ${i} is ${value} at row ${row} of a life from ${from} on, not ${sample}`);
      }
    }
  }

  #violation(text: string): void {
    if (this.violations.length < 100) this.violations.push(text);
  }
}

function rowOf(ts: number): number {
  return Math.floor((ts - T0) / ROW_MS);
}

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
