import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock, yieldToLoop } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { runSpec } from './replay-spec.ts';
import type { ReplayMessage, ReplayOrder } from './replay-thread.ts';

/** A piece of the result at a time, so that whoever passes it on is never held. */
const PIECE_LENGTH = 65_536;

/** One replay in a thread of its own. */
async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new BelfryError('INTERNAL', 'this file is for a worker thread');
  const say = (message: ReplayMessage): void => port.postMessage(message);
  const { spec, stop } = workerData as ReplayOrder;
  try {
    const answer = await runSpec(spec, {
      clock: new SystemClock(),
      isCancelled: () => Atomics.load(stop, 0) !== 0,
      begun: () => say({ type: 'begun' }),
      turn: async (progress) => {
        say({ type: 'progress', progress });
        await yieldToLoop();
      },
    });
    const text = JSON.stringify(answer);
    for (let at = 0; at < text.length; at += PIECE_LENGTH) say({ type: 'piece', text: text.slice(at, at + PIECE_LENGTH) });
    say({ type: 'done' });
  } catch (error) {
    say({ type: 'error', code: error instanceof BelfryError ? error.code : 'INTERNAL', error: errorText(error) });
  } finally {
    port.close();
  }
}

await main();
