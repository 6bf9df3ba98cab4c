import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '../../src/core/clock.ts';
import { BelfryError } from '../../src/core/errors.ts';
import { decodeConfigs } from '../../src/kafka/configs.ts';
import { decodeConsumerGroupDescribe, decodeDescribeGroups, decodeListGroups, decodeOffsetFetch } from '../../src/kafka/groups.ts';
import { decodeListOffsets } from '../../src/kafka/list-offsets.ts';
import { decodeLogDirs } from '../../src/kafka/log-dirs.ts';
import { decodeMetadata } from '../../src/kafka/metadata.ts';
import { decodeQuorum } from '../../src/kafka/quorum.ts';
import { decodeReassignments } from '../../src/kafka/reassignments.ts';
import { WireReader } from '../../src/kafka/wire-reader.ts';
import type { WireWriter } from '../../src/kafka/wire-writer.ts';
import {
  configsAnswer,
  consumerGroupDescribeAnswer,
  describeGroupsAnswer,
  listGroupsAnswer,
  listOffsetsAnswer,
  logDirsAnswer,
  metadataAnswer,
  offsetFetchAnswer,
  quorumAnswer,
  readerOf,
  reassignmentsAnswer,
} from './answers.ts';

const clock = new ManualClock(1000);
const CLUSTER = {
  clusterId: 'abc',
  brokers: [
    { id: 1, host: 'kafka1', port: 9092, rack: 'a' },
    { id: 3, host: 'kafka3', port: 9092 },
  ],
  topics: [
    {
      name: 'orders',
      partitions: [
        { id: 0, leader: 1, epoch: 4, replicas: [1, 2, 3], isr: [1, 3], offline: [2] },
        { id: 1, leader: -1, epoch: 7, error: 5, replicas: [2], isr: [2], offline: [2] },
      ],
    },
    { name: '__consumer_offsets', internal: true, partitions: [{ id: 0, leader: 3, replicas: [3, 1] }] },
    { name: 'hidden', error: 29, partitions: [] },
  ],
};

describe('Metadata', () => {
  it.each([9, 10, 11, 12])('v%i is decoded into columns, errors and internal topics included', async (version) => {
    const metadata = await decodeMetadata(readerOf(metadataAnswer(version, CLUSTER)), version, clock, 900);
    expect(metadata.clusterId).toBe('abc');
    expect(metadata.brokers).toEqual([
      { id: 1, host: 'kafka1', port: 9092, rack: 'a' },
      { id: 3, host: 'kafka3', port: 9092, rack: undefined },
    ]);
    expect(metadata.topics).toEqual(['orders', '__consumer_offsets', 'hidden']);
    expect([...metadata.topicErrors]).toEqual([0, 0, 29]);
    expect([...metadata.topicInternal]).toEqual([0, 1, 0]);
    expect([...metadata.partitionStart]).toEqual([0, 2, 3, 3]);
    expect([...metadata.partitionError]).toEqual([0, 5, 0]);
    expect([...metadata.leaderId]).toEqual([1, -1, 3]);
    expect([...metadata.leaderEpoch]).toEqual([4, 7, 0]);
    expect([...metadata.replicaStart]).toEqual([0, 3, 4, 6]);
    expect([...metadata.replicaIds]).toEqual([1, 2, 3, 2, 3, 1]);
    expect([...metadata.isrIds]).toEqual([1, 3, 2, 3, 1]);
    expect([...metadata.offlineIds]).toEqual([2, 2]);
    expect([metadata.askedAt, metadata.answeredAt]).toEqual([900, 1000]);
  });
});

describe('ListOffsets', () => {
  it('keeps errors as a column and has no offset for them', async () => {
    const answer = listOffsetsAnswer([
      {
        name: 'a',
        rows: [
          [0, 0, 2 ** 40 + 7],
          [1, 6, -1],
        ],
      },
      { name: 'b', rows: [[5, 0, 0]] },
    ]);
    const columns = await decodeListOffsets(readerOf(answer), clock);
    expect(columns.topics).toEqual(['a', 'b']);
    expect([...columns.topicIndex]).toEqual([0, 0, 1]);
    expect([...columns.partition]).toEqual([0, 1, 5]);
    expect([...columns.errorCode]).toEqual([0, 6, 0]);
    expect([...columns.offset]).toEqual([2 ** 40 + 7, -1, 0]);
  });
});

