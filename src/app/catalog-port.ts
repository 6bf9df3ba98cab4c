import type { BelfryConfig } from '../config/config.ts';
import type { CatalogPort, TargetView } from '../http/prometheus-ports.ts';
import type { SampleStore } from '../store/sample-store.ts';
import type { PrometheusMeter } from '../telemetry/prometheus-meter.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { kafkaFamilyHelp } from './kafka-families.ts';

export interface CatalogParts {
  readonly version: string;
  readonly startedAt: number;
  readonly meter: PrometheusMeter;
  readonly samples: SampleStore;
  readonly watches: ReadonlyMap<string, ClusterWatch>;
  readonly config: () => BelfryConfig;
}

/** What the HTTP API tells of series, metrics, targets and the server itself. */
export function createCatalogPort({ version, startedAt, meter, samples, watches, config }: CatalogParts): CatalogPort {
  return {
    series: samples.reader,
    metadata: () => [...kafkaFamilyHelp(), ...meter.families()],
    targets: () => [...watches.values()].flatMap(({ targets }): readonly TargetView[] => targets),
    runtime: () => {
      const { storage, http, evaluationIntervalMs } = config();
      const { host, port } = http.listen;
      const { minTs, maxTs } = samples.stats();
      const listen = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      return { version, startedAt, listen, evaluationIntervalMs, retentionMs: storage.retentionMs, minTs, maxTs };
    },
  };
}
