import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * A new ULID: 48 bits of time in milliseconds and 80 random bits, in Crockford's base 32 (github.com/ulid/spec).
 * Sorts by time as text.
 */
export function ulid(now: number): string {
  let time = '';
  for (let rest = now, i = 0; i < 10; i++) {
    time = (ALPHABET[rest % 32] ?? '0') + time;
    rest = Math.floor(rest / 32);
  }
  let random = '';
  for (const byte of randomBytes(16)) random += ALPHABET[byte & 31] ?? '0';
  return time + random;
}
