import { BelfryError, errorText } from '../../core/errors.ts';
import { within } from '../../core/lifecycle.ts';
import type { Gauge } from '../../core/meter.ts';
import type { ClusterMetadata, QuorumDescription, Reassignment } from '../../kafka/observer.ts';
import { askAnew, type FreshLook } from './ask-anew.ts';
import { ConfigCollection } from './config-collection.ts';
import { HandshakePacer } from '../liveness/handshake-pacer.ts';
import { FastLook } from './fast-look.ts';
import { HealthRows } from './health-rows.ts';
import { LagCollection } from './lag-collection.ts';
import { LogDirCollection } from './log-dir-collection.ts';
import { MetadataCollection, type KnownFacts } from './metadata-collection.ts';
import { DEFAULT_CADENCES, DEFAULT_LIMITS, type Cadences, type CollectorLimits, type KafkaCollectorOptions } from './options.ts';
import { addingReplicas } from './partition-facts.ts';
import { Periodic } from './periodic.ts';
import { BrokerPool } from './pool.ts';
import { QuorumCollection } from './quorum-collection.ts';
import { SeriesRows } from './rows.ts';
import { Survivors } from './survivors.ts';
import { TopicRows } from './topic-rows.ts';
import { CollectionTracker } from './tracker.ts';

const STATUS_INTERVAL_MS = 5000;
const CONFIG_TICK_MS = 5000;
const REASSIGNMENTS_TIMEOUT_MS = 3000;
/** An act waits no longer for the moves and the quorum: what is not told by then is not known. */
const FRESH_FACTS_TIMEOUT_MS = 5000;
/** A list of reassignments older than this many intervals is not relied on. */
const REASSIGNMENTS_GOOD_FOR = 3;
/** Rows, one every 30 s, that stay raw in memory: what is known by partition is looked at now, seldom over time. */
const PARTITION_ROWS = 12;
/** As far as the rules about lag look back: 10 min. */
const GROUP_ROWS = 20;
const HANDSHAKES_PER_SECOND = 20;
const NONE: ReadonlySet<number> = new Set();

/** What the collector knows of its cluster now, for whoever judges it as a whole. */
export interface ClusterFacts {
  readonly metadata: ClusterMetadata | undefined;
  /** Topic → its `min.insync.replicas`, where known. */
  readonly minIsr: ReadonlyMap<string, number>;
  /** Undefined where the list is too old to be relied on. */
  readonly reassignments: readonly Reassignment[] | undefined;
  readonly quorum: QuorumDescription | undefined;
  /** Topics that brokers hold replicas of and that the metadata does not show. */
  readonly invisibleTopics: number;
  readonly usedBytesOf: (brokerId: number) => number | undefined;
}

/** Collects one Kafka cluster over its own protocol, with no agent on its brokers. Series: docs/metrics.md. */
export class KafkaCollector {
  readonly #options: KafkaCollectorOptions;
  readonly #cadences: Cadences;
  readonly #limits: CollectorLimits;
  readonly #pool: BrokerPool;
  readonly #survivors: Survivors;
  readonly #tracker: CollectionTracker;
  readonly #metadata: MetadataCollection;
  readonly #quorum: QuorumCollection;
  readonly #configs: ConfigCollection;
  readonly #lag: LagCollection;
  readonly #logDirs: LogDirCollection;
  readonly #fastLook: FastLook;
  readonly #loops: readonly Periodic[];
  /** Those that need to know the brokers first. */
  readonly #laterLoops: readonly Periodic[];
  readonly #invisibleGauge: Gauge;
  #invisibleTopics = 0;
  #reassignments: { readonly at: number; readonly list: readonly Reassignment[] } | undefined;
  #started = false;
  #stopping: Promise<void> | undefined;

