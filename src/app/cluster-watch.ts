import { createHash } from 'node:crypto';
import type { ClusterPicture } from '../autopilot/picture.ts';
import type { FreshLook } from '../collectors/kafka/ask-anew.ts';
import type { WatcherIsolation } from '../collectors/isolation/watcher-isolation.ts';
import { KafkaCollector } from '../collectors/kafka/collector.ts';
import { PermissionWatch } from '../collectors/kafka/permission-watch.ts';
import { DEFAULT_CADENCES } from '../collectors/kafka/options.ts';
import { brokerFactsInSlices } from '../collectors/liveness/broker-facts.ts';
import { HandshakePacer } from '../collectors/liveness/handshake-pacer.ts';
import { Liveness } from '../collectors/liveness/liveness.ts';
import { VERDICTS } from '../collectors/liveness/verdict.ts';
import { requestMetrics } from '../collectors/kafka/request-metrics.ts';
import type { ExpectedBrokersStore } from '../collectors/liveness/expected-brokers.ts';
import type { Scheduler } from '../collectors/scheduler.ts';
import type { LargePages } from '../collectors/scrape/large-pages.ts';
import { ScrapeTarget, type ScrapeState } from '../collectors/scrape/scrape-target.ts';
import type { ClusterConfig, ExporterConfig } from '../config/config.ts';
import { kafkaSecurity } from '../config/kafka-security.ts';
import type { Clock } from '../core/clock.ts';
import type { Labels } from '../core/labels.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import { compileRegex } from '../core/regex.ts';
import type { SampleWriter, Wake } from '../core/sample.ts';
import { Secret } from '../core/secret.ts';
import { PageLayouts, type PageTemplate } from '../formats/page-layout.ts';
import { KafkaConnector } from '../kafka/connection.ts';
import type { ClusterMetadata } from '../kafka/observer.ts';
import { PermissionBook } from '../kafka/permission-book.ts';
import { PartitionsMemo, pictureOf, type PictureInput } from './cluster-picture.ts';
import { LastIsr } from './last-isr.ts';
import { ScopedWriter } from './scoped-writer.ts';
import { cadencesOf, timingsOf } from './timings.ts';

/** A cluster gets at most 20 handshakes a second; a fifth is left for those that cannot wait. */
export const PACED_HANDSHAKES_PER_SECOND = 16;

export interface ClusterWatchParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  readonly writer: SampleWriter;
  readonly scheduler: Scheduler;
  readonly expectedBrokers: ExpectedBrokersStore;
  /** Shared by the exporters of all clusters. */
  readonly largePages: LargePages;
  readonly wake: (wake: Wake) => void;
  /** Tells our own isolation from trouble of the clusters. */
  readonly isolation: WatcherIsolation;
  /** Told of each finding about a broker, after it is known everywhere. */
  readonly onVerdict: (cluster: string) => void;
  /** Alerts about what has left for good end. */
  readonly removed: (isGone: (labels: Labels) => boolean) => void;
}

/** Everything that looks at one cluster: liveness, the Kafka collector, its exporters. A changed configuration makes a new one. */
export class ClusterWatch {
  readonly config: ClusterConfig;
  readonly liveness: Liveness;
  readonly #kafka: KafkaCollector;
  readonly #exporters: readonly ScrapeTarget[];
  readonly #parts: ClusterWatchParts;
  readonly #writer: ScopedWriter;
  readonly #permissions: PermissionBook;
  readonly #lastIsr = new LastIsr();
  readonly #partitions = new PartitionsMemo();

