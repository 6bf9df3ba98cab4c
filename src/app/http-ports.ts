import type { BelfryConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { AutopilotPort } from '../http/autopilot-ports.ts';
import type { HttpPorts, IncidentView, OperationsPort, StatusView } from '../http/ports.ts';
import type { ReloadView } from '../http/prometheus-ports.ts';
import type { NotifierSet } from '../notifiers/notifier-set.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { Routing } from '../routing/pipeline.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { SampleStore } from '../store/sample-store.ts';
import type { PrometheusMeter } from '../telemetry/prometheus-meter.ts';
import { createBackfillPort } from './backfill-port.ts';
import { allMetadata, createCatalogPort } from './catalog-port.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { kafkaFamilies } from './kafka-families.ts';
import { createQueryPort } from './query-port.ts';
import type { Readiness } from './readiness.ts';
import { createRemoteWritePort } from './remote-write-port.ts';
import { ReplayJobs } from './replay-jobs.ts';
import { rulesView } from './rules-view.ts';
import { sendTest } from './send-test.ts';

export interface HttpParts {
  readonly version: string;
  readonly startedAt: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: PrometheusMeter;
  readonly samples: SampleStore;
  readonly rules: RuleEngine;
  readonly routing: Routing;
  readonly outbox: Outbox;
  readonly watches: ReadonlyMap<string, ClusterWatch>;
  readonly reload: () => Promise<readonly string[]>;
  readonly lastReload: () => ReloadView;
  readonly config: () => BelfryConfig;
  readonly notifiers: () => NotifierSet;
  readonly autopilot: AutopilotPort;
  readonly readiness: Readiness;
}

/** What the HTTP API reads of the rooms. */
export function createHttpPorts(parts: HttpParts): HttpPorts {
  const { clock, meter, samples, rules } = parts;
  const catalog = createCatalogPort(parts);
  return {
    health: parts.readiness,
    metrics: { own: () => meter.page(), kafka: () => kafkaFamilies(samples.reader, clock.now()) },
    query: createQueryPort(samples.reader, clock, () => parts.config().promql),
    catalog,
    backfill: createBackfillPort(samples, () => allMetadata(catalog), clock),
    remoteWrite: createRemoteWritePort({ store: samples, clock, meter, retentionMs: () => parts.config().storage.retentionMs }),
    rules: { groups: () => rulesView(rules.snapshot()) },
    operations: operations(parts),
    silences: parts.routing.silences,
    alertStatus: parts.routing,
    replay: new ReplayJobs({ config: parts.config, clock, log: parts.log }),
    autopilot: parts.autopilot,
  };
}

function operations(parts: HttpParts): OperationsPort {
  const { watches, config, notifiers, clock } = parts;
  const watchOf = (cluster: string): ClusterWatch => {
    const watch = watches.get(cluster);
    if (watch === undefined) throw new BelfryError('NOT_FOUND', `no such cluster: ${cluster}`);
    return watch;
  };
  return {
    reload: parts.reload,
    sendTest: (owner) => {
      if (!config().owners.some(({ name }) => name === owner)) throw new BelfryError('NOT_FOUND', `no such owner: ${owner}`);
      return sendTest(owner, notifiers(), clock);
    },
    acceptCluster: (cluster) => watchOf(cluster).liveness.acceptClusterId(),
    forgetBroker: (cluster, brokerId) => {
      const watch = watchOf(cluster);
      if (watch.liveness.isUp(brokerId)) throw new BelfryError('BAD_REQUEST', `broker ${brokerId} of ${cluster} is alive`);
      if (!watch.liveness.forget(brokerId)) throw new BelfryError('NOT_FOUND', `${cluster} has no expected broker ${brokerId}`);
    },
    incidents: () => incidentViews(parts),
    status: () => statusView(parts),
  };
}

function incidentViews({ routing }: HttpParts): readonly IncidentView[] {
  return routing.openIncidents().map((record) => ({
    ...record.asIncident(),
    firing: record.orderedAlerts().filter(({ status }) => status === 'firing').length,
    events: [...record.events],
  }));
}

function statusView({ version, startedAt, config, watches, outbox }: HttpParts): StatusView {
  const { file, hash, defaultOwner } = config();
  return {
    version,
    startedAt,
    configFile: file,
    configHash: hash,
    ...(defaultOwner === undefined ? {} : { defaultOwner }),
    clusters: [...watches.values()].map(({ config: cluster, liveness, unknown }) => ({
      name: cluster.name,
      owner: cluster.owner,
      brokersUp: liveness.expectedIds.size - liveness.downIds.size,
      brokersExpected: liveness.expectedIds.size,
      ...(unknown === undefined ? {} : { unknown }),
    })),
    outbox: { waiting: outbox.size, oldestMs: outbox.oldestMs },
  };
}
