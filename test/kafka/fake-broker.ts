import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { BrokerAddress } from '../../src/kafka/observer.ts';
import { WireReader } from '../../src/kafka/wire-reader.ts';
import { WireWriter } from '../../src/kafka/wire-writer.ts';

export interface FakeRequest {
  readonly apiKey: number;
  readonly version: number;
  readonly correlationId: number;
  /** Behind the header, tagged fields of the header not read. */
  readonly body: WireReader;
  /** Sends an answer with a flexible header, or the old one. */
  answer(body: WireWriter, options?: { flexible?: boolean }): void;
  readonly socket: Socket;
}

/** A TCP server on a free port of 127.0.0.1 that speaks as the test wants it to. */
export class FakeBroker implements AsyncDisposable {
  readonly address: BrokerAddress;
  readonly sockets = new Set<Socket>();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  }

  /** With the raw sockets. */
  static async raw(onSocket: (socket: Socket) => void): Promise<FakeBroker> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const broker = new FakeBroker(server);
    server.on('connection', (socket) => {
      broker.sockets.add(socket);
      socket.on('error', () => undefined);
      onSocket(socket);
    });
    return broker;
  }

  /** Answers ApiVersions by itself, with `versions`; all else goes to `onRequest`. */
  static speaking(
    onRequest: (request: FakeRequest) => void,
    versions: readonly (readonly [key: number, low: number, high: number])[] = [
      [3, 0, 12],
      [18, 0, 3],
    ],
  ): Promise<FakeBroker> {
    return FakeBroker.raw((socket) => {
      let buffered = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        buffered = Buffer.concat([buffered, chunk]);
        while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
          const frame = buffered.subarray(4, 4 + buffered.readInt32BE(0));
          buffered = buffered.subarray(4 + frame.length);
          const request = requestOf(frame, socket);
          if (request.apiKey === 18) request.answer(apiVersionsAnswer(versions), { flexible: false });
          else onRequest(request);
        }
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function requestOf(frame: Buffer, socket: Socket): FakeRequest {
  const body = new WireReader(frame, 'request');
  const apiKey = body.int16();
  const version = body.int16();
  const correlationId = body.int32();
  body.nullableString();
  const answer: FakeRequest['answer'] = (answerBody, { flexible = true } = {}) => {
    const writer = new WireWriter().int32(0).int32(correlationId);
    if (flexible) writer.noTags();
    const payload = Buffer.from(answerBody.written());
    writer.setInt32(0, writer.length - 4 + payload.length);
    socket.write(Buffer.concat([writer.written(), payload]));
  };
  return { apiKey, version, correlationId, body, answer, socket };
}

export function apiVersionsAnswer(versions: readonly (readonly [key: number, low: number, high: number])[]): WireWriter {
  const writer = new WireWriter().int16(0);
  writer.compactArray(versions, ([key, low, high]) => writer.int16(key).int16(low).int16(high).noTags());
  return writer.int32(0).noTags();
}
