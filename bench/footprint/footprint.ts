import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnGuarded, type GuardedProcess } from '../../testbed/guarded-process.ts';
import { SimulatedFleet } from '../../testbed/simulated/fleet.ts';
import { SMALL_SHAPE, type ClusterShape } from '../../testbed/simulated/shape.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { countOf, type Bench, type BenchContext, type BenchReport } from '../bench.ts';
import { partitionsOf } from '../scale/scale-report.ts';
import { clusterName, Watched, type Stretch } from '../scale/watched.ts';

const BROKERS_A_CLUSTER = 10;
const EXPORTER_INTERVAL_S = 15;
const READY_WITHIN_MS = 300_000;
const SECONDS_A_DAY = 86_400;
/** In less the growth of the files is that of the write-ahead log, which says nothing. */
const DISK_FROM_S = 600;
const EXPORTERS = fileURLToPath(new URL('../rules/exporters.ts', import.meta.url));

const HELP = `footprint: what Belfry takes: memory, processor, disk and network, at 10 and at 500 brokers, with and without exporters.

Usage: npm run bench -- footprint [--quick] [options]

  --seconds N   how long each is measured after it has settled for as long (900; 8 with --quick)
  --brokers N   only this many brokers, in clusters of 10

Each cluster has 10 brokers, 1,050 partitions and 50 consumer groups; with exporters each broker has one of 390 series, scraped
every 15 s. The disk's figure is the growth of the data folder, told from 10 minutes on; until the first blocks of all series are sealed it is too high.
--quick measures 10 and 20 brokers.
`;

interface Footprint {
  readonly brokers: number;
  readonly exporters: boolean;
  readonly partitions: number;
  readonly stretch: Stretch;
  /** From the exporters. */
  readonly scrapedBytesPerSecond: number;
}

export const footprint: Bench = {
  name: 'footprint',
  summary: 'memory, processor, disk and network at 10 and 500 brokers, with and without exporters',
  help: HELP,
  options: { seconds: { type: 'string' }, brokers: { type: 'string' }, 'cpu-prof': { type: 'string' }, 'node-options': { type: 'string' } },
  run,
};

async function run(context: BenchContext): Promise<BenchReport> {
  const { values, quick } = context;
  const seconds = countOf('--seconds', values['seconds'], quick ? 8 : 900);
  const only = countOf('--brokers', values['brokers'], 0);
  const found: Footprint[] = [];
  for (const brokers of only > 0 ? [only] : quick ? [10, 20] : [10, 500]) {
    for (const exporters of [false, true]) {
      if (context.signal.aborted) break;
      context.progress(`${brokers} brokers, ${exporters ? 'with' : 'without'} exporters`);
      found.push(await measure({ brokers, exporters, seconds }, context));
    }
  }
  return reportOf(found, seconds);
}

async function measure(
  { brokers, exporters, seconds }: { brokers: number; exporters: boolean; seconds: number },
  context: BenchContext,
): Promise<Footprint> {
  const shapes = shapesOf(brokers);
  const dir = await makeTempDir();
  const pages = exporters ? await startExporters(brokers) : undefined;
  try {
    await using fleet = await SimulatedFleet.start(shapes);
    const clusters = shapes.map(({ brokers: count }, i) => ({
      name: clusterName(i),
      brokers: fleet.bootstrap(i),
      ...(pages === undefined ? {} : { exporters: exportersOf(pages.port, i * BROKERS_A_CLUSTER, count) }),
    }));
    await using watched = await Watched.start(fleet, join(dir, 'probe.jsonl'), { clusters }, context);
    await watched.allCollected(READY_WITHIN_MS);
    await watched.settle(seconds * 1000);
    const stretch = await watched.during(seconds);
    const scrapedBytesPerSecond = pages === undefined ? 0 : (pages.pageBytes * brokers) / EXPORTER_INTERVAL_S;
    return { brokers, exporters, partitions: shapes.reduce((sum, shape) => sum + partitionsOf(shape), 0), stretch, scrapedBytesPerSecond };
  } finally {
    pages?.process.kill('SIGKILL');
    await pages?.process.exited;
    await removeTempDir(dir);
  }
}

