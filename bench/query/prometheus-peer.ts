import { SnappyCompressor } from '../../src/formats/snappy-compress.ts';
import { encodeLabels, WriteRequestEncoder, type SampleColumns } from '../../src/formats/write-request.ts';
import type { ReservedPort } from '../../testbed/free-port.ts';
import { startPrometheus, type RunningPrometheus } from '../peer-prometheus.ts';
import { dataOf, INTERVAL_MS } from './data.ts';

/** Rows that go out together: enough for a request to be about samples and not about labels. */
const ROWS_A_REQUEST = 20;

/** Starts a Prometheus that scrapes nothing and takes remote writes. */
export async function startPeer(dir: string, port: ReservedPort): Promise<RunningPrometheus> {
  return await startPrometheus({
    dir,
    port: port.port,
    configuration: 'global: {scrape_interval: 15s}\n',
    args: ['--web.enable-remote-write-receiver'],
  });
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
