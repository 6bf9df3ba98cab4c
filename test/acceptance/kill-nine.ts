import Database from 'better-sqlite3';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogLine } from '../../testbed/belfry-process.ts';
import { Stage } from '../../testbed/stage.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { Random } from '../autopilot/simulation/random.ts';
import { encodeWriteRequest, snappyLiterals } from '../formats/remote-write-encoder.ts';
import { sortDoubles, type Disturbance } from '../soak/judge.ts';
import { Ledger, settledIn, SINKS, type Sink, type Telling } from '../soak/ledger.ts';
import { NO_KAFKA, now, until } from './harness.ts';

/** When Belfry is killed after something was changed: so long after the change, the decision to tell it, or its first arrival. */
export const INSTANTS = ['change', 'decision', 'arrival', 'start'] as const;
export type Instant = (typeof INSTANTS)[number];

export interface KillNineOptions {
  readonly kills: number;
  readonly seed: number;
  readonly progress?: (text: string) => void;
  /** Ends it after the step under way. */
  readonly signal?: AbortSignal;
}

export interface KillNineResult {
  readonly kills: Readonly<Record<Instant, number>>;
  /** How often an alert began or ended. */
  readonly changes: number;
  /** By sink, what was told. */
  readonly told: Readonly<Record<Sink, number>>;
  /** Doubled, each the one message that was in flight at a kill. */
  readonly inFlight: readonly string[];
  /** Everything that must not be: lost, doubled, false, moved, damaged. */
  readonly violations: readonly string[];
  /** What it takes to find out why. */
  readonly evidence: {
    readonly phases: readonly Phase[];
    readonly disturbances: readonly Disturbance[];
    readonly tellings: readonly Telling[];
    readonly log: readonly LogLine[];
  };
}

/** Clusters whose alert waits before it fires have `for`. */
const PLACES = [
  { cluster: 'kn-ant', for: '0s' },
  { cluster: 'kn-bee', for: '0s' },
  { cluster: 'kn-cat', for: '0s' },
  { cluster: 'kn-dog', for: '300ms' },
] as const;
const RULES = JSON.stringify({
  groups: PLACES.map(({ cluster, for: duration }, i) => ({
    name: cluster,
    interval: '100ms',
    rules: [
      {
        alert: 'Fault',
        expr: `fixture_fault{cluster="${cluster}"} == 1`,
        for: duration,
        labels: { severity: i % 2 === 0 ? 'critical' : 'warning' },
        annotations: { summary: `a fault of ${cluster}` },
      },
    ],
  })),
});

/** What is sent is sent again this often, as a sender of samples does. */
const SEND_EVERY_MS = 100;
/** Generous: a loaded machine. One that is lost never comes. */
const TOLD_WITHIN_MS = 60_000;
const TELL_EVERY = 25;
/** What is broken shows in a few; the rest would only follow from them. */
const MAX_VIOLATIONS = 20;
/** An incident that was over for so long is closed: what comes then opens another. */
const CLOSE_AFTER_MS = 5 * 60_000;

/** One time from the beginning of a fault to its end, in truth. */
interface Phase {
  readonly cluster: string;
  readonly from: number;
  until: number;
}

/**
 * Alerts fire and are resolved all the time while Belfry is killed with -9 at instants spread over its work and started
 * again on its data. In the end what three sinks were told is compared with what was so.
 */
export async function killNine(options: KillNineOptions): Promise<KillNineResult> {
  await using run = await Run.start(options);
  return await run.go();
}

class Run implements AsyncDisposable {
  readonly #options: KillNineOptions;
  readonly #stage: Stage;
  readonly #cache: string;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #values = new Map<string, 0 | 1>(PLACES.map(({ cluster }) => [cluster, 0]));
  readonly #phases: Phase[] = [];
  readonly #disturbances: Disturbance[] = [];
  readonly #log: LogLine[] = [];
  readonly #violations: string[] = [];
  readonly #kills: Record<Instant, number> = { change: 0, decision: 0, arrival: 0, start: 0 };
  readonly #sending = new AbortController();
  #sender: Promise<void> = Promise.resolve();
  #inFlight: readonly string[] = [];
  #alive = true;
  #changes = 0;

  private constructor(options: KillNineOptions, stage: Stage, cache: string) {
    this.#options = options;
    this.#stage = stage;
    this.#cache = cache;
    this.#ledger = new Ledger(stage);
    this.#random = new Random(options.seed);
  }

  static async start(options: KillNineOptions): Promise<Run> {
    const stageOptions = { clusters: [NO_KAFKA], rules: RULES };
    const config = { watch: { start_grace: '0s' }, autopilot: { mode: 'off' }, damping: { times: 1000 } };
    // Starting again is most of the work: the compiled sources are kept, from the first orderly end on.
    const cache = await makeTempDir();
    const stage = await Stage.start({ ...stageOptions, config, env: { NODE_COMPILE_CACHE: cache } });
    try {
      // The mail server's address is known only now.
      const email = { smtp: stage.mail.smtpUrl, from: 'Belfry <belfry@example.com>', min_interval: '0s' };
      stage.configure({ ...stageOptions, config: { ...config, email } });
      await stage.belfry.stop();
      await stage.startAgain();
      const run = new Run(options, stage, cache);
      run.#sender = run.#keepSending();
      return run;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      await removeTempDir(cache);
      throw error;
    }
  }

