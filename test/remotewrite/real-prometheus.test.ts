import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createQueryPort } from '../../src/app/query-port.ts';
import { createRemoteWritePort } from '../../src/app/remote-write-port.ts';
import type { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { Secret } from '../../src/core/secret.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { serverWith, TOKEN } from '../http/harness.ts';
import { layout, metric } from '../store/fixture.ts';
import { DAY, destinationAt, Sender } from './harness.ts';
import { missingPrometheus, RealReceiver } from './real-receiver.ts';

interface Matrix {
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly values: readonly (readonly [number, string])[];
    }[];
  };
}

/** What a Prometheus API has of a selector in the last hour: `value@ms` by series. */
async function keptAt(url: string, selector: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: `${selector}[1h]` }).toString()}`);
  const { data } = (await response.json()) as Matrix;
  return Object.fromEntries(
    data.result.map(({ metric: labels, values }) => [
      Object.entries(labels).flat().join(' '),
      values.map(([seconds, text]) => `${text.replace('Inf', 'Infinity').replace('+', '')}@${Math.round(seconds * 1000)}`),
    ]),
  );
}

/** Asks until the answer is accepted; fails through the test's own time-out. */
async function eventually<T>(ask: () => Promise<T>, accepts: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (accepts(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const nameOf = (labels: Labels): string => [...labels].flat().join(' ');
const count = (kept: Readonly<Record<string, readonly string[]>>): number => Object.values(kept).flat().length;

describeWhere(missingPrometheus, 'remote write to a real Prometheus', () => {
  const prometheus = new RealReceiver();
  let sender: Sender;

  beforeAll(async () => {
    await prometheus.start();
    sender = new Sender();
  }, 180_000);

  afterAll(async () => {
    await sender.close();
    await prometheus.stop();
  });

  it('arrives bit by bit and in order, over its kill and over a restart here', async () => {
    const options = destinationAt(`${prometheus.url}/api/v1/write`, { queue: { samplesPerSend: 7 } });
    await sender.remoteWrite.replace([options]);
    const series = ['a', 'b', 'ü'].map((text, i) => metric('steady', `n=${i}`, `text=${text}`));
    const values = [1 / 3, -0, 5e-324, Number.MAX_VALUE, -Infinity, 1e21, 123_456_789.123_456_78];
    const expected: Record<string, string[]> = {};
    let ts = sender.clock.now();
    let written = 0;
    const append = (): void => {
      ts = Math.max(ts + 1, sender.clock.now());
      const row = series.map((_, i) => values[(written + i) % values.length]!);
      sender.store.writer.target('t').append(ts, layout(...series), Float64Array.from(row));
      written++;
      for (const [i, labels] of series.entries()) {
        const text = Object.is(row[i], -0) ? '-0' : row[i] === -Infinity ? '-Infinity' : String(row[i]);
        (expected[nameOf(labels)] ??= []).push(`${text}@${ts}`);
      }
    };
    const arrived = () =>
      eventually(
        () => keptAt(prometheus.url, 'steady'),
        (kept) => count(kept) >= written * series.length,
      );
    for (let i = 0; i < 20; i++) append();
    await arrived();
    await prometheus.kill();
    for (let i = 0; i < 30; i++) append();
    await prometheus.start();
    for (let i = 0; i < 10; i++) append();
    await arrived();
    for (let i = 0; i < 5; i++) append();
    await sender.restart();
    for (let i = 0; i < 5; i++) append();
    await sender.remoteWrite.replace([options]);
    const kept = await arrived();
    const asNumbers = (all: Readonly<Record<string, readonly string[]>>) =>
      Object.fromEntries(Object.entries(all).map(([name, samples]) => [name, samples.map((sample) => sample.split('@').map(Number))]));
    expect(asNumbers(kept)).toEqual(asNumbers(expected));
    expect(await sender.metric('belfry_remote_write_dropped_samples_total', { reason: 'refused' })).toBe(0);
  }, 180_000);

  it('ends series there where they end here', async () => {
    const [goes, stays] = [metric('goes'), metric('stays')];
    const now = sender.clock.now();
    const target = sender.store.writer.target('ends');
    target.append(now - 2, layout(goes, stays), Float64Array.of(1, 1));
    target.append(now - 1, layout(stays), Float64Array.of(2));
    await eventually(
      () => keptAt(prometheus.url, 'stays'),
      (kept) => count(kept) === 2,
    );
    expect(count(await keptAt(prometheus.url, 'goes'))).toBe(1);
    const response = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent('{__name__=~"goes|stays"}')}`);
    expect(
      ((await response.json()) as { data: { result: { metric: unknown }[] } }).data.result.map(({ metric: labels }) => labels),
    ).toEqual([{ __name__: 'stays' }]);
  }, 180_000);
});

describe('remote write from one Belfry to another', () => {
  it('arrives whole, with its ends', async () => {
    const sender = new Sender();
    const { clock } = sender;
    const store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: DAY });
    const remoteWrite = createRemoteWritePort({ store, clock, meter: silentMeter, retentionMs: () => DAY });
    const { serverOptions } = serverWith({ ports: { remoteWrite, query: createQueryPort(store.reader, clock) } });
    const server = await startHttpServer(serverOptions);
    try {
      const authorization = { type: 'Bearer', credentials: new Secret(TOKEN) };
      await sender.remoteWrite.replace([destinationAt(`${server.url}/api/v1/write`, { authorization })]);
      const series = Array.from({ length: 50 }, (_, i) => metric('s', `n=${i}`));
      const target = sender.store.writer.target('t');
      const start = clock.now();
      for (let row = 0; row < 20; row++)
        target.append(
          start - 20 + row,
          layout(...series),
          Float64Array.from(series, (_, i) => row / (i + 1)),
        );
      target.append(
        start,
        layout(...series.slice(1)),
        Float64Array.from(series.slice(1), () => Number.NaN),
      );
      const kept = await eventually(
        () => keptAt(server.url, 's'),
        (all) => count(all) === 50 * 20 + 49,
      );
      expect(kept[nameOf(series[2]!)]?.slice(0, 3)).toEqual([`0@${start - 20}`, `${1 / 3}@${start - 19}`, `${2 / 3}@${start - 18}`]);
      expect(kept[nameOf(series[0]!)]).toHaveLength(20);
    } finally {
      await sender.close();
      await server.close();
      store.close();
    }
  });
});
