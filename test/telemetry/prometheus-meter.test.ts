import { describe, expect, it } from '@jest/globals';
import { parsePage } from '../../src/formats/page-parser.ts';
import { PrometheusMeter } from '../../src/telemetry/prometheus-meter.ts';

describe("Belfry's own metrics", () => {
  it('stand on a page that our own parser reads, the same as the samples that are stored', async () => {
    const meter = new PrometheusMeter();
    meter.counter('belfry_things_total', 'Things.', ['kind']).add(2, { kind: 'a "b"\n\\' });
    meter.gauge('belfry_level', 'Level.').set(-1.5);
    meter.histogram('belfry_took_seconds', 'Time.', [0.1, 1], ['route']).observe(0.5, { route: '/x' });
    const { text, contentType } = await meter.page();
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
    const { layout, values } = parsePage(Buffer.from(text), 'text');
    const read = layout.series.map(
      (series, i) => `${series.metricName} ${JSON.stringify(series.without('__name__').toObject())} ${values[i]}`,
    );
    const stored = (await meter.samples()).map(({ name, labels, value }) => `${name} ${JSON.stringify(labels)} ${value}`);
    const sorted = (lines: readonly string[]): readonly string[] =>
      lines.map((line) => line.replace(/"le":"[^"]*",?/, '').replace(',}', '}')).toSorted();
    expect(sorted(read)).toEqual(sorted(stored));
    expect(read).toHaveLength(7);
    expect(read).toContain(`belfry_things_total ${JSON.stringify({ kind: 'a "b"\n\\' })} 2`);
  });

  it('are one, where a name is asked for twice, and refuse to be of two kinds', async () => {
    const meter = new PrometheusMeter();
    meter.counter('belfry_x_total', 'X.').add(1);
    meter.counter('belfry_x_total', 'X.').add(1);
    expect(await meter.samples()).toEqual([{ name: 'belfry_x_total', labels: {}, value: 2 }]);
    expect(() => meter.gauge('belfry_x_total', 'X.')).toThrow();
  });

  it('end when they are removed', async () => {
    const meter = new PrometheusMeter();
    const gauge = meter.gauge('belfry_y', 'Y.', ['cluster']);
    gauge.set(1, { cluster: 'a' });
    gauge.remove({ cluster: 'a' });
    expect(await meter.samples()).toEqual([]);
  });

  it('of a cluster that has left end all at once, whatever their kind', async () => {
    const meter = new PrometheusMeter();
    for (const cluster of ['stays', 'leaves']) {
      meter.counter('belfry_c_total', 'C.', ['cluster', 'kind']).add(1, { cluster, kind: 'k' });
      meter.gauge('belfry_g', 'G.', ['cluster']).set(1, { cluster });
      meter.histogram('belfry_h_seconds', 'H.', [1], ['cluster']).observe(0.5, { cluster });
    }
    meter.gauge('belfry_none', 'No labels.').set(1);
    await meter.forget('cluster', 'leaves');
    const { text } = await meter.page();
    expect(text).not.toContain('leaves');
    expect(text.match(/cluster="stays"/g)).toHaveLength(6);
    expect(text).toContain('belfry_none 1');
  });
});