  async go(): Promise<KillNineResult> {
    const { kills, progress, signal } = this.#options;
    let told = 0;
    while (this.#disturbances.length < kills && this.#violations.length < MAX_VIOLATIONS && signal?.aborted !== true) {
      await this.#step();
      if (this.#disturbances.length - told < TELL_EVERY) continue;
      told = this.#disturbances.length;
      progress?.(`${told} kills, ${this.#changes} changes, ${this.#violations.length} violations`);
    }
    await this.#endAll();
    await this.#compare();
    return {
      kills: this.#kills,
      changes: this.#changes,
      told: this.#ledger.counts(),
      inFlight: this.#inFlight,
      violations: this.#violations,
      evidence: { phases: this.#phases, disturbances: this.#disturbances, tellings: this.#ledger.tellings, log: this.#log },
    };
  }

  /** Changes something, kills at an instant of it, starts again, and waits until all has been told everywhere. */
  async #step(): Promise<void> {
    const random = this.#random;
    const changed = this.#change(random.chance(0.3) ? 2 : 1);
    const instant = random.pick(INSTANTS.filter((each) => each !== 'start')) ?? 'change';
    await this.#waitFor(instant);
    await this.#killAndStart(instant);
    if (random.chance(0.25)) {
      await sleep(random.between(0, 300));
      await this.#killAndStart('start');
    }
    for (const { cluster, from, firing } of changed) await this.#told(cluster, from, firing);
  }

  #change(count: number): { cluster: string; from: number; firing: boolean }[] {
    const left = PLACES.map(({ cluster }) => cluster);
    const changed: { cluster: string; from: number; firing: boolean }[] = [];
    while (changed.length < count) {
      const [cluster = ''] = left.splice(this.#random.between(0, left.length - 1), 1);
      changed.push(this.#switch(cluster, this.#values.get(cluster) !== 1));
    }
    return changed;
  }

  #switch(cluster: string, firing: boolean): { cluster: string; from: number; firing: boolean } {
    const from = now();
    this.#changes++;
    this.#values.set(cluster, firing ? 1 : 0);
    const last = this.#phases.findLast((phase) => phase.cluster === cluster);
    if (firing) this.#phases.push({ cluster, from, until: Infinity });
    else if (last !== undefined) last.until = from;
    return { cluster, from, firing };
  }

  /** Most kills come close to what they follow: that is where transactions and sends are. */
  async #waitFor(instant: Instant): Promise<void> {
    const { belfry, slack, mail, webhook } = this.#stage;
    const random = this.#random;
    const options = { timeoutMs: TOLD_WITHIN_MS };
    if (instant === 'change') await sleep(random.between(0, 300));
    else if (instant === 'decision') {
      await belfry.log.next(({ event }) => event === 'notification_decided', { ...options, since: belfry.log.count });
      await sleep(random.between(0, 30));
    } else {
      await Promise.any([
        slack.next(undefined, { ...options, since: slack.events.count }),
        mail.next(undefined, { ...options, since: mail.mails.count }),
        webhook.next(undefined, { ...options, since: webhook.requests.count }),
      ]);
      await sleep(random.between(0, 30));
    }
  }

