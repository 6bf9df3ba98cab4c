import { expect, it } from '@jest/globals';
import { LeftBehind } from '../../src/app/left-behind.ts';
import { ScrapeTarget } from '../../src/collectors/scrape/scrape-target.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import type { BelfryConfig } from '../../src/config/config.ts';
import { RecordingWriter } from '../fakes/recording-writer.ts';

const TARGETS = [
  { job: 'jmx', host: 'kafka1', port: 7071, path: '/metrics' },
  { job: 'node', host: '::1', port: 9100, path: '/metrics' },
  { job: 'node', host: 'kafka1', port: 9100, path: '/deep/page' },
];

/** A configuration of one cluster with these exporters; nothing else of it is looked at. */
function configOf(exporters: typeof TARGETS): Pick<BelfryConfig, 'clusters'> {
  const made = exporters.map(({ job, host, port, path }) => ({ job, path, targets: [{ host, port }] }));
  return { clusters: [{ name: 'dal', exporters: made }] } as unknown as Pick<BelfryConfig, 'clusters'>;
}

/** The id under which such an exporter's samples are stored. */
function idOf({ job, ...source }: (typeof TARGETS)[number]): string {
  const made = new ScrapeTarget({
    job,
    source: { scheme: 'http', ...source, basicAuth: undefined, bearerToken: undefined, tls: undefined },
    labels: { cluster: 'dal' },
    intervalMs: 15_000,
    timeoutMs: 5000,
    honorTimestamps: true,
    writer: new RecordingWriter(),
    clock: new SystemClock(),
    log: silentLogger,
    meter: silentMeter,
  });
  made.close();
  return made.id;
}

it('what is configured stays', () => {
  const left = new LeftBehind(configOf(TARGETS), ['dal']);
  expect(
    [...TARGETS.map(idOf), 'kafka/dal/health', 'liveness/dal', 'host', 'isolation', 'rules/f/g/0'].filter((id) => left.isTarget(id)),
  ).toEqual([]);
  expect(left.isAbout(Labels.of({ cluster: 'dal', job: 'jmx', instance: 'kafka1:7071' }))).toBe(false);
});

it('an exporter that left goes, and what is about it', () => {
  const left = new LeftBehind(configOf(TARGETS.slice(1, 2)), ['dal']);
  expect(TARGETS.map((target) => left.isTarget(idOf(target)))).toEqual([true, false, true]);
  const about = TARGETS.map(({ job, host, port }) =>
    left.isAbout(Labels.of({ cluster: 'dal', job, instance: `${host.includes(':') ? `[${host}]` : host}:${port}` })),
  );
  expect([...about, left.isAbout(Labels.of({ cluster: 'dal' }))]).toEqual([true, false, true, false]);
});

it('a cluster that left goes whole', () => {
  const left = new LeftBehind({ clusters: [] }, ['dal']);
  expect(['kafka/dal/health', 'liveness/dal', 'scrape/dal/jmx/kafka1:7071', 'host'].map((id) => left.isTarget(id))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect([{ cluster: 'dal' }, { cluster: 'phx' }, {}].map((labels) => left.isAbout(Labels.of(labels)))).toEqual([true, false, false]);
});