describe('DescribeLogDirs', () => {
  const healthy = {
    error: 0,
    path: '/d1',
    topics: [
      {
        name: 'a',
        replicas: [
          [0, 10],
          [2, 5],
        ] as const,
      },
    ],
    total: 100,
    usable: 40,
  };
  const offline = { error: 56, path: '/d2', topics: [], total: -1, usable: -1 };

  it.each([
    [2, -1, -1],
    [3, -1, -1],
    [4, 100, 40],
  ])('v%i tells an offline dir beside a healthy one', async (version, total, usable) => {
    const dirs = await decodeLogDirs(readerOf(logDirsAnswer(version, [healthy, offline])), version, clock);
    expect(dirs).toEqual([
      {
        path: '/d1',
        errorCode: 0,
        totalBytes: total,
        usableBytes: usable,
        usedBytes: 15,
        replicas: new Map([['a', [0, 2]]]),
        sizes: new Map([['a', [10, 5]]]),
      },
      { path: '/d2', errorCode: 56, totalBytes: -1, usableBytes: -1, usedBytes: 0, replicas: new Map(), sizes: new Map() },
    ]);
  });

  it.each([
    ['by its error', 4, 31],
    ['by its silence before v3', 2, 0],
  ])('says that the permission is missing: %s', async (_, version, error) => {
    const decoding = decodeLogDirs(readerOf(logDirsAnswer(version, [], error)), version, clock);
    await expect(decoding).rejects.toMatchObject({ code: 'KAFKA_PERMISSION_MISSING' });
  });
});

describe('DescribeQuorum', () => {
  const voters = [
    [101, 900, 5000],
    [102, 880, 4000],
  ] as const;

  it.each([
    [0, -1],
    [1, 4000],
    [2, 4000],
  ])('v%i gives leader, epoch and voters', (version, caughtUp) => {
    const quorum = decodeQuorum(readerOf(quorumAnswer(version, { leader: 101, epoch: 9, voters })), version, 77);
    expect(quorum).toMatchObject({ leaderId: 101, leaderEpoch: 9, highWatermark: 900, answeredAt: 77, observers: [] });
    expect(quorum.voters[1]).toEqual({ nodeId: 102, logEndOffset: 880, lastFetchAt: caughtUp, lastCaughtUpAt: caughtUp });
  });

  it.each([
    [{ error: 31 }, 'KAFKA_PERMISSION_MISSING'],
    [{ error: 41 }, 'KAFKA_REFUSED'],
    [{ partitionError: 6 }, 'KAFKA_REFUSED'],
    [{ error: 35 }, 'KAFKA_UNSUPPORTED'],
  ])('an answer with %j is the error %s', async (spec, code) => {
    const answer = quorumAnswer(1, { leader: -1, epoch: 0, voters: [], ...spec });
    await expect(async () => decodeQuorum(readerOf(answer), 1, 0)).rejects.toMatchObject({ code });
  });
});

describe('the other answers', () => {
  it('configs: one refused resource beside a good one, sensitive values left out', () => {
    const answer = configsAnswer([
      { type: 2, name: 'orders', error: 0, values: { 'min.insync.replicas': '2', secret: null } },
      { type: 4, name: '1', error: 31, values: {} },
    ]);
    expect(decodeConfigs(readerOf(answer))).toEqual([
      { type: 'topic', name: 'orders', errorCode: 0, values: new Map([['min.insync.replicas', '2']]) },
      { type: 'broker', name: '1', errorCode: 31, values: new Map() },
    ]);
  });

  it('reassignments', () => {
    const rows = [{ topic: 't', partition: 4, adding: [2], removing: [1, 3] }];
    expect(decodeReassignments(readerOf(reassignmentsAnswer(rows)))).toEqual(rows);
    expect(() => decodeReassignments(readerOf(reassignmentsAnswer([], 31)))).toThrow('CLUSTER_AUTHORIZATION_FAILED');
  });

  it.each([
    [4, 'classic'],
    [5, 'Consumer'],
  ])('listed groups v%i', (version, type) => {
    const answer = listGroupsAnswer(version, [{ id: 'g', state: 'Stable', type: 'Consumer' }]);
    expect(decodeListGroups(readerOf(answer), version)).toEqual([{ groupId: 'g', state: 'Stable', type }]);
  });

  it.each([
    ['classic', describeGroupsAnswer, decodeDescribeGroups],
    ['consumer', consumerGroupDescribeAnswer, decodeConsumerGroupDescribe],
  ] as const)('described %s groups: members are counted', (_, encode, decode) => {
    const answer = encode([
      { id: 'g', error: 0, state: 'Stable', members: 3 },
      { id: 'h', error: 16, state: '', members: 0 },
    ]);
    expect(decode(readerOf(answer))).toEqual([
      { groupId: 'g', errorCode: 0, state: 'Stable', memberCount: 3 },
      { groupId: 'h', errorCode: 16, state: '', memberCount: 0 },
    ]);
  });

  it('committed offsets: of a partition with an error nothing is known', async () => {
    const answer = offsetFetchAnswer([
      {
        id: 'g',
        error: 0,
        topics: {
          a: [
            [0, 12, 0],
            [1, -1, 0],
          ],
          b: [[3, 44, 3]],
        },
      },
      { id: 'h', error: 16, topics: {} },
    ]);
    const [first, second] = await decodeOffsetFetch(readerOf(answer), clock);
    expect(first).toMatchObject({ groupId: 'g', errorCode: 0, topics: ['a', 'b'] });
    expect([...(first?.topicIndex ?? [])]).toEqual([0, 0, 1]);
    expect([...(first?.offset ?? [])]).toEqual([12, -1, -1]);
    expect(second).toMatchObject({ groupId: 'h', errorCode: 16 });
  });
});

