import type { Socket } from 'node:net';
import { BelfryError } from '../core/errors.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { Api } from './apis.ts';
import { breakError, socketBreak } from './break.ts';
import { ConnectionBreakError, type BrokerAddress, type ConnectionBreak } from './observer.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

/** Requests that wait for their answer on one connection; a broker works them off one by one. */
const MAX_IN_FLIGHT = 64;
/** Chunks that wait apart for the rest of their answer: each costs more than its bytes where they are few. */
const LOOSE_CHUNKS_MAX = 1024;
/** Correlation id and nothing else. */
const SMALLEST_ANSWER = 4;

export interface TransportOptions {
  readonly address: BrokerAddress;
  readonly clock: Clock;
  readonly clientId: string;
  readonly maxResponseBytes: number;
}

/** The bytes of one answer after its header, and what the exchange has cost. */
export interface Answer {
  readonly reader: WireReader;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

interface Pending {
  readonly api: Api;
  readonly flexibleHeader: boolean;
  readonly sentBytes: number;
  readonly timer: Timer;
  resolve(answer: Answer): void;
  reject(error: BelfryError): void;
}

/**
 * Kafka's framing on an open socket: requests out, answers matched by correlation id. A request that timed out leaves
 * the connection open and its late answer is dropped; an answer that nobody asked for ends it.
 */
export class Transport {
  /** Resolves as soon as the socket has ended, before the waiting requests are rejected. */
  readonly ended: Promise<ConnectionBreak>;
  readonly traffic = { requests: 0, sentBytes: 0, receivedBytes: 0 };
  readonly #socket: Socket;
  readonly #options: TransportOptions;
  readonly #pending = new Map<number, Pending>();
  /** Requests whose time was over before their answer came. */
  readonly #abandoned = new Set<number>();
  readonly #resolveEnded: (ended: ConnectionBreak) => void;
  #break: ConnectionBreakError | undefined;
  #nextCorrelationId = 1;
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Chunks before that one have been put together already. */
  #looseFrom = 0;
  /** Bytes of the answer that is arriving, -1 while its length is not known. */
  #frameBytes = -1;

