import { WireReader } from '../../src/kafka/wire-reader.ts';
import { WireWriter } from '../../src/kafka/wire-writer.ts';

/** Answers as a broker writes them, field by field after Kafka's message schemas; the decoders' oracle. */
export interface PartitionSpec {
  readonly id: number;
  readonly leader: number;
  readonly epoch?: number;
  readonly error?: number;
  readonly replicas: readonly number[];
  readonly isr?: readonly number[];
  readonly offline?: readonly number[];
}

export interface TopicSpec {
  readonly name: string;
  readonly internal?: boolean;
  readonly error?: number;
  readonly partitions: readonly PartitionSpec[];
}

export interface MetadataSpec {
  readonly clusterId: string;
  readonly brokers: readonly { readonly id: number; readonly host: string; readonly port: number; readonly rack?: string }[];
  readonly topics: readonly TopicSpec[];
}

export function readerOf(writer: WireWriter, what = 'test'): WireReader {
  return new WireReader(Buffer.from(writer.written()), what);
}

/** A tagged field of an unknown number, as a newer broker may send. */
function unknownTag(writer: WireWriter): void {
  writer.unsignedVarint(1).unsignedVarint(7).unsignedVarint(2).int16(1);
}

function ids(writer: WireWriter, values: readonly number[]): void {
  writer.compactArray(values, (value) => writer.int32(value));
}

function optional(writer: WireWriter, value: string | undefined): void {
  if (value === undefined) writer.unsignedVarint(0);
  else writer.compactString(value);
}

export function metadataAnswer(version: number, spec: MetadataSpec): WireWriter {
  const writer = new WireWriter().int32(0);
  writer.compactArray(spec.brokers, ({ id, host, port, rack }) => {
    writer.int32(id).compactString(host).int32(port);
    optional(writer, rack);
    writer.noTags();
  });
  writer.compactString(spec.clusterId).int32(1);
  writer.compactArray(spec.topics, (topic) => {
    writer.int16(topic.error ?? 0).compactString(topic.name);
    if (version >= 10) writer.zeroUuid();
    writer.boolean(topic.internal ?? false);
    writer.compactArray(topic.partitions, (partition) => {
      writer
        .int16(partition.error ?? 0)
        .int32(partition.id)
        .int32(partition.leader);
      writer.int32(partition.epoch ?? 0);
      ids(writer, partition.replicas);
      ids(writer, partition.isr ?? partition.replicas);
      ids(writer, partition.offline ?? []);
      unknownTag(writer);
    });
    writer.int32(-2_147_483_648).noTags();
  });
  if (version <= 10) writer.int32(-2_147_483_648);
  return writer.noTags();
}

export function listOffsetsAnswer(
  topics: readonly { readonly name: string; readonly rows: readonly (readonly [id: number, error: number, offset: number])[] }[],
): WireWriter {
  const writer = new WireWriter().int32(0);
  writer.compactArray(topics, ({ name, rows }) => {
    writer.compactString(name);
    writer.compactArray(rows, ([id, error, offset]) => writer.int32(id).int16(error).int64(-1).int64(offset).int32(3).noTags());
    writer.noTags();
  });
  return writer.noTags();
}

export interface DirSpec {
  readonly error: number;
  readonly path: string;
  readonly topics: readonly { readonly name: string; readonly replicas: readonly (readonly [id: number, bytes: number])[] }[];
  readonly total: number;
  readonly usable: number;
}

export function logDirsAnswer(version: number, dirs: readonly DirSpec[], error = 0): WireWriter {
  const writer = new WireWriter().int32(0);
  if (version >= 3) writer.int16(error);
  writer.compactArray(dirs, (dir) => {
    writer.int16(dir.error).compactString(dir.path);
    writer.compactArray(dir.topics, ({ name, replicas }) => {
      writer.compactString(name);
      writer.compactArray(replicas, ([id, bytes]) => writer.int32(id).int64(bytes).int64(0).boolean(false).noTags());
      writer.noTags();
    });
    if (version >= 4) writer.int64(dir.total).int64(dir.usable);
    writer.noTags();
  });
  return writer.noTags();
}

export interface QuorumSpec {
  readonly leader: number;
  readonly epoch: number;
  readonly voters: readonly (readonly [id: number, end: number, caughtUp: number])[];
  readonly error?: number;
  readonly partitionError?: number;
}

export function quorumAnswer(version: number, spec: QuorumSpec): WireWriter {
  const writer = new WireWriter().int16(spec.error ?? 0);
  if (version >= 2) optional(writer, spec.error === undefined ? undefined : 'no');
  const replicas = (rows: QuorumSpec['voters']): void => {
    writer.compactArray(rows, ([id, end, caughtUp]) => {
      writer.int32(id);
      if (version >= 2) writer.zeroUuid();
      writer.int64(end);
      if (version >= 1) writer.int64(caughtUp).int64(caughtUp);
      writer.noTags();
    });
  };
  writer.compactArray(['__cluster_metadata'], (topic) => {
    writer.compactString(topic).compactArray([0], (partition) => {
      writer.int32(partition).int16(spec.partitionError ?? 0);
      if (version >= 2) optional(writer, undefined);
      writer.int32(spec.leader).int32(spec.epoch).int64(900);
      replicas(spec.voters);
      replicas([]);
      writer.noTags();
    });
    writer.noTags();
  });
  if (version >= 2) {
    writer.compactArray([1], (node) => {
      writer.int32(node).compactArray(['CONTROLLER'], (name) => writer.compactString(name).compactString('host').int16(9093).noTags());
      writer.noTags();
    });
  }
  return writer.noTags();
}

