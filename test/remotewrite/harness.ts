import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import type { Logger } from '../../src/core/log.ts';
import { Secret } from '../../src/core/secret.ts';
import { readWriteRequest } from '../../src/formats/remote-write.ts';
import { decompressSnappy } from '../../src/formats/snappy.ts';
import type { RemoteWriteOptions } from '../../src/remotewrite/schema.ts';
import { RemoteWrite } from '../../src/remotewrite/remote-write.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { PrometheusMeter } from '../../src/telemetry/prometheus-meter.ts';
import { HttpStandIn, readBody } from '../../testbed/http-stand-in.ts';

export const DAY = 86_400_000;

/** What a destination answers to one request; 204 where undefined. */
export type Answer = { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly text?: string } | undefined;

export interface Received {
  readonly headers: IncomingHttpHeaders;
  /** `series value@ts`, in the order in which they stand in the request. */
  readonly samples: readonly string[];
}

/** A receiver of remote write that can be told how to answer. */
export class Receiver implements AsyncDisposable {
  readonly requests: Received[] = [];
  /** Samples of requests that were taken, by series, in order. */
  readonly kept = new Map<string, string[]>();
  answer: (request: Received) => Answer = () => undefined;
  readonly #standIn: HttpStandIn;
  #waiting: (() => void)[] = [];

  private constructor(standIn: HttpStandIn) {
    this.#standIn = standIn;
  }

  static async listen(): Promise<Receiver> {
    const receivers: Receiver[] = [];
    const standIn = await HttpStandIn.listen((request, response) => {
      void readBody(request).then((body) => {
        const { status, headers = {}, text = '' } = receivers[0]?.take(request.headers, body) ?? { status: 204 };
        response.writeHead(status, headers).end(text);
      });
    });
    receivers.push(new Receiver(standIn));
    return receivers[0]!;
  }

  get url(): string {
    return `${this.#standIn.url}/api/v1/write`;
  }

  get outage(): HttpStandIn['outage'] {
    return this.#standIn.outage.bind(this.#standIn);
  }

  take(headers: IncomingHttpHeaders, body: Buffer): Answer {
    const series = [...readWriteRequest(decompressSnappy(body, 50_000_000))];
    const told = series.flatMap(({ labels, samples }) =>
      samples.map(({ ts, value }) => [Labels.of(labels).toString(), `${value ?? 'stale'}@${ts}`] as const),
    );
    const request = { headers, samples: told.map((pair) => pair.join(' ')) };
    const answer = this.answer(request);
    this.requests.push(request);
    if (answer === undefined || answer.status < 300)
      for (const [name, what] of told) this.kept.set(name, [...(this.kept.get(name) ?? []), what]);
    for (const wake of this.#waiting.splice(0)) wake();
    return answer;
  }

  /** Resolves as soon as the condition holds after a request. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#standIn[Symbol.asyncDispose]();
  }
}

/** The machine's clock, which a test may move on: timers and `elapsed` do not notice. */
class MovableClock extends SystemClock {
  aheadMs = 0;

  override now(): number {
    return super.now() + this.aheadMs;
  }
}

/** The room on a store of its own, as the app has them. */
export class Sender {
  readonly folder = mkdtempSync(join(tmpdir(), 'belfry-remote-write-'));
  readonly clock = new MovableClock();
  readonly meter = new PrometheusMeter();
  readonly positions = new Map<string, string>();
  readonly logged: string[] = [];
  store: SampleStore;
  remoteWrite: RemoteWrite;

  constructor() {
    [this.store, this.remoteWrite] = this.#open();
  }

  #open(): [SampleStore, RemoteWrite] {
    const { clock, meter } = this;
    const store = openSampleStore({
      path: join(this.folder, 'samples.db'),
      clock,
      log: this.#logger,
      meter: new PrometheusMeter(),
      retentionMs: 30 * DAY,
    });
    const positions = {
      load: () => new Map(this.positions),
      save: (key: string, value: string) => void this.positions.set(key, value),
      delete: (key: string) => void this.positions.delete(key),
    };
    const parts = { feed: store.feed, positions, clock, log: this.#logger, meter };
    return [store, new RemoteWrite({ ...parts, metadata: async () => [{ name: 'up', type: 'gauge', help: 'Whether it is up.' }] })];
  }

  get #logger(): Logger {
    const say = (event: string, fields: object = {}): void => void this.logged.push(`${event} ${JSON.stringify(fields)}`);
    const logger: Logger = { debug: say, info: say, warn: say, error: say, child: () => logger };
    return logger;
  }

  /** Lets everything go as after kill -9 (no word to anybody), or in order, and begins again. */
  async restart({ killed = false } = {}): Promise<void> {
    const kept = new Map(this.positions);
    await this.remoteWrite.stop();
    if (killed) {
      this.positions.clear();
      for (const [key, value] of kept) this.positions.set(key, value);
    }
    this.store.close();
    [this.store, this.remoteWrite] = this.#open();
  }

  /** The value of one of its metrics. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const samples = await this.meter.samples();
    return samples.find((sample) => sample.name === name && Object.entries(labels).every(([key, text]) => sample.labels[key] === text))
      ?.value;
  }

  async close(): Promise<void> {
    await this.remoteWrite.stop();
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Options of a destination, quick enough for a test. */
export function destinationAt(
  url: string,
  over: Omit<Partial<RemoteWriteOptions>, 'queue'> & { queue?: Partial<RemoteWriteOptions['queue']> } = {},
): RemoteWriteOptions {
  const { queue = {}, ...rest } = over;
  return {
    name: 'there',
    url: new Secret(url),
    timeoutMs: 60_000,
    headers: {},
    externalLabels: {},
    relabel: [],
    basicAuth: undefined,
    authorization: undefined,
    tls: undefined,
    metadata: { send: false, intervalMs: 60_000 },
    queue: {
      capacity: 10_000,
      minShards: 1,
      maxShards: 4,
      samplesPerSend: 2000,
      deadlineMs: 20,
      minBackoffMs: 5,
      maxBackoffMs: 20,
      ageMaxMs: DAY,
      retriesOn4xx: false,
      ...queue,
    },
    ...rest,
  };
}
