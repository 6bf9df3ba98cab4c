import type { Clock } from '../../core/clock.ts';
import { Slices } from '../../core/slices.ts';
import type { ClusterMetadata } from '../../kafka/observer.ts';
import type { HealthRows } from './health-rows.ts';
import type { KafkaCollectorOptions } from './options.ts';
import { partitionFacts, uncleanElections, type AddingReplicas } from './partition-facts.ts';
import type { BrokerPool } from './pool.ts';
import type { Survivors } from './survivors.ts';
import type { TopicRows } from './topic-rows.ts';

/** A fast look is given this many times what the last one took, but a second at least; one at a tick twice that. */
const PATIENCE_FACTOR = 10;
const LEAST_PATIENCE_MS = 1000;

/**
 * Topics and partitions in which nothing has changed get a row as rarely as that: five series a partition with every look
 * would be most of all samples, and say nothing. A little less than 30 s, since ticks are not exact.
 */
const UNCHANGED_ROW_EVERY_MS = 29_000;

/** What other collections have found, where they have. */
export interface KnownFacts {
  readonly minIsr: ReadonlyMap<string, number>;
  readonly adding: AddingReplicas;
  readonly reassigningPartitions: number | undefined;
  /** Whether brokers hold topics that we are not shown. */
  readonly hiddenTopics: boolean;
  /** Whether some topic's `min.insync.replicas` may not be read. */
  readonly minIsrRefused: boolean;
}

export interface LookResult {
  /** Brokers in `brokers[]`. */
  readonly registered: ReadonlySet<number>;
  /** Whether any sample of health changed. */
  readonly changed: boolean;
  /** From sending until the rows were written. */
  readonly tookMs: number;
  /** What counts for the duty of a tenth. */
  readonly costMs: number;
}

/**
 * The duty of a tenth spares the brokers, who are done with the answer; of our own work on it a fifth counts, so that a
 * moment in which this machine was busy does not blind us ten times as long.
 */
const OWN_WORK_SHARE = 0.2;

export interface MetadataCollectionParts {
  readonly options: KafkaCollectorOptions;
  readonly clock: Clock;
  readonly pool: BrokerPool;
  readonly survivors: Survivors;
  readonly healthRows: HealthRows;
  readonly topicRows: TopicRows;
  readonly requestTimeoutMs: number;
  readonly known: () => KnownFacts;
}

const NONE: ReadonlySet<number> = new Set();

/** One look at the whole cluster: Metadata asked, judged, written as rows, and the rules woken. One look at a time. */
export class MetadataCollection {
  readonly #parts: MetadataCollectionParts;
  #last: ClusterMetadata | undefined;
  #uncleanElections = 0;
  #looking: Promise<unknown> = Promise.resolve();
  #lastTookMs = 0;
  #lastCostMs = 0;

  constructor(parts: MetadataCollectionParts) {
    this.#parts = parts;
  }

  /** The newest answer. */
  get last(): ClusterMetadata | undefined {
    return this.#last;
  }

  get lastCostMs(): number {
    return this.#lastCostMs;
  }

  /** A full look at a tick. Rejects with what kept it from an answer. */
  look(): Promise<LookResult> {
    return this.#afterOthers(() => this.#look(this.#last === undefined ? this.#parts.requestTimeoutMs : this.#patienceMs * 2, NONE, false));
  }

  /** A full look after an event, at a survivor: targets in which nothing changed get no row. */
  lookFast(avoid: ReadonlySet<number>): Promise<LookResult> {
    return this.#afterOthers(() => this.#look(this.#patienceMs, avoid, true));
  }

  /** Asks for `brokers[]` alone, some hundred bytes: who is registered now. */
  lookAtBrokers(avoid: ReadonlySet<number>): Promise<ReadonlySet<number>> {
    return this.#afterOthers(async () => {
      const { survivors } = this.#parts;
      const answer = await survivors.ask('health', avoid, (connection) => connection.metadata([], LEAST_PATIENCE_MS));
      return new Set(answer.brokers.map(({ id }) => id));
    });
  }

  get #patienceMs(): number {
    return Math.min(this.#parts.requestTimeoutMs, Math.max(LEAST_PATIENCE_MS, this.#lastTookMs * PATIENCE_FACTOR));
  }

  /** Looks never overlap: each begins when the one before has ended, whether that one failed or not. */
  #afterOthers<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#looking.then(work, work);
    this.#looking = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  }

  async #look(timeoutMs: number, avoid: ReadonlySet<number>, onlyChanged: boolean): Promise<LookResult> {
    const { clock, survivors, pool, options } = this.#parts;
    const startedAt = clock.elapsed();
    const metadata = await survivors.ask('health', avoid, (connection) => connection.metadata(undefined, timeoutMs));
    pool.setBrokers(metadata.brokers);
    survivors.settleHealth();
    const slices = new Slices(clock);
    await options.onMetadata?.(metadata, slices);
    if (slices.due) await slices.pause();
    this.#uncleanElections += uncleanElections(this.#last, metadata);
    this.#last = metadata;
    const changed = await this.#write(metadata, onlyChanged, slices);
    const tookMs = clock.elapsed() - startedAt;
    this.#lastTookMs = tookMs;
    const costMs = Math.max(metadata.answeredAt - metadata.askedAt, tookMs * OWN_WORK_SHARE);
    this.#lastCostMs = costMs;
    return { registered: new Set(metadata.brokers.map(({ id }) => id)), changed, tookMs, costMs };
  }

  /**
   * What takes long, such as the labels of what is new and the judgement of every partition, is made first and in slices; then
   * the sums are written in one go, the partitions next, and the rules are woken when all is there.
   */
  async #write(metadata: ClusterMetadata, onlyChanged: boolean, slices: Slices): Promise<boolean> {
    const { clock, options, healthRows, topicRows } = this.#parts;
    const known = this.#parts.known();
    const inStopGrace = options.inStopGrace?.() ?? NONE;
    const partitions = await partitionFacts({ metadata, adding: known.adding, minIsr: known.minIsr, inStopGrace }, slices);
    await topicRows.prepare(metadata, slices);
    await healthRows.prepare(partitions.troubles, slices);
    topicRows.rows.begin();
    await topicRows.fill(metadata, partitions, slices);
    healthRows.rows.begin();
    healthRows.troubleRows.begin();
    healthRows.fill({
      metadata,
      partitions,
      reassigningPartitions: known.reassigningPartitions,
      hiddenTopics: known.hiddenTopics,
      minIsrRefused: known.minIsrRefused,
      uncleanElections: this.#uncleanElections,
      expectedBrokers: options.expected?.() ?? expectedByDefault(metadata, partitions.heldBy.keys()),
    });
    const ts = clock.now();
    const changed = new Set<string>();
    // The cluster's sums get a row with every look: they are few, and what wakes the rules.
    for (const name of healthRows.rows.commit(ts)) changed.add(name);
    const unlessChanged = { onlyChanged: true, ...(onlyChanged ? {} : { atLeastEveryMs: UNCHANGED_ROW_EVERY_MS }) };
    for (const name of await healthRows.troubleRows.commitInSlices(ts, slices, unlessChanged)) changed.add(name);
    for (const name of await topicRows.rows.commitInSlices(ts, slices, unlessChanged)) changed.add(name);
    if (changed.size > 0) options.wake({ ts, metricNames: changed, cluster: options.cluster });
    return changed.size > 0;
  }
}

function expectedByDefault(metadata: ClusterMetadata, holders: Iterable<number>): ReadonlySet<number> {
  return new Set([...metadata.brokers.map(({ id }) => id), ...holders]);
}
