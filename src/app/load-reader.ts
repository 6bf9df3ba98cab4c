import { brokerLoads, loadQueries, type LoadAnswers, type LoadRow } from '../autopilot/scale/broker-loads.ts';
import type { BrokerLoad, LoadReader } from '../autopilot/ports.ts';
import type { Clock } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { QueryPort } from '../http/ports.ts';
import { createQueryPort } from './query-port.ts';
import type { Querier } from '../promql/querier.ts';

/** One look must not hold the loop for long: a cluster has few series of these names. */
const TIMEOUT_MS = 500;

export interface LoadReaderParts {
  readonly querier: Querier;
  readonly clock: Clock;
  readonly log: Logger;
  /** Host → broker id of a cluster, by configuration; a host that stands for several brokers is not among them. */
  readonly hosts: (cluster: string) => ReadonlyMap<string, number>;
}

/** An average over a window hardly moves within this part of it: until then the last answer is given again. */
const KEPT_FOR = 1 / 30;

interface Kept {
  readonly at: number;
  readonly windowMs: number;
  readonly loads: readonly BrokerLoad[];
}

/** How busy each broker is, as the store knows it. Asked at every tick, read from the store now and then. */
export function createLoadReader({ querier, clock, log, hosts }: LoadReaderParts): LoadReader {
  const queries = createQueryPort(querier, clock);
  const kept = new Map<string, Kept>();
  return {
    loads: (cluster, now, windowMs) => {
      const last = kept.get(cluster);
      if (last !== undefined && last.windowMs === windowMs && now - last.at < windowMs * KEPT_FOR) return last.loads;
      const answers: Record<string, readonly LoadRow[]> = {};
      for (const [name, expression] of Object.entries(loadQueries(cluster, windowMs))) {
        try {
          answers[name] = rowsOf(queries, expression, now);
        } catch (error) {
          // One resource that is not known is no reason to know nothing of the others.
          if (!(error instanceof BelfryError)) throw error;
          log.warn('load_not_read', { cluster, resource: name, error: errorText(error) });
        }
      }
      const loads = brokerLoads(answers as LoadAnswers, hosts(cluster));
      kept.set(cluster, { at: now, windowMs, loads });
      return loads;
    },
  };
}

function rowsOf(queries: QueryPort, expression: string, now: number): readonly LoadRow[] {
  const { result } = queries.instant(expression, now, { timeoutMs: TIMEOUT_MS });
  return result.type === 'vector' ? result.samples.map(({ labels, value }) => ({ labels: labels.toObject(), value })) : [];
}
