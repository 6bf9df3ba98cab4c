import type { Clock } from '../../core/clock.ts';
import { Labels } from '../../core/labels.ts';
import { Slices } from '../../core/slices.ts';
import { KAFKA_ERROR } from '../../kafka/error-codes.ts';
import type { ClusterMetadata, LogDir } from '../../kafka/observer.ts';
import { forEachBroker } from './for-each-broker.ts';
import type { BrokerPool } from './pool.ts';
import { leadersOf, ProducedBytes, type Leaders } from './produced-bytes.ts';
import type { SeriesRows } from './rows.ts';

const STALE_AFTER_INTERVALS = 3;

export interface LogDirCollectionParts {
  readonly pool: BrokerPool;
  readonly clock: Clock;
  readonly cluster: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** The rows of one broker, a target of its own: one broker that does not answer says nothing about the others. */
  readonly rowsOf: (brokerId: number) => SeriesRows;
  readonly downIds: () => ReadonlySet<number>;
  /** The newest Metadata; undefined before the first. */
  readonly metadata: () => ClusterMetadata | undefined;
}

interface BrokerRows {
  readonly rows: SeriesRows;
  readonly produced: ProducedBytes;
  lastSuccessAt: number;
  usedBytes: number;
}

/** DescribeLogDirs of every broker: the disks' sizes, and which directories are offline. */
export class LogDirCollection {
  readonly #parts: LogDirCollectionParts;
  readonly #brokers = new Map<number, BrokerRows>();

  constructor(parts: LogDirCollectionParts) {
    this.#parts = parts;
  }

  /** Topics of which a broker holds replicas, from the newest answers; for comparison with what Metadata shows. */
  topicsSeen: ReadonlySet<string> = new Set();

  /** Bytes of all replicas of a broker, as it last said itself, however long ago; undefined where it never did. */
  usedBytesOf(brokerId: number): number | undefined {
    return this.#brokers.get(brokerId)?.usedBytes;
  }

  /** Rejects with the last error where a broker that should answer did not; what others told is written. */
  async collect(): Promise<void> {
    const { pool, timeoutMs, downIds, metadata } = this.#parts;
    const known = metadata();
    const leaders = known === undefined ? new Map() : leadersOf(known);
    const topicsSeen = new Set<string>();
    const slices = new Slices(this.#parts.clock);
    try {
      await forEachBroker(pool, downIds(), async (connection, brokerId) => {
        const dirs = await connection.describeLogDirs(timeoutMs);
        // Several brokers may answer at the same time.
        if (slices.due) await slices.pause();
        for (const dir of dirs) for (const topic of dir.replicas.keys()) topicsSeen.add(topic);
        this.#write(brokerId, dirs, leaders);
      });
    } finally {
      this.topicsSeen = topicsSeen;
      this.#endOld();
    }
  }

  #write(brokerId: number, dirs: readonly LogDir[], leaders: Leaders): void {
    const { clock, cluster, rowsOf } = this.#parts;
    let broker = this.#brokers.get(brokerId);
    if (broker === undefined)
      this.#brokers.set(brokerId, (broker = { rows: rowsOf(brokerId), produced: new ProducedBytes(), lastSuccessAt: 0, usedBytes: 0 }));
    broker.lastSuccessAt = clock.now();
    const { rows } = broker;
    broker.usedBytes = dirs.reduce((sum, dir) => sum + (dir.errorCode === KAFKA_ERROR.none ? dir.usedBytes : 0), 0);
    rows.begin();
    for (const dir of dirs) {
      const at = { cluster, broker: String(brokerId), log_dir: dir.path.slice(0, 1024) };
      const segment = rows.segment(dir.path, 4, () => [
        Labels.of({ __name__: 'belfry_kafka_log_dir_offline', ...at }),
        Labels.of({ __name__: 'belfry_kafka_log_dir_total_bytes', ...at }),
        Labels.of({ __name__: 'belfry_kafka_log_dir_usable_bytes', ...at }),
        Labels.of({ __name__: 'belfry_kafka_log_dir_used_bytes', ...at }),
      ]);
      segment.set(0, dir.errorCode === KAFKA_ERROR.kafkaStorageError ? 1 : 0);
      if (dir.errorCode !== KAFKA_ERROR.none) continue;
      if (dir.totalBytes >= 0) segment.set(1, dir.totalBytes);
      if (dir.usableBytes >= 0) segment.set(2, dir.usableBytes);
      segment.set(3, dir.usedBytes);
    }
    const labels = { cluster, broker: String(brokerId) };
    rows
      .segment('', 1, () => [Labels.of({ __name__: 'belfry_kafka_broker_produced_bytes_total', ...labels })])
      .set(0, broker.produced.add(brokerId, dirs, leaders));
    rows.commit(clock.now());
  }

  #endOld(): void {
    const now = this.#parts.clock.now();
    for (const { rows, lastSuccessAt } of this.#brokers.values()) {
      if (now - lastSuccessAt > STALE_AFTER_INTERVALS * this.#parts.intervalMs) rows.markStale(now);
    }
  }
}
