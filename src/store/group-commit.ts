import type { Clock, Timer } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import type { Lane } from './lane.ts';

/** From the end of one commit to the next: those who ask meanwhile share it. */
const INTERVAL_MS = 200;
/** Between the pieces of one commit. */
const PIECE_PAUSE_MS = 20;
/** So many may wait. */
const WAITING_MAX = 1000;
const NO_FILE = 'samples.db cannot be written: send the samples again when it can';

export interface GroupCommitParts {
  readonly clock: Clock;
  /** False where what is written is gone with the process. */
  readonly isDurable: boolean;
  /** The lanes of those targets that have samples which are not in the file. */
  readonly unwritten: (targets: ReadonlySet<string>) => Lane[];
  /** Writes some of the lanes, which it takes from the list; `all` once none is left. */
  readonly piece: (lanes: Lane[], targets: ReadonlySet<string>) => 'all' | 'some' | 'nothing';
}

interface Waiting {
  readonly targets: ReadonlySet<string>;
  readonly resolve: () => void;
  readonly reject: (error: BelfryError) => void;
}

/**
 * Lets those who must know that samples are in the file share the writes. The first one's is at once; whoever comes within
 * 200 ms of a commit, or while it goes on, is part of the next.
 */
export class GroupCommit {
  readonly #parts: GroupCommitParts;
  #waiting: Waiting[] = [];
  /** Whom the commit that goes on is for. */
  #group: Waiting[] = [];
  #timer: Timer | undefined;
  #endedAt = -Infinity;
  #isClosed = false;

  constructor(parts: GroupCommitParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when all that has been appended to the targets is in the file. Rejects with `STATE_NOT_DURABLE` where it cannot
   * be written, or where too many wait already: the samples may be kept all the same, and may be sent again.
   */
  committed(targets: ReadonlySet<string>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) reject(notWritten('the store is closed'));
      else if (!this.#parts.isDurable) reject(notWritten(NO_FILE));
      else if (this.#waiting.length >= WAITING_MAX) reject(notWritten(`${WAITING_MAX} requests wait for samples.db already`));
      else {
        this.#waiting.push({ targets, resolve, reject });
        this.#arm();
      }
    });
  }

  /** Nobody waits any longer: `written` says whether all is in the file. */
  close(written: boolean): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#answer(written, [...this.#group, ...this.#waiting]);
    this.#group = [];
    this.#waiting = [];
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#group.length > 0 || this.#waiting.length === 0) return;
    const { clock } = this.#parts;
    this.#timer = clock.timer(Math.max(0, this.#endedAt + INTERVAL_MS - clock.elapsed()), () => {
      this.#group = this.#waiting;
      this.#waiting = [];
      const targets = new Set(this.#group.flatMap((one) => [...one.targets]));
      this.#go(this.#parts.unwritten(targets), targets);
    });
  }

  #go(lanes: Lane[], targets: ReadonlySet<string>): void {
    const { clock, piece } = this.#parts;
    const done = lanes.length === 0 ? 'all' : piece(lanes, targets);
    if (this.#isClosed) return;
    if (done === 'some') {
      this.#timer = clock.timer(PIECE_PAUSE_MS, () => this.#go(lanes, targets));
      return;
    }
    const group = this.#group;
    this.#timer = undefined;
    this.#group = [];
    this.#endedAt = clock.elapsed();
    this.#answer(done === 'all', group);
    this.#arm();
  }

  #answer(written: boolean, group: readonly Waiting[]): void {
    for (const { resolve, reject } of group) {
      if (written) resolve();
      else reject(notWritten(NO_FILE));
    }
  }
}

function notWritten(why: string): BelfryError {
  return new BelfryError('STATE_NOT_DURABLE', why);
}
