import { readdir, readFile, statfs } from 'node:fs/promises';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Gauge, Meter } from '../core/meter.ts';

export interface SelfMeasuresOptions {
  /** The data folder. */
  readonly folder: string;
  /** How far each rule group has come; `lastEvaluationTs` is 0 before its first evaluation. */
  readonly groups: () => readonly { readonly name: string; readonly intervalMs: number; readonly lastEvaluationTs: number }[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/** What no part of Belfry shows by itself: how late rule groups are, how full the data folder's disk is, how many files are open. */
export class SelfMeasures {
  readonly #options: SelfMeasuresOptions;
  readonly #lag: Gauge;
  readonly #size: Gauge;
  readonly #usable: Gauge;
  readonly #files: Gauge;
  readonly #filesMax: Gauge;
  #shown: ReadonlySet<string> = new Set();
  #isLooking = false;
  #isCounting = false;
  #failing = false;
  /** How many files may be open; undefined where not known, or unlimited. */
  #max: number | undefined;

  constructor(options: SelfMeasuresOptions) {
    const { meter } = options;
    this.#options = options;
    this.#lag = meter.gauge('belfry_rule_evaluation_lag_seconds', 'By how much the next evaluation of a rule group is overdue.', ['group']);
    this.#size = meter.gauge('belfry_data_folder_size_bytes', 'Size of the file system that holds the data folder.');
    this.#usable = meter.gauge('belfry_data_folder_usable_bytes', 'What Belfry may still write to it.');
    this.#files = meter.gauge('belfry_open_files', 'File descriptors, sockets included, that the process holds.');
    this.#filesMax = meter.gauge('belfry_open_files_max', 'How many it may hold.');
  }

  /** Looks once. What concerns the disk is shown when the answer is there; a disk that does not answer is asked once. */
  measure(): void {
    this.#measureLag();
    if (!this.#isCounting) void this.#countFiles();
    if (this.#isLooking) return;
    this.#isLooking = true;
    statfs(this.#options.folder).then(
      ({ bsize, blocks, bavail }) => {
        this.#isLooking = this.#failing = false;
        this.#size.set(bsize * blocks);
        this.#usable.set(bsize * bavail);
      },
      (error: unknown) => {
        this.#isLooking = false;
        if (!this.#failing) this.#options.log.warn('data_folder_not_measured', { error: errorText(error) });
        this.#failing = true;
      },
    );
  }

  /** Where the system tells, as Linux does; */
  async #countFiles(): Promise<void> {
    this.#isCounting = true;
    const [open, limits] = await Promise.allSettled([readdir('/proc/self/fd'), readFile('/proc/self/limits', 'utf8')]);
    this.#isCounting = false;
    const max = limits.status === 'fulfilled' ? /^Max open files\s+(\d+)/m.exec(limits.value)?.[1] : undefined;
    if (max !== undefined) this.#max = Number(max);
    if (this.#max === undefined) return;
    this.#filesMax.set(this.#max);
    // What could not be counted for lack of a descriptor is as many as there may be.
    if (open.status === 'fulfilled') this.#files.set(open.value.length);
    else if (isOutOfFiles(open.reason)) this.#files.set(this.#max);
  }

  #measureLag(): void {
    const now = this.#options.clock.now();
    const lags = new Map<string, number>();
    for (const { name, intervalMs, lastEvaluationTs } of this.#options.groups()) {
      // The first slot of a group comes within an interval; nothing is overdue before.
      const lagMs = lastEvaluationTs === 0 ? 0 : Math.max(0, now - lastEvaluationTs - intervalMs);
      lags.set(name, Math.max(lagMs, lags.get(name) ?? 0));
    }
    for (const group of this.#shown) if (!lags.has(group)) this.#lag.remove({ group });
    for (const [group, lagMs] of lags) this.#lag.set(lagMs / 1000, { group });
    this.#shown = new Set(lags.keys());
  }
}

function isOutOfFiles(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE');
}
