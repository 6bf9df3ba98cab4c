import { BelfryError } from '../core/errors.ts';

/**
 * One Kafka API as this program speaks it: the versions written here, and from which version on the layout is the
 * "flexible" one with compact lengths and tagged fields. Source: the message schemas of Apache Kafka.
 */
export interface Api {
  readonly name: string;
  readonly key: number;
  readonly lowest: number;
  readonly highest: number;
  readonly flexibleFrom: number;
}

/** Each range holds a version of Kafka 3.3 and one of Kafka 4.x. */
export const APIS = {
  listOffsets: { name: 'ListOffsets', key: 2, lowest: 6, highest: 9, flexibleFrom: 6 },
  metadata: { name: 'Metadata', key: 3, lowest: 9, highest: 12, flexibleFrom: 9 },
  offsetFetch: { name: 'OffsetFetch', key: 9, lowest: 8, highest: 8, flexibleFrom: 6 },
  describeGroups: { name: 'DescribeGroups', key: 15, lowest: 5, highest: 5, flexibleFrom: 5 },
  listGroups: { name: 'ListGroups', key: 16, lowest: 4, highest: 5, flexibleFrom: 3 },
  saslHandshake: { name: 'SaslHandshake', key: 17, lowest: 1, highest: 1, flexibleFrom: 99 },
  apiVersions: { name: 'ApiVersions', key: 18, lowest: 3, highest: 3, flexibleFrom: 3 },
  describeConfigs: { name: 'DescribeConfigs', key: 32, lowest: 4, highest: 4, flexibleFrom: 4 },
  describeLogDirs: { name: 'DescribeLogDirs', key: 35, lowest: 2, highest: 4, flexibleFrom: 2 },
  saslAuthenticate: { name: 'SaslAuthenticate', key: 36, lowest: 1, highest: 1, flexibleFrom: 2 },
  listPartitionReassignments: { name: 'ListPartitionReassignments', key: 46, lowest: 0, highest: 0, flexibleFrom: 0 },
  describeQuorum: { name: 'DescribeQuorum', key: 55, lowest: 0, highest: 2, flexibleFrom: 0 },
  consumerGroupDescribe: { name: 'ConsumerGroupDescribe', key: 69, lowest: 0, highest: 0, flexibleFrom: 0 },
} as const satisfies Readonly<Record<string, Api>>;

/** API key → [lowest, highest] version that a broker speaks. */
export type ApiVersions = ReadonlyMap<number, readonly [number, number]>;

/** The highest version that both sides speak. Throws `KAFKA_UNSUPPORTED`. */
export function negotiate(api: Api, broker: ApiVersions): number {
  const spoken = broker.get(api.key);
  if (spoken === undefined) {
    throw new BelfryError('KAFKA_UNSUPPORTED', `the broker has no ${api.name} API`);
  }
  const version = Math.min(api.highest, spoken[1]);
  if (version < Math.max(api.lowest, spoken[0])) {
    throw new BelfryError(
      'KAFKA_UNSUPPORTED',
      `the broker speaks ${api.name} v${spoken[0]} to v${spoken[1]}, v${api.lowest} to v${api.highest} is needed (Kafka 3.3 to 4.x)`,
    );
  }
  return version;
}