function shapesOf(brokers: number): readonly ClusterShape[] {
  return Array.from({ length: Math.max(1, Math.round(brokers / BROKERS_A_CLUSTER)) }, (_, i) => ({
    ...SMALL_SHAPE,
    seed: 300 + i,
    brokers: Math.min(brokers, BROKERS_A_CLUSTER),
    topics: 100,
    partitionsPerTopic: 10,
    groups: 50,
    offsetsPartitions: 50,
  }));
}

/** One page a broker, all from one port; the label keeps their series apart. */
function exportersOf(port: number, first: number, count: number): readonly object[] {
  return Array.from({ length: count }, (_, i) => ({
    job: 'jmx',
    targets: [`127.0.0.1:${port}`],
    path: `/metrics/${first + i}`,
    interval: `${EXPORTER_INTERVAL_S}s`,
    labels: { broker: String(i + 1) },
  }));
}

async function startExporters(targets: number): Promise<{ process: GuardedProcess; port: number; pageBytes: number }> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let output = '';
  const child = spawnGuarded({
    command: process.execPath,
    args: [EXPORTERS, String(targets)],
    onOutput: (text) => {
      output += text;
      const port = /^(\d+)\n/.exec(output)?.[1];
      if (port !== undefined) resolve(Number(port));
    },
  });
  const port = await Promise.race([promise, child.exited.then(() => undefined)]);
  if (port === undefined) throw new Error(`the exporters ended: ${output}`);
  const page = await fetch(`http://127.0.0.1:${port}/metrics/0`);
  if (!page.ok) {
    child.kill('SIGKILL');
    throw new Error(`the exporters answer ${page.status}`);
  }
  return { process: child, port, pageBytes: (await page.arrayBuffer()).byteLength };
}

function reportOf(found: readonly Footprint[], seconds: number): BenchReport {
  const rows = found.map(({ brokers, exporters, partitions, stretch, scrapedBytesPerSecond }) => {
    const kafka = stretch.traffic.reduce((sum, { sentBytes, receivedBytes }) => sum + sentBytes + receivedBytes, 0) / stretch.seconds;
    const requests = stretch.traffic.flatMap((traffic) => Object.values(traffic.requests)).reduce((sum, count) => sum + count, 0);
    return [
      `${brokers}, ${exporters ? 'with' : 'without'} exporters`,
      String(partitions),
      String(stretch.series),
      String(Math.round(stretch.samplesPerSecond)),
      `${Math.round(stretch.rssMaxBytes / 1e6)} MB`,
      `${stretch.cores.toFixed(3)} core`,
      stretch.seconds < DISK_FROM_S ? '-' : `${Math.round(((stretch.diskBytes / stretch.seconds) * SECONDS_A_DAY) / 1e6)} MB`,
      `${Math.round(kafka / 1000)} KB`,
      `${Math.round(scrapedBytesPerSecond / 1000)} KB`,
      String(Math.round(requests / stretch.seconds)),
    ];
  });
  const columns = ['brokers', 'partitions', 'series', 'samples/s', 'RSS', 'CPU', 'disk a day', 'Kafka/s', 'exporters/s', 'requests/s'];
  const markdown = [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return {
    tables: [{ title: 'Footprint', columns, rows }],
    notes: [`each measured for ${seconds} s after ${seconds} s; as Markdown:\n\n${markdown}\n`],
    figures: found.flatMap(({ brokers, exporters, stretch }) => [
      { name: `${brokers}${exporters ? ' with exporters' : ''}: RSS`, value: stretch.rssMaxBytes / 1e6, unit: 'MB' },
      { name: 'CPU', value: stretch.cores * 1000, unit: 'thousandths of a core' },
    ]),
    results: { found },
  };
}
