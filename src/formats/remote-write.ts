import { BelfryError } from '../core/errors.ts';
import { STALE_WORDS } from './write-request.ts';

/**
 * Prometheus remote write 1.0 (prometheus.io, "Remote write specification"): a Snappy block around the protobuf
 * message `prometheus.WriteRequest` of prompb/remote.proto and prompb/types.proto.
 */
export interface WrittenSeries {
  /** As sent: in any order, a name perhaps twice. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly samples: readonly WrittenSample[];
  /** Native histograms, which are not read. */
  readonly histograms: number;
  /** A label is no UTF-8: what of it is none stands as U+FFFD. */
  readonly isBroken?: true;
}

export interface WrittenSample {
  /** Milliseconds. Exact as far as a time can be one: beyond 2^53 ms it is only known to be far away. */
  readonly ts: number;
  /** Undefined for Prometheus's staleness marker: the series ends here. */
  readonly value: number | undefined;
}

/** The series of a request, one by one. Exemplars and metadata are passed over. Throws `BAD_REQUEST` for what is no such message. */
export function* readWriteRequest(message: Uint8Array): Generator<WrittenSeries, void> {
  const reader = new MessageReader(message, 0, message.length);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) yield readSeries(reader.message());
    else reader.skip();
  }
}

function readSeries(reader: MessageReader): WrittenSeries {
  const labels: (readonly [string, string])[] = [];
  const samples: WrittenSample[] = [];
  let [histograms, isBroken] = [0, false];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      const label = reader.message();
      labels.push(readLabel(label));
      isBroken ||= label.isBroken;
    } else if (field === 2) samples.push(readSample(reader.message()));
    else {
      if (field === 4) histograms++;
      reader.skip();
    }
  }
  return { labels, samples, histograms, ...(isBroken ? { isBroken } : {}) };
}

function readLabel(reader: MessageReader): readonly [string, string] {
  let [name, value] = ['', ''];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.text();
    else if (field === 2) value = reader.text();
    else reader.skip();
  }
  return [name, value];
}

function readSample(reader: MessageReader): WrittenSample {
  let value: number | undefined = 0;
  let ts = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) value = reader.sampleValue();
    else if (field === 2) ts = reader.int64();
    else reader.skip();
  }
  return { ts, value };
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const VARINT_BYTES_MAX = 10;
const [STALE_HIGH, STALE_LOW] = STALE_WORDS;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NEARLY_UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Protobuf's wire format, field by field (protobuf.dev, "Encoding"): no length is believed before it is checked. */
class MessageReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #at: number;
  #wireType = 0;
  /** One of its texts was no UTF-8. */
  isBroken = false;

  constructor(bytes: Uint8Array, from: number, to: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = from;
    this.#end = to;
  }

  /** The number of the next field, 0 at the end. Then one of the others must take its value. */
  next(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.#varint();
    const field = Math.floor(tag / 8);
    this.#wireType = tag % 8;
    if (field === 0 || tag >= 2 ** 32) throw this.#error('a field without a number');
    return field;
  }

  message(): MessageReader {
    const { from, to } = this.#span();
    return new MessageReader(this.#bytes, from, to);
  }

  text(): string {
    const { from, to } = this.#span();
    const bytes = this.#bytes.subarray(from, to);
    try {
      return UTF8.decode(bytes);
    } catch {
      this.isBroken = true;
      return NEARLY_UTF8.decode(bytes);
    }
  }

  sampleValue(): number | undefined {
    const at = this.#take(FIXED64, 8);
    const value = this.#view.getFloat64(at, true);
    const isStale = this.#view.getUint32(at, true) === STALE_LOW && this.#view.getUint32(at + 4, true) === STALE_HIGH;
    return isStale ? undefined : value;
  }

  /** In two's complement over 64 bits; beyond 2^53 either way the nearest double. */
  int64(): number {
    this.#expect(VARINT);
    const start = this.#at;
    const unsigned = this.#varint();
    if (this.#at - start < VARINT_BYTES_MAX) return unsigned;
    // The lowest 28 bits apart from the others, of which the 36th is the sign: the sum of all would be rounded first.
    let high = 0;
    for (let i = VARINT_BYTES_MAX - 1; i >= 4; i--) high = high * 128 + (this.#bytes[start + i]! & 0x7f);
    let low = 0;
    for (let i = 3; i >= 0; i--) low = low * 128 + (this.#bytes[start + i]! & 0x7f);
    const signed = (high % 2 ** 36) - (high % 2 ** 36 >= 2 ** 35 ? 2 ** 36 : 0);
    return signed * 2 ** 28 + low;
  }

  skip(): void {
    if (this.#wireType === VARINT) this.#varint();
    else if (this.#wireType === FIXED64) this.#take(FIXED64, 8);
    else if (this.#wireType === BYTES) this.#span();
    else if (this.#wireType === FIXED32) this.#take(FIXED32, 4);
    else throw this.#error(`wire type ${this.#wireType}`);
  }

  #span(): { from: number; to: number } {
    this.#expect(BYTES);
    const length = this.#varint();
    const from = this.#at;
    if (length > this.#end - from) throw this.#error(`${length} bytes where ${this.#end - from} are left`);
    this.#at = from + length;
    return { from, to: this.#at };
  }

  #take(wireType: number, bytes: number): number {
    this.#expect(wireType);
    if (bytes > this.#end - this.#at) throw this.#error('it ends within a number');
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw this.#error(`wire type ${this.#wireType} where ${wireType} belongs`);
  }

  /** Unsigned; above 2^53 the nearest double. */
  #varint(): number {
    let value = 0;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      if (this.#at >= this.#end) throw this.#error('it ends within a number');
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw this.#error('a number of more than ten bytes');
  }

  #error(why: string): BelfryError {
    return new BelfryError('BAD_REQUEST', `not a remote write request, at byte ${this.#at}: ${why}`);
  }
}
