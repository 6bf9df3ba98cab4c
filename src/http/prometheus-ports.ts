import type { Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { WrittenSeries } from '../formats/remote-write.ts';

/** Which series a question about names is for; open where a bound is left out. Times are milliseconds of Belfry time. */
export interface SeriesFilter {
  /** A series counts when one of the sets accepts it; no set at all accepts every series. */
  readonly matcherSets?: readonly (readonly Matcher[])[];
  readonly minTs?: number;
  readonly maxTs?: number;
  /** How many results are needed at most; more may come. */
  readonly limit?: number;
}

/** The names that the sample store knows. */
export interface SeriesPort {
  labelNames(filter: SeriesFilter): readonly string[];
  labelValues(name: string, filter: SeriesFilter): readonly string[];
  /** How many `labelValues` there are; none of them is looked at. */
  labelValueCount(name: string): number;
  /** Each made when it is asked for, so that others may have their turn between. */
  eachSeries(filter: SeriesFilter): Iterable<Labels>;
  seriesCount(filter: SeriesFilter): number;
}

/** What is known of a metric beside its samples. */
export interface MetricMetadata {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Empty where none was told. */
  readonly unit?: string;
}

/** What a target's page says of its metrics. */
export interface TargetMetadata {
  readonly labels: Labels;
  readonly families: readonly MetricMetadata[];
}

/** One exporter that is scraped. */
export interface TargetView {
  readonly job: string;
  readonly labels: Labels;
  /** Scheme, host, port and path, without any secret. */
  readonly url: string;
  readonly health: 'up' | 'down' | 'unknown';
  /** Empty while all is well. */
  readonly lastError: string;
  /** 0 before the first one. */
  readonly lastScrape: number;
  readonly lastScrapeDurationMs: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface CatalogPort {
  readonly series: SeriesPort;
  /** Of the metrics that Belfry makes itself. */
  metadata(): readonly MetricMetadata[];
  /** Of the scraped targets, one after the other; others get their turn between. */
  scraped(): AsyncIterable<TargetMetadata>;
  targets(): readonly TargetView[];
  runtime(): RuntimeView;
}

/** How the last reading of the configuration ended, and when one last succeeded. */
export interface ReloadView {
  readonly successful: boolean;
  readonly configuredAt: number;
}

/** What Prometheus's status pages ask of a server. */
export interface RuntimeView {
  readonly version: string;
  readonly startedAt: number;
  readonly now: number;
  readonly lastReload: ReloadView;
  readonly listen: string;
  readonly evaluationIntervalMs: number;
  readonly retentionMs: number;
  /** Of the samples that are kept; undefined while there are none. */
  readonly minTs: number | undefined;
  readonly maxTs: number | undefined;
}

/** Samples of one series that were not kept, for one reason. */
export interface RefusedSamples {
  /** One of a few words, the same for the same reason. */
  readonly why: string;
  readonly count: number;
  /** The first of them. */
  readonly what: string;
}

/** What became of samples that were brought in. */
export interface BroughtView {
  readonly series: number;
  readonly stored: number;
  /** There already, with the same value; and with another one, which stays. */
  readonly known: number;
  readonly conflicting: number;
  /** Before the retention, and after now. */
  readonly tooOld: number;
  readonly tooNew: number;
  /** Of series that there is no room for. */
  readonly overLimit: number;
}

/** History in and out as OpenMetrics text. */
export interface BackfillPort {
  /** Keeps the samples of whole lines, the first of which has that number. Rejects with `BAD_REQUEST`, nothing of it kept. */
  bring(text: Uint8Array, firstLine: number): Promise<BroughtView>;
  /** The samples of [fromTs, toTs], piece by piece, with `# EOF` at the end. */
  take(filter: SeriesFilter, fromTs: number, toTs: number): AsyncIterable<string>;
}

export interface RemoteWritePort {
  /** Keeps the samples of one series; those that were refused. */
  write(series: WrittenSeries): readonly RefusedSamples[];
  /** Resolves when all that was kept is on disk. Rejects with `STATE_NOT_DURABLE`: the sender is to send it again. */
  committed(): Promise<void>;
}
