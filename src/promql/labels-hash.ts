import type { Labels } from '../core/labels.ts';

const MASK = 0xffff_ffff_ffff_ffffn;
const P1 = 0x9e37_79b1_85eb_ca87n;
const P2 = 0xc2b2_ae3d_27d4_eb4fn;
const P3 = 0x1656_67b1_9e37_79f9n;
const P4 = 0x85eb_ca77_c2b2_ae63n;
const P5 = 0x27d4_eb2f_1656_67c5n;
const LONGEST_SHORT = 255;

/**
 * The hash of a label set as Prometheus 3.x as it is released works it out: xxHash64 over names and values in order, each with its
 * length before it: a byte, or 255 and three bytes from 255 on (model/labels/labels_stringlabels.go).
 */
export function labelsHash(labels: Labels): bigint {
  const parts: Buffer[] = [];
  for (const pair of labels) for (const text of pair) parts.push(...sized(Buffer.from(text)));
  return xxHash64(Buffer.concat(parts));
}

function sized(text: Buffer): readonly Buffer[] {
  const { length } = text;
  if (length < LONGEST_SHORT) return [Buffer.of(length), text];
  return [Buffer.of(LONGEST_SHORT, length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff), text];
}

/** xxHash64 with seed 0, by its specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md). */
export function xxHash64(data: Buffer): bigint {
  const { length } = data;
  let at = 0;
  let hash = P5;
  if (length >= 32) {
    const lanes: [bigint, bigint, bigint, bigint] = [(P1 + P2) & MASK, P2, 0n, (MASK + 1n - P1) & MASK];
    for (; at + 32 <= length; at += 32)
      for (const lane of [0, 1, 2, 3] as const) lanes[lane] = round(lanes[lane], data.readBigUInt64LE(at + 8 * lane));
    const [a, b, c, d] = lanes;
    hash = (rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n)) & MASK;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(length)) & MASK;
  for (; at + 8 <= length; at += 8) hash = (rotate(hash ^ round(0n, data.readBigUInt64LE(at)), 27n) * P1 + P4) & MASK;
  if (at + 4 <= length) {
    hash = (rotate(hash ^ ((BigInt(data.readUInt32LE(at)) * P1) & MASK), 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < length; at++) hash = (rotate(hash ^ ((BigInt(data[at] ?? 0) * P5) & MASK), 11n) * P1) & MASK;
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

function round(lane: bigint, input: bigint): bigint {
  return (rotate((lane + input * P2) & MASK, 31n) * P1) & MASK;
}

function rotate(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK;
}