  /** Takes over a socket that has connected, after its TLS handshake where it has one. */
  constructor(socket: Socket, options: TransportOptions) {
    this.#socket = socket;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<ConnectionBreak>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.#end(new ConnectionBreakError('closed', 'the other side closed the connection')));
    socket.on('error', (error) => this.#end(socketBreak(error)));
    socket.on('close', () => this.#end(new ConnectionBreakError('closed', 'the connection was closed')));
    if (socket.destroyed) this.#end(new ConnectionBreakError('closed', 'the connection was closed'));
  }

  get alive(): boolean {
    return this.#break === undefined;
  }

  /** Sends a request and resolves with its answer. Rejects with `KAFKA_TIMEOUT`, or the error of the break. */
  request(api: Api, version: number, writeBody: (writer: WireWriter) => void, timeoutMs: number): Promise<Answer> {
    if (this.#break !== undefined) return Promise.reject(breakError(this.#options.address, this.#break));
    if (this.#pending.size + this.#abandoned.size >= MAX_IN_FLIGHT) {
      return Promise.reject(new BelfryError('LIMIT_EXCEEDED', `${MAX_IN_FLIGHT} requests wait for ${this.#name()} already`));
    }
    const correlationId = this.#nextCorrelationId;
    this.#nextCorrelationId = (correlationId + 1) & 0x7f_ff_ff_ff;
    let frame: Buffer;
    try {
      frame = this.#frame(api, version, correlationId, writeBody);
    } catch (error) {
      return Promise.reject(error instanceof BelfryError ? error : new BelfryError('INTERNAL', `${api.name} request`, { cause: error }));
    }
    this.traffic.requests += 1;
    this.traffic.sentBytes += frame.length;
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.timer(timeoutMs, () => this.#abandon(correlationId, timeoutMs));
      // An ApiVersions answer never has the flexible header, since its reader may not know the version yet.
      const flexibleHeader = version >= api.flexibleFrom && api.name !== 'ApiVersions';
      this.#pending.set(correlationId, { api, flexibleHeader, sentBytes: frame.length, timer, resolve, reject });
      this.#socket.write(frame);
    });
  }

  /** Ends the connection from this side. */
  close(why = 'closed by us'): void {
    this.#end(new ConnectionBreakError('local', why));
  }

  /** Ends the connection because of what the other side did. */
  fail(reason: ConnectionBreakError): void {
    this.#end(reason);
  }

  #frame(api: Api, version: number, correlationId: number, writeBody: (writer: WireWriter) => void): Buffer {
    const writer = new WireWriter().int32(0).int16(api.key).int16(version).int32(correlationId).string(this.#options.clientId);
    if (version >= api.flexibleFrom) writer.noTags();
    writeBody(writer);
    writer.setInt32(0, writer.length - 4);
    return writer.written();
  }

  #receive(chunk: Buffer): void {
    this.traffic.receivedBytes += chunk.length;
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    while (this.#break === undefined) {
      if (this.#frameBytes < 0) {
        if (this.#buffered < 4) return;
        const head = this.#join();
        const size = head.readInt32BE(0);
        if (size < SMALLEST_ANSWER || size > this.#options.maxResponseBytes) {
          this.#end(notKafka(head, size, this.#options.maxResponseBytes));
          return;
        }
        this.#frameBytes = size;
      }
      const wholeBytes = this.#frameBytes + 4;
      if (this.#buffered < wholeBytes) {
        this.#pack();
        return;
      }
      const all = this.#join();
      this.#frameBytes = -1;
      this.#buffered = all.length - wholeBytes;
      this.#chunks = this.#buffered > 0 ? [all.subarray(wholeBytes)] : [];
      this.#deliver(all.subarray(4, wholeBytes));
    }
  }

  /** An answer that comes a few bytes at a time must not take many times its size. */
  #pack(): void {
    if (this.#chunks.length - this.#looseFrom < LOOSE_CHUNKS_MAX) return;
    this.#chunks.push(Buffer.concat(this.#chunks.splice(this.#looseFrom)));
    this.#looseFrom = this.#chunks.length;
  }

  #join(): Buffer {
    this.#looseFrom = 0;
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first !== undefined) return first;
    const all = Buffer.concat(this.#chunks, this.#buffered);
    this.#chunks = [all];
    return all;
  }

  #deliver(frame: Buffer): void {
    const correlationId = frame.readInt32BE(0);
    if (this.#abandoned.delete(correlationId)) return;
    const pending = this.#pending.get(correlationId);
    if (pending === undefined) {
      this.#end(new ConnectionBreakError('protocol', 'does not speak Kafka: it answered a request that was not sent'));
      return;
    }
    this.#pending.delete(correlationId);
    pending.timer.cancel();
    const reader = new WireReader(frame, pending.api.name, 4);
    try {
      if (pending.flexibleHeader) reader.skipTags();
    } catch (error) {
      pending.reject(error instanceof BelfryError ? error : reader.malformed('its header'));
      return;
    }
    pending.resolve({ reader, sentBytes: pending.sentBytes, receivedBytes: frame.length + 4 });
  }

  #abandon(correlationId: number, timeoutMs: number): void {
    const pending = this.#pending.get(correlationId);
    if (pending === undefined) return;
    this.#pending.delete(correlationId);
    this.#abandoned.add(correlationId);
    pending.reject(new BelfryError('KAFKA_TIMEOUT', `${this.#name()} did not answer ${pending.api.name} within ${timeoutMs} ms`));
  }

  #end(reason: ConnectionBreakError): void {
    if (this.#break !== undefined) return;
    this.#break = reason;
    this.#chunks = [];
    this.#buffered = 0;
    this.#socket.destroy();
    this.#resolveEnded({ kind: reason.kind, at: this.#options.clock.now(), detail: reason.message });
    for (const pending of this.#pending.values()) {
      pending.timer.cancel();
      pending.reject(breakError(this.#options.address, reason));
    }
    this.#pending.clear();
    this.#abandoned.clear();
  }

  #name(): string {
    return `${this.#options.address.host}:${this.#options.address.port}`;
  }
}

/** What a first length that cannot be one tells about who is talking. */
function notKafka(head: Buffer, size: number, maxResponseBytes: number): ConnectionBreakError {
  // A TLS record: an alert (21) or a handshake (22), version 3.x.
  if ((head[0] === 0x15 || head[0] === 0x16) && head[1] === 3) {
    return new ConnectionBreakError('tls', 'the listener speaks TLS, but no TLS is configured');
  }
  const text = head.toString('latin1', 0, 4);
  if (text === 'HTTP' || text.startsWith('<')) return new ConnectionBreakError('protocol', 'does not speak Kafka (an HTTP server?)');
  if (/^[\u0020-\u007e]{4}$/.test(text)) {
    return new ConnectionBreakError('protocol', `does not speak Kafka: its answer begins with ${JSON.stringify(text)}`);
  }
  const limit = `${SMALLEST_ANSWER} to ${maxResponseBytes} are accepted`;
  return new ConnectionBreakError('protocol', `does not speak Kafka: an answer of ${size} bytes was announced, ${limit}`);
}
