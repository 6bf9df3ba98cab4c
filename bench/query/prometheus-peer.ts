import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SnappyCompressor } from '../../src/formats/snappy-compress.ts';
import { encodeLabels, WriteRequestEncoder, type SampleColumns } from '../../src/formats/write-request.ts';
import type { ReservedPort } from '../../testbed/free-port.ts';
import { spawnGuarded, type GuardedProcess } from '../../testbed/guarded-process.ts';
import { dataOf, INTERVAL_MS } from './data.ts';

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 200;
/** Rows that go out together: enough for a request to be about samples and not about labels. */
const ROWS_A_REQUEST = 20;

/** `2.42.0`; undefined where none is installed. */
export function peerVersion(): string | undefined {
  return /version (\S+)/.exec(spawnSync('prometheus', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
}

export interface Peer {
  readonly url: string;
  readonly process: GuardedProcess;
}

/** Starts a Prometheus that scrapes nothing and takes remote writes. */
export async function startPeer(dir: string, port: ReservedPort): Promise<Peer> {
  const file = (name: string): string => join(dir, name);
  writeFileSync(file('prometheus.yml'), 'global: {scrape_interval: 15s}\n');
  const child = spawnGuarded({
    command: 'prometheus',
    args: [
      `--config.file=${file('prometheus.yml')}`,
      `--storage.tsdb.path=${file('data')}`,
      `--web.listen-address=127.0.0.1:${port.port}`,
      '--web.enable-remote-write-receiver',
      '--log.level=warn',
    ],
    logPath: file('prometheus.log'),
  });
  const url = `http://127.0.0.1:${port.port}`;
  await untilReady(url, file('prometheus.log'));
  return { url, process: child };
}

async function untilReady(url: string, log: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      if ((await fetch(`${url}/-/ready`)).ok) return;
    } catch {
      // Its port is not open yet.
    }
    if (performance.now() > deadline) throw new Error(`Prometheus does not become ready: ${readFileSync(log, 'utf8').slice(-500)}`);
    await sleep(POLL_MS);
  }
}

/** Sends it the same samples, a target and some rows at a time. */
export async function fillPeer(
  url: string,
  data: { readonly instances: number; readonly rows: number; readonly startTs: number },
): Promise<void> {
  const targets = dataOf(data.instances).map((target) => ({ target, labels: target.labels.map((labels) => encodeLabels(labels)) }));
  const encoder = new WriteRequestEncoder();
  const compressor = new SnappyCompressor();
  for (let from = 0; from < data.rows; from += ROWS_A_REQUEST) {
    const to = Math.min(data.rows, from + ROWS_A_REQUEST);
    const ts = Float64Array.from({ length: to - from }, (_, i) => data.startTs + (from + i) * INTERVAL_MS);
    for (const { target, labels } of targets) {
      const rows = Array.from({ length: to - from }, (_, i) => {
        const values = new Float64Array(labels.length);
        target.values(from + i, values);
        return values;
      });
      encoder.begin();
      for (const [i, encoded] of labels.entries()) {
        const samples: SampleColumns = { ts, values: Float64Array.from(rows, (row) => row[i] ?? 0), stale: new Uint8Array(to - from) };
        encoder.series(encoded, samples, 0, to - from);
      }
      await send(url, compressor.compress(encoder.message()));
    }
  }
}

async function send(url: string, body: Uint8Array): Promise<void> {
  const response = await fetch(`${url}/api/v1/write`, {
    method: 'POST',
    headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf', 'x-prometheus-remote-write-version': '0.1.0' },
    body: Buffer.from(body),
  });
  if (!response.ok) throw new Error(`Prometheus took no remote write: ${response.status} ${await response.text()}`);
}
