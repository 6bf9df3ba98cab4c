import { WatcherIsolation } from '../../../src/collectors/isolation/watcher-isolation.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { Labels } from '../../../src/core/labels.ts';
import { silentLogger } from '../../../src/core/log.ts';
import type { Layout, SampleWriter, TargetWriter, Wake } from '../../../src/core/sample.ts';
import { FakeBrokers } from '../liveness/fake-brokers.ts';
import { WatchedCluster } from '../liveness/watched-cluster.ts';

/** How references answer: at once, with a refusal, or never. */
export type ReferenceState = 'up' | 'refused' | 'dead';

export interface FleetOptions {
  /** Brokers of each cluster, which are called c1, c2 and so on. Default 3, 3, 3. */
  readonly clusters?: readonly number[];
  /** By address `ref1:443` and so on; none by default. */
  readonly references?: readonly ReferenceState[];
}

/** Several clusters watched by one Belfry, all in memory, with a knob for what cannot be reached from here. */
export class WatchedFleet implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly brokers: readonly FakeBrokers[];
  readonly clusters: readonly WatchedCluster[];
  readonly isolation: WatcherIsolation;
  readonly wakes: Wake[] = [];
  readonly references: ReferenceState[];
  exporterAnsweredAt = 0;
  probes = 0;
  readonly #row = new Map<string, number>();

  private constructor({ clusters = [3, 3, 3], references = [] }: FleetOptions) {
    this.references = [...references];
    this.isolation = new WatcherIsolation({
      references: () => this.references.map((_, i) => ({ host: `ref${i + 1}`, port: 443 })),
      exporterAnsweredSince: (ts) => this.exporterAnsweredAt >= ts,
      clock: this.clock,
      log: silentLogger,
      writer: this.#writer(),
      wake: (wake) => void this.wakes.push(wake),
      probe: ({ host }, timeoutMs) => this.#probe(host, timeoutMs),
    });
    this.brokers = clusters.map(
      (count) =>
        new FakeBrokers(
          this.clock,
          Array.from({ length: count }, (_, i) => i + 1),
        ),
    );
    this.clusters = this.brokers.map((brokers, i) => {
      brokers.clusterId = `cluster-${i + 1}`;
      return new WatchedCluster(this.clock, {
        cluster: `c${i + 1}`,
        connector: brokers,
        bootstrap: brokers.bootstrap,
        isolation: this.isolation,
      });
    });
  }

  /** All brokers known and answering, but for what `before` does to them. */
  static async start(options: FleetOptions = {}, before?: (fleet: WatchedFleet) => void): Promise<WatchedFleet> {
    const fleet = new WatchedFleet(options);
    before?.(fleet);
    fleet.isolation.start();
    for (const { liveness } of fleet.clusters) liveness.start();
    await fleet.clock.advance(20_000);
    fleet.forgetEvents();
    return fleet;
  }

  forgetEvents(): void {
    for (const { events } of this.clusters) events.length = 0;
    this.wakes.length = 0;
  }

  /** Packets to these brokers are lost: `{c1: [1, 2]}`; all of the cluster where no ids are given. */
  lose(which: Readonly<Record<string, readonly number[] | 'all'>>): void {
    for (const [name, ids] of Object.entries(which)) for (const id of this.#ids(name, ids)) this.fake(name).hang(id);
  }

  /** And arrive again. */
  find(which: Readonly<Record<string, readonly number[] | 'all'>>): void {
    for (const [name, ids] of Object.entries(which)) for (const id of this.#ids(name, ids)) this.fake(name).resume(id);
  }

  fake(name: string): FakeBrokers {
    return this.brokers[Number(name.slice(1)) - 1] ?? missing(name);
  }

  cluster(name: string): WatchedCluster {
    return this.clusters[Number(name.slice(1)) - 1] ?? missing(name);
  }

  /** What is said of the cluster itself: `unreachable`, `held`, both, or nothing. */
  said(name: string): string {
    const words = [];
    if (this.cluster(name).ofCluster('belfry_cluster_unreachable') === 1) words.push('unreachable');
    if (this.cluster(name).ofCluster('belfry_cluster_verdicts_held') === 1) words.push('held');
    return words.join(' ');
  }

  /** Reasons shown for the cluster's brokers, in the order of their ids. */
  reasons(name: string): readonly string[] {
    return [...this.fake(name).brokers.keys()].map((id) => this.cluster(name).reasons(id).join());
  }

  /** Verdicts that would tell somebody, of all brokers: `c1/2 crashed`. */
  alarming(): readonly string[] {
    return this.clusters.flatMap((_, i) => {
      const name = `c${i + 1}`;
      return this.reasons(name).flatMap((reason, k) => (reason === '' || reason === 'suspect' ? [] : [`${name}/${k + 1} ${reason}`]));
    });
  }

  /** A sample of the latest row of the watcher itself. */
  own(metric: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    return this.#row.get(Labels.of({ __name__: metric, ...labels }).toString());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isolation.stop();
    for (const { liveness } of this.clusters) liveness.stop();
    await this.clock.advance(0);
  }

  #ids(name: string, ids: readonly number[] | 'all'): readonly number[] {
    return ids === 'all' ? [...this.fake(name).brokers.keys()] : ids;
  }

  #probe(host: string, timeoutMs: number): Promise<void> {
    this.probes++;
    const state = this.references[Number(host.slice(3)) - 1];
    if (state === 'up') return Promise.resolve();
    if (state === 'refused') return Promise.reject(new Error('refused'));
    return new Promise((_, reject) => void this.clock.timer(timeoutMs, () => reject(new Error('no answer'))));
  }

  #writer(): SampleWriter {
    const target: TargetWriter = {
      append: (_ts: number, layout: Layout, values: Float64Array, absent?: Uint8Array) => {
        this.#row.clear();
        for (const [i, series] of layout.series.entries()) if (absent?.[i] !== 1) this.#row.set(series.toString(), values[i] ?? Number.NaN);
      },
      appendAt: () => undefined,
      markStale: () => undefined,
    };
    return { target: () => target, removeTarget: () => undefined };
  }
}

function missing(name: string): never {
  throw new Error(`no cluster ${name}`);
}
