import { Labels } from '../core/labels.ts';
import { encodeLabels } from '../formats/write-request.ts';

const CHUNK_BYTES = 1024 * 1024;
const CHUNKS_MAX = 64;
const UNKNOWN = 0;
const LEFT_OUT = -1;

/**
 * The encoded labels of each series as it is sent, made when its first sample comes; of one that is not sent only that. What
 * there is no room for is made each time it is asked for. With each chunk's worth of that the next chunk is looked at, and
 * given away where none of it was asked for since the look before: series come and go.
 */
export class LabelCache {
  readonly #labelsOf: (series: number) => Labels | undefined;
  readonly #relabel: (labels: Labels) => Labels | undefined;
  readonly #external: Readonly<Record<string, string>>;
  /** By series: where its bytes begin plus one, and how many they are. */
  #places = new Float64Array(1024);
  #lengths = new Int32Array(1024);
  readonly #chunkBytes: number;
  #chunks: Uint8Array[] = [];
  #used = 0;
  /** The chunk that is filled, and those that were asked for since they were looked at. */
  #filling = -1;
  readonly #asked = new Uint8Array(CHUNKS_MAX);
  /** The chunk to be looked at next, and the bytes that found no room since the last look. */
  #hand = 0;
  #homeless = 0;

  constructor(options: {
    labelsOf: (series: number) => Labels | undefined;
    relabel: (labels: Labels) => Labels | undefined;
    externalLabels: Readonly<Record<string, string>>;
    chunkBytes?: number;
  }) {
    this.#chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
    this.#labelsOf = options.labelsOf;
    this.#relabel = options.relabel;
    this.#external = options.externalLabels;
  }

  get bytes(): number {
    return this.#chunks.length * this.#chunkBytes + this.#places.byteLength + this.#lengths.byteLength;
  }

  /** Undefined for a series that is not sent. The bytes hold until the next call. */
  get(series: number): Uint8Array | undefined {
    const place = this.#placeOf(series);
    if (place === LEFT_OUT) return undefined;
    if (place === UNKNOWN) return this.#make(series);
    const chunk = Math.floor((place - 1) / this.#chunkBytes);
    const at = (place - 1) % this.#chunkBytes;
    this.#asked[chunk] = 1;
    return this.#chunks[chunk]!.subarray(at, at + this.#lengths[series]!);
  }

  isSent(series: number): boolean {
    const place = this.#placeOf(series);
    return place === UNKNOWN ? this.#make(series) !== undefined : place !== LEFT_OUT;
  }

  #placeOf(series: number): number {
    return series < this.#places.length ? this.#places[series]! : UNKNOWN;
  }

  #make(series: number): Uint8Array | undefined {
    if (series >= this.#places.length) this.#grow(series + 1);
    const labels = this.#labelsOf(series);
    const sent = labels === undefined ? undefined : this.#relabel(this.#withExternal(labels));
    const bytes = sent === undefined ? undefined : encodeLabels(sent);
    if (bytes === undefined || bytes.length > this.#chunkBytes) {
      this.#places[series] = LEFT_OUT;
      return undefined;
    }
    if (!this.#hasRoom(bytes.length)) return bytes;
    this.#chunks[this.#filling]!.set(bytes, this.#used);
    this.#places[series] = this.#filling * this.#chunkBytes + this.#used + 1;
    this.#lengths[series] = bytes.length;
    this.#asked[this.#filling] = 1;
    this.#used += bytes.length;
    return bytes;
  }

  #hasRoom(bytes: number): boolean {
    if (this.#filling >= 0 && this.#used + bytes <= this.#chunkBytes) return true;
    if (this.#chunks.length < CHUNKS_MAX) {
      this.#filling = this.#chunks.push(new Uint8Array(this.#chunkBytes)) - 1;
      this.#used = 0;
      return true;
    }
    this.#homeless += bytes;
    if (this.#homeless < this.#chunkBytes) return false;
    this.#homeless = 0;
    const chunk = this.#hand;
    this.#hand = (chunk + 1) % CHUNKS_MAX;
    if (this.#asked[chunk] === 1) {
      this.#asked[chunk] = 0;
      return false;
    }
    this.#empty(chunk);
    return true;
  }

  #empty(chunk: number): void {
    const first = chunk * this.#chunkBytes + 1;
    for (let series = 0; series < this.#places.length; series++) {
      const place = this.#places[series]!;
      if (place >= first && place < first + this.#chunkBytes) this.#places[series] = UNKNOWN;
    }
    this.#filling = chunk;
    this.#used = 0;
  }

  #withExternal(labels: Labels): Labels {
    const missing = Object.entries(this.#external).filter(([name]) => !labels.has(name));
    return missing.length === 0 ? labels : Labels.of([...labels, ...missing]);
  }

  #grow(least: number): void {
    const places = new Float64Array(Math.max(least, 2 * this.#places.length));
    const lengths = new Int32Array(places.length);
    places.set(this.#places);
    lengths.set(this.#lengths);
    this.#places = places;
    this.#lengths = lengths;
  }
}
