import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteWritePort } from '../../src/app/remote-write-port.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import type { WrittenSeries } from '../../src/formats/remote-write.ts';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { reservePort, type ReservedPort } from '../../testbed/free-port.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { serverWith, TOKEN } from './harness.ts';

const missing = spawnSync('prometheus', ['--version']).status === 0 ? undefined : 'prometheus (Debian package prometheus) is not installed';

/** One series that goes on, one that comes and goes: its end is a staleness marker. */
const RULES = `
groups:
  - name: g
    interval: 1s
    rules:
      - {record: steady, expr: vector(1 / 3), labels: {cluster: "ünï", action: repair}}
      - {record: blinking, expr: vector(1) and on() (vector(time()) % 4 < 2)}
`;

let folder = '';
let store: SampleStore | undefined;
let ours: HttpServer | undefined;
let port: ReservedPort | undefined;
let prometheus: ChildProcess | undefined;
const received: WrittenSeries[] = [];
const refused: unknown[] = [];
let onReceived: () => void = () => undefined;

async function startOurs(): Promise<string> {
  const clock = new SystemClock();
  store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000 });
  const inner = createRemoteWritePort({ store, clock, meter: silentMeter, retentionMs: () => 86_400_000 });
  const remoteWrite = {
    committed: () => inner.committed(),
    write: (series: WrittenSeries) => {
      received.push(series);
      const answer = inner.write(series);
      refused.push(...answer);
      onReceived();
      return answer;
    },
  };
  const { serverOptions } = serverWith({ ports: { remoteWrite } });
  ours = await startHttpServer(serverOptions);
  return ours.url;
}

function nameOf({ labels }: WrittenSeries): string {
  return Labels.of(labels).metricName;
}

describeWhere(missing, 'remote write from a real Prometheus', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'belfry-prometheus-'));
    port = await reservePort();
    const url = await startOurs();
    writeFileSync(join(folder, 'rules.yaml'), RULES);
    const queue = '{batch_send_deadline: 100ms, max_samples_per_send: 100}';
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `rule_files: [rules.yaml]\nremote_write: [{url: "${url}/api/v1/write", authorization: {credentials: ${TOKEN}}, queue_config: ${queue}}]\n`,
    );
    const args = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port.port}`,
      '--log.level=error',
    ];
    prometheus = spawn('prometheus', args, { stdio: 'ignore' });
  }, 180_000);

  afterAll(async () => {
    if (prometheus !== undefined && prometheus.exitCode === null) {
      const ended = once(prometheus, 'exit');
      prometheus.kill('SIGKILL');
      await ended;
    }
    await ours?.close();
    store?.close();
    await port?.release();
    rmSync(folder, { recursive: true, force: true });
  });

  it('arrives whole: values, labels, and the ends of series', async () => {
    const hasAll = (): boolean =>
      received.filter((series) => nameOf(series) === 'steady').length >= 5 &&
      received.some((series) => nameOf(series) === 'blinking' && series.samples.some(({ value }) => value === undefined));
    await new Promise<void>((resolve) => {
      onReceived = () => {
        if (hasAll()) resolve();
      };
    });
    expect(refused).toEqual([]);
    const series = store?.reader
      .series()
      .map((labels) => labels.toString())
      .toSorted();
    expect(series).toEqual(['blinking', 'steady{action="repair", cluster="ünï"}']);
    expect(received.find((one) => nameOf(one) === 'steady')?.samples[0]?.value).toBe(1 / 3);
  }, 180_000);
});
