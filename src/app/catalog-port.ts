import type { BelfryConfig } from '../config/config.ts';
import { type Clock, yieldToLoop } from '../core/clock.ts';
import type { PageTemplate } from '../formats/page-layout.ts';
import { type FamilyMetadata, pageMetadata } from '../formats/page-metadata.ts';
import type { CatalogPort, MetricMetadata, ReloadView, TargetMetadata, TargetView } from '../http/prometheus-ports.ts';
import type { SampleStore } from '../store/sample-store.ts';
import type { PrometheusMeter } from '../telemetry/prometheus-meter.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { kafkaFamilyHelp } from './kafka-families.ts';

export interface CatalogParts {
  readonly version: string;
  readonly startedAt: number;
  readonly clock: Clock;
  readonly meter: PrometheusMeter;
  readonly samples: SampleStore;
  readonly watches: ReadonlyMap<string, ClusterWatch>;
  readonly config: () => BelfryConfig;
  readonly lastReload: () => ReloadView;
}

/** What the HTTP API tells of series, metrics, targets and the server itself. */
export function createCatalogPort(parts: CatalogParts): CatalogPort {
  const { version, startedAt, clock, meter, samples, watches, config, lastReload } = parts;
  return {
    series: samples.reader,
    ...metadataOf(meter, () => watches.values()),
    targets: () => [...watches.values()].flatMap(({ targets }): readonly TargetView[] => targets),
    runtime: () => {
      const { storage, http, evaluationIntervalMs } = config();
      const { host, port } = http.listen;
      const { minTs, maxTs } = samples.stats();
      const listen = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      return {
        version,
        startedAt,
        now: clock.now(),
        lastReload: lastReload(),
        listen,
        evaluationIntervalMs,
        retentionMs: storage.retentionMs,
        minTs,
        maxTs,
      };
    },
  };
}

/** Where it is told what metrics are: for Belfry's own, and on the pages that it scrapes. */
export function metadataOf(
  meter: PrometheusMeter,
  clusters: () => Iterable<Pick<ClusterWatch, 'pages'>>,
): Pick<CatalogPort, 'metadata' | 'scraped'> {
  return {
    metadata: () => [...kafkaFamilyHelp(), ...meter.families()],
    scraped: () => scrapedMetadata([...clusters()].flatMap(({ pages }) => pages)),
  };
}

/** Each page is read once for all the targets that have it. */
export async function* scrapedMetadata(pages: ClusterWatch['pages']): AsyncGenerator<TargetMetadata, void> {
  const read = new Map<PageTemplate, readonly FamilyMetadata[]>();
  for (const { labels, template } of pages) {
    if (template === undefined) continue;
    let families = read.get(template);
    if (families === undefined) {
      await yieldToLoop();
      families = pageMetadata(template);
      read.set(template, families);
    }
    yield { labels, families };
  }
}

/** Of Belfry's own metrics and of scraped ones; what stands first holds where pages differ. */
export async function allMetadata(catalog: Pick<CatalogPort, 'metadata' | 'scraped'>): Promise<ReadonlyMap<string, MetricMetadata>> {
  const all = new Map(catalog.metadata().map((family) => [family.name, family]));
  for await (const { families } of catalog.scraped())
    for (const family of families) if (!all.has(family.name)) all.set(family.name, family);
  return all;
}