export function configsAnswer(
  resources: readonly { type: number; name: string; error: number; values: Record<string, string | null> }[],
): WireWriter {
  const writer = new WireWriter().int32(0);
  writer.compactArray(resources, ({ type, name, error, values }) => {
    writer.int16(error);
    optional(writer, error === 0 ? undefined : 'refused');
    writer.int8(type).compactString(name);
    writer.compactArray(Object.entries(values), ([key, value]) => {
      writer.compactString(key);
      optional(writer, value ?? undefined);
      writer
        .boolean(false)
        .int8(5)
        .boolean(value === null);
      writer.compactArray(['synonym'], (synonym) => writer.compactString(synonym).compactString('1').int8(5).noTags());
      writer.int8(3);
      optional(writer, undefined);
      writer.noTags();
    });
    writer.noTags();
  });
  return writer.noTags();
}

export function reassignmentsAnswer(
  rows: readonly { topic: string; partition: number; adding: number[]; removing: number[] }[],
  error = 0,
): WireWriter {
  const writer = new WireWriter().int32(0).int16(error);
  optional(writer, undefined);
  writer.compactArray(rows, ({ topic, partition, adding, removing }) => {
    writer.compactString(topic);
    writer.compactArray([partition], (id) => {
      writer.int32(id);
      ids(writer, [1, ...adding, ...removing]);
      ids(writer, adding);
      ids(writer, removing);
      writer.noTags();
    });
    writer.noTags();
  });
  return writer.noTags();
}

export function listGroupsAnswer(version: number, groups: readonly { id: string; state: string; type: string }[]): WireWriter {
  const writer = new WireWriter().int32(0).int16(0);
  writer.compactArray(groups, ({ id, state, type }) => {
    writer.compactString(id).compactString('consumer').compactString(state);
    if (version >= 5) writer.compactString(type);
    writer.noTags();
  });
  return writer.noTags();
}

export function describeGroupsAnswer(groups: readonly { id: string; error: number; state: string; members: number }[]): WireWriter {
  const writer = new WireWriter().int32(0);
  writer.compactArray(groups, ({ id, error, state, members }) => {
    writer.int16(error).compactString(id).compactString(state).compactString('consumer').compactString('range');
    writer.compactArray(Array.from({ length: members }), () => {
      writer.compactString('member');
      optional(writer, undefined);
      writer.compactString('client').compactString('/10.0.0.1');
      writer.compactString('metadata').compactString('assignment').noTags();
    });
    writer.int32(0).noTags();
  });
  return writer.noTags();
}

export function consumerGroupDescribeAnswer(groups: readonly { id: string; error: number; state: string; members: number }[]): WireWriter {
  const writer = new WireWriter().int32(0);
  const assignment = (): void => {
    writer.compactArray(['t'], (topic) => {
      writer.zeroUuid().compactString(topic);
      ids(writer, [0, 1]);
      writer.noTags();
    });
    writer.noTags();
  };
  writer.compactArray(groups, ({ id, error, state, members }) => {
    writer.int16(error);
    optional(writer, undefined);
    writer.compactString(id).compactString(state).int32(4).int32(4).compactString('uniform');
    writer.compactArray(Array.from({ length: members }), () => {
      writer.compactString('member');
      optional(writer, undefined);
      optional(writer, 'rack');
      writer.int32(4).compactString('client').compactString('/10.0.0.1');
      writer.compactArray(['t', 'u'], (topic) => writer.compactString(topic));
      optional(writer, undefined);
      assignment();
      assignment();
      writer.noTags();
    });
    writer.int32(0).noTags();
  });
  return writer.noTags();
}

export function offsetFetchAnswer(
  groups: readonly {
    id: string;
    error: number;
    topics: Record<string, readonly (readonly [id: number, offset: number, error: number])[]>;
  }[],
): WireWriter {
  const writer = new WireWriter().int32(0);
  writer.compactArray(groups, ({ id, error, topics }) => {
    writer.compactString(id);
    writer.compactArray(Object.entries(topics), ([topic, rows]) => {
      writer.compactString(topic);
      writer.compactArray(rows, ([partition, offset, code]) => {
        writer.int32(partition).int64(offset).int32(-1);
        optional(writer, undefined);
        writer.int16(code).noTags();
      });
      writer.noTags();
    });
    writer.int16(error).noTags();
  });
  return writer.noTags();
}
