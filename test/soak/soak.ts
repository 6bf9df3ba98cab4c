import { setTimeout as delay } from 'node:timers/promises';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import type { Load } from '../../testbed/load.ts';
import { allUp, mended, now } from '../acceptance/harness.ts';
import { Random } from '../autopilot/simulation/random.ts';
import { Consumer, makeFault, type Fault, type FaultKind, type Scene } from './faults.ts';
import { judge, time, type Disturbance, type Truth } from './judge.ts';
import { SINKS, type Sink } from './ledger.ts';
import { mib, trendOf, type Vitals } from './vitals.ts';
import { Watch, type BelfryDisturbance, type SinkOutage } from './watch.ts';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
  readonly logPath: (name: string) => string;
}

export interface Summary {
  readonly seed: number;
  readonly minutes: number;
  readonly rounds: number;
  readonly violations: readonly string[];
  readonly excused: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly vitals: Readonly<Record<string, readonly Vitals[]>>;
  readonly lines: readonly string[];
}

/** How often each is drawn. */
const FAULT_WEIGHTS: Readonly<Record<FaultKind, number>> = {
  crash: 6,
  stop: 3,
  restart: 3,
  hang: 3,
  blip: 2,
  'two brokers': 3,
  'whole cluster': 2,
  flapping: 1,
  'consumer stops': 2,
  'bad configuration': 1,
  reassignment: 1,
  nothing: 3,
};
const OUTAGES: Readonly<Record<Sink, readonly SinkOutage[]>> = {
  slack: ['refuse', 'hang', 'reset', '500', '429'],
  mail: ['refuse', 'hang', '451'],
  webhook: ['refuse', 'hang', 'reset', '500', '429'],
};
const SAMPLE_MS = 10_000;
const WARM_UP_MINUTES = 20;
/** How much more the last quarter may need than the first. */
const MAX_GROWTH = 0.1;
/** A Belfry that was not disturbed for so long during a fault has had the time to see and tell it, the grace after a start included. */
const TIME_TO_TELL_MS = 45_000;

/**
 * Two Belfrys on one real cluster, each with sinks of its own: `hunted` is killed, stopped, paused and reloaded; `steady`
 * is only paused and reloaded, so that its memory tells of two hours. Round by round something is done to the cluster,
 * the Belfrys and the sinks, undone, and once all is quiet what was told is compared with what was done.
 */
export class Soak implements AsyncDisposable {
  readonly #options: SoakOptions;
  readonly #cluster: Cluster;
  readonly #steady: Watch;
  readonly #hunted: Watch;
  readonly #scene: Scene;
  readonly #startedAt = now();
  readonly #violations: string[] = [];
  readonly #excused: string[] = [];
  readonly #counts: Record<string, number> = {};
  #rounds = 0;
  /** Since when what a Belfry tells belongs to the round that runs. */
  readonly #calmSince = new Map<Watch, number>();

