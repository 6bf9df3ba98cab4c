import { join } from 'node:path';
import { SimulatedFleet } from '../../testbed/simulated/fleet.ts';
import { SMALL_SHAPE, type ClusterShape } from '../../testbed/simulated/shape.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { rulesWithoutFor } from '../detect/belfry-stage.ts';
import { countOf, type Bench, type BenchContext, type BenchReport } from '../bench.ts';
import { scaleReport, type ScaleRound } from './scale-report.ts';
import { clusterName, Watched } from './watched.ts';

const LEADER_LOSS = 'LeaderLoss';
const LEADERLESS_SHARE = 1 / 3;
/** A dead broker leaves `brokers[]` when its session ends. */
const SESSION_MS = 9000;
const TOLD_WITHIN_MS = 60_000;
const READY_WITHIN_MS = 120_000;

const HELP = `scale: Belfry in front of simulated clusters of many sizes.

Usage: npm run bench -- scale [--quick] [options]

  --seconds N        how long each stretch is measured (60; 8 with --quick)
  --big-only         only the one cluster of 30 brokers, 40,000 partitions and 2,000 groups
  --many-only        only the 50 clusters of 10 brokers
  --cpu-prof DIR     Belfry writes CPU profiles there when it ends, and what its event loop did, into probe.jsonl
  --node-options S   more options for Belfry's Node

The clusters are TCP listeners of another process; Belfry is a process of its own with the shipped rules (LeaderLoss without its
"for"), whose memory, processor time and event loop are told. --quick measures a tenth of the partitions.
`;

export const scale: Bench = {
  name: 'scale',
  summary: '30 brokers × 40,000 partitions × 2,000 groups, a third leaderless; 50 clusters × 10 brokers, five bad at once',
  help: HELP,
  options: {
    seconds: { type: 'string' },
    'big-only': { type: 'boolean', default: false },
    'many-only': { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
    'node-options': { type: 'string' },
  },
  run,
};

async function run(context: BenchContext): Promise<BenchReport> {
  const { values, quick } = context;
  const seconds = countOf('--seconds', values['seconds'], quick ? 8 : 60);
  const part = quick ? 0.1 : 1;
  const rounds: ScaleRound[] = [];
  if (values['many-only'] !== true) rounds.push(await bigRound(bigShape(part), seconds, context));
  if (values['big-only'] !== true && !context.signal.aborted) rounds.push(await manyRound(manyShapes(part), seconds, context));
  return scaleReport(rounds);
}

export function bigShape(part: number): ClusterShape {
  const many = { topics: Math.round(2000 * part), groups: Math.round(2000 * part) };
  return { ...SMALL_SHAPE, seed: 5, brokers: 30, partitionsPerTopic: 20, offsetsPartitions: 50, ...many };
}

/** 50 clusters of 10 brokers; with all of it 500 partitions and 20 groups each. */
export function manyShapes(part: number): readonly ClusterShape[] {
  const clusters = Math.max(2, Math.round(50 * part));
  return Array.from({ length: clusters }, (_, i) => ({
    ...SMALL_SHAPE,
    seed: 100 + i,
    brokers: 10,
    topics: 50,
    partitionsPerTopic: 10,
    groups: 20,
    offsetsPartitions: 50,
  }));
}

async function bigRound(shape: ClusterShape, seconds: number, context: BenchContext): Promise<ScaleRound> {
  return await withWatched([shape], context, async (watched, startMs, metadataCpuSeconds) => {
    const first = await watched.collectionSeconds();
    context.progress(`one big cluster: first collections done after ${Math.round(startMs)} ms; healthy for ${seconds} s`);
    const settled = await watched.settle(context.quick ? 1000 : 20_000);
    const healthy = await watched.during(seconds);
    context.progress('a third of its partitions lose their leaders');
    const told = await toldAfter(
      watched,
      [0],
      async () => void (await watched.fleet.tell({ do: 'leaderless', cluster: 0, share: LEADERLESS_SHARE })),
    );
    const bad = await watched.during(seconds);
    return { name: 'one cluster', shapes: [shape], startMs, metadataCpuSeconds, first, starting: settled, healthy, bad, told };
  });
}

async function manyRound(shapes: readonly ClusterShape[], seconds: number, context: BenchContext): Promise<ScaleRound> {
  return await withWatched(shapes, context, async (watched, startMs, metadataCpuSeconds) => {
    const first = await watched.collectionSeconds();
    context.progress(`${shapes.length} clusters: first collections done after ${Math.round(startMs)} ms; healthy for ${seconds} s`);
    const settled = await watched.settle(context.quick ? 1000 : 20_000);
    const healthy = await watched.during(seconds);
    const victims = shapes.map((_, i) => i).filter((i) => i % Math.ceil(shapes.length / 5) === 0);
    context.progress(`a broker of ${victims.length} clusters dies at the same time, and a third of their partitions lose their leaders`);
    const told = await toldAfter(watched, victims, async () => {
      await Promise.all(victims.map((cluster) => watched.fleet.tell({ do: 'kill', cluster, broker: 2 })));
      await Promise.all(victims.map((cluster) => watched.fleet.tell({ do: 'leaderless', cluster, share: LEADERLESS_SHARE })));
    });
    const fencing = setTimeout(
      () => void Promise.all(victims.map((cluster) => watched.fleet.tell({ do: 'fence', cluster, broker: 2 }))),
      SESSION_MS,
    );
    const bad = await watched.during(seconds);
    clearTimeout(fencing);
    return { name: `${shapes.length} clusters`, shapes, startMs, metadataCpuSeconds, first, starting: settled, healthy, bad, told };
  });
}

async function withWatched<T>(
  shapes: readonly ClusterShape[],
  context: BenchContext,
  work: (watched: Watched, startMs: number, metadataCpuSeconds: number) => Promise<T>,
): Promise<T> {
  const dir = await makeTempDir();
  try {
    await using fleet = await SimulatedFleet.start(shapes);
    const profile = context.values['cpu-prof'];
    const begin = performance.now();
    await using watched = await Watched.start(
      fleet,
      join(typeof profile === 'string' ? profile : dir, 'probe.jsonl'),
      { rules: rulesWithoutFor(LEADER_LOSS) },
      context,
    );
    const metadataCpuSeconds = await watched.allCollected(READY_WITHIN_MS);
    return await work(watched, performance.now() - begin, metadataCpuSeconds);
  } finally {
    await removeTempDir(dir);
  }
}

/** From the change until the webhook has had a LeaderLoss of each of these clusters; undefined is a miss. */
async function toldAfter(
  watched: Watched,
  clusters: readonly number[],
  change: () => Promise<void>,
): Promise<readonly (number | undefined)[]> {
  const { webhook } = watched.stage;
  const since = webhook.requests.count;
  const begin = Date.now();
  await change();
  return await Promise.all(
    clusters.map(async (cluster) => {
      const name = `"${clusterName(cluster)}"`;
      try {
        const request = await webhook.requests.next(({ body }) => body.includes(LEADER_LOSS) && body.includes(name), {
          since,
          timeoutMs: TOLD_WITHIN_MS,
        });
        return request.at - begin;
      } catch {
        return undefined; // A miss is what is measured, not an error; it is told with the figures.
      }
    }),
  );
}
