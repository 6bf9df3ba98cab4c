import { yieldToLoop, type Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import { Labels, METRIC_NAME } from '../../core/labels.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Logger } from '../../core/log.ts';
import type { Meter } from '../../core/meter.ts';
import type { SampleWriter, TargetWriter } from '../../core/sample.ts';
import { formatOf } from '../../formats/exposition.ts';
import { PageLayout, type PageLayouts, type PageTemplate } from '../../formats/page-layout.ts';
import { PAGE_LIMITS, PageParser, type ParsedPage } from '../../formats/page-parser.ts';
import type { ScheduledJob } from '../scheduler.ts';
import { PageFetcher, type PageSource } from './fetch-page.ts';
import { LargePages } from './large-pages.ts';
import { RowLayout, targetSeries } from './row-layout.ts';

export interface ScrapeTargetOptions {
  readonly job: string;
  readonly source: Omit<PageSource, 'bodyBytesMax' | 'timeoutMs'>;
  /** Put on every series: `cluster` and whatever the configuration says. They win over the page's. */
  readonly labels: Readonly<Record<string, string>>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly honorTimestamps: boolean;
  readonly bodyBytesMax?: number | undefined;
  readonly seriesMax?: number | undefined;
  /** Shared by all targets; one of its own by default. */
  readonly largePages?: LargePages | undefined;
  /** Shared by all targets; of its own by default. */
  readonly layouts?: PageLayouts | undefined;
  readonly writer: SampleWriter;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/** A target and how its last scrape went. Times are milliseconds. */
export interface ScrapeState {
  readonly job: string;
  readonly labels: Labels;
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

/**
 * What is told of each scrape, in the order of the row: whether it was good, how long it took, how many samples its page
 * had, how many of them are left after relabelling, which there is none of, and how many series are new since the last good one.
 */
const META = ['up', 'scrape_duration_seconds', 'scrape_samples_scraped', 'scrape_samples_post_metric_relabeling', 'scrape_series_added'];

/** A sample's own timestamp may be this far from now; beyond it something is wrong with a clock. */
const TIMESTAMP_AHEAD_MAX_MS = 10 * 60_000;
const TIMESTAMP_BEHIND_MAX_MS = 60 * 60_000;

/**
 * So many failures in a row are written as rows of the last good page in which nothing but `up` and its like has a sample: its
 * next page is then as cheap as any other. Of who fails for longer the store is to forget the columns.
 */
const FORGIVEN_FAILURES = 10;

/** One exporter: fetched, parsed and written as a row at each tick. */
export class ScrapeTarget implements ScheduledJob {
  readonly id: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly #options: ScrapeTargetOptions;
  readonly #fetcher: PageFetcher;
  readonly #parser: PageParser;
  readonly #largePages: LargePages;
  readonly #writer: TargetWriter;
  readonly #targetLabels: Labels;
  readonly #meta: readonly Labels[];
  readonly #failures: { add(by: number, labels: Readonly<Record<string, string>>): void };
  readonly #dropped: { add(by: number, labels: Readonly<Record<string, string>>): void };
  /** The last one that the store has taken. */
  #layout: RowLayout | undefined;
  #failed = 0;
  #lastGood: PageLayout | undefined;
  #values: Float64Array = new Float64Array(0);
  #healthy: boolean | undefined;
  #last = { ts: 0, durationMs: 0, error: '' };

  constructor(options: ScrapeTargetOptions) {
    const { source } = options;
    const instance = addressOf(source);
    this.#options = options;
    this.id = scrapeTargetId(options.labels['cluster'] ?? '', options.job, source);
    this.intervalMs = options.intervalMs;
    this.timeoutMs = options.timeoutMs;
    this.#fetcher = new PageFetcher({
      ...source,
      bodyBytesMax: options.bodyBytesMax ?? LIMITS.scrapeBodyBytes,
      timeoutMs: options.timeoutMs,
    });
    const limits = { ...PAGE_LIMITS, seriesMax: options.seriesMax ?? LIMITS.seriesPerTarget };
    this.#parser = new PageParser(limits, options.layouts, options.honorTimestamps);
    this.#largePages = options.largePages ?? new LargePages({ smallBytes: LIMITS.smallPageBytes, places: LIMITS.largePages });
    this.#writer = options.writer.target(this.id);
    this.#targetLabels = Labels.of({ instance, ...options.labels, job: options.job });
    this.#meta = META.map((name) => this.#targetLabels.with(METRIC_NAME, name));
    this.#failures = options.meter.counter('belfry_scrape_failures_total', 'Scrapes that gave nothing, by error code.', ['job', 'code']);
    this.#dropped = options.meter.counter('belfry_scrape_samples_dropped_total', 'Samples of good pages that were left out.', [
      'job',
      'reason',
    ]);
  }

  get state(): ScrapeState {
    const { job, source } = this.#options;
    return {
      job,
      labels: this.#targetLabels,
      url: `${source.scheme}://${addressOf(source)}${source.path}`,
      health: this.#healthy === undefined ? 'unknown' : this.#healthy ? 'up' : 'down',
      lastError: this.#last.error,
      lastScrape: this.#last.ts,
      lastScrapeDurationMs: this.#last.durationMs,
      intervalMs: this.intervalMs,
      timeoutMs: this.timeoutMs,
    };
  }

  /** All of its last good page but the values; undefined before the first, and where samples have times of their own. */
  get template(): PageTemplate | undefined {
    return this.#lastGood?.template;
  }

  async run(ts: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const startedAt = clock.elapsed();
    const place = this.#largePages.begin(signal);
    let page: ParsedPage | undefined;
    let failure = '';
    try {
      const { body, contentType } = await this.#fetcher.fetch(signal, place);
      page = await this.#parser.parseInSlices(body, formatOf(contentType), async () => {
        await yieldToLoop();
        if (signal.aborted) throw new BelfryError('SCRAPE_TIMEOUT', 'the page could not be read in time', { cause: signal.reason });
      });
    } catch (error) {
      failure = this.#fails(error);
    } finally {
      place.release();
    }
    // A target that is being taken away writes nothing more.
    if (signal.aborted && page === undefined && signal.reason instanceof DOMException) return;
    this.#last = { ts, durationMs: clock.elapsed() - startedAt, error: failure };
    if (page !== undefined && this.#takes(ts, page)) this.#becomes(true, undefined);
    else this.#write(ts, undefined);
  }

  /** Lets go of the connection. */
  close(): void {
    this.#fetcher.close();
  }

  /** False where the store has no room for the page: then the scrape has failed as much as without one. */
  #takes(ts: number, page: ParsedPage): boolean {
    try {
      this.#write(ts, page);
    } catch (error) {
      if (!(error instanceof BelfryError) || error.code !== 'STORE_LIMIT') throw error;
      this.#last = { ...this.#last, error: this.#fails(error) };
      return false;
    }
    this.#lastGood = page.layout;
    return true;
  }

  #write(ts: number, page: ParsedPage | undefined): void {
    const layout = this.#rowLayout(page);
    const count = layout.page.size;
    if (this.#values.length !== layout.size) this.#values = new Float64Array(layout.size);
    if (page !== undefined) this.#values.set(page.values.subarray(0, count));
    const samples = page === undefined ? 0 : count + page.timestamped.length + page.duplicates;
    const about = [page === undefined ? 0 : 1, this.#last.durationMs / 1000, samples, samples, page === undefined ? 0 : this.#born(page)];
    this.#values.set(about, count);
    this.#writer.append(ts, layout, this.#values, page === undefined ? new Uint8Array(layout.size).fill(1, 0, count) : undefined);
    layout.taken();
    this.#layout = layout;
    this.#failed = page === undefined ? this.#failed + 1 : 0;
    if (page === undefined) return;
    this.#writeTimestamped(ts, page.timestamped);
    if (page.duplicates > 0) this.#dropped.add(page.duplicates, { job: this.#options.job, reason: 'duplicate' });
  }

  /** How many series the page has that the last good one had not. */
  #born({ layout, change }: ParsedPage): number {
    const before = this.#lastGood;
    if (before === layout) return 0;
    if (change !== undefined && change.before === before) return change.born.size;
    return bornSince(before?.labelHashes ?? NO_SERIES.labelHashes, layout.labelHashes);
  }

  #writeTimestamped(now: number, samples: ParsedPage['timestamped']): void {
    const { job } = this.#options;
    for (const { labels, value, ts } of samples) {
      if (ts > now + TIMESTAMP_AHEAD_MAX_MS || ts < now - TIMESTAMP_BEHIND_MAX_MS) {
        this.#dropped.add(1, { job, reason: 'timestamp' });
        continue;
      }
      try {
        this.#writer.appendAt(ts, targetSeries(labels, this.#targetLabels), value);
      } catch (error) {
        if (!(error instanceof BelfryError)) throw error;
        this.#dropped.add(1, { job, reason: error.code === 'STORE_LIMIT' ? 'limit' : 'out_of_order' });
      }
    }
  }

  /** The same object while the page's layout is the same. */
  #rowLayout(page: ParsedPage | undefined): RowLayout {
    const before = this.#layout;
    if (page === undefined && before !== undefined && this.#failed < FORGIVEN_FAILURES) return before;
    const layout = page?.layout ?? NO_SERIES;
    if (before?.page === layout) return before;
    const row = new RowLayout(layout, this.#targetLabels, this.#meta);
    if (page?.change !== undefined && before?.page === page.change.before) row.follows(before, page.change);
    return row;
  }

  /** Counts what went wrong and tells it once; the words for it. */
  #fails(error: unknown): string {
    this.#failures.add(1, { job: this.#options.job, code: error instanceof BelfryError ? error.code : 'INTERNAL' });
    this.#becomes(false, error);
    return errorText(error);
  }

  #becomes(healthy: boolean, error: unknown): void {
    if (this.#healthy === healthy) return;
    const { log } = this.#options;
    if (!healthy)
      log.warn('scrape_failed', { target: this.id, code: error instanceof BelfryError ? error.code : 'INTERNAL', error: errorText(error) });
    else if (this.#healthy === false) log.info('scrape_recovered', { target: this.id });
    this.#healthy = healthy;
  }
}

/** Under which its samples are stored: `scrape/orders-dal/jmx/kafka1:7071`, with the path where it is another than usual. */
export function scrapeTargetId(cluster: string, job: string, source: Pick<PageSource, 'host' | 'port' | 'path'>): string {
  return `scrape/${cluster}/${job}/${addressOf(source)}${source.path === '/metrics' ? '' : source.path}`;
}

function addressOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** How many of the hashes are not among those before: mostly all are, in the same order. */
function bornSince(before: Int32Array, hashes: Int32Array): number {
  let same = 0;
  while (same < hashes.length && hashes[same] === before[same]) same++;
  if (same === hashes.length) return 0;
  const known = new Set(before.subarray(same));
  return hashes.subarray(same).reduce((born, hash) => (known.has(hash) ? born : born + 1), 0);
}

const NO_SERIES = new PageLayout(new Int32Array(0), undefined, [], LIMITS);
