import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Labels, METRIC_NAME } from '../../src/core/labels.ts';
import { SnappyCompressor } from '../../src/formats/snappy-compress.ts';
import { encodeLabels, WriteRequestEncoder, type SampleColumns } from '../../src/formats/write-request.ts';
import { reservePort, type ReservedPort } from '../../testbed/free-port.ts';
import { until } from '../acceptance/harness.ts';
import type { GeneratedSeries } from './expression-generator.ts';

/** What a query answers: the value's type and series by their labels, or a refusal. */
export type Answer =
  | { readonly error: string }
  | { readonly type: string; readonly series: ReadonlyMap<string, readonly (readonly [ts: number, value: number])[]> };

/** True where a real Prometheus and its promtool are installed. */
export function hasPrometheus(): boolean {
  return ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0);
}

/** A real Prometheus over given data, on loopback, in a folder of its own. */
export class RealPrometheus {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #port: ReservedPort;
  readonly #url: string;

  private constructor(folder: string, process: ChildProcess, port: ReservedPort) {
    this.#folder = folder;
    this.#process = process;
    this.#port = port;
    this.#url = `http://127.0.0.1:${port.port}`;
  }

  static async start(series: readonly GeneratedSeries[]): Promise<RealPrometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'belfry-prometheus-'));
    writeFileSync(join(folder, 'prometheus.yml'), 'global: {evaluation_interval: 1m}\n');
    const port = await reservePort();
    const args = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.enable-remote-write-receiver',
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port.port}`,
      '--log.level=error',
    ];
    const server = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const prometheus = new RealPrometheus(folder, server, port);
    await prometheus.#ready();
    await prometheus.#write(series);
    return prometheus;
  }

  /** Where its HTTP API is. */
  get url(): string {
    return this.#url;
  }

  /** Seconds since 1970; with a step, a range query. */
  async query(text: string, times: { readonly start: number; readonly end?: number; readonly step?: number }): Promise<Answer> {
    const { start, end, step } = times;
    const range = step !== undefined;
    const form = new URLSearchParams(
      range ? { query: text, start: `${start}`, end: `${end ?? start}`, step: `${step}` } : { query: text, time: `${start}` },
    );
    const response = await fetch(`${this.#url}/api/v1/query${range ? '_range' : ''}`, { method: 'POST', body: form });
    const body: unknown = await response.json();
    return readAnswer(body);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await ended;
    }
    await this.#port.release();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #write(series: readonly GeneratedSeries[]): Promise<void> {
    const encoder = new WriteRequestEncoder();
    encoder.begin();
    for (const { name, labels, points } of series) {
      const samples: SampleColumns = {
        ts: Float64Array.from(points, ({ ts }) => ts),
        values: Float64Array.from(points, ({ value }) => (value === 'stale' ? NaN : value)),
        stale: Uint8Array.from(points, ({ value }) => (value === 'stale' ? 1 : 0)),
      };
      encoder.series(encodeLabels(Labels.of({ ...labels, [METRIC_NAME]: name })), samples, 0, points.length);
    }
    const response = await fetch(`${this.#url}/api/v1/write`, {
      method: 'POST',
      headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf', 'x-prometheus-remote-write-version': '0.1.0' },
      body: Buffer.from(new SnappyCompressor().compress(encoder.message())),
    });
    if (!response.ok) throw new Error(`prometheus takes no samples: ${await response.text()}`);
  }

  /** Asks until it answers. */
  async #ready(): Promise<void> {
    let errors = '';
    this.#process.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const isReady = async (): Promise<boolean> => {
      if (this.#process.exitCode !== null) throw new Error(`prometheus ended: ${errors}`);
      return await fetch(`${this.#url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    };
    await until(isReady, 'prometheus is ready');
  }
}

interface Sample {
  readonly metric?: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

interface Body {
  readonly error?: string;
  readonly data?: { readonly resultType: string; readonly result: readonly Sample[] | readonly [number, string] };
}

function readAnswer(body: unknown): Answer {
  const { error, data } = body as Body;
  if (data === undefined) return { error: error ?? 'no answer' };
  const series = new Map<string, readonly (readonly [number, number])[]>();
  if (data.resultType === 'string') return { type: 'string', series };
  if (data.resultType === 'scalar') {
    series.set('{}', [point(data.result as readonly [number, string])]);
  } else {
    for (const { metric, value, values } of data.result as readonly Sample[]) {
      series.set(keyOf(metric ?? {}), (values ?? (value === undefined ? [] : [value])).map(point));
    }
  }
  return { type: data.resultType, series };
}

function point([ts, text]: readonly [number, string]): readonly [number, number] {
  const value = text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
  return [Math.round(ts * 1000), value];
}

/** Labels as one text, sorted by name. */
export function keyOf(labels: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}}`;
}
