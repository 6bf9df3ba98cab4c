import { expect, it, jest } from '@jest/globals';
import { ClusterAdmin } from '../../testbed/admin.ts';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { missingTool, NEWEST_KAFKA } from '../../testbed/kafka-dist.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { missingSmallDisk } from '../../testbed/small-disk.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { Pilot } from './autopilot-harness.ts';
import { now, report } from './harness.ts';

jest.setTimeout(300_000);

const TOPIC = 'orders';
const MIN_ISR = 2;
/** What one broker is said to bear. The high load is 0.64 of it on three brokers, which is too much, and 0.48 on four. */
const BEARS = 400_000;
const HIGH = 3 * 0.64 * BEARS;
const LOW = 3 * 0.05 * BEARS;
/** Each broker has its own: the machine's may be too full for any broker to go. */
const DISK_BYTES = 512 << 20;
/** A tenth of a second between looks, and what a busy machine may add. */
const LOOK_EVERY_MS = 100;
const LONGEST_GAP_MS = 2000;

const RULES = shippedRules({
  only: ['ClusterOverUtilised', 'ClusterUnderUtilised'],
  for: { ClusterOverUtilised: '2s', ClusterUnderUtilised: '2s' },
  keepFiringFor: { ClusterOverUtilised: '1s' },
  windows: { ClusterOverUtilised: { '[5m]': '[10s]' }, ClusterUnderUtilised: { '[1h]': '[10s]' } },
});

const SCALE = {
  min: 3,
  max: 4,
  stabilise_out: '3s',
  stabilise_in: '4s',
  cooldown_out: '2s',
  cooldown_in: '2s',
  warmup: '5s',
  settle: '60s',
  bytes_per_second_per_broker: BEARS,
};

