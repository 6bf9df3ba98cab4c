import { BelfryError, errorText } from '../../core/errors.ts';
import type { Finding, Step, StepRun, Task } from '../driver.ts';
import type { KafkaActs } from '../plan.ts';
import type { RebalanceRequest, Rebalancer } from '../ports.ts';

/** What an action asks of whoever moves partitions. Throws `EXECUTOR_FAILED` where what it needs is not known. */
export function requestOf(task: Task): RebalanceRequest {
  const { action, broker, added } = task;
  switch (action) {
    case 'repair':
      return { kind: 'elect_preferred' };
    case 'scale_out':
      return { kind: 'spread' };
    case 'scale_in':
      return { kind: 'drain', brokers: [known(broker)] };
    case 'replace': {
      const [to, ...others] = added;
      if (to === undefined || others.length > 0)
        throw new BelfryError(
          'EXECUTOR_FAILED',
          'which broker takes the place is not known: no step before has named one (broker=ID on its last line)',
        );
      return to === broker ? { kind: 'elect_preferred' } : { kind: 'replace', from: known(broker), to };
    }
    default:
      throw new BelfryError('INTERNAL', `no rebalance for ${String(action satisfies never)}`);
  }
}

function known(broker: number | undefined): number {
  if (broker === undefined) throw new BelfryError('EXECUTOR_FAILED', 'the intent names no broker');
  return broker;
}

/** Moves partitions as the action asks, until every move is complete. */
export class RebalanceStep implements Step {
  readonly name: string;
  readonly timeoutMs: number;
  readonly #open: () => Rebalancer & { look(signal: AbortSignal): Promise<void> };

  constructor(by: string, timeoutMs: number, open: () => Rebalancer & { look(signal: AbortSignal): Promise<void> }) {
    this.name = `rebalance by ${by}`;
    this.timeoutMs = timeoutMs;
    this.#open = open;
  }

  async run({ task, proceed, report, confirm }: StepRun): Promise<void> {
    let isBegun = false;
    const tell = ({ text, doneMoves }: { text: string; doneMoves: number }): void => {
      isBegun = true;
      report(text, doneMoves);
    };
    try {
      await this.#open().rebalance(requestOf(task), tell, proceed, confirm);
    } catch (error) {
      // What the state of the cluster forbids before the first move was not begun; later it is a failure.
      if (isBegun && error instanceof BelfryError && error.code === 'CONFLICT')
        throw new BelfryError('EXECUTOR_FAILED', error.message, { cause: error });
      throw error;
    }
  }

  async check(signal: AbortSignal): Promise<readonly Finding[]> {
    try {
      await this.#open().look(signal);
      return [{ ok: true, text: `${this.name}: it answers, and would let this credential act` }];
    } catch (error) {
      return [{ ok: false, text: `${this.name}: ${errorText(error)}` }];
    }
  }
}

/** Takes the broker that is gone out of the cluster's books. */
export class UnregisterStep implements Step {
  readonly name = 'unregister';
  readonly timeoutMs: number;
  readonly #open: () => KafkaActs;

  constructor(timeoutMs: number, open: () => KafkaActs) {
    this.timeoutMs = timeoutMs;
    this.#open = open;
  }

  async run({ task, proceed, confirm }: StepRun): Promise<void> {
    await this.#open().unregister(known(task.broker), proceed, confirm);
  }

  async check(signal: AbortSignal): Promise<readonly Finding[]> {
    try {
      await this.#open().look(signal);
      return [{ ok: true, text: 'unregister: the cluster answers, and would let this credential act' }];
    } catch (error) {
      return [{ ok: false, text: `unregister: ${errorText(error)}` }];
    }
  }
}
