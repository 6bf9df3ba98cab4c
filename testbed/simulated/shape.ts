/** What a simulated cluster looks like. All of it, offsets and lags too, follows from the seed. */
export interface ClusterShape {
  readonly seed: number;
  readonly brokers: number;
  readonly topics: number;
  readonly partitionsPerTopic: number;
  readonly replicationFactor: number;
  /** Of the topics, the last ones that keep one copy. */
  readonly singleCopyTopics: number;
  readonly minIsr: number;
  /** Partitions of `__consumer_offsets`; 0 for none. */
  readonly offsetsPartitions: number;
  readonly groups: number;
  readonly topicsPerGroup: number;
  /** Of a group with members; every fifth group, the second first, has none. */
  readonly membersPerGroup: number;
  /** Records a partition gets each second. */
  readonly recordsPerSecond: number;
}

export const SMALL_SHAPE: ClusterShape = {
  seed: 1,
  brokers: 3,
  topics: 10,
  partitionsPerTopic: 6,
  replicationFactor: 3,
  singleCopyTopics: 0,
  minIsr: 2,
  offsetsPartitions: 0,
  groups: 0,
  topicsPerGroup: 1,
  membersPerGroup: 3,
  recordsPerSecond: 10,
};

/** One topic: its name and where its partitions stand among all of the cluster's. */
export interface SimulatedTopic {
  readonly name: string;
  readonly internal: boolean;
  readonly firstPartition: number;
  readonly partitions: number;
  readonly copies: number;
}

export interface SimulatedGroup {
  readonly id: string;
  readonly members: number;
  /** Broker that coordinates it. */
  readonly coordinator: number;
  readonly topics: readonly SimulatedTopic[];
  /** Records that it is behind on each partition. */
  readonly lag: number;
}

export function topicsOf(shape: ClusterShape): readonly SimulatedTopic[] {
  const topics: SimulatedTopic[] = [];
  let firstPartition = 0;
  const add = (name: string, partitions: number, copies: number): void => {
    topics.push({ name, internal: name.startsWith('__'), firstPartition, partitions, copies });
    firstPartition += partitions;
  };
  const copies = Math.min(shape.replicationFactor, shape.brokers);
  if (shape.offsetsPartitions > 0) add('__consumer_offsets', shape.offsetsPartitions, copies);
  for (let t = 0; t < shape.topics; t++)
    add(topicName(t), shape.partitionsPerTopic, t < shape.topics - shape.singleCopyTopics ? copies : 1);
  return topics;
}

/** Names as long as people give them. */
function topicName(t: number): string {
  const area = ['orders', 'payments', 'inventory', 'clickstream', 'shipping'][t % 5] ?? '';
  return `${area}.events.v1-${String(t).padStart(4, '0')}`;
}

export function groupsOf(shape: ClusterShape, topics: readonly SimulatedTopic[]): readonly SimulatedGroup[] {
  const random = randomOf(shape.seed + 1);
  const consumed = topics.filter(({ internal }) => !internal);
  return Array.from({ length: shape.groups }, (_, g) => ({
    id: `service-${String(g).padStart(4, '0')}-consumers`,
    members: g % 5 === 1 ? 0 : shape.membersPerGroup,
    coordinator: 1 + (g % shape.brokers),
    topics: Array.from({ length: Math.min(shape.topicsPerGroup, consumed.length) }, (__, i) => consumed[(g + i) % consumed.length]).filter(
      (topic) => topic !== undefined,
    ),
    lag: Math.floor(random() * 50),
  }));
}

/** 0 ≤ number < 1, the same ones for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
