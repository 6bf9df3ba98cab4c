/** What clients have put on one simulated cluster, as its brokers counted it. */
export interface TrafficCounts {
  /** API key → requests. */
  readonly requests: Readonly<Record<string, number>>;
  /** Metadata requests for all topics, by when they came (ms since the counts began). */
  readonly fullMetadataAtMs: readonly number[];
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly connections: number;
  /** The most connections that one broker had at one time. */
  readonly mostPerBroker: number;
  /** The most connections that were accepted within one second. */
  readonly mostPerSecond: number;
  /** From the first to the last that was accepted. */
  readonly acceptedWithinMs: number;
  readonly elapsedMs: number;
}

const SECOND_MS = 1000;

/** Counts from the last `reset` on. */
export class Traffic {
  #requests = new Map<number, number>();
  #fullMetadataAt: number[] = [];
  #acceptedAt: number[] = [];
  #receivedBytes = 0;
  #sentBytes = 0;
  #mostPerBroker = 0;
  #beganAt = performance.now();

  reset(): void {
    this.#requests = new Map();
    this.#fullMetadataAt = [];
    this.#acceptedAt = [];
    this.#receivedBytes = 0;
    this.#sentBytes = 0;
    this.#mostPerBroker = 0;
    this.#beganAt = performance.now();
  }

  accepted(openAtBroker: number): void {
    this.#acceptedAt.push(performance.now());
    this.#mostPerBroker = Math.max(this.#mostPerBroker, openAtBroker);
  }

  request(apiKey: number, bytes: number): void {
    this.#requests.set(apiKey, (this.#requests.get(apiKey) ?? 0) + 1);
    this.#receivedBytes += bytes;
  }

  fullMetadata(): void {
    this.#fullMetadataAt.push(performance.now());
  }

  answered(bytes: number): void {
    this.#sentBytes += bytes;
  }

  get counts(): TrafficCounts {
    return {
      requests: Object.fromEntries([...this.#requests].map(([key, count]) => [String(key), count])),
      fullMetadataAtMs: this.#fullMetadataAt.map((at) => at - this.#beganAt),
      receivedBytes: this.#receivedBytes,
      sentBytes: this.#sentBytes,
      connections: this.#acceptedAt.length,
      mostPerBroker: this.#mostPerBroker,
      mostPerSecond: mostWithin(this.#acceptedAt, SECOND_MS),
      acceptedWithinMs: (this.#acceptedAt.at(-1) ?? 0) - (this.#acceptedAt[0] ?? 0),
      elapsedMs: performance.now() - this.#beganAt,
    };
  }
}

function mostWithin(times: readonly number[], windowMs: number): number {
  let most = 0;
  let from = 0;
  for (const [i, at] of times.entries()) {
    while ((times[from] ?? 0) <= at - windowMs) from++;
    most = Math.max(most, i - from + 1);
  }
  return most;
}
