import type { BrokerConnection } from '../../kafka/observer.ts';
import { asError } from './as-error.ts';
import type { BrokerPool } from './pool.ts';
import { isBrokersWord } from './survivors.ts';

/** Brokers asked at the same time for patient work. */
const AT_ONCE = 4;

/**
 * Does the work once for every broker that is not known to be down, a few at a time, over their `lag` connections.
 * All are tried; afterwards rejects with the last error, if there was one. Resolves with the number that succeeded.
 */
export async function forEachBroker(
  pool: BrokerPool,
  downIds: ReadonlySet<number>,
  work: (connection: BrokerConnection, brokerId: number) => Promise<void>,
  onFailure?: (brokerId: number, error: unknown) => void,
): Promise<number> {
  const waiting = pool.brokerIds.filter((id) => !downIds.has(id));
  const failures: unknown[] = [];
  let succeeded = 0;
  const worker = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        await work(await pool.connection(id, 'lag'), id);
        succeeded += 1;
      } catch (error) {
        if (!isBrokersWord(error)) pool.discard(id, 'lag');
        failures.push(error);
        onFailure?.(id, error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failures.length > 0 && onFailure === undefined) throw asError(failures.at(-1));
  return succeeded;
}
