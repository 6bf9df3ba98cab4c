import type { WireReader } from '../../src/kafka/wire-reader.ts';
import { WireWriter } from '../../src/kafka/wire-writer.ts';
import type { SimulatedPartitions } from './partitions.ts';
import type { ClusterShape, SimulatedGroup, SimulatedTopic } from './shape.ts';

const NONE = 0;
const UNKNOWN_TOPIC = 3;
const NOT_LEADER = 6;
const NOT_COORDINATOR = 16;
/** "Not asked for", where a broker tells what a client may do. */
const NO_OPERATIONS = -2_147_483_648;
const TOPIC_RESOURCE = 2;
const CONTROLLERS = [101, 102, 103];
const BYTES_PER_RECORD = 100;
const DISK_BYTES = 2e12;

/** What answers are made from. */
export interface ClusterState {
  readonly shape: ClusterShape;
  readonly clusterId: string;
  readonly topics: readonly SimulatedTopic[];
  readonly byName: ReadonlyMap<string, SimulatedTopic>;
  readonly groups: readonly SimulatedGroup[];
  readonly partitions: SimulatedPartitions;
  /** Registered and not fenced. */
  readonly registered: readonly { readonly id: number; readonly port: number }[];
  /** Seconds since the cluster began: logs grow with them. */
  readonly seconds: number;
}

/** API key → [lowest, highest] as Kafka 4.x has them, for all that Belfry's watch asks. */
export const VERSIONS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [2, [1, 11]],
  [3, [0, 13]],
  [9, [1, 10]],
  [15, [0, 6]],
  [16, [0, 5]],
  [18, [0, 4]],
  [32, [1, 4]],
  [35, [1, 4]],
  [46, [0, 1]],
  [55, [0, 2]],
  [69, [0, 1]],
]);

type Answer = (state: ClusterState, brokerId: number, version: number, body: WireReader) => WireWriter;

/** By API key. Layouts: the message schemas of Apache Kafka. */
export const ANSWERS: ReadonlyMap<number, Answer> = new Map([
  [2, listOffsets],
  [3, metadata],
  [9, offsetFetch],
  [15, describeGroups],
  [16, listGroups],
  [32, describeConfigs],
  [35, logDirs],
  [46, reassignments],
  [55, quorum],
  [69, consumerGroupDescribe],
]);

export function apiVersions(): WireWriter {
  const writer = new WireWriter().int16(NONE);
  writer.compactArray([...VERSIONS], ([key, [low, high]]) => writer.int16(key).int16(low).int16(high).noTags());
  return writer.int32(0).noTags();
}

/** Whether a Metadata request asks for all topics: such an answer is the same until something changes. */
export function asksForAllTopics(frame: Buffer, bodyAt: number): boolean {
  return frame[bodyAt] === 0;
}

export function endOffset({ partitions, shape, seconds }: ClusterState, p: number): number {
  return (partitions.firstEnd[p] ?? 0) + Math.floor(seconds * shape.recordsPerSecond);
}

function optional(writer: WireWriter, text: string | undefined): WireWriter {
  return text === undefined ? writer.unsignedVarint(0) : writer.compactString(text);
}

function array<T>(body: WireReader, elementBytes: number, read: () => T): T[] {
  return Array.from({ length: body.compactArrayLength(elementBytes) }, () => {
    const item = read();
    body.skipTags();
    return item;
  });
}

function metadata(state: ClusterState, _brokerId: number, version: number, body: WireReader): WireWriter {
  const named = namesOf(body, version);
  const writer = new WireWriter().int32(0);
  writer.compactArray(state.registered, ({ id, port }) => {
    optional(writer.int32(id).compactString('127.0.0.1').int32(port), `rack-${id % 3}`).noTags();
  });
  writer.compactString(state.clusterId).int32(state.registered[0]?.id ?? -1);
  writer.compactArray(named ?? state.topics.map(({ name }) => name), (name) => writeTopic(writer, state, version, name));
  if (version <= 10) writer.int32(NO_OPERATIONS);
  if (version >= 13) writer.int16(NONE);
  return writer.noTags();
}

function namesOf(body: WireReader, version: number): readonly string[] | undefined {
  // The null array asks for all topics, the empty one for none.
  const length = body.unsignedVarint() - 1;
  if (length < 0) return undefined;
  return Array.from({ length }, () => {
    if (version >= 10) body.skipUuid();
    const name = body.compactNullableString() ?? '';
    body.skipTags();
    return name;
  });
}

