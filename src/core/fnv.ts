/**
 * FNV-1a with 32 bits, as a signed integer: one function a kind of input, so that each runs on what it is compiled for.
 * Even enough for tables and for spreading work; nothing that somebody hostile could not meet on purpose.
 */
const BASIS = 0x811c9dc5 | 0;
const PRIME = 0x01000193;

/** Over UTF-16 units. */
export function hashText(text: string): number {
  let hash = BASIS;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash;
}

/** Over the bytes [from, to). */
export function hashBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = BASIS;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, PRIME);
  return hash;
}

/** Over the 32-bit words [from, to). The low bits know nothing of the words' high ones: a table has to finish it. */
export function hashWords(words: Int32Array, from: number, to: number): number {
  let hash = BASIS;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ words[i]!, PRIME);
  return hash;
}
