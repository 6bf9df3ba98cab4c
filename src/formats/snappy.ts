import { BelfryError } from '../core/errors.ts';

/** No element of the format stands for more bytes than this, so that none can be announced that cannot come. */
const RATIO_MAX = 64;

/**
 * The bytes of a Snappy block (google/snappy, format_description.txt; not the framed format). Throws `BAD_REQUEST` for
 * what is none, and `LIMIT_EXCEEDED` where it says it is longer than `bytesMax`, before room is made for it.
 */
export function decompressSnappy(block: Uint8Array, bytesMax: number): Uint8Array {
  const { length, start } = readLength(block);
  if (length > bytesMax) throw new BelfryError('LIMIT_EXCEEDED', `${length} bytes once decompressed, more than the ${bytesMax} accepted`);
  if (length > RATIO_MAX * block.length) throw malformed(0, 'it says it is far longer than it can be');
  const out = new Uint8Array(length);
  let from = start;
  let to = 0;
  while (from < block.length) {
    const tag = block[from]!;
    const at = from++;
    if ((tag & 3) === 0) {
      const { size, bytes } = literalSize(block, tag, from);
      from += bytes;
      if (size > block.length - from || size > length - to) throw malformed(at, 'a literal runs over the end');
      out.set(block.subarray(from, from + size), to);
      from += size;
      to += size;
      continue;
    }
    const bytes = tag & 3;
    const [offsetBytes, size] = bytes === 1 ? [1, 4 + ((tag >> 2) & 7)] : [bytes === 2 ? 2 : 4, 1 + (tag >> 2)];
    if (offsetBytes > block.length - from) throw malformed(at, 'it ends within a copy');
    const offset = littleEndian(block, from, offsetBytes) + (bytes === 1 ? (tag >> 5) * 256 : 0);
    from += offsetBytes;
    if (offset === 0 || offset > to || size > length - to) throw malformed(at, 'a copy of what is not there');
    // The copy may overlap what it makes: byte by byte.
    for (const end = to + size; to < end; to++) out[to] = out[to - offset]!;
  }
  if (to !== length) throw malformed(from, `it ends after ${to} of ${length} bytes`);
  return out;
}

/** The length of all, a varint of at most 32 bits. */
function readLength(block: Uint8Array): { length: number; start: number } {
  let length = 0;
  for (let i = 0; i < 5 && i < block.length; i++) {
    const byte = block[i]!;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      if (length < 2 ** 32) return { length, start: i + 1 };
      break;
    }
  }
  throw malformed(0, 'it does not begin with a length');
}

/** Of a literal: how long it is, and how many bytes said so after the tag. */
function literalSize(block: Uint8Array, tag: number, from: number): { size: number; bytes: number } {
  const short = tag >> 2;
  if (short < 60) return { size: short + 1, bytes: 0 };
  const bytes = short - 59;
  if (bytes > block.length - from) throw malformed(from - 1, 'it ends within a literal');
  return { size: littleEndian(block, from, bytes) + 1, bytes };
}

function littleEndian(block: Uint8Array, from: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + block[from + i]!;
  return value;
}

function malformed(at: number, why: string): BelfryError {
  return new BelfryError('BAD_REQUEST', `not a Snappy block, at byte ${at}: ${why}`);
}