  constructor(options: KafkaCollectorOptions) {
    const { clock, cluster, log, meter } = options;
    this.#options = options;
    this.#cadences = { ...DEFAULT_CADENCES, ...options.cadences };
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#pool = new BrokerPool({
      connector: options.connector,
      clock,
      bootstrap: options.bootstrap,
      addresses: options.addresses ?? new Map(),
      connectTimeoutMs: this.#limits.connectTimeoutMs,
      random: options.random ?? Math.random,
      line: options.line ?? new HandshakePacer(clock, HANDSHAKES_PER_SECOND),
    });
    const downIds = this.#downIds;
    this.#survivors = new Survivors(this.#pool, downIds);
    this.#tracker = new CollectionTracker({ cluster, clock, log, meter, rows: this.#rows('collectors') });
    this.#invisibleGauge = meter.gauge(
      'belfry_kafka_invisible_topics',
      'Topics that brokers hold replicas of and that the metadata does not show, for lack of permission.',
      ['cluster'],
    );
    this.#configs = this.#makeConfigs();
    this.#metadata = this.#makeMetadata();
    this.#quorum = this.#makeQuorum();
    this.#lag = this.#makeLag();
    this.#logDirs = this.#makeLogDirs();
    this.#fastLook = new FastLook({
      clock,
      log,
      look: async (avoid) => this.#noteLook(await this.#metadata.lookFast(avoid)),
      lookAtBrokers: (avoid) => this.#metadata.lookAtBrokers(avoid),
      session: () => this.#configs.session,
    });
    this.#loops = [
      this.#loop(
        'metadata',
        this.#metadataIntervalMs,
        () => this.#tracker.run('metadata', () => this.#lookAtTick()),
        () => this.#metadata.lastCostMs,
      ),
      this.#loop(
        'status',
        () => STATUS_INTERVAL_MS,
        async () => {
          this.#tracker.writeStatus();
          return true;
        },
      ),
    ];
    this.#laterLoops = this.#makeLaterLoops();
  }

  /** The newest Metadata, for whoever wants to show it. */
  get metadata(): ClusterMetadata | undefined {
    return this.#metadata.last;
  }

  /** When a look at the metadata last gave an answer, and when one last came to any end. */
  get lookTimes(): { readonly lastSuccessAt: number | undefined; readonly concludedAt: number | undefined } {
    return this.#tracker.timesOf('metadata');
  }

  /** All that is known without asking. */
  facts(): ClusterFacts {
    return {
      metadata: this.#metadata.last,
      minIsr: this.#configs.minIsr,
      reassignments: this.#reassignmentsNow(),
      quorum: this.#quorum.last,
      invisibleTopics: this.#invisibleTopics,
      usedBytesOf: (brokerId) => this.#logDirs.usedBytesOf(brokerId),
    };
  }

  /** Metadata of two brokers, the moves and the quorum, each asked after this call. Never rejects. */
  async askAnew(): Promise<FreshLook> {
    const nothing: FreshLook = { answers: [], facts: { reassignments: undefined, quorum: undefined } };
    if (!this.#started || this.#stopping !== undefined) return nothing;
    const { clock, log } = this.#options;
    const soon = (ask: () => Promise<void>) => within(clock, FRESH_FACTS_TIMEOUT_MS, ask);
    const [answers, moves, quorum] = await Promise.allSettled([
      askAnew({ pool: this.#pool, survivors: this.#survivors, log, timeoutMs: this.#limits.requestTimeoutMs }),
      soon(() => this.#collectReassignments()),
      soon(() => this.#quorum.collect()),
    ]);
    for (const [what, told] of [['reassignments', moves] as const, ['quorum', quorum] as const])
      if (told.status === 'rejected') log.warn('fresh_look_failed', { what, error: errorText(told.reason) });
    return {
      answers: answers.status === 'fulfilled' ? answers.value : [],
      facts: {
        reassignments: moves.status === 'fulfilled' ? this.#reassignments?.list : undefined,
        quorum: quorum.status === 'fulfilled' ? this.#quorum.last : undefined,
      },
    };
  }

  /** Begins to collect. Idempotent; does not wait for the first answer. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const loop of this.#loops) loop.start();
  }

  /** Ends all loops and connections, and waits for the work in flight. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * Something has happened, such as a broker found dead: looks at once and then often, until `brokerId` (without one,
   * every broker known to be down) has left the metadata and nothing has changed for 5 s, at most 60 s. Rows are
   * written, and rules woken, with each look.
   */
  lookNow(options: { readonly brokerId?: number } = {}): void {
    if (!this.#started || this.#stopping !== undefined) return;
    const { brokerId } = options;
    const down = this.#downIds();
    const stillListed = this.#pool.brokerIds.filter((id) => down.has(id));
    // A look that waits for a broker found dead or hung would hold up this one.
    for (const id of brokerId === undefined ? stillListed : [brokerId, ...stillListed]) this.#pool.discard(id, 'health');
    this.#fastLook.request(brokerId === undefined ? stillListed : [brokerId]);
  }

  async #stop(): Promise<void> {
    this.#pool.close();
    await Promise.all([this.#fastLook.stop(), ...[...this.#loops, ...this.#laterLoops].map((loop) => loop.stop())]);
    this.#invisibleGauge.remove({ cluster: this.#options.cluster });
  }

  async #lookAtTick(): Promise<void> {
    this.#noteLook(await this.#metadata.look());
  }

  /** The first answer tells the brokers that the other collections ask. */
  #noteLook<T extends { readonly tookMs: number }>(result: T): T {
    this.#tracker.succeeded('metadata', result.tookMs);
    if (this.#stopping === undefined) for (const loop of this.#laterLoops) loop.start();
    return result;
  }

  #downIds = (): ReadonlySet<number> => this.#options.brokerDownIds?.() ?? NONE;

  #metadataIntervalMs = (): number => {
    const partitions = this.#metadata.last?.partitionId.length ?? 0;
    return partitions > this.#limits.manyPartitions ? this.#cadences.metadataManyMs : this.#cadences.metadataMs;
  };

  #known = (): KnownFacts => {
    const list = this.#reassignmentsNow();
    return {
      minIsr: this.#configs.minIsr,
      adding: addingReplicas(list ?? []),
      reassigningPartitions: list?.length,
      hiddenTopics: this.#invisibleTopics > 0,
      minIsrRefused: this.#configs.refused.size > 0,
    };
  };

  #reassignmentsNow(): readonly Reassignment[] | undefined {
    const known = this.#reassignments;
    const maxAgeMs = REASSIGNMENTS_GOOD_FOR * this.#metadataIntervalMs();
    return known !== undefined && this.#options.clock.now() - known.at <= maxAgeMs ? known.list : undefined;
  }

  async #collectReassignments(): Promise<void> {
    // A broker whose controller is gone holds the answer back, and with it all that waits on the same connection.
    const purpose = this.#pool.brokerIds.length <= 1 ? 'health' : 'control';
    const list = await this.#survivors.ask(purpose, NONE, (connection) => connection.listPartitionReassignments(REASSIGNMENTS_TIMEOUT_MS));
    this.#reassignments = { at: this.#options.clock.now(), list };
  }

  async #collectLogDirs(): Promise<void> {
    try {
      await this.#logDirs.collect();
    } finally {
      const visible = new Set(this.#metadata.last?.topics ?? []);
      const before = this.#invisibleTopics;
      this.#invisibleTopics = [...this.#logDirs.topicsSeen].filter((topic) => !visible.has(topic)).length;
      this.#invisibleGauge.set(this.#invisibleTopics, { cluster: this.#options.cluster });
      // What was said of the cluster as a whole was not the whole: said anew, without waiting for the next look.
      if (before === 0 && this.#invisibleTopics > 0) this.lookNow();
      if (this.#logDirs.topicsSeen.size > 0) this.#options.onHiddenTopics?.(this.#invisibleTopics);
    }
  }

  #makeLaterLoops(): readonly Periodic[] {
    const tracker = this.#tracker;
    const { lagMs, logDirsMs } = this.#cadences;
    return [
      this.#loop('reassignments', this.#metadataIntervalMs, () => tracker.run('reassignments', () => this.#collectReassignments())),
      this.#loop('quorum', this.#metadataIntervalMs, () => tracker.run('quorum', () => this.#quorum.collect())),
      this.#loop(
        'configs',
        () => CONFIG_TICK_MS,
        () => tracker.run('configs', () => this.#configs.collect(this.#topics())),
      ),
      this.#loop(
        'log_dirs',
        () => logDirsMs,
        () => tracker.run('log_dirs', () => this.#collectLogDirs()),
      ),
      this.#loop(
        'lag',
        () => lagMs,
        () => tracker.run('lag', () => this.#lag.collect(this.#required())),
      ),
    ];
  }

  #loop(collector: string, intervalMs: () => number, run: () => Promise<boolean>, costMs?: () => number): Periodic {
    const { clock, cluster } = this.#options;
    return new Periodic({ clock, intervalMs, id: `kafka/${cluster}/${collector}`, run, ...(costMs === undefined ? {} : { costMs }) });
  }

  #rows(part: string, rawRows?: number): SeriesRows {
    const { writer, cluster, log } = this.#options;
    return new SeriesRows({ writer, log, targetId: `kafka/${cluster}/${part}`, ...(rawRows === undefined ? {} : { rawRows }) });
  }

  #topics(): readonly string[] {
    return this.#required().topics;
  }

  #required(): ClusterMetadata {
    const { last } = this.#metadata;
    if (last === undefined) throw new BelfryError('NOT_READY', 'no metadata yet');
    return last;
  }

  #makeMetadata(): MetadataCollection {
    const { clock, cluster } = this.#options;
    const healthRows = new HealthRows({
      rows: this.#rows('health'),
      troubleRows: this.#rows('troubles'),
      cluster,
      maxTroubles: this.#limits.topicsInTrouble,
    });
    const topicRows = new TopicRows(this.#rows('topics', PARTITION_ROWS), cluster);
    this.#tracker.add('metadata', this.#metadataIntervalMs, [healthRows.rows, healthRows.troubleRows, topicRows.rows]);
    this.#tracker.add('reassignments', this.#metadataIntervalMs, []);
    const { pool, survivors, options } = { pool: this.#pool, survivors: this.#survivors, options: this.#options };
    const { requestTimeoutMs } = this.#limits;
    return new MetadataCollection({ options, clock, pool, survivors, healthRows, topicRows, requestTimeoutMs, known: this.#known });
  }

  #makeQuorum(): QuorumCollection {
    const { clock, cluster, wake } = this.#options;
    const rows = this.#rows('quorum');
    this.#tracker.add('quorum', this.#metadataIntervalMs, [rows]);
    const onChange = (ts: number, metricNames: ReadonlySet<string>): void => wake({ ts, metricNames, cluster });
    return new QuorumCollection({ pool: this.#pool, survivors: this.#survivors, clock, rows, cluster, onChange });
  }

  #makeConfigs(): ConfigCollection {
    const { clock, cluster } = this.#options;
    const rows = this.#rows('configs');
    this.#tracker.add('configs', () => this.#cadences.configsMs, [rows]);
    return new ConfigCollection({ survivors: this.#survivors, clock, rows, cluster, refreshMs: this.#cadences.configsMs });
  }

  #makeLag(): LagCollection {
    const { clock, cluster, log, groupFilter, groupWatched } = this.#options;
    const offsetRows = this.#rows('offsets', PARTITION_ROWS);
    const groupRows = this.#rows('groups', GROUP_ROWS);
    this.#tracker.add('lag', () => this.#cadences.lagMs, [offsetRows, groupRows]);
    return new LagCollection({
      pool: this.#pool,
      clock,
      log,
      cluster,
      timeoutMs: this.#limits.requestTimeoutMs,
      maxGroups: this.#limits.groups,
      maxGroupPartitions: this.#limits.groupPartitions,
      groupFilter,
      groupWatched,
      offsetRows,
      groupRows,
      downIds: this.#downIds,
    });
  }

  #makeLogDirs(): LogDirCollection {
    const { clock, cluster } = this.#options;
    this.#tracker.add('log_dirs', () => this.#cadences.logDirsMs, []);
    return new LogDirCollection({
      pool: this.#pool,
      clock,
      cluster,
      intervalMs: this.#cadences.logDirsMs,
      timeoutMs: this.#limits.requestTimeoutMs,
      rowsOf: (brokerId) => this.#rows(`logdirs/${brokerId}`),
      downIds: this.#downIds,
      metadata: () => this.#metadata.last,
    });
  }
}