function writeTopic(writer: WireWriter, { byName, partitions }: ClusterState, version: number, name: string): void {
  const topic = byName.get(name);
  writer.int16(topic === undefined ? UNKNOWN_TOPIC : NONE).compactString(name);
  if (version >= 10) writer.zeroUuid();
  writer.boolean(topic?.internal === true).unsignedVarint((topic?.partitions ?? 0) + 1);
  for (let i = 0; i < (topic?.partitions ?? 0); i++) {
    const p = (topic?.firstPartition ?? 0) + i;
    writer.int16(partitions.errorOf(p)).int32(i);
    writer.int32(partitions.leader[p] ?? -1).int32(partitions.epoch[p] ?? 0);
    for (const ids of [partitions.replicasOf(p), partitions.isrOf(p), partitions.offlineOf(p)]) {
      writer.compactArray(ids, (id) => writer.int32(id));
    }
    writer.noTags();
  }
  writer.int32(NO_OPERATIONS).noTags();
}

function listOffsets(state: ClusterState, brokerId: number, version: number, body: WireReader): WireWriter {
  body.skip(5); // replica_id, isolation_level
  const { partitions, byName } = state;
  const writer = new WireWriter().int32(0);
  const topics = body.compactArrayLength(3);
  writer.unsignedVarint(topics + 1);
  for (let t = 0; t < topics; t++) {
    const name = body.compactString();
    const topic = byName.get(name);
    writer.compactString(name);
    const rows = array(body, 17, () => {
      const id = body.int32();
      body.skip(4); // current_leader_epoch
      return { id, at: body.int64() };
    });
    body.skipTags();
    writer.compactArray(rows, ({ id, at }) => {
      const known = topic !== undefined && id >= 0 && id < topic.partitions;
      const p = (topic?.firstPartition ?? 0) + id;
      const code = known ? (partitions.leader[p] === brokerId ? NONE : NOT_LEADER) : UNKNOWN_TOPIC;
      const end = endOffset(state, p);
      const offset = code === NONE ? (at === -1 ? end : Math.max(0, end - 1_000_000)) : -1;
      writer
        .int32(id)
        .int16(code)
        .int64(-1)
        .int64(offset)
        .int32(code === NONE ? (partitions.epoch[p] ?? 0) : -1)
        .noTags();
    });
    writer.noTags();
  }
  if (version >= 10) body.int32(); // timeout_ms
  return writer.noTags();
}

function groupIdsOf(body: WireReader): readonly string[] {
  return Array.from({ length: body.compactArrayLength(1) }, () => body.compactString());
}

function groupOf({ groups }: ClusterState, brokerId: number, id: string): SimulatedGroup | undefined {
  return groups.find((group) => group.id === id && group.coordinator === brokerId);
}

function listGroups({ groups }: ClusterState, brokerId: number, version: number): WireWriter {
  const writer = new WireWriter().int32(0).int16(NONE);
  const mine = groups.filter(({ coordinator }) => coordinator === brokerId);
  writer.compactArray(mine, ({ id, members }) => {
    writer.compactString(id).compactString('consumer').compactString(stateOf(members));
    if (version >= 5) writer.compactString('classic');
    writer.noTags();
  });
  return writer.noTags();
}

function stateOf(members: number): string {
  return members > 0 ? 'Stable' : 'Empty';
}

function describeGroups(state: ClusterState, brokerId: number, version: number, body: WireReader): WireWriter {
  const writer = new WireWriter().int32(0);
  writer.compactArray(groupIdsOf(body), (id) => {
    const group = groupOf(state, brokerId, id);
    writer.int16(group === undefined ? NOT_COORDINATOR : NONE);
    if (version >= 6) optional(writer, undefined);
    writer
      .compactString(id)
      .compactString(group === undefined ? '' : stateOf(group.members))
      .compactString(group === undefined ? '' : 'consumer')
      .compactString(group === undefined || group.members === 0 ? '' : 'range');
    writer.compactArray(Array.from({ length: group?.members ?? 0 }), () => {
      optional(writer.compactString(`consumer-${id}-1-6f1c1e8e-2f0b-4c47-9d1e-0d7a6a3f2b11`), undefined);
      writer.compactString(`consumer-${id}-1`).compactString('/10.0.0.1');
      // member_metadata and member_assignment: bytes, of the usual length.
      writer.compactString('m'.repeat(40)).compactString('a'.repeat(80)).noTags();
    });
    writer.int32(NO_OPERATIONS).noTags();
  });
  return writer.noTags();
}

/** None of the simulated groups is of that type. */
function consumerGroupDescribe(_state: ClusterState, _brokerId: number, _version: number, body: WireReader): WireWriter {
  const GROUP_ID_NOT_FOUND = 69;
  const writer = new WireWriter().int32(0);
  writer.compactArray(groupIdsOf(body), (id) => {
    optional(writer.int16(GROUP_ID_NOT_FOUND), undefined);
    writer.compactString(id).compactString('').int32(0).int32(0).compactString('').unsignedVarint(1);
    writer.int32(NO_OPERATIONS).noTags();
  });
  return writer.noTags();
}

