import { describe, expect, it } from '@jest/globals';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ManualClock, SystemClock, type Clock } from '../../src/core/clock.ts';
import { breakKindBehind, breakKindOf } from '../../src/kafka/break.ts';
import { KafkaConnector, type ConnectorOptions, type RequestEvent } from '../../src/kafka/connection.ts';
import type { BrokerAddress, BrokerConnection } from '../../src/kafka/observer.ts';
import { WireWriter } from '../../src/kafka/wire-writer.ts';
import { metadataAnswer } from './answers.ts';
import { FakeBroker } from './fake-broker.ts';

const clock = new SystemClock();
/** Where what is expected is not a time-out: a busy machine must not make one of it. */
const PATIENCE_MS = 60_000;
const EMPTY_CLUSTER = { clusterId: 'abc', brokers: [], topics: [] };

function connect(address: BrokerAddress, options: Partial<ConnectorOptions> = {}): Promise<BrokerConnection> {
  return new KafkaConnector({ clock, ...options }).connect(address, PATIENCE_MS);
}

async function failureOf(work: Promise<unknown>): Promise<{ code: unknown; kind: unknown; text: string }> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error('it did not fail');
  const cause = error.cause instanceof Error ? error.cause.message : '';
  return { code: 'code' in error ? error.code : undefined, kind: breakKindBehind(error), text: `${error.message}: ${cause}` };
}

