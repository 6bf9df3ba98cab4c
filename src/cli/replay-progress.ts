import type { ReplayProgress } from '../app/replay-run.ts';
import { humanDuration } from '../core/duration.ts';
import type { CliContext } from './context.ts';

const TERMINAL_EVERY_MS = 200;
const LOG_EVERY_MS = 10_000;

/** How far a replay has come, on standard error: one line that is written over on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #context: CliContext;
  readonly #passes: number;
  #pass = 0;
  #lastTs = Infinity;
  #begunAt = 0;
  #shownAt = Number.NEGATIVE_INFINITY;
  #isOpen = false;

  /** A comparison has two passes. */
  constructor(context: CliContext, passes: number) {
    this.#context = context;
    this.#passes = passes;
  }

  show({ startTs, endTs, atTs, firings }: ReplayProgress): void {
    const { clock, err } = this.#context;
    const now = clock.elapsed();
    if (atTs < this.#lastTs) {
      this.#pass++;
      this.#begunAt = now;
    }
    this.#lastTs = atTs;
    if (now - this.#shownAt < (err.isTerminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS)) return;
    this.#shownAt = now;
    const share = endTs > startTs ? Math.min(1, Math.max(0, (atTs - startTs) / (endTs - startTs))) : 1;
    const spentMs = now - this.#begunAt;
    const leftMs = share > 0.01 ? ` · about ${humanDuration((spentMs / share) * (1 - share))} left` : '';
    const speed = spentMs > 0 ? ` · ${Math.round(Math.max(0, atTs - startTs) / spentMs)}× real time` : '';
    const which = this.#passes > 1 ? `${this.#pass} of ${this.#passes} · ` : '';
    const at = `${new Date(atTs).toISOString().slice(0, 16)}Z`;
    const text = `replay: ${which}${Math.floor(100 * share)} % · ${at} · ${firings} firings${speed}${leftMs}`;
    err.write(err.isTerminal ? `\r\u001B[K${text}` : `${text}\n`);
    this.#isOpen = err.isTerminal;
  }

  end(): void {
    if (this.#isOpen) this.#context.err.write('\r\u001B[K');
    this.#isOpen = false;
  }
}
