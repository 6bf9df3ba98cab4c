/** What a sender of remote write makes: protobuf, then a Snappy block of literals, which is as valid as any. */
export interface SentSeries {
  readonly labels: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  readonly samples: readonly (readonly [ts: number, value: number | 'stale'])[];
  readonly histograms?: number;
}

export function encodeWriteRequest(series: readonly SentSeries[]): Buffer {
  return Buffer.concat(series.map((one) => field(1, encodeSeries(one))));
}

function encodeSeries({ labels, samples, histograms = 0 }: SentSeries): Buffer {
  const pairs = Array.isArray(labels) ? (labels as readonly (readonly [string, string])[]) : Object.entries(labels);
  return Buffer.concat([
    ...pairs.map(([name, value]) => field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))]))),
    ...samples.map(([ts, value]) => field(2, Buffer.concat([Buffer.from([0x09]), float64(value), Buffer.from([0x10]), varint(ts)]))),
    ...Array.from({ length: histograms }, () => field(4, Buffer.alloc(0))),
  ]);
}

function float64(value: number | 'stale'): Buffer {
  const bytes = Buffer.alloc(8);
  if (value === 'stale') bytes.writeBigUInt64LE(0x7ff0000000000002n);
  else bytes.writeDoubleLE(value);
  return bytes;
}

export function field(number: number, content: Uint8Array): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(content.length), content]);
}

/** Below zero: in two's complement over 64 bits. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    const low = Number(rest & 0x7fn);
    if (rest < 0x80n) return Buffer.from([...bytes, low]);
    bytes.push(low | 0x80);
  }
}

export function snappyLiterals(bytes: Uint8Array): Buffer {
  const parts: Uint8Array[] = [varint(bytes.length)];
  for (let at = 0; at < bytes.length; at += 60) {
    const piece = bytes.subarray(at, at + 60);
    parts.push(Buffer.from([(piece.length - 1) << 2]), piece);
  }
  return Buffer.concat(parts);
}
