import type { FamilyMetadata } from './page-metadata.ts';
import type { Labels } from '../core/labels.ts';

/** Prometheus's own NaN, model/value: the high and the low word of the double. */
const NAN_WORDS = [0x7ff80000, 1] as const;
/** Its staleness marker, a NaN like no other. */
export const STALE_WORDS = [0x7ff00000, 2] as const;
/** The tags of `TimeSeries.labels`, `TimeSeries.samples`, `Sample.value` (8 bytes) and `Sample.timestamp` (a varint). */
const LABELS = 0x0a;
const SAMPLES = 0x12;
const VALUE = 0x09;
const TIMESTAMP = 0x10;
const METADATA = 0x1a;

/** What `MetricMetadata.MetricType` of prompb/types.proto calls the types. */
const METRIC_TYPES: Readonly<Record<string, number>> = {
  counter: 1,
  gauge: 2,
  histogram: 3,
  gaugehistogram: 4,
  summary: 5,
  info: 6,
  stateset: 7,
};

/** Samples as columns. `stale[i]` is 1 for a staleness marker, whose value does not count. */
export interface SampleColumns {
  readonly ts: Float64Array;
  readonly values: Float64Array;
  readonly stale: Uint8Array;
}

/** The labels of a series as they stand in every `TimeSeries` of it: made once, then copied. */
export function encodeLabels(labels: Labels): Uint8Array {
  const parts: Buffer[] = [];
  let bytes = 0;
  for (const text of labels.pairs) bytes += parts[parts.push(Buffer.from(text)) - 1]!.length;
  const out = new Writer(bytes + 14 * parts.length);
  for (let i = 0; i < parts.length; i += 2) {
    const [name, value] = [parts[i]!, parts[i + 1]!];
    out.byte(LABELS);
    out.varint(2 + varintBytes(name.length) + name.length + varintBytes(value.length) + value.length);
    out.text(0x0a, name);
    out.text(0x12, value);
  }
  return out.taken();
}

/** What is known of a metric beside its samples. */
export type WrittenMetadata = Omit<FamilyMetadata, 'unit'> & Partial<Pick<FamilyMetadata, 'unit'>>;

/** Writes the protobuf message `prometheus.WriteRequest` (prompb/remote.proto), series by series. */
export class WriteRequestEncoder {
  readonly #out = new Writer(65_536);

  begin(): void {
    this.#out.length = 0;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#out.length;
  }

  /** One series with the samples [from, to). Bits go out as they are: a marker is Prometheus's, a NaN its ordinary one. */
  series(labels: Uint8Array, samples: SampleColumns, from: number, to: number): void {
    const { ts, values, stale } = samples;
    let bytes = labels.length;
    for (let i = from; i < to; i++) bytes += 12 + varintBytes(ts[i]!);
    const out = this.#out;
    out.reserve(bytes + 16);
    out.byte(LABELS);
    out.varint(bytes);
    out.append(labels);
    for (let i = from; i < to; i++) {
      out.byte(SAMPLES);
      out.byte(10 + varintBytes(ts[i]!));
      out.byte(VALUE);
      const value = values[i]!;
      if (stale[i] === 1) out.words(STALE_WORDS);
      else if (value === value) out.double(value);
      else out.words(NAN_WORDS);
      out.byte(TIMESTAMP);
      out.varint(ts[i]!);
    }
  }

  /** What is known of a metric beside its samples. */
  metadata(family: WrittenMetadata): void {
    const [name, help, unit] = [Buffer.from(family.name), Buffer.from(family.help), Buffer.from(family.unit ?? '')];
    const inner = new Writer(name.length + help.length + unit.length + 32);
    inner.byte(0x08);
    inner.varint(METRIC_TYPES[family.type] ?? 0);
    inner.text(0x12, name);
    inner.text(0x22, help);
    inner.text(0x2a, unit);
    this.#out.reserve(inner.length + 16);
    this.#out.text(METADATA, inner.taken());
  }

  /** The message; its memory is used again after `begin`. */
  message(): Uint8Array {
    return this.#out.taken();
  }
}

/** Bytes that grow. `byte`, `varint`, `double` and `words` write into room that has been reserved. */
class Writer {
  length = 0;
  #bytes: Uint8Array;
  #view: DataView;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.length + more));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  byte(value: number): void {
    this.#bytes[this.length++] = value;
  }

  /** A whole number; below zero in two's complement over 64 bits. */
  varint(value: number): void {
    if (value < 0) {
      for (let rest = BigInt.asUintN(64, BigInt(value)), left = 10; left > 0; left--, rest >>= 7n)
        this.byte(left === 1 ? Number(rest) : Number(rest & 0x7fn) | 0x80);
      return;
    }
    let rest = value;
    // A division for what does not fit into 31 bits, shifts for the rest.
    for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) this.#bytes[this.length++] = (rest % 128) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) this.#bytes[this.length++] = (rest & 0x7f) | 0x80;
    this.#bytes[this.length++] = rest;
  }

  double(value: number): void {
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  words([high, low]: readonly [number, number]): void {
    this.#view.setUint32(this.length, low, true);
    this.#view.setUint32(this.length + 4, high, true);
    this.length += 8;
  }

  append(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  text(tag: number, bytes: Uint8Array): void {
    this.byte(tag);
    this.varint(bytes.length);
    this.append(bytes);
  }

  taken(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

function varintBytes(value: number): number {
  if (value < 0) return 10;
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
