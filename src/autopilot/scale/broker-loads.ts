import type { BrokerLoad } from '../ports.ts';

/** One sample of a query's answer. */
export interface LoadRow {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What the queries answered, by the names of `loadQueries`; an absent one is not known. */
export type LoadAnswers = Partial<Readonly<Record<keyof ReturnType<typeof loadQueries>, readonly LoadRow[]>>>;

const HANDLER_IDLE = [
  // The rate of the last minute (jmx_exporter as Confluent configures it), then the mean since the start (as Strimzi does).
  'kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_total',
  'kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent',
] as const;

/** A host's network cards that carry traffic of others. */
const CARDS = 'device!~"lo|veth.*|docker.*|br-.*|cni.*|virbr.*"';

/**
 * PromQL for the load of a cluster's brokers, averaged over a window. Each answers at most one sample a broker or host:
 * with the label `broker` where the exporter's configured `labels:` carry one, else with `instance`.
 */
export function loadQueries(cluster: string, windowMs: number) {
  const window = `${Math.max(1, Math.round(windowMs / 1000))}s`;
  const of = `cluster=${JSON.stringify(cluster)}`;
  const perHost = 'by (broker, instance)';
  return {
    handlersIdle: HANDLER_IDLE.map((name) => `avg ${perHost} (avg_over_time(${name}{${of}}[${window}]))`).join(' or '),
    cpuIdle: `avg ${perHost} (rate(node_cpu_seconds_total{${of}, mode="idle"}[${window}]))`,
    diskUsed:
      `max by (broker) (1 - avg_over_time(belfry_kafka_log_dir_usable_bytes{${of}}[${window}])` +
      ` / avg_over_time(belfry_kafka_log_dir_total_bytes{${of}}[${window}]))`,
    network:
      `max ${perHost} ((rate(node_network_receive_bytes_total{${of}, ${CARDS}}[${window}])` +
      ` > rate(node_network_transmit_bytes_total{${of}, ${CARDS}}[${window}])` +
      ` or rate(node_network_transmit_bytes_total{${of}, ${CARDS}}[${window}]))` +
      ` / (node_network_speed_bytes{${of}, ${CARDS}} > 0))`,
    bytesPerSecond: `sum by (broker) (rate(belfry_kafka_broker_produced_bytes_total{${of}}[${window}]))`,
    leaders: `max by (broker) (belfry_kafka_broker_leader_partitions{${of}})`,
    replicas: `max by (broker) (belfry_kafka_broker_replica_partitions{${of}})`,
  } as const;
}

/**
 * The load of each broker that Belfry counts replicas for. `hosts` maps a host (without its port) to a broker's id by
 * configuration; what cannot be mapped is left out, so that the resource is not known there. Where two hosts stand for
 * one broker the busier counts.
 */
export function brokerLoads(answers: LoadAnswers, hosts: ReadonlyMap<string, number>): readonly BrokerLoad[] {
  const read = (rows: readonly LoadRow[] | undefined, of: (value: number) => number): ReadonlyMap<number, number> => {
    const values = new Map<number, number>();
    for (const { labels, value } of rows ?? []) {
      const broker = brokerOf(labels, hosts);
      const share = of(value);
      if (broker !== undefined && Number.isFinite(share)) values.set(broker, Math.max(values.get(broker) ?? -Infinity, share));
    }
    return values;
  };
  const asIs = (value: number): number => value;
  const busy = (idle: number): number => clamped(1 - idle);
  const handlers = read(answers.handlersIdle, busy);
  const cpu = read(answers.cpuIdle, busy);
  const disk = read(answers.diskUsed, clamped);
  const network = read(answers.network, clamped);
  const bytes = read(answers.bytesPerSecond, asIs);
  const leaders = read(answers.leaders, asIs);
  const replicas = read(answers.replicas, asIs);
  return [...replicas.keys()]
    .toSorted((a, b) => a - b)
    .map((broker) => ({
      broker,
      handlers: handlers.get(broker),
      cpu: cpu.get(broker),
      disk: disk.get(broker),
      network: network.get(broker),
      bytesPerSecond: bytes.get(broker),
      leaders: leaders.get(broker) ?? 0,
      replicas: replicas.get(broker) ?? 0,
    }));
}

function brokerOf(labels: LoadRow['labels'], hosts: ReadonlyMap<string, number>): number | undefined {
  const broker = labels['broker'] ?? '';
  if (/^\d{1,10}$/.test(broker)) return Number(broker);
  if (broker !== '') return undefined;
  return hosts.get((labels['instance'] ?? '').replace(/:\d+$/, ''));
}

/** Some kernels and meters say a little less than nothing, or more than all. */
function clamped(share: number): number {
  return Math.min(1, Math.max(0, share));
}