  constructor(config: ClusterConfig, parts: ClusterWatchParts) {
    const { clock, meter, wake } = parts;
    const writer = new ScopedWriter(parts.writer);
    const log = parts.log.child({ cluster: config.name });
    const permissions = new PermissionBook({ cluster: config.name, clock, log, meter });
    const connector = new PermissionWatch(
      new KafkaConnector({ clock, security: kafkaSecurity(config, clock), onRequest: requestMetrics(meter, config.name) }),
      permissions,
    );
    const shared = {
      cluster: config.name,
      bootstrap: config.brokers,
      addresses: config.addresses,
      connector,
      clock,
      log,
      meter,
      writer,
      wake,
      line: new HandshakePacer(clock, PACED_HANDSHAKES_PER_SECOND),
    };
    this.config = config;
    this.#parts = parts;
    this.#writer = writer;
    this.#permissions = permissions;
    this.liveness = new Liveness({
      ...shared,
      store: parts.expectedBrokers,
      timings: timingsOf(config),
      isolation: parts.isolation,
      onForgotten: (id) => parts.removed((labels) => labels.get('cluster') === config.name && labels.get('broker') === String(id)),
    });
    this.#kafka = new KafkaCollector({
      ...shared,
      cadences: cadencesOf(config),
      groupFilter: groupFilterOf(config),
      groupWatched: groupWatchedBy(config),
      onMetadata: async (metadata, slices) => {
        // Answers of many clusters come in one turn of the loop: each is taken in in a turn of its own.
        await slices.pause();
        this.liveness.observeMetadata(metadata, await brokerFactsInSlices(metadata, slices));
        if (slices.due) await slices.pause();
        await this.#lastIsr.observe(metadata, slices);
      },
      expected: () => this.liveness.expectedIds,
      brokerDownIds: () => this.liveness.downIds,
      inStopGrace: () => this.liveness.stopGraceIds,
      onHiddenTopics: (count) => connector.hiddenTopics(count),
    });
    // What a verdict means for partitions is worth knowing sooner than at the next regular look.
    this.liveness.onVerdict(({ broker, verdict }) => {
      this.#kafka.lookNow(isDown(verdict) ? { brokerId: broker } : {});
      parts.onVerdict(config.name);
    });
    this.#exporters = config.exporters.flatMap((exporter) => targetsOf(config, exporter, { ...parts, writer }));
  }

  /** Whether it is just what this configuration asks for, owner and thresholds aside, which it does not use. */
  isFor(config: ClusterConfig): boolean {
    return identityOf(config) === identityOf(this.config);
  }

  get hasLooked(): boolean {
    return this.liveness.hasLooked;
  }

  /** When the cluster last answered a look, and when a look last came to any end; undefined where none has yet. */
  get lookTimes(): KafkaCollector['lookTimes'] {
    return this.#kafka.lookTimes;
  }

  /** The longest time between two looks. */
  get lookIntervalMs(): number {
    const { metadata = 0, metadata_many: metadataMany = 0 } = this.config.cadence;
    return Math.max(metadata, metadataMany, DEFAULT_CADENCES.metadataManyMs);
  }

  /** The exporters, each with how its last scrape went. */
  get targets(): readonly ScrapeState[] {
    return this.#exporters.map((exporter) => exporter.state);
  }

  /** What is known of the exporters' pages; targets whose pages are of one make share one. */
  get pages(): readonly { readonly labels: Labels; readonly template: PageTemplate | undefined }[] {
    return this.#exporters.map(({ state: { labels }, template }) => ({ labels, template }));
  }

  /** The cluster as it is known now, or as `anew` says that was asked for anew. */
  picture(
    around: Pick<PictureInput, 'maintenance' | 'labels' | 'cruiseControlBusy'>,
    anew?: FreshLook['facts'] & { readonly metadata: ClusterMetadata },
  ): ClusterPicture {
    const facts = this.#kafka.facts();
    return pictureOf({
      cluster: this.config.name,
      ...(anew === undefined
        ? { facts, memo: this.#partitions }
        : { facts: { ...facts, reassignments: anew.reassignments, quorum: anew.quorum }, metadata: anew.metadata }),
      liveness: this.liveness.facts(),
      clusterIdChanged: this.liveness.clusterIdChanged,
      unreachable: this.liveness.unreachable,
      isolated: this.#parts.isolation.isolated,
      ...around,
      lastIsr: (topic, partition) => this.#lastIsr.of(topic, partition),
    });
  }

  /** Why not everything is known of the cluster now; undefined where it is. */
  get unknown(): string | undefined {
    if (this.liveness.clusterIdChanged) return 'another cluster answers under its name';
    return this.picture({ maintenance: undefined, labels: {} }).blind;
  }

  /** Metadata of two brokers, the moves and the quorum, each asked after this call. */
  askAnew(): Promise<FreshLook> {
    return this.#kafka.askAnew();
  }

  start(): void {
    this.liveness.start();
    this.#kafka.start();
    for (const exporter of this.#exporters) this.#parts.scheduler.add(exporter, { now: true });
  }

  /** Ends every look. */
  async stop(): Promise<void> {
    this.liveness.stop();
    await this.#kafka.stop();
    await Promise.all(this.#exporters.map(({ id }) => this.#parts.scheduler.remove(id)));
    for (const exporter of this.#exporters) exporter.close();
    this.#permissions.close();
  }

  /** After the stop: ends the series that `successor`, if there is one, does not write. */
  endSeries(successor: ClusterWatch | undefined): void {
    // After the last row, which may be of this very millisecond.
    this.#writer.end(this.#parts.clock.now() + 1, successor === undefined ? undefined : successor.#writer);
    if (successor !== undefined) this.#endAlerts(successor.targets);
  }

  /** Nobody will ever answer for an exporter that has left: also an alert that outlives missing data ends with it. */
  #endAlerts(kept: readonly ScrapeState[]): void {
    const jobsAt = Map.groupBy(kept, ({ labels }) => labels.get('instance'));
    for (const { labels: left } of this.targets) {
      const others = jobsAt.get(left.get('instance')) ?? [];
      if (others.some(({ job }) => job === left.get('job'))) continue;
      this.#parts.removed((labels) => {
        if (labels.get('cluster') !== this.config.name || labels.get('instance') !== left.get('instance')) return false;
        return labels.get('job') === '' ? others.length === 0 : labels.get('job') === left.get('job');
      });
    }
  }
}

