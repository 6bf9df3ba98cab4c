import { type FSWatcher, readdirSync, realpathSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

const DEBOUNCE_MS = 200;
/** A folder that was removed and made again, and file systems that tell nothing, are noticed by looking. */
const LOOK_EVERY_MS = 10_000;

/**
 * Calls `changed` after one of the given files has changed, or a name has come to or gone from one of their folders (a
 * pattern may mean it), at most once in 200 ms. Folders are watched, not files: editors replace files, and a mounted
 * ConfigMap swaps a symbolic link beside them. What else is written in such a folder, a log of ours above all, is no
 * change: it would bring about the next one.
 */
export class FileWatcher {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #changed: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #files: readonly string[] = [];
  #seen = '';
  #timer: Timer | undefined;
  #poll: Timer | undefined;

  constructor(options: { clock: Clock; log: Logger; changed: () => void }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#changed = options.changed;
  }

  /** Watches exactly these files from now on. A folder that cannot be watched is logged; SIGHUP still works. */
  watch(files: readonly string[]): void {
    const isFirst = this.#files.length === 0;
    const isSame = files.join('\n') === this.#files.join('\n');
    this.#files = files;
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
    // What changed between the caller's reading and now must not be taken for seen: of other files nothing is.
    if (isFirst) this.#seen = this.#look();
    else if (!isSame) this.#seen = '';
    this.#poll ??= this.#armPoll();
  }

  close(): void {
    this.#timer?.cancel();
    this.#poll?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #notice(): void {
    this.#timer ??= this.#clock.timer(
      DEBOUNCE_MS,
      () => {
        this.#timer = undefined;
        this.#compare();
      },
      { unref: true },
    );
  }

  #armPoll(): Timer {
    return this.#clock.timer(
      LOOK_EVERY_MS,
      () => {
        this.#poll = this.#armPoll();
        this.#compare();
      },
      { unref: true },
    );
  }

  #compare(): void {
    const now = this.#look();
    if (now === this.#seen) return;
    this.#seen = now;
    this.#changed();
  }

  /** What the files and the names beside them look like, without reading any. */
  #look(): string {
    const folders = new Set(this.#files.map((file) => dirname(file)));
    return JSON.stringify([this.#files.map(stampOf), [...folders].map(namesIn)]);
  }
}

/** Another one for another content; a link counts as what it leads to. */
function stampOf(file: string): readonly unknown[] {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file);
    return [resolved(file), ino, size, mtimeMs, ctimeMs];
  } catch (error) {
    return [file, errorText(error)];
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    return [errorText(error)];
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
