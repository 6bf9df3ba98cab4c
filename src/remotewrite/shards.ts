import { Batch, BYTES_A_SAMPLE } from './batch.ts';

interface Shard {
  readonly sealed: Batch[];
  filling: Batch | undefined;
  isSending: boolean;
}

/**
 * Samples on their way, by series: those of one series are always in one shard, which sends one request at a time, so
 * that they arrive in their order.
 */
export class Shards {
  readonly #options: { readonly capacity: number; readonly samplesPerSend: number };
  readonly #deliver: (batch: Batch) => Promise<void>;
  readonly #signal: AbortSignal;
  readonly #waiters: (() => void)[] = [];
  #shards: readonly Shard[];
  /** Samples that have been added and not yet been delivered or given up. */
  waiting = 0;

  /** `deliver` settles when the batch is done with, or the signal is aborted; it does not reject. */
  constructor(
    count: number,
    options: { capacity: number; samplesPerSend: number },
    deliver: (batch: Batch) => Promise<void>,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#deliver = deliver;
    this.#signal = signal;
    this.#shards = made(count);
    signal.addEventListener('abort', () => this.#tell(), { once: true });
  }

  get count(): number {
    return this.#shards.length;
  }

  get bytes(): number {
    return this.waiting * BYTES_A_SAMPLE;
  }

  get isFull(): boolean {
    return this.waiting >= this.#options.capacity * this.#shards.length;
  }

  add(series: number, ts: number, value: number, stale: boolean): void {
    const shard = this.#shards[this.#shards.length === 1 ? 0 : (Math.imul(series, 0x9e3779b1) >>> 0) % this.#shards.length]!;
    shard.filling ??= new Batch(this.#options.samplesPerSend);
    shard.filling.add(series, ts, value, stale);
    this.waiting++;
    if (shard.filling.isFull) this.#seal(shard);
  }

  /** Sends what has been added, however little it is. */
  flush(): void {
    for (const shard of this.#shards) if (shard.filling !== undefined) this.#seal(shard);
  }

  /** Another number of them; only while nothing waits. */
  resize(count: number): void {
    if (this.waiting === 0 && count !== this.#shards.length) this.#shards = made(count);
  }

  /** Resolves when a batch has been done with, or the signal is aborted. */
  async next(): Promise<void> {
    if (this.#signal.aborted || this.waiting === 0) return;
    await new Promise<void>((resolve) => void this.#waiters.push(resolve));
  }

  #tell(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #seal(shard: Shard): void {
    shard.sealed.push(shard.filling!);
    shard.filling = undefined;
    if (!shard.isSending) void this.#send(shard);
  }

  async #send(shard: Shard): Promise<void> {
    shard.isSending = true;
    for (let batch = shard.sealed.shift(); batch !== undefined; batch = shard.sealed.shift()) {
      await this.#deliver(batch);
      this.waiting -= batch.count;
      this.#tell();
    }
    shard.isSending = false;
  }
}

function made(count: number): readonly Shard[] {
  return Array.from({ length: count }, () => ({ sealed: [], filling: undefined, isSending: false }));
}