function offsetFetch(state: ClusterState, brokerId: number, _version: number, body: WireReader): WireWriter {
  const ids = array(body, 2, () => {
    const id = body.compactString();
    body.unsignedVarint(); // topics: null, all of them
    return id;
  });
  const writer = new WireWriter().int32(0);
  writer.compactArray(ids, (id) => {
    const group = groupOf(state, brokerId, id);
    writer.compactString(id);
    writer.compactArray(group?.topics ?? [], ({ name, firstPartition, partitions }) => {
      writer.compactString(name).unsignedVarint(partitions + 1);
      for (let i = 0; i < partitions; i++) {
        const committed = Math.max(0, endOffset(state, firstPartition + i) - (group?.lag ?? 0));
        writer.int32(i).int64(committed).int32(0).compactString('').int16(NONE).noTags();
      }
      writer.noTags();
    });
    writer.int16(group === undefined ? NOT_COORDINATOR : NONE).noTags();
  });
  return writer.noTags();
}

function describeConfigs({ shape, byName }: ClusterState, _brokerId: number, _version: number, body: WireReader): WireWriter {
  const resources = array(body, 4, () => {
    const type = body.int8();
    const name = body.compactString();
    const length = body.unsignedVarint() - 1;
    return { type, name, keys: length < 0 ? undefined : Array.from({ length }, () => body.compactString()) };
  });
  const known: Readonly<Record<string, string>> = {
    'min.insync.replicas': String(shape.minIsr),
    'broker.session.timeout.ms': '9000',
    'broker.heartbeat.interval.ms': '2000',
  };
  const writer = new WireWriter().int32(0);
  writer.compactArray(resources, ({ type, name, keys }) => {
    const unknown = type === TOPIC_RESOURCE && !byName.has(name);
    optional(writer.int16(unknown ? UNKNOWN_TOPIC : NONE), unknown ? '' : undefined);
    writer.int8(type).compactString(name);
    writer.compactArray(unknown ? [] : (keys ?? Object.keys(known)).filter((key) => known[key] !== undefined), (key) => {
      optional(writer.compactString(key), known[key]).boolean(false).int8(5).boolean(false).unsignedVarint(1).int8(3);
      optional(writer, undefined).noTags();
    });
    writer.noTags();
  });
  return writer.noTags();
}

function logDirs(state: ClusterState, brokerId: number, version: number): WireWriter {
  const writer = new WireWriter().int32(0);
  if (version >= 3) writer.int16(NONE);
  writer.unsignedVarint(2);
  writer.int16(NONE).compactString(`/var/lib/kafka/data-${brokerId}`);
  const held = state.topics.map((topic) => ({ topic, ids: heldIds(state, topic, brokerId) })).filter(({ ids }) => ids.length > 0);
  let used = 0;
  writer.compactArray(held, ({ topic, ids }) => {
    writer.compactString(topic.name);
    writer.compactArray(ids, (id) => {
      const size = Math.min(endOffset(state, topic.firstPartition + id), 1_000_000) * BYTES_PER_RECORD;
      used += size;
      writer.int32(id).int64(size).int64(0).boolean(false).noTags();
    });
    writer.noTags();
  });
  if (version >= 4) writer.int64(DISK_BYTES).int64(Math.max(0, DISK_BYTES - used));
  return writer.noTags().noTags();
}

function heldIds({ partitions }: ClusterState, { firstPartition, partitions: count }: SimulatedTopic, brokerId: number): number[] {
  const { replicas, replicationFactor } = partitions;
  const ids: number[] = [];
  for (let i = 0; i < count; i++) {
    const from = (firstPartition + i) * replicationFactor;
    for (let r = from; r < from + replicationFactor; r++) if (replicas[r] === brokerId) ids.push(i);
  }
  return ids;
}

function reassignments(): WireWriter {
  return optional(new WireWriter().int32(0).int16(NONE), undefined).unsignedVarint(1).noTags();
}

function quorum({ shape, seconds }: ClusterState, _brokerId: number, version: number): WireWriter {
  const end = Math.floor(1000 + seconds * 2);
  const at = Math.floor(seconds * 1000);
  const writer = new WireWriter().int16(NONE);
  if (version >= 2) optional(writer, undefined);
  const replicas = (ids: readonly number[]): void => {
    writer.compactArray(ids, (id) => {
      writer.int32(id);
      if (version >= 2) writer.zeroUuid();
      writer.int64(end);
      if (version >= 1) writer.int64(at).int64(at);
      writer.noTags();
    });
  };
  writer.unsignedVarint(2).compactString('__cluster_metadata').unsignedVarint(2).int32(0).int16(NONE);
  if (version >= 2) optional(writer, undefined);
  writer
    .int32(CONTROLLERS[0] ?? -1)
    .int32(5)
    .int64(end);
  replicas(CONTROLLERS);
  replicas(Array.from({ length: shape.brokers }, (_, i) => i + 1));
  writer.noTags().noTags();
  if (version >= 2) {
    writer.compactArray(CONTROLLERS, (id) => {
      writer.int32(id).compactArray(['CONTROLLER'], (name) => writer.compactString(name).compactString('127.0.0.1').int16(9093).noTags());
      writer.noTags();
    });
  }
  return writer.noTags();
}
