import { type FSWatcher, realpathSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

const DEBOUNCE_MS = 200;

/**
 * Calls `changed` after something happened in the folders of the given files, at most once in 200 ms. Folders are
 * watched, not files: editors replace files, and a mounted ConfigMap swaps a symbolic link beside them. The caller
 * compares what it reads, since not every event is a change.
 */
export class FileWatcher {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #changed: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: Timer | undefined;

  constructor(options: { clock: Clock; log: Logger; changed: () => void }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#changed = options.changed;
  }

  /** Watches exactly these files from now on. A folder that cannot be watched is logged; SIGHUP still works. */
  watch(files: readonly string[]): void {
    const folders = new Set(files.flatMap((file) => [dirname(file), dirname(resolved(file))]));
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#notice());
        watcher.on('error', (error) => this.#log.warn('config_watch_failed', { folder, error: errorText(error) }));
        this.#watchers.set(folder, watcher);
      } catch (error) {
        this.#log.warn('config_watch_failed', { folder, error: errorText(error) });
      }
    }
  }

  close(): void {
    this.#timer?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #notice(): void {
    this.#timer ??= this.#clock.timer(
      DEBOUNCE_MS,
      () => {
        this.#timer = undefined;
        this.#changed();
      },
      { unref: true },
    );
  }
}

/** Where a symbolic link leads; the path itself where it does not exist now. */
function resolved(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
