import { randomBytes } from 'node:crypto';
import { produceV9 } from '@platformatic/kafka';
import type { Connection } from '@platformatic/kafka';
import { openConnection } from './admin.ts';
import type { ClusterView, ConnectionSecurity } from './admin.ts';

export interface LoadOptions {
  topic: string;
  bytesPerSecond: number;
  /** Size of one record's value. Default 1000. */
  recordBytes?: number;
}

/** A running load: what arrived so far, and the way to end it. */
export interface Load extends AsyncDisposable {
  readonly bytes: number;
  readonly records: number;
  /** Batches that a broker refused or that were lost with it; they are not sent again. */
  readonly failures: number;
  stop(): Promise<void>;
}

export interface WriterPorts {
  view(topics: readonly string[]): Promise<ClusterView>;
  portOf(brokerId: number): number;
  security: ConnectionSecurity;
}

const TICK_MS = 100;
const PRODUCE_TIMEOUT_MS = 5000;
/** One tick's records go to this many partitions. */
const SPREAD = 4;
const BATCH_BYTES = 500_000;

/** A new leader has been named but has not taken over yet. */
function isSettling(error: unknown): boolean {
  const names = ['NOT_LEADER_OR_FOLLOWER', 'UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'];
  const causes: unknown[] = error instanceof AggregateError ? error.errors : [error];
  return causes.every((cause) => cause instanceof Error && 'apiId' in cause && names.includes(String(cause.apiId)));
}

/** Writes records straight to the leaders. A partition without a leader is left out, so that a load survives a dead broker. */
export class RecordWriter {
  readonly #ports: WriterPorts;
  readonly #connections = new Map<number, Promise<Connection>>();
  #leaders: { partition: number; leader: number }[] | undefined;
  #next = 0;

  constructor(ports: WriterPorts) {
    this.#ports = ports;
  }

  /** Writes all of `count` records; leaders that are only just taking over are waited for, up to 10 s. */
  async writeAll(topic: string, count: number, bytes: number): Promise<void> {
    const deadline = performance.now() + 10_000;
    for (let written = 0; written < count;) {
      try {
        written += await this.write(topic, count - written, bytes);
      } catch (error) {
        if (!isSettling(error) || performance.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
    }
  }

  /** Writes one batch of at most `count` records to the next partition that has a leader. Returns how many it wrote. */
  async write(topic: string, count: number, bytes: number): Promise<number> {
    this.#leaders ??= await this.#lookUp(topic);
    const target = this.#leaders[this.#next % Math.max(1, this.#leaders.length)];
    if (target === undefined) {
      this.#leaders = undefined;
      throw new Error(`testbed: no partition of ${topic} has a leader`);
    }
    this.#next += 1;
    const batch = Math.max(1, Math.min(count, Math.floor(BATCH_BYTES / Math.max(1, bytes))));
    await this.#send(topic, target, batch, bytes);
    return batch;
  }

  async #lookUp(topic: string): Promise<{ partition: number; leader: number }[]> {
    const view = await this.#ports.view([topic]);
    return (view.topics.get(topic) ?? []).filter(({ leader }) => view.brokers.includes(leader));
  }

  async #send(topic: string, target: { partition: number; leader: number }, count: number, bytes: number): Promise<void> {
    const value = randomBytes(bytes);
    const records = Array.from({ length: count }, () => ({ topic, partition: target.partition, value }));
    try {
      const connection = await this.#connection(target.leader);
      await produceV9.api.async(connection, 1, PRODUCE_TIMEOUT_MS, records, { compression: 'none' });
    } catch (error) {
      // The leader has moved or died: look again before the next batch.
      this.#leaders = undefined;
      await this.#drop(target.leader);
      throw error;
    }
  }

  #connection(brokerId: number): Promise<Connection> {
    let connection = this.#connections.get(brokerId);
    if (connection === undefined) {
      connection = openConnection(this.#ports.portOf(brokerId), this.#ports.security, {
        connectTimeout: 2000,
        requestTimeout: PRODUCE_TIMEOUT_MS,
      });
      this.#connections.set(brokerId, connection);
    }
    return connection;
  }

  async #drop(brokerId: number): Promise<void> {
    const connection = this.#connections.get(brokerId);
    this.#connections.delete(brokerId);
    // A connection that never came up, or broke, has nothing left to close.
    await connection?.then((open) => open.close()).catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.keys()].map((id) => this.#drop(id)));
  }
}

/** Starts writing at a steady rate until it is stopped. Failures are counted, never thrown: brokers die under this load. */
export function startLoad(ports: WriterPorts, options: LoadOptions): Load {
  const { topic, bytesPerSecond, recordBytes = 1000 } = options;
  const writer = new RecordWriter(ports);
  const totals = { bytes: 0, records: 0, failures: 0 };
  const begin = performance.now();
  let stopped = false;
  let skipped = 0;
  let wake: () => void = () => undefined;
  const missing = (): number =>
    Math.floor((((performance.now() - begin) / 1000) * bytesPerSecond) / recordBytes) - totals.records - skipped;
  const run = (async (): Promise<void> => {
    while (!stopped) {
      // What failed is not sent again: a load that catches up after an outage would be a spike of its own.
      const due = missing();
      try {
        for (let left = due; left > 0 && !stopped;) {
          const written = await writer.write(topic, Math.max(1, Math.min(left, Math.ceil(due / SPREAD))), recordBytes);
          totals.records += written;
          totals.bytes += written * recordBytes;
          left -= written;
        }
      } catch {
        totals.failures += 1;
        skipped += Math.max(0, missing());
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, TICK_MS);
      });
    }
    await writer.close();
  })();
  const stop = async (): Promise<void> => {
    stopped = true;
    wake();
    await run;
  };
  return {
    get bytes() {
      return totals.bytes;
    },
    get records() {
      return totals.records;
    },
    get failures() {
      return totals.failures;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