function isDown(verdict: string): boolean {
  return VERDICTS.some((down) => down === verdict);
}

/** Secrets are compared by what they say; the text is not kept. */
function identityOf(config: ClusterConfig): string {
  const { owner: _owner, thresholds: _thresholds, labels: _labels, addresses, ...rest } = config;
  return JSON.stringify([rest, [...addresses]], function (this: Readonly<Record<string, unknown>>, key, value: unknown) {
    // By now `value` is what toJSON made of a secret; the secret itself stands in its owner.
    const original = this[key];
    return original instanceof Secret ? hashOf(original.reveal()) : value;
  });
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function groupFilterOf({ consumerGroups: { include, exclude } }: ClusterConfig): (groupId: string) => boolean {
  const included = include === undefined ? undefined : compileRegex(include);
  const excluded = exclude === undefined ? undefined : compileRegex(exclude);
  return (groupId) => included?.matches(groupId) !== false && excluded?.matches(groupId) !== true;
}

/** Whose lag may alert: nobody's unless the owner asked for it. */
function groupWatchedBy({ consumerGroups: { alert } }: ClusterConfig): (groupId: string) => boolean {
  const watched = alert === undefined ? undefined : compileRegex(alert);
  return (groupId) => watched?.matches(groupId) === true;
}

function targetsOf(cluster: ClusterConfig, exporter: ExporterConfig, parts: ClusterWatchParts): readonly ScrapeTarget[] {
  const { scheme, path, basicAuth, bearerToken, tls, job, intervalMs, timeoutMs, honorTimestamps, bodyBytesMax, seriesMax } = exporter;
  const layouts = new PageLayouts();
  return exporter.targets.map(
    ({ host, port }) =>
      new ScrapeTarget({
        job,
        source: { scheme, host, port, path, basicAuth, bearerToken, tls },
        labels: { ...exporter.labels, cluster: cluster.name },
        intervalMs,
        timeoutMs,
        honorTimestamps,
        bodyBytesMax,
        seriesMax,
        largePages: parts.largePages,
        layouts,
        writer: parts.writer,
        clock: parts.clock,
        log: parts.log,
        meter: parts.meter,
      }),
  );
}