/** Every decoder with an answer it accepts. */
const DECODERS: readonly (readonly [name: string, answer: WireWriter, decode: (reader: WireReader) => unknown])[] = [
  ['Metadata', metadataAnswer(12, CLUSTER), (reader) => decodeMetadata(reader, 12, clock, 0)],
  ['ListOffsets', listOffsetsAnswer([{ name: 'a', rows: [[0, 0, 7]] }]), (reader) => decodeListOffsets(reader, clock)],
  [
    'DescribeLogDirs',
    logDirsAnswer(4, [{ error: 0, path: '/d', topics: [{ name: 'a', replicas: [[0, 1]] }], total: 1, usable: 1 }]),
    (reader) => decodeLogDirs(reader, 4, clock),
  ],
  ['DescribeQuorum', quorumAnswer(2, { leader: 1, epoch: 1, voters: [[1, 1, 1]] }), (reader) => decodeQuorum(reader, 2, 0)],
  ['DescribeConfigs', configsAnswer([{ type: 2, name: 'a', error: 0, values: { k: 'v' } }]), decodeConfigs],
  ['ListPartitionReassignments', reassignmentsAnswer([{ topic: 't', partition: 0, adding: [2], removing: [] }]), decodeReassignments],
  ['ListGroups', listGroupsAnswer(5, [{ id: 'g', state: 'Stable', type: 'Classic' }]), (reader) => decodeListGroups(reader, 5)],
  ['DescribeGroups', describeGroupsAnswer([{ id: 'g', error: 0, state: 'Stable', members: 1 }]), decodeDescribeGroups],
  ['ConsumerGroupDescribe', consumerGroupDescribeAnswer([{ id: 'g', error: 0, state: 'Stable', members: 1 }]), decodeConsumerGroupDescribe],
  ['OffsetFetch', offsetFetchAnswer([{ id: 'g', error: 0, topics: { a: [[0, 1, 0]] } }]), (reader) => decodeOffsetFetch(reader, clock)],
];

/** The error's code, or `decoded`. Anything but a BelfryError fails the test. */
async function outcome(bytes: Buffer, decode: (reader: WireReader) => unknown): Promise<string> {
  try {
    await decode(new WireReader(bytes, 'test'));
    return 'decoded';
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error;
    return error.code;
  }
}

describe.each(DECODERS)('hostile %s answers', (_, writer, decode) => {
  const good = Buffer.from(writer.written());

  it('is decoded as it is', async () => {
    expect(await outcome(good, decode)).toBe('decoded');
  });

  it('is malformed when cut off anywhere, or when bytes are left over', async () => {
    for (let length = 0; length < good.length; length++) {
      expect([length, await outcome(good.subarray(0, length), decode)]).toEqual([length, 'KAFKA_MALFORMED']);
    }
    expect(await outcome(Buffer.concat([good, Buffer.from([0])]), decode)).toBe('KAFKA_MALFORMED');
  });

  it('never crashes, hangs or swells on garbage and on mutations', async () => {
    const mutated = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }).map((changes) => {
      const bytes = Buffer.from(good);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
    const garbage = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    const property = fc.asyncProperty(fc.oneof(mutated, garbage), async (bytes) => {
      expect([
        'decoded',
        'KAFKA_MALFORMED',
        'KAFKA_REFUSED',
        'KAFKA_PERMISSION_MISSING',
        'KAFKA_UNSUPPORTED',
        'KAFKA_AUTH_FAILED',
      ]).toContain(await outcome(bytes, decode));
    });
    await fc.assert(property, { seed: 20_261_122, numRuns: 400 });
  });
});

describe('lengths that cannot be', () => {
  it.each([
    ['an array', (reader: WireReader) => reader.compactArrayLength(1), [0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['an old array', (reader: WireReader) => reader.arrayLength(6), [0x7f, 0xff, 0xff, 0xff]],
    ['a string', (reader: WireReader) => reader.compactString(), [0xff, 0xff, 0xff, 0x7f]],
    ['a missing string', (reader: WireReader) => reader.compactString(), [0]],
    ['a varint without end', (reader: WireReader) => reader.unsignedVarint(), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['a varint over 32 bits', (reader: WireReader) => reader.unsignedVarint(), [0xff, 0xff, 0xff, 0xff, 0x1f]],
    ['bytes', (reader: WireReader) => reader.bytes(), [0x7f, 0xff, 0xff, 0xff, 0]],
    ['tagged fields', (reader: WireReader) => reader.skipTags(), [0xff, 0xff, 0xff, 0x7f, 0]],
  ])('%s is refused before anything is made from it', (_, read, bytes) => {
    expect(() => read(new WireReader(Buffer.from(bytes), 'Metadata'))).toThrow(/malformed Metadata answer at byte \d/);
  });
});
