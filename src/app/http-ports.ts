import type { BelfryConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import type { AutopilotPort } from '../http/autopilot-ports.ts';
import type { HttpPorts, IncidentView, OperationsPort, StatusView } from '../http/ports.ts';
import type { NotifierSet } from '../notifiers/notifier-set.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { Routing } from '../routing/pipeline.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { SampleStore } from '../store/sample-store.ts';
import type { PrometheusMeter } from '../telemetry/prometheus-meter.ts';
import { createCatalogPort } from './catalog-port.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { kafkaFamilies } from './kafka-families.ts';
import { createQueryPort } from './query-port.ts';
import { createRemoteWritePort } from './remote-write-port.ts';
import { rulesView } from './rules-view.ts';
import { sendTest } from './send-test.ts';

export interface HttpParts {
  readonly version: string;
  readonly startedAt: number;
  readonly clock: Clock;
  readonly meter: PrometheusMeter;
  readonly samples: SampleStore;
  readonly rules: RuleEngine;
  readonly routing: Routing;
  readonly outbox: Outbox;
  readonly watches: ReadonlyMap<string, ClusterWatch>;
  readonly reload: () => Promise<readonly string[]>;
  readonly config: () => BelfryConfig;
  readonly notifiers: () => NotifierSet;
  readonly autopilot: AutopilotPort;
  /** False while decisions cannot be written. */
  readonly durable: () => boolean;
}

/** For how long after the start Belfry is not ready while it has not looked at every cluster and evaluated every group. */
const FIRST_LOOK_MS = 30_000;

/** What the HTTP API reads of the rooms. */
export function createHttpPorts(parts: HttpParts): HttpPorts {
  const { clock, meter, samples, rules } = parts;
  return {
    health: { notReady: () => notReady(parts) },
    metrics: { own: () => meter.page(), kafka: () => kafkaFamilies(samples.reader, clock.now()) },
    query: createQueryPort(samples.reader, clock),
    catalog: createCatalogPort(parts),
    remoteWrite: createRemoteWritePort({ writer: samples.writer, clock, meter, retentionMs: () => parts.config().storage.retentionMs }),
    rules: { groups: () => rulesView(rules.snapshot()) },
    operations: operations(parts),
    silences: parts.routing.silences,
    alertStatus: parts.routing,
    autopilot: parts.autopilot,
  };
}

/** Collection, rules and state must work; an owner's own trouble is no reason to take Belfry out of service. */
function notReady({ clock, startedAt, watches, rules, durable }: HttpParts): readonly string[] {
  const missing: string[] = [];
  if (!durable()) missing.push('state.db cannot be written');
  const isYoung = clock.now() - startedAt < FIRST_LOOK_MS;
  const groups = rules.snapshot().filter((group) => group.rules.length > 0);
  const idle = groups.filter(({ lastEvaluation }) => lastEvaluation === 0);
  // A group that a reload brings, or one with a long interval, is no reason to take Belfry out of service later on.
  if (idle.length > 0 && (isYoung || idle.length === groups.length)) missing.push('rules have not been evaluated yet');
  const blind = [...watches.values()].filter(({ hasLooked }) => !hasLooked).map(({ config }) => config.name);
  if (blind.length > 0 && isYoung) missing.push(`not looked at yet: ${blind.join(', ')}`);
  return missing;
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
  const { file, hash } = config();
  return {
    version,
    startedAt,
    configFile: file,
    configHash: hash,
    clusters: [...watches.values()].map(({ config: cluster, liveness }) => ({
      name: cluster.name,
      owner: cluster.owner,
      brokersUp: liveness.expectedIds.size - liveness.downIds.size,
      brokersExpected: liveness.expectedIds.size,
    })),
    outbox: { waiting: outbox.size, oldestMs: outbox.oldestMs },
  };
}
