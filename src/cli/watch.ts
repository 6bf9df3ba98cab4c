import { delay } from '../core/clock.ts';
import type { CliContext } from './context.ts';

const REFRESH_MS = 1000;
export const CLEAR_SCREEN = '\u001b[2J\u001b[H';

/** Reads again and again, and shows: a terminal each time, for ages go on there; a pipe where `stateOf` says that something changed. */
export async function watch<T>(
  context: CliContext,
  read: () => Promise<T>,
  show: (answer: T) => void,
  stateOf: (answer: T) => unknown,
): Promise<void> {
  let shown = '';
  while (!context.signal.aborted) {
    let answer: T;
    try {
      answer = await read();
    } catch (error) {
      if (context.signal.aborted) return;
      throw error;
    }
    const state = JSON.stringify(stateOf(answer));
    if (context.out.isTerminal || state !== shown) show(answer);
    shown = state;
    await delay(context.clock, REFRESH_MS, context.signal).catch((error: unknown) => {
      if (!context.signal.aborted) throw error;
    });
  }
}
