import { Labels } from '../core/labels.ts';
import { encodeLabels } from '../formats/write-request.ts';

const CHUNK_BYTES = 1024 * 1024;
/** When they are all full everything is made anew: series come and go. */
const CHUNKS_MAX = 64;
const UNKNOWN = 0;
const LEFT_OUT = -1;

/** The encoded labels of each series as it is sent, made when its first sample comes; of one that is not sent only that. */
export class LabelCache {
  readonly #labelsOf: (series: number) => Labels | undefined;
  readonly #relabel: (labels: Labels) => Labels | undefined;
  readonly #external: Readonly<Record<string, string>>;
  /** By series: where its bytes begin plus one, and how many they are. */
  #places = new Float64Array(1024);
  #lengths = new Int32Array(1024);
  #chunks: Uint8Array[] = [];
  #used = 0;

  constructor(options: {
    labelsOf: (series: number) => Labels | undefined;
    relabel: (labels: Labels) => Labels | undefined;
    externalLabels: Readonly<Record<string, string>>;
  }) {
    this.#labelsOf = options.labelsOf;
    this.#relabel = options.relabel;
    this.#external = options.externalLabels;
  }

  get bytes(): number {
    return this.#chunks.length * CHUNK_BYTES + this.#places.byteLength + this.#lengths.byteLength;
  }

  /** Undefined for a series that is not sent. The bytes hold until the next call. */
  get(series: number): Uint8Array | undefined {
    const place = this.#place(series);
    if (place === LEFT_OUT) return undefined;
    const at = (place - 1) % CHUNK_BYTES;
    return this.#chunks[Math.floor((place - 1) / CHUNK_BYTES)]!.subarray(at, at + this.#lengths[series]!);
  }

  isSent(series: number): boolean {
    return this.#place(series) !== LEFT_OUT;
  }

  #place(series: number): number {
    const known = series < this.#places.length ? this.#places[series]! : UNKNOWN;
    return known === UNKNOWN ? this.#make(series) : known;
  }

  #make(series: number): number {
    if (series >= this.#places.length) this.#grow(series + 1);
    const labels = this.#labelsOf(series);
    const sent = labels === undefined ? undefined : this.#relabel(this.#withExternal(labels));
    if (sent === undefined) return (this.#places[series] = LEFT_OUT);
    const bytes = encodeLabels(sent);
    if (bytes.length > CHUNK_BYTES) return (this.#places[series] = LEFT_OUT);
    if (this.#chunks.length === 0 || this.#used + bytes.length > CHUNK_BYTES) this.#nextChunk();
    const at = (this.#chunks.length - 1) * CHUNK_BYTES + this.#used;
    this.#chunks.at(-1)!.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#lengths[series] = bytes.length;
    return (this.#places[series] = at + 1);
  }

  #nextChunk(): void {
    if (this.#chunks.length === CHUNKS_MAX) {
      this.#chunks = [];
      this.#places.fill(UNKNOWN);
    }
    this.#chunks.push(new Uint8Array(CHUNK_BYTES));
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