describe('what answers instead of a broker', () => {
  const cases: readonly (readonly [name: string, onSocket: (socket: Socket) => void, code: string, kind: string, text: RegExp])[] = [
    ['another protocol that speaks first', (socket) => socket.write('SSH-2.0-x\r\n'), 'KAFKA_MALFORMED', 'protocol', /begins with "SSH-"/],
    ['an HTML page', (socket) => socket.write('<html>'), 'KAFKA_MALFORMED', 'protocol', /an HTTP server\?/],
    [
      'a length of 2 GB',
      (socket) => socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff])),
      'KAFKA_MALFORMED',
      'protocol',
      /2147483647 bytes/,
    ],
    ['a negative length', (socket) => socket.write(Buffer.from([0xff, 0, 0, 0])), 'KAFKA_MALFORMED', 'protocol', /does not speak Kafka/],
    ['a TLS alert', (socket) => socket.write(Buffer.from([0x15, 3, 3, 0, 2, 2, 0x28])), 'KAFKA_AUTH_FAILED', 'tls', /no TLS is configured/],
    ['an answer to nothing', (socket) => socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 99])), 'KAFKA_MALFORMED', 'protocol', /not sent/],
    [
      'an answer that is no ApiVersions',
      (socket) => socket.write(Buffer.from([0, 0, 0, 5, 0, 0, 0, 1, 9])),
      'KAFKA_MALFORMED',
      'protocol',
      /ApiVersions/,
    ],
    ['an orderly close', (socket) => socket.end(), 'KAFKA_UNREACHABLE', 'closed', /closed the connection/],
    ['a reset', (socket) => socket.resetAndDestroy(), 'KAFKA_UNREACHABLE', 'reset', /ECONNRESET/],
  ];

  it.each(cases)('%s', async (_, onSocket, code, kind, text) => {
    await using broker = await FakeBroker.raw((socket) => socket.once('data', () => onSocket(socket)));
    const failure = await failureOf(connect(broker.address));
    expect(failure).toMatchObject({ code, kind });
    expect(failure.text).toMatch(text);
  });

  it('an HTTP server', async () => {
    const server = createHttpServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await failureOf(connect({ host: '127.0.0.1', port }))).toEqual({
      code: 'KAFKA_MALFORMED',
      kind: 'protocol',
      text: `127.0.0.1:${port}: does not speak Kafka (an HTTP server?)`,
    });
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('connecting', () => {
  it('is refused where nobody listens', async () => {
    const broker = await FakeBroker.raw(() => undefined);
    const { address } = broker;
    await broker[Symbol.asyncDispose]();
    expect(await failureOf(connect(address))).toMatchObject({ code: 'KAFKA_UNREACHABLE', kind: 'refused' });
  });

  it('does not find a host without a name', async () => {
    expect(await failureOf(connect({ host: 'no-such-host.invalid', port: 9092 }))).toMatchObject({
      code: 'KAFKA_UNREACHABLE',
      kind: 'dns',
    });
  });

  it('names a port that cannot be', async () => {
    expect(await failureOf(connect({ host: '127.0.0.1', port: 99_999 }))).toMatchObject({ code: 'KAFKA_UNREACHABLE', kind: 'dns' });
  });

  it('ends after the given time where the broker accepts and is silent', async () => {
    const manual = new ManualClock();
    const accepted = Promise.withResolvers<void>();
    await using broker = await FakeBroker.raw((socket) => socket.once('data', () => accepted.resolve()));
    const failure = failureOf(new KafkaConnector({ clock: manual }).connect(broker.address, 1500));
    await accepted.promise;
    await manual.advance(1500);
    expect(await failure).toMatchObject({ code: 'KAFKA_TIMEOUT', kind: 'timeout' });
    expect((await failure).text).toContain('did not answer ApiVersions within');
    expect(manual.pendingTimers).toBe(0);
  });

  it.each([
    ['one refused of two', new AggregateError([withCode('ENETUNREACH'), withCode('ECONNREFUSED')]), 'refused'],
    ['no route', withCode('EHOSTUNREACH'), 'no_route'],
    ['our own limit', withCode('EMFILE'), 'local'],
    ['a certificate', withCode('CERT_HAS_EXPIRED'), 'tls'],
    ['a TLS alert', withCode('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'), 'tls'],
    ['DNS that is away', withCode('EAI_AGAIN'), 'dns'],
  ])('the kind of an error: %s', (_, error, kind) => {
    expect(breakKindOf(error)).toBe(kind);
  });
});

function withCode(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('a standing connection', () => {
  const answering = (): Promise<FakeBroker> => FakeBroker.speaking((request) => request.answer(metadataAnswer(12, EMPTY_CLUSTER)));

  it.each([
    ['closed', (socket: Socket) => socket.end()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('ends at once when the other side has %s it', async (kind, breakIt) => {
    await using broker = await answering();
    const connection = await connect(broker.address);
    for (const socket of broker.sockets) breakIt(socket);
    expect(await connection.ended).toMatchObject({ kind });
    expect(await failureOf(connection.metadata(undefined, PATIENCE_MS))).toMatchObject({ code: 'KAFKA_UNREACHABLE', kind });
  });

  it('rejects what was waiting when it breaks, after `ended` has resolved', async () => {
    await using broker = await FakeBroker.speaking((request) => {
      if (request.apiKey === 3) request.socket.resetAndDestroy();
    });
    const connection = await connect(broker.address);
    const order: string[] = [];
    void connection.ended.then(() => order.push('ended'));
    expect(await failureOf(connection.metadata([], PATIENCE_MS))).toMatchObject({ kind: 'reset' });
    order.push('rejected');
    expect(order).toEqual(['ended', 'rejected']);
  });

  it('ends as local when we close it', async () => {
    await using broker = await answering();
    const connection = await connect(broker.address);
    connection.close();
    connection.close();
    expect(await connection.ended).toMatchObject({ kind: 'local' });
  });

  it('drops the late answer to a request that timed out, and stays', async () => {
    const manual = new ManualClock();
    const asked = Promise.withResolvers<() => void>();
    let first = true;
    await using broker = await FakeBroker.speaking((request) => {
      const answer = (): void => request.answer(metadataAnswer(12, EMPTY_CLUSTER));
      if (!first) answer();
      else asked.resolve(answer);
      first = false;
    });
    const connection = await connect(broker.address, { clock: manual as Clock });
    const late = failureOf(connection.metadata(undefined, 500));
    const answerLate = await asked.promise;
    await manual.advance(500);
    expect(await late).toMatchObject({ code: 'KAFKA_TIMEOUT', kind: undefined });
    answerLate();
    expect(await connection.metadata(undefined, 500)).toMatchObject({ clusterId: 'abc' });
    connection.close();
  });

  it('joins an answer that comes in single bytes, and takes two apart that come together', async () => {
    await using broker = await FakeBroker.speaking((request) => {
      const { socket } = request;
      const write = socket.write.bind(socket);
      socket.write = (bytes: Uint8Array | string) => [...Buffer.from(bytes as Uint8Array)].every((byte) => write(Buffer.from([byte])));
      request.answer(metadataAnswer(12, EMPTY_CLUSTER));
      socket.write = write;
    });
    const connection = await connect(broker.address);
    const [a, b] = await Promise.all([connection.metadata(undefined, PATIENCE_MS), connection.metadata([], PATIENCE_MS)]);
    expect([a.clusterId, b.clusterId]).toEqual(['abc', 'abc']);
    connection.close();
  });

  it('counts its traffic and tells each request with its outcome', async () => {
    await using broker = await FakeBroker.speaking((request) => request.answer(new WireWriter().int32(0)));
    const events: RequestEvent[] = [];
    const connection = await connect(broker.address, { onRequest: (event) => events.push(event) });
    expect(await failureOf(connection.metadata(undefined, PATIENCE_MS))).toMatchObject({ code: 'KAFKA_MALFORMED', kind: undefined });
    expect(events.map(({ api, outcome }) => [api, outcome])).toEqual([
      ['ApiVersions', 'ok'],
      ['Metadata', 'KAFKA_MALFORMED'],
    ]);
    expect(connection.traffic.requests).toBe(2);
    expect(connection.traffic.sentBytes).toBe(events.reduce((sum, { sentBytes }) => sum + sentBytes, 0));
    connection.close();
  });

  it('limits the size of an answer', async () => {
    await using broker = await answering();
    expect(await failureOf(connect(broker.address, { maxResponseBytes: 10 }))).toMatchObject({ code: 'KAFKA_MALFORMED', kind: 'protocol' });
  });

  it('limits the requests in flight', async () => {
    await using broker = await FakeBroker.speaking(() => undefined);
    const connection = await connect(broker.address);
    const waiting = Array.from({ length: 64 }, () => failureOf(connection.metadata([], PATIENCE_MS)));
    expect(await failureOf(connection.metadata([], PATIENCE_MS))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    connection.close();
    expect(new Set((await Promise.all(waiting)).map(({ kind }) => kind))).toEqual(new Set(['local']));
  });
});

describe('versions', () => {
  it.each([
    ['too old', [[3, 0, 8]], 'KAFKA_UNSUPPORTED', /v0 to v8, v9 to v12 is needed/],
    ['too new', [[3, 13, 20]], 'KAFKA_UNSUPPORTED', /v13 to v20/],
    ['absent', [], 'KAFKA_UNSUPPORTED', /no Metadata API/],
  ] as const)('a Metadata that is %s is refused by name', async (_, versions, code, text) => {
    await using broker = await FakeBroker.speaking(() => undefined, versions);
    const connection = await connect(broker.address);
    const failure = await failureOf(connection.metadata(undefined, PATIENCE_MS));
    expect(failure.code).toBe(code);
    expect(failure.text).toMatch(text);
    connection.close();
  });

  it('the highest version that both speak is used', async () => {
    const versions: number[] = [];
    await using broker = await FakeBroker.speaking(
      (request) => {
        versions.push(request.version);
        request.answer(metadataAnswer(request.version, EMPTY_CLUSTER));
      },
      [[3, 4, 10]],
    );
    const connection = await connect(broker.address);
    await connection.metadata(undefined, PATIENCE_MS);
    expect(versions).toEqual([10]);
    connection.close();
  });
});

describe('a listener that wants SASL when none is configured', () => {
  it('is a broker that does not let us in, not one that went away', async () => {
    await using broker = await FakeBroker.speaking((request) => request.socket.end());
    const connection = await connect(broker.address);
    expect(await failureOf(connection.metadata(undefined, PATIENCE_MS))).toMatchObject({ code: 'KAFKA_AUTH_FAILED', kind: 'auth' });
  });
});
