import type { Api } from './apis.ts';

/**
 * The requests that change a cluster, apart from those of the observer: only an `AdminConnection` sends them. Each range
 * holds a version of Kafka 3.3 and one of Kafka 4.x; any broker of a KRaft cluster hands them on to the controller.
 */
export const ADMIN_APIS = {
  electLeaders: { name: 'ElectLeaders', key: 43, lowest: 2, highest: 2, flexibleFrom: 2 },
  incrementalAlterConfigs: { name: 'IncrementalAlterConfigs', key: 44, lowest: 1, highest: 1, flexibleFrom: 1 },
  alterPartitionReassignments: { name: 'AlterPartitionReassignments', key: 45, lowest: 0, highest: 1, flexibleFrom: 0 },
  unregisterBroker: { name: 'UnregisterBroker', key: 64, lowest: 0, highest: 0, flexibleFrom: 0 },
} as const satisfies Readonly<Record<string, Api>>;
