import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { SystemClock } from '../../src/core/clock.ts';
import { breakKindBehind } from '../../src/kafka/break.ts';
import { KafkaConnector } from '../../src/kafka/connection.ts';
import type { BrokerConnection } from '../../src/kafka/observer.ts';
import { WireWriter } from '../../src/kafka/wire-writer.ts';
import { metadataAnswer } from '../kafka/answers.ts';
import { FakeBroker, type FakeRequest } from '../kafka/fake-broker.ts';

const clock = new SystemClock();
const MB = 1024 * 1024;
/** Of what never answers. */
const TIMEOUT_MS = 400;
/** Of what does: a machine that is busy must not make a time-out of it. */
const PATIENCE_MS = 60_000;

async function failureOf(work: Promise<unknown>): Promise<{ code: unknown; kind: unknown }> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error('it did not fail');
  return { code: 'code' in error ? error.code : undefined, kind: breakKindBehind(error) };
}

const connect = (broker: FakeBroker): Promise<BrokerConnection> => new KafkaConnector({ clock }).connect(broker.address, PATIENCE_MS);

/** The frame of an answer to this request, with a flexible header. */
function frameOf({ correlationId }: FakeRequest, body: Buffer): Buffer {
  const head = new WireWriter()
    .int32(body.length + 5)
    .int32(correlationId)
    .noTags();
  return Buffer.concat([head.written(), body]);
}

/** Byte after byte, with a turn of the loop between them. */
function drip(socket: Socket, bytes: Buffer): void {
  let at = 0;
  const next = (): void => {
    if (at >= bytes.length || socket.destroyed) return;
    socket.write(bytes.subarray(at, ++at), () => setImmediate(next));
  };
  next();
}

const good = (): Buffer => Buffer.from(metadataAnswer(12, { clusterId: 'abc', brokers: [], topics: [] }).written());

interface Answer {
  readonly what: string;
  readonly code: string;
  /** Of the connection that ended with it; undefined where it goes on. */
  readonly kind?: string;
  readonly answer: (request: FakeRequest) => void;
}

const answers: readonly Answer[] = [
  { what: 'nothing', code: 'KAFKA_TIMEOUT', answer: () => undefined },
  {
    what: 'a byte now and then',
    code: 'KAFKA_TIMEOUT',
    answer: (request) => drip(request.socket, frameOf(request, Buffer.alloc(10 * MB))),
  },
  {
    what: 'half of an answer, and closes',
    code: 'KAFKA_UNREACHABLE',
    kind: 'closed',
    answer: (request) => request.socket.end(frameOf(request, good()).subarray(0, 12)),
  },
  {
    what: 'half of an answer, and resets',
    code: 'KAFKA_UNREACHABLE',
    kind: 'reset',
    answer: ({ socket, ...request }) =>
      socket.write(frameOf({ socket, ...request }, good()).subarray(0, 12), () => setTimeout(() => socket.resetAndDestroy(), 20)),
  },
  {
    what: 'an answer to another request',
    code: 'KAFKA_MALFORMED',
    kind: 'protocol',
    answer: (request) => request.socket.write(frameOf({ ...request, correlationId: request.correlationId + 77 }, good())),
  },
  {
    what: 'a frame of two gigabytes',
    code: 'KAFKA_MALFORMED',
    kind: 'protocol',
    answer: ({ socket }) => socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1])),
  },
  {
    what: 'an HTTP answer',
    code: 'KAFKA_MALFORMED',
    kind: 'protocol',
    answer: ({ socket }) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
  },
  {
    what: 'random bytes in a good frame',
    code: 'KAFKA_MALFORMED',
    answer: (request) =>
      request.socket.write(frameOf(request, Buffer.concat([Buffer.alloc(4), Buffer.alloc(2000, 0xff), randomBytes(100)]))),
  },
  {
    what: 'a good answer with bytes behind it',
    code: 'KAFKA_MALFORMED',
    answer: (request) => request.socket.write(frameOf(request, Buffer.concat([good(), Buffer.alloc(3)]))),
  },
];

describe('a broker that answers', () => {
  it.each(answers)('$what: $code, told in time, and a new connection works', async ({ code, kind, answer }) => {
    let isHostile = true;
    await using broker = await FakeBroker.speaking((request) => {
      if (isHostile) answer(request);
      else request.socket.write(frameOf(request, good()));
    });
    const connection = await connect(broker);
    expect(await failureOf(connection.metadata(undefined, code === 'KAFKA_TIMEOUT' ? TIMEOUT_MS : PATIENCE_MS))).toEqual({ code, kind });
    connection.close();
    isHostile = false;
    const next = await connect(broker);
    expect((await next.metadata(undefined, PATIENCE_MS)).clusterId).toBe('abc');
    next.close();
  });

  it('a large answer in small pieces is put together right, whatever the pieces', async () => {
    const topics = Array.from({ length: 300 }, (_, i) => ({ name: `topic-${i}`, partitions: [] }));
    const answer = Buffer.from(metadataAnswer(12, { clusterId: 'abc', brokers: [], topics }).written());
    expect(answer.length).toBeGreaterThan(5000);
    await using broker = await FakeBroker.speaking((request) => drip(request.socket, frameOf(request, answer)));
    const connection = await connect(broker);
    const metadata = await connection.metadata(undefined, PATIENCE_MS);
    expect([metadata.clusterId, metadata.topics.length]).toEqual(['abc', 300]);
    connection.close();
  });

  it('nothing more, without a word: each request ends in time, and so does their number', async () => {
    await using broker = await FakeBroker.speaking(() => undefined);
    const connection = await connect(broker);
    const failures = await Promise.all(Array.from({ length: 70 }, () => failureOf(connection.metadata(undefined, 100))));
    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(['KAFKA_TIMEOUT', 'LIMIT_EXCEEDED']));
    connection.close();
  });
});
