import type { ClusterShape } from '../../testbed/simulated/shape.ts';
import type { BenchReport, Figure, Table } from '../bench.ts';
import { distributionOf, milliseconds } from '../statistics.ts';
import type { Stretch } from './watched.ts';

export interface ScaleRound {
  readonly name: string;
  readonly shapes: readonly ClusterShape[];
  /** From Belfry's start until every collection of every cluster had worked once. */
  readonly startMs: number;
  /** What Belfry computed from its start until it had read the first Metadata of every cluster. */
  readonly metadataCpuSeconds: number;
  /** What each collection took then, in seconds. */
  readonly first: Readonly<Record<string, number>>;
  readonly starting: Pick<Stretch, 'heldMaxMs' | 'heldOver50' | 'computedMaxMs' | 'rssMaxBytes'>;
  readonly healthy: Stretch;
  readonly bad: Stretch;
  /** From the loss of leaders until the webhook had it, a cluster each. */
  readonly told: readonly (number | undefined)[];
}

export function scaleReport(rounds: readonly ScaleRound[]): BenchReport {
  return {
    tables: rounds.flatMap((round) => [mainTable(round), loadTable(round)]),
    notes: [
      'event loop: how late a timer of 10 ms was, and what was computed meanwhile; collections: seconds that the last one took, the longest of all clusters',
      'shipped rules, LeaderLoss at for: 0s; simulated clusters in a process of their own on the same machine',
      ...rounds.flatMap(({ name, told }) => (told.includes(undefined) ? [`${name}: a loss of leaders was not told within a minute`] : [])),
    ],
    figures: rounds.flatMap(figuresOf),
    results: { rounds },
  };
}

function figuresOf({ name, first, metadataCpuSeconds, starting, healthy, bad, told }: ScaleRound): readonly Figure[] {
  return [
    { name: `${name}: first Metadata`, value: (first['metadata'] ?? Number.NaN) * 1000, unit: 'ms' },
    { name: 'computed until all had it', value: metadataCpuSeconds * 1000, unit: 'ms' },
    { name: 'later', value: (bad.collectionSeconds['metadata'] ?? Number.NaN) * 1000, unit: 'ms' },
    { name: 'lag', value: (healthy.collectionSeconds['lag'] ?? Number.NaN) * 1000, unit: 'ms' },
    { name: 'RSS', value: Math.max(starting.rssMaxBytes, healthy.rssMaxBytes, bad.rssMaxBytes) / 1e6, unit: 'MB' },
    { name: 'loop held', value: Math.max(healthy.heldMaxMs, bad.heldMaxMs), unit: 'ms' },
    { name: 'computed in a turn', value: Math.max(healthy.computedMaxMs, bad.computedMaxMs), unit: 'ms' },
    { name: 'CPU', value: healthy.cores * 1000, unit: 'thousandths of a core' },
    { name: 'leaderless to webhook', value: distributionOf(told).max, unit: 'ms' },
  ];
}

function mainTable({ name, shapes, startMs, metadataCpuSeconds, starting, healthy, bad, told }: ScaleRound): Table {
  const row = (what: string, of: (stretch: Stretch) => string): readonly string[] => [what, of(healthy), of(bad)];
  const seconds = (collector: string) => (stretch: Stretch) => milliseconds((stretch.collectionSeconds[collector] ?? Number.NaN) * 1000);
  return {
    title: `${name}: ${sizeText(shapes)}; all Metadata read after ${milliseconds(metadataCpuSeconds * 1000)} of CPU, all read ${milliseconds(startMs)} after the start (loop held ${milliseconds(starting.heldMaxMs)} at most, computed ${milliseconds(starting.computedMaxMs)} in a turn, ${megabytes(starting.rssMaxBytes)})`,
    columns: ['', 'healthy', 'a third leaderless'],
    rows: [
      ...['metadata', 'reassignments', 'quorum', 'lag', 'log_dirs', 'configs'].map((collector) =>
        row(`${collector}, last`, seconds(collector)),
      ),
      row('RSS, most', ({ rssMaxBytes }) => megabytes(rssMaxBytes)),
      row('JavaScript heap', ({ heapBytes }) => megabytes(heapBytes)),
      row('typed arrays', ({ arrayBufferBytes }) => megabytes(arrayBufferBytes)),
      row('loop held p99', ({ heldP99Ms }) => milliseconds(heldP99Ms)),
      row('loop held, most', ({ heldMaxMs }) => milliseconds(heldMaxMs)),
      row('times beyond 50 ms', ({ heldOver50 }) => String(heldOver50)),
      row('computed in one turn, most', ({ computedMaxMs }) => milliseconds(computedMaxMs)),
      row('turns that computed beyond 50 ms', ({ computedOver50 }) => String(computedOver50)),
      row('cores', ({ cores }) => cores.toFixed(3)),
      row('series', ({ series }) => String(series)),
      row('samples/s', ({ samplesPerSecond }) => String(Math.round(samplesPerSecond))),
      ['leaderless to webhook', '', told.map((ms) => milliseconds(ms ?? Infinity)).join(', ')],
    ],
  };
}

function loadTable({ name, shapes, healthy }: ScaleRound): Table {
  const partitions = shapes.reduce((sum, shape) => sum + partitionsOf(shape), 0);
  const seconds = healthy.seconds;
  const requests = new Map<string, number>();
  let [sent, received] = [0, 0];
  for (const traffic of healthy.traffic) {
    sent += traffic.receivedBytes;
    received += traffic.sentBytes;
    for (const [key, count] of Object.entries(traffic.requests)) {
      const api = API_NAMES[key] ?? key;
      requests.set(api, (requests.get(api) ?? 0) + count);
    }
  }
  const perTenThousand = (value: number): string => ((value / seconds / partitions) * 10_000).toFixed(2);
  const total = [...requests.values()].reduce((sum, count) => sum + count, 0);
  return {
    title: `${name}: what Belfry asks of the brokers while all is well`,
    columns: ['', 'a second', 'per 10,000 partitions'],
    rows: [
      ...[...requests].map(([api, count]) => [api, (count / seconds).toFixed(2), perTenThousand(count)]),
      ['all requests', (total / seconds).toFixed(2), perTenThousand(total)],
      ['KB sent', (sent / seconds / 1000).toFixed(1), perTenThousand(sent / 1000)],
      ['KB received', (received / seconds / 1000).toFixed(1), perTenThousand(received / 1000)],
    ],
  };
}

const API_NAMES: Readonly<Record<string, string>> = {
  '2': 'ListOffsets',
  '3': 'Metadata',
  '9': 'OffsetFetch',
  '15': 'DescribeGroups',
  '16': 'ListGroups',
  '18': 'ApiVersions (pings)',
  '32': 'DescribeConfigs',
  '35': 'DescribeLogDirs',
  '46': 'ListPartitionReassignments',
  '55': 'DescribeQuorum',
};

export function partitionsOf(shape: ClusterShape): number {
  return shape.topics * shape.partitionsPerTopic + shape.offsetsPartitions;
}

function sizeText(shapes: readonly ClusterShape[]): string {
  const sum = (of: (shape: ClusterShape) => number): number => shapes.reduce((total, shape) => total + of(shape), 0);
  return `${sum(({ brokers }) => brokers)} brokers, ${sum(partitionsOf)} partitions, ${sum(({ groups }) => groups)} groups`;
}

export function megabytes(bytes: number): string {
  return Number.isNaN(bytes) ? '-' : `${Math.round(bytes / 1e6)} MB`;
}
