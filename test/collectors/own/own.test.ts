import { expect, it } from '@jest/globals';
import { ConfigSeries } from '../../../src/collectors/own/config-series.ts';
import { OwnCollector } from '../../../src/collectors/own/own-collector.ts';
import { PrometheusMeter } from '../../../src/telemetry/prometheus-meter.ts';
import { RecordingWriter } from '../../fakes/recording-writer.ts';

it("Belfry's own metrics are stored with job belfry, in rows of one layout", async () => {
  const meter = new PrometheusMeter();
  meter.counter('belfry_a_total', 'a', ['x']).add(2, { x: 'y' });
  meter.histogram('belfry_h_seconds', 'h', [1]).observe(0.5);
  const writer = new RecordingWriter();
  const collector = new OwnCollector({ samples: () => meter.samples(), instance: 'here', intervalMs: 5000, writer });
  await collector.run(1000);
  await collector.run(2000);
  expect(writer.rows[1]?.layout).toBe(writer.rows[0]?.layout);
  expect(Object.fromEntries(writer.last?.samples ?? [])).toEqual({
    'belfry_a_total{instance="here", job="belfry", x="y"}': 2,
    'belfry_h_seconds_bucket{instance="here", job="belfry", le="1.0"}': 1,
    'belfry_h_seconds_bucket{instance="here", job="belfry", le="+Inf"}': 1,
    'belfry_h_seconds_sum{instance="here", job="belfry"}': 0.5,
    'belfry_h_seconds_count{instance="here", job="belfry"}': 1,
    'up{instance="here", job="belfry"}': 1,
  });
});

it('a series that comes or goes leaves the others the very ones that they were', async () => {
  const meter = new PrometheusMeter();
  const gauge = meter.gauge('belfry_g', 'g', ['x']);
  const writer = new RecordingWriter();
  const collector = new OwnCollector({ samples: () => meter.samples(), instance: 'here', intervalMs: 5000, writer });
  const seriesAt = async (ts: number): Promise<ReadonlyMap<string, object>> => {
    await collector.run(ts);
    return new Map(writer.rows.at(-1)?.layout.series.map((labels) => [labels.get('x'), labels]));
  };
  gauge.set(1, { x: 'a' });
  gauge.set(1, { x: 'b' });
  const first = await seriesAt(1000);
  gauge.set(1, { x: 'c' });
  gauge.remove({ x: 'a' });
  const second = await seriesAt(2000);
  expect([...second.keys()].toSorted()).toEqual(['', 'b', 'c']);
  expect(second.get('b')).toBe(first.get('b'));
});

it('what a metric says under the names job and instance is kept, and its series stay apart', async () => {
  const meter = new PrometheusMeter();
  const failures = meter.counter('belfry_failures_total', 'f', ['job', 'instance']);
  for (const job of ['jmx', 'node']) failures.add(1, { job, instance: 'a:1' });
  const writer = new RecordingWriter();
  await new OwnCollector({ samples: () => meter.samples(), instance: 'here', intervalMs: 5000, writer }).run(1000);
  expect(Object.fromEntries(writer.last?.samples ?? [])).toMatchObject({
    'belfry_failures_total{exported_instance="a:1", exported_job="jmx", instance="here", job="belfry"}': 1,
    'belfry_failures_total{exported_instance="a:1", exported_job="node", instance="here", job="belfry"}': 1,
  });
});

it('the configuration is told as series, the new one at once', async () => {
  const writer = new RecordingWriter();
  const series = new ConfigSeries({ writer, intervalMs: 5000 });
  const facts = {
    name: 'orders',
    owner: 'team',
    labels: { datacenter: 'dal' },
    thresholds: new Map([['disk_free_ratio', { value: 0.2 }]]),
  };
  series.replace([facts], new Map([['cpu_idle_ratio', { value: 0.1 }]]), 1000);
  expect(Object.fromEntries(writer.last?.samples ?? [])).toEqual({
    'belfry_cluster_info{cluster="orders", datacenter="dal", owner="team"}': 1,
    'belfry_threshold{name="cpu_idle_ratio"}': 0.1,
    'belfry_threshold{cluster="orders", name="disk_free_ratio"}': 0.2,
  });
  await series.run(1000);
  await series.run(6000);
  expect(writer.rows.map(({ ts }) => ts)).toEqual([1000, 6000]);
});
