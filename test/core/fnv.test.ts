import { describe, expect, it } from '@jest/globals';
import { hashBytes, hashText, hashWords } from '../../src/core/fnv.ts';

describe('FNV-1a, 32 bits', () => {
  // The vectors that its authors give (isthe.com, "FNV hash").
  it.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['foobar', 0xbf9cf968],
  ])('of %j is %i, over text, bytes and words alike', (text, expected) => {
    const bytes = Buffer.from(`<${text}>`);
    const words = Int32Array.from(bytes);
    const hashes = [hashText(text), hashBytes(bytes, 1, bytes.length - 1), hashWords(words, 1, words.length - 1)];
    expect(hashes.map((hash) => hash >>> 0)).toEqual([expected, expected, expected]);
  });
});