  async #killAndStart(instant: Instant): Promise<void> {
    this.#kills[instant]++;
    this.#alive = false;
    const { log } = this.#stage.belfry;
    const from = now();
    await this.#stage.belfry.kill9();
    this.#disturbances.push({ kind: `kill ${this.#disturbances.length + 1} (${instant})`, from, until: now() });
    this.#checkState();
    await this.#stage.startAgain();
    // By now its last lines have been read, too.
    this.#log.push(...log.all);
    this.#alive = true;
  }

  /** A copy is looked at: whoever opens the file itself would mend it. */
  #checkState(): void {
    const copy = join(this.#stage.dir, 'copy.db');
    for (const suffix of ['', '-wal']) {
      const file = join(this.#stage.dataPath, `state.db${suffix}`);
      rmSync(`${copy}${suffix}`, { force: true });
      if (existsSync(file)) copyFileSync(file, `${copy}${suffix}`);
    }
    rmSync(`${copy}-shm`, { force: true });
    const database = new Database(copy);
    try {
      const found = database.pragma('integrity_check', { simple: true });
      if (found !== 'ok') this.#violate(`state.db after kill ${this.#disturbances.length}: ${String(found)}`);
    } finally {
      database.close();
    }
  }

  /** Waits until each sink was last told that the incident of the cluster is so, after it became so. */
  async #told(cluster: string, from: number, firing: boolean): Promise<void> {
    const missing = (): Sink[] => {
      this.#ledger.take();
      return SINKS.filter((sink) => {
        const last = this.#ledger.tellings.findLast(
          (telling) => telling.sink === sink && telling.over !== undefined && isAbout(telling, cluster),
        );
        return last === undefined || last.at < from || last.over !== !firing;
      });
    };
    await until(() => missing().length === 0, `${cluster} told`, TOLD_WITHIN_MS).catch(() => {
      for (const sink of missing())
        this.#violate(`lost: ${sink} was not told that ${cluster} ${firing ? 'fires' : 'is over'} (${at(from)})`);
    });
  }

  async #endAll(): Promise<void> {
    for (const { cluster } of PLACES) {
      if (this.#values.get(cluster) !== 1) continue;
      const { from } = this.#switch(cluster, false);
      await this.#told(cluster, from, false);
    }
    this.#sending.abort();
    await this.#sender;
  }

  async #compare(): Promise<void> {
    const { belfry } = this.#stage;
    const metric = /^belfry_outbox_messages (\d+)/m;
    await until(async () => metric.exec(await (await belfry.request('GET', '/metrics')).text())?.[1] === '0', 'an empty outbox').catch(
      (error: unknown) => this.#violate(String(error)),
    );
    this.#ledger.take();
    this.#log.push(...belfry.log.all);
    const { unexcused, excused } = sortDoubles(this.#ledger.doubles, { disturbances: this.#disturbances, settled: settledIn(this.#log) });
    this.#inFlight = excused;
    for (const text of unexcused) this.#violate(text);
    for (const { cluster } of PLACES) this.#compareCluster(cluster);
    await belfry.kill9();
    this.#checkState();
  }

  #compareCluster(cluster: string): void {
    const told = this.#ledger.tellings.filter((telling) => isAbout(telling, cluster) && telling.over !== undefined);
    const phases = this.#phases.filter((phase) => phase.cluster === cluster);
    const alerts = told.flatMap((telling) => telling.alerts);
    // One phase is one alert with one beginning, whatever was killed between; nothing fires but what was so.
    const starts = [...new Set(alerts.map(({ startsAt }) => Date.parse(startsAt)))].toSorted((a, b) => a - b);
    if (starts.length !== phases.length)
      this.#violate(`moved: ${cluster} fired ${phases.length} times and was told with ${starts.length} times of beginning`);
    for (const start of starts) {
      // Belfry time is the sinks' to a few milliseconds, and goes on after the newest sample at a start.
      if (!phases.some((phase) => start >= phase.from - 250 && start <= phase.until + 250))
        this.#violate(`false: ${cluster} did not fire at ${at(start)}`);
    }
    this.#compareIncidents(cluster, told, phases);
  }

  #compareIncidents(cluster: string, told: readonly Telling[], phases: readonly Phase[]): void {
    const pauses = phases.slice(1).filter((phase, i) => phase.from - (phases[i]?.until ?? 0) > CLOSE_AFTER_MS - 10_000).length;
    const incidents = new Set(told.map(({ incident }) => incident));
    if (phases.length > 0 && incidents.size > pauses + 1)
      this.#violate(`moved: ${cluster} has ${incidents.size} incidents where ${pauses + 1} were enough`);
    for (const sink of SINKS) {
      // Without what was in flight at a kill, each sink hears of the beginning and the end of every phase in turn.
      const doubled = new Set(this.#ledger.doubles.map(({ second }) => second));
      const states = told.filter((telling) => telling.sink === sink && !doubled.has(telling)).map(({ over }) => over);
      const ends = states.filter((over, i) => over === true && states[i - 1] !== true).length;
      if (ends !== phases.length) this.#violate(`lost: ${sink} was told ${ends} of ${phases.length} times that ${cluster} is over`);
      const again = states.filter((over, i) => over === states[i - 1]).length;
      if (again > 0 && sink !== 'slack') this.#violate(`doubled: ${sink} was told ${again} times what it knew of ${cluster}`);
    }
  }

  /** Without pause, as long as Belfry is there to take it. */
  async #keepSending(): Promise<void> {
    const { signal } = this.#sending;
    while (!signal.aborted) {
      if (this.#alive) await this.#send().catch(() => undefined); // It was killed meanwhile: the next one is for its successor.
      await sleep(SEND_EVERY_MS, undefined, { signal }).catch(() => undefined); // Told to end.
    }
  }

  async #send(): Promise<void> {
    const ts = Math.round(now());
    const series = [...this.#values].map(([cluster, value]) => ({
      labels: { __name__: 'fixture_fault', cluster },
      samples: [[ts, value]] as const,
    }));
    const { belfry } = this.#stage;
    await fetch(`${belfry.url}/api/v1/write`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${belfry.token}`,
        'content-type': 'application/x-protobuf',
        'content-encoding': 'snappy',
        'x-prometheus-remote-write-version': '0.1.0',
      },
      body: new Uint8Array(snappyLiterals(encodeWriteRequest(series))),
    });
  }

  #violate(text: string): void {
    this.#violations.push(text);
    this.#options.progress?.(`VIOLATION ${text}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sending.abort();
    await this.#sender;
    await this.#stage[Symbol.asyncDispose]();
    await removeTempDir(this.#cache);
  }
}

function isAbout({ text, alerts }: Telling, cluster: string): boolean {
  return alerts.length > 0 ? alerts.some(({ labels }) => labels['cluster'] === cluster) : text.includes(cluster);
}

function at(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
