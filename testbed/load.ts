import { randomBytes } from 'node:crypto';
import { Connection, produceV9 } from '@platformatic/kafka';
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

/** Writes records straight to the leaders. A partition without a leader is left out, so that a load survives a dead broker. */
export class RecordWriter {
  readonly #ports: WriterPorts;
  readonly #connections = new Map<number, Promise<Connection>>();
  #leaders: { partition: number; leader: number }[] | undefined;
  #next = 0;

  constructor(ports: WriterPorts) {
    this.#ports = ports;
  }

  /** Writes `count` records of `bytes` each, in batches over the partitions that have a leader; acknowledged by the leader. */
  async write(topic: string, count: number, bytes: number): Promise<void> {
    this.#leaders ??= await this.#lookUp(topic);
    if (this.#leaders.length === 0) throw new Error(`testbed: no partition of ${topic} has a leader`);
    const batch = Math.max(1, Math.min(count, Math.floor(500_000 / Math.max(1, bytes))));
    for (let written = 0; written < count; written += batch) {
      const target = this.#leaders[this.#next % this.#leaders.length];
      this.#next += 1;
      if (target !== undefined) await this.#send(topic, target, Math.min(batch, count - written), bytes);
    }
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
      connection = this.#connect(this.#ports.portOf(brokerId));
      this.#connections.set(brokerId, connection);
    }
    return connection;
  }

  async #connect(port: number): Promise<Connection> {
    const connection = new Connection('belfry-testbed-load', {
      connectTimeout: 2000,
      requestTimeout: PRODUCE_TIMEOUT_MS,
      ...this.#ports.security,
    });
    await connection.connect('127.0.0.1', port);
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
  const run = (async (): Promise<void> => {
    while (!stopped) {
      const due = Math.floor(((performance.now() - begin) / 1000) * (bytesPerSecond / recordBytes)) - totals.records - skipped;
      if (due > 0) {
        try {
          await writer.write(topic, due, recordBytes);
          totals.records += due;
          totals.bytes += due * recordBytes;
        } catch {
          totals.failures += 1;
          skipped += due;
        }
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