/** Looks at the copies of every partition ten times a second, by a connection of its own, until it is stopped. */
class CopiesWatch implements AsyncDisposable {
  /** `partition: isr` for every look at which a partition had fewer copies in sync than it must have. */
  readonly below: string[] = [];
  looks = 0;
  longestGapMs = 0;
  readonly #cluster: Cluster;
  readonly #startedAt = performance.now();
  #lastAt = performance.now();
  #stopped = false;
  readonly #run: Promise<void>;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#run = this.#watch();
  }

  get perSecond(): number {
    return (this.looks * 1000) / (this.#lastAt - this.#startedAt);
  }

  async #watch(): Promise<void> {
    let admin: ClusterAdmin | undefined;
    while (!this.#stopped) {
      const at = performance.now();
      try {
        admin ??= await this.#connect();
        this.#judge((await admin.view([TOPIC])).topics.get(TOPIC) ?? []);
      } catch {
        // Its broker went away, or has not heard of the topic yet: another one is asked. What is missed counts as a gap.
        await admin?.close();
        admin = undefined;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, LOOK_EVERY_MS - (performance.now() - at))));
    }
    await admin?.close();
  }

  async #connect(): Promise<ClusterAdmin> {
    const ports = this.#cluster.runningBrokerIds.map((id) => this.#cluster.port(id));
    return await ClusterAdmin.connect(ports, await this.#cluster.clientSecurity());
  }

  #judge(partitions: readonly { partition: number; leader: number; isr: readonly number[] }[]): void {
    if (partitions.length === 0) throw new Error('no partition is told of');
    const at = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, at - this.#lastAt);
    this.#lastAt = at;
    this.looks += 1;
    for (const { partition, leader, isr } of partitions)
      if (leader < 0 || isr.length < MIN_ISR) this.below.push(`${partition}: led by ${leader}, in sync ${isr.join(',')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#run;
  }
}

/** What producers send each broker, bytes a second, as Belfry sees it. */
async function loads(pilot: Pilot): Promise<ReadonlyMap<number, number>> {
  const samples = await pilot.stage.belfry.query('sum by (broker) (rate(belfry_kafka_broker_produced_bytes_total[10s]))');
  return new Map(samples.map(({ metric, value }) => [Number(metric['broker']), value]));
}

/** Partitions that each broker leads, and copies that it holds, as the cluster says. */
async function held(cluster: Cluster): Promise<{ leaders: Map<number, number>; copies: Map<number, number> }> {
  const partitions = [...(await cluster.view()).topics.values()].flat();
  const leaders = new Map<number, number>();
  const copies = new Map<number, number>();
  const add = (counts: Map<number, number>, id: number): unknown => counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const { leader, replicas } of partitions) {
    add(leaders, leader);
    for (const id of replicas) add(copies, id);
  }
  return { leaders, copies };
}

describeWhere(missingTool(NEWEST_KAFKA) ?? missingSmallDisk(), 'the auto-pilot sizes a cluster', () => {
  it('by a fourth broker when the load passes the threshold, and back to three when it falls, with enough copies in sync all the time', async () => {
    await using cluster = await startCluster({ sessionTimeoutMs: 3000, smallDisk: { sizeBytes: DISK_BYTES } });
    await cluster.createTopic(TOPIC, { partitions: 12, replicas: 3, config: { 'min.insync.replicas': MIN_ISR } });
    await cluster.produce(TOPIC, 1200);
    await using pilot = await Pilot.start(cluster, {
      rules: RULES,
      autopilot: { scale: SCALE },
    });
    await using watch = new CopiesWatch(cluster);

    const high = cluster.load({ topic: TOPIC, bytesPerSecond: HIGH });
    const loadedAt = now();
    const wanted = await pilot.untilIntent(({ action }) => action === 'scale_out');
    expect(wanted).toMatchObject({ desiredBrokers: 4, cluster: 'orders-dal' });
    const before = await loads(pilot);
    const added = await pilot.untilIntent(({ id, state }) => id === wanted.id && state === 'succeeded', 120_000);
    report(`load → intent ${seconds(added.createdAt - loadedAt)}, intent → load has moved ${seconds(added.changedAt - added.createdAt)}`);
    const grown = await held(cluster);
    expect(grown).toEqual({ leaders: each([1, 2, 3, 4], 3), copies: each([1, 2, 3, 4], 9) });
    expect(await pilot.get('/clusters/orders-dal/desired')).toMatchObject({ desired: 4, current: 4 });
    // The averages reach back over ten seconds.
    await pilot.stage.belfry.queryUntil(
      'sum by (broker) (rate(belfry_kafka_broker_produced_bytes_total[10s]))',
      (samples) => samples.length === 4 && samples.every(({ value }) => value < 0.84 * 0.64 * BEARS && value > 0.3 * BEARS),
    );
    const after = await loads(pilot);
    report(`bytes a second by broker: ${shown(before)}, then ${shown(after)}; ${high.failures} batches refused`);

    await high.stop();
    await using _low = cluster.load({ topic: TOPIC, bytesPerSecond: LOW });
    const fellAt = now();
    const removal = await pilot.untilIntent(({ action }) => action === 'scale_in');
    expect(removal).toMatchObject({ desiredBrokers: 3, currentBrokers: 4 });
    const gone = removal.broker ?? -1;
    const removed = await pilot.untilIntent(({ id, state }) => id === removal.id && state === 'succeeded', 120_000);
    report(
      `load falls → intent ${seconds(removed.createdAt - fellAt)}, intent → broker ${gone} drained and gone ${seconds(removed.changedAt - removed.createdAt)}`,
    );
    const shrunk = await held(cluster);
    const left = [1, 2, 3, 4].filter((id) => id !== gone);
    expect(shrunk).toEqual({ leaders: each(left, 4), copies: each(left, 12) });
    expect((await cluster.view()).brokers).toEqual(left);
    expect(cluster.isRunning(gone)).toBe(false);
    expect(await pilot.get('/clusters/orders-dal/desired')).toMatchObject({ desired: 3, current: 3, state: 'steady' });
    const edges = (await pilot.journal()).filter(({ kind, brokerId }) => kind === 'edge' && brokerId === -1).map(({ to }) => to);
    expect(edges).toEqual(['scaling_out', 'rebalancing', 'steady', 'draining', 'scaling_in', 'steady']);
    expect(pilot.executor?.acts.map(({ verb, broker }) => [verb, broker])).toEqual([
      ['add', undefined],
      ['stop', gone],
    ]);

    report(`${watch.looks} looks at the copies, ${watch.perSecond.toFixed(1)} a second, longest gap ${Math.round(watch.longestGapMs)} ms`);
    expect(watch.below).toEqual([]);
    expect(watch.perSecond).toBeGreaterThan(6);
    expect(watch.longestGapMs).toBeLessThan(LONGEST_GAP_MS);
  });
});

function each(brokers: readonly number[], count: number): ReadonlyMap<number, number> {
  return new Map(brokers.map((broker) => [broker, count]));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function shown(values: ReadonlyMap<number, number>): string {
  return [...values]
    .toSorted(([a], [b]) => a - b)
    .map(([broker, value]) => `${broker}: ${Math.round(value / 1000)}k`)
    .join(' ');
}