  private constructor(options: SoakOptions, cluster: Cluster, load: Load, watches: { steady: Watch; hunted: Watch }) {
    this.#options = options;
    this.#cluster = cluster;
    this.#steady = watches.steady;
    this.#hunted = watches.hunted;
    this.#scene = {
      cluster,
      consumer: new Consumer(cluster, load),
      watches: [watches.steady, watches.hunted],
      random: new Random(options.seed),
      sleep: (ms) => this.#sleep(ms),
    };
  }

  static async start(options: SoakOptions): Promise<Soak> {
    const cluster = await startCluster();
    const watches: Watch[] = [];
    try {
      await cluster.createTopic('orders', { partitions: 12, replicas: 3, config: { 'min.insync.replicas': 2 } });
      await cluster.createTopic('pairs', {
        replicas: [
          [1, 2],
          [2, 3],
          [3, 1],
        ],
      });
      await cluster.createTopic('single', { replicas: [[1], [2], [3]] });
      await cluster.createTopic('moving', { replicas: [[1, 2]] });
      await cluster.createTopic('payments', { partitions: 1, replicas: 3 });
      for (const topic of ['orders', 'pairs', 'moving']) await cluster.produce(topic, 200);
      const load = cluster.load({ topic: 'payments', bytesPerSecond: 5000, recordBytes: 100 });
      for (const name of ['steady', 'hunted']) watches.push(await Watch.start(name, cluster, options.logPath(name)));
      for (const watch of watches) await allUp(watch.stage, cluster.brokerIds.length);
      const [steady, hunted] = watches;
      if (steady === undefined || hunted === undefined) throw new Error('two were started');
      return new Soak(options, cluster, load, { steady, hunted });
    } catch (error) {
      for (const watch of watches) await watch[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #watches(): readonly Watch[] {
    return this.#scene.watches;
  }

  async run(): Promise<Summary> {
    const { minutes, signal } = this.#options;
    const background = new AbortController();
    const stop = AbortSignal.any([signal, background.signal]);
    const side = [
      this.#scene.consumer.run(stop, (ms) => this.#sleep(ms, stop)),
      this.#every(SAMPLE_MS, stop, () => {
        for (const watch of this.#watches) watch.sample(this.#minutes());
      }),
      this.#every(1000, stop, () => {
        for (const watch of this.#watches) {
          watch.tapLog();
          watch.ledger.take();
        }
      }),
      this.#every(60_000, stop, () => this.#options.say(this.#progress())),
    ];
    while (!signal.aborted && this.#minutes() < minutes) await this.#round();
    background.abort();
    await Promise.all(side);
    return this.#summary();
  }

  async #round(): Promise<void> {
    const { random } = this.#scene;
    this.#rounds++;
    const fault = makeFault(drawn(random), this.#scene);
    this.#count(fault.kind);
    const marks = new Map(
      this.#watches.map((watch) => [
        watch,
        { tellings: watch.ledger.tellings.length, doubles: watch.ledger.doubles.length, disturbances: watch.disturbances.length },
      ]),
    );
    const startedAt = now();
    // The draws come before anything runs, so that the seed alone decides what is done.
    const plans = [...this.#planBelfry(fault), ...this.#planSinks(fault)];
    this.#options.say(
      `[${this.#clock()}] round ${this.#rounds}: ${fault.what}, ${Math.round(fault.holdMs / 1000)} s; ${plans.map(({ what }) => what).join('; ') || 'nothing else'}`,
    );
    const nuisances = plans.map(({ atMs, act }) => this.#sleep(atMs).then(act));
    await this.#sleep(2000);
    await fault.apply();
    await this.#sleep(fault.holdMs);
    const undoneAt = now();
    await fault.undo();
    await Promise.all(nuisances);
    await mended(this.#cluster);
    for (const watch of this.#watches) {
      const mark = marks.get(watch);
      if (mark !== undefined) await this.#settleAndJudge(watch, mark, { fault, startedAt, undoneAt });
    }
    await this.#sleep(random.between(500, 10_000));
  }

  async #settleAndJudge(
    watch: Watch,
    mark: { tellings: number; doubles: number; disturbances: number },
    { fault, startedAt, undoneAt }: { fault: Fault; startedAt: number; undoneAt: number },
  ): Promise<void> {
    const disturbances = watch.disturbances.slice(mark.disturbances);
    const longest = Math.max(0, ...disturbances.map(({ from, until }) => until - from));
    const unrest = await this.#quiet(watch, 120_000 + 2 * longest);
    if (this.#options.signal.aborted) return;
    watch.tapLog();
    watch.ledger.take();
    const own = disturbances.filter(({ sink }) => sink === undefined);
    const told = own.length === 0 || longestPeace(startedAt, undoneAt, own) > TIME_TO_TELL_MS;
    const requirements = told ? fault.requirements(own.length === 0) : [];
    const calmSince = this.#calmSince.get(watch) ?? this.#startedAt;
    this.#calmSince.set(watch, now());
    const { settled } = watch;
    const truth: Truth = { calmSince, undoneAt, requirements, allows: (labels) => fault.allows(labels), disturbances, settled };
    const { violations, excused } = judge(watch.ledger, mark, truth);
    const all = [...(unrest === '' ? [] : [`unrest: ${unrest}`]), ...violations].map(
      (text) =>
        `round ${this.#rounds} (${fault.what}; ${time(startedAt)} to ${time(undoneAt)}; ${disturbances.map(textOf).join(', ')}) ${watch.name}: ${text}`,
    );
    for (const text of all) this.#options.say(`VIOLATION ${text}`);
    for (const text of excused) this.#options.say(`  excused: ${watch.name}: ${text}`);
    this.#violations.push(...all);
    this.#excused.push(...excused.map((text) => `${watch.name}: ${text}`));
  }

  /** Waits until nothing fires and nothing waits to be delivered, twice in a row; otherwise says what still does. */
  async #quiet(watch: Watch, timeoutMs: number): Promise<string> {
    const deadline = now() + timeoutMs;
    let calm = 0;
    let last = '';
    while (now() < deadline && !this.#options.signal.aborted) {
      last = await watch.unrest().catch((error: unknown) => `Belfry does not answer: ${String(error)}`);
      calm = last === '' ? calm + 1 : 0;
      if (calm === 3) return '';
      await this.#sleep(1000);
    }
    return last === '' ? 'not quiet for long' : `${last} ${Math.round(timeoutMs / 1000)} s after the fault was undone`;
  }

  #planBelfry(fault: Fault): Plan[] {
    const { random } = this.#scene;
    const plans: Plan[] = [];
    const plan = (watch: Watch, kinds: readonly BelfryDisturbance[], chance: number): void => {
      for (let times = 0; times < 2 && random.chance(chance); times++) {
        const kind = random.pick(kinds) ?? 'reload';
        const forMs = random.chance(0.6) ? random.between(0, 2000) : random.between(2000, 15_000);
        const atMs = this.#instant(fault);
        if (fault.sparesBelfry && kind !== 'SIGSTOP') continue;
        plans.push({ what: `${watch.name} ${kind} at ${atMs} for ${forMs} ms`, atMs, act: () => this.#disturb(watch, kind, forMs) });
      }
    };
    plan(this.#hunted, ['kill -9', 'kill -9', 'kill -9', 'SIGTERM', 'SIGSTOP', 'reload'], 0.75);
    plan(this.#steady, ['SIGSTOP', 'reload'], 0.2);
    return plans;
  }

  #planSinks(fault: Fault): Plan[] {
    const { random } = this.#scene;
    const plans: Plan[] = [];
    for (const watch of this.#watches) {
      for (const sink of SINKS) {
        if (!random.chance(0.2)) continue;
        const kind = random.pick(OUTAGES[sink]) ?? 'refuse';
        const forMs = random.chance(0.8) ? random.between(1000, 20_000) : random.between(20_000, 90_000);
        const atMs = this.#instant(fault);
        this.#count(`outage ${kind}`);
        plans.push({
          what: `${watch.name} ${sink} ${kind} at ${atMs} for ${forMs} ms`,
          atMs,
          act: () => watch.outage(sink, kind, forMs, (ms) => this.#sleep(ms)),
        });
      }
    }
    return plans;
  }

  /** Close to the fault's beginning or end as often as anywhere: that is when messages are on their way. The fault begins at 2 s. */
  #instant({ holdMs }: Fault): number {
    const { random } = this.#scene;
    const where = random.next();
    if (where < 0.4) return 2000 + random.between(0, 600);
    if (where < 0.6) return 2000 + holdMs + random.between(0, 15_000);
    return random.between(0, holdMs + 2000);
  }

  #busy = new Map<Watch, Promise<void>>();

  /** One at a time: a process that is down cannot be paused. */
  async #disturb(watch: Watch, kind: BelfryDisturbance, forMs: number): Promise<void> {
    const before = this.#busy.get(watch) ?? Promise.resolve();
    const mine = before.then(() => watch.disturb(kind, forMs, (ms) => this.#sleep(ms)));
    this.#busy.set(watch, mine);
    this.#count(`Belfry ${kind}`);
    await mine;
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  async #every(ms: number, signal: AbortSignal, act: () => void): Promise<void> {
    while (!signal.aborted) {
      act();
      await this.#sleep(ms, signal);
    }
  }

  async #sleep(ms: number, signal: AbortSignal = this.#options.signal): Promise<void> {
    await delay(ms, undefined, { signal }).catch(() => undefined); // Aborted: what waits goes on, and ends.
  }

  #minutes(): number {
    return (now() - this.#startedAt) / 60_000;
  }

  #clock(): string {
    return `${this.#minutes().toFixed(1).padStart(5)} min`;
  }

  #progress(): string {
    const parts = this.#watches.map((watch) => {
      const last = watch.vitals.at(-1);
      const { slack, mail, webhook } = watch.ledger.counts();
      return `${watch.name}: told ${slack}/${mail}/${webhook}, RSS ${mib(last?.rssBytes ?? 0)}, ${last?.fds ?? 0} fds, state ${mib(last?.stateBytes ?? 0)}`;
    });
    return `[${this.#clock()}] ${this.#rounds} rounds, ${this.#violations.length} violations, ${this.#excused.length} in flight; ${parts.join('; ')}`;
  }

  #summary(): Summary {
    const { seed } = this.#options;
    const minutes = this.#minutes();
    const lines = [`soak: ${minutes.toFixed(1)} minutes, seed ${seed}, ${this.#rounds} rounds`, `  done: ${countsText(this.#counts)}`];
    for (const watch of this.#watches) {
      const { slack, mail, webhook } = watch.ledger.counts();
      const incidents = new Set(watch.ledger.tellings.map(({ incident }) => incident)).size;
      lines.push(`  ${watch.name}: ${incidents} incidents, ${slack} Slack messages and edits, ${mail} mails, ${webhook} webhook requests`);
    }
    lines.push(...this.#trends());
    lines.push(`  doubled, in flight at a disturbance: ${this.#excused.length}`);
    for (const text of this.#violations) lines.push(`  VIOLATION ${text}`);
    lines.push(`soak: ${this.#violations.length} violations`);
    return {
      seed,
      minutes,
      rounds: this.#rounds,
      violations: this.#violations,
      excused: this.#excused,
      counts: this.#counts,
      vitals: Object.fromEntries(this.#watches.map((watch) => [watch.name, watch.vitals])),
      lines,
    };
  }

  /** Only the Belfry that was never restarted has a memory of the whole time. */
  #trends(): string[] {
    const lines: string[] = [];
    const values = [
      { name: 'RSS', of: ({ rssBytes }: Vitals) => rssBytes, show: mib, judged: true },
      { name: 'file descriptors', of: ({ fds }: Vitals) => fds, show: String, judged: true },
      { name: 'state.db', of: ({ stateBytes }: Vitals) => stateBytes, show: mib, judged: false },
      { name: 'samples.db', of: ({ samplesBytes }: Vitals) => samplesBytes, show: mib, judged: false },
    ];
    for (const { name, of, show, judged } of values) {
      const trend = trendOf(this.#steady.vitals, WARM_UP_MINUTES, of);
      if (trend === undefined) continue;
      lines.push(
        `  steady, ${name}: median of the first quarter ${show(trend.first)}, of the last ${show(trend.last)} (${(trend.growth * 100).toFixed(1)} %)`,
      );
      if (judged && trend.growth > MAX_GROWTH)
        this.#violations.push(`${name} of the steady Belfry grew by ${(trend.growth * 100).toFixed(1)} %`);
    }
    return lines.length > 0 ? lines : ['  too short to judge memory'];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch[Symbol.asyncDispose]()));
    await this.#cluster[Symbol.asyncDispose]();
  }
}

interface Plan {
  readonly what: string;
  readonly atMs: number;
  readonly act: () => Promise<void>;
}

function drawn(random: Random): FaultKind {
  const entries = Object.entries(FAULT_WEIGHTS) as [FaultKind, number][];
  let left = random.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of entries) {
    left -= weight;
    if (left < 0) return kind;
  }
  return 'crash';
}

/** The longest time between two disturbances, ms. */
function longestPeace(from: number, until: number, disturbances: readonly Disturbance[]): number {
  let begin = from;
  let longest = 0;
  for (const disturbance of disturbances.toSorted((a, b) => a.from - b.from)) {
    longest = Math.max(longest, Math.min(disturbance.from, until) - begin);
    begin = Math.max(begin, disturbance.until);
  }
  return Math.max(longest, until - begin);
}

function textOf({ kind, sink, from, until }: Disturbance): string {
  return `${sink ?? 'Belfry'} ${kind} ${time(from)} to ${Number.isFinite(until) ? time(until) : '?'}`;
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([what, count]) => `${count} × ${what}`)
    .join(', ');
}
