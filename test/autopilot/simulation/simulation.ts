import { join } from 'node:path';
import { Autopilot } from '../../../src/autopilot/autopilot.ts';
import { DEFAULT_FLEET, DEFAULT_POLICY, type ClusterPolicy, type FleetPolicy } from '../../../src/autopilot/policy.ts';
import type { Alert } from '../../../src/core/alert.ts';
import type { JournalRow, PilotStore } from '../../../src/core/autopilot-state.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import { Labels } from '../../../src/core/labels.ts';
import { type Logger, silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { MemoryPilotStore } from '../../fakes/memory-pilot-store.ts';
import { chaos, ROGUE, standDown, type Scene } from './faults.ts';
import { Random } from './random.ts';
import { Referee } from './referee.ts';
import { SimCluster, type SimBroker } from './sim-cluster.ts';
import { SimExecutor } from './sim-executor.ts';
import { SimView } from './sim-view.ts';

export const STEP_MS = 5000;
const SECOND_MS = 1000;

/** Short, so that a thousand steps hold many spells. */
export const POLICY: ClusterPolicy = {
  ...DEFAULT_POLICY,
  modes: { repair: 'auto', replace: 'auto', scale_out: 'off', scale_in: 'off' },
  repair: {
    firstAfterMs: 20 * SECOND_MS,
    backoffMs: [30 * SECOND_MS, 60 * SECOND_MS, 120 * SECOND_MS],
    failuresBeforeReplace: 2,
    unhealthyBeforeReplaceMs: 180 * SECOND_MS,
    verifyMs: 60 * SECOND_MS,
    catchUpBytesPerSecond: 20_000_000,
    recoveryMaxMs: 600 * SECOND_MS,
    recoveryStallMs: 60 * SECOND_MS,
  },
  cooldownMs: 60 * SECOND_MS,
};

export const FLEET: FleetPolicy = {
  ...DEFAULT_FLEET,
  inFlightMax: 2,
  actsPerHourMax: 12,
  startGraceMs: 30 * SECOND_MS,
  breaker: { clusters: 3, brokersRatio: 0.6, withinMs: 60 * SECOND_MS },
  approvalExpiresMs: 120 * SECOND_MS,
  intentExpiresMs: 120 * SECOND_MS,
  leaseTtlMs: 15 * SECOND_MS,
  announceAheadMs: 10 * SECOND_MS,
  // The simulation ticks by hand.
  tickMs: 10 ** 12,
};

const CHAOS_STEPS = 300;
/** Within so many quiet steps everything must be mended and told so. */
const CALM_STEPS_MAX = 400;
const PROBE_STEPS_MAX = 200;
/** Ended intents count for the rate of an hour. */
const KEEP_MS = 7_200_000;
const ALERT_AGAIN_MS = 60_000;
const BELIEVED_MS = 240_000;

export interface SimulationResult {
  readonly steps: number;
  readonly leases: number;
  readonly acts: number;
  readonly restarts: number;
  /** Single crashes in a quiet fleet, each mended by the auto-pilot. */
  readonly probes: number;
}

/** A fleet, what befalls it, an auto-pilot that watches it, and a referee who knows the truth. */
export class Simulation implements Scene {
  readonly clock = new ManualClock();
  readonly random: Random;
  readonly clusters = new Map<string, SimCluster>();
  readonly view: SimView;
  readonly referee = new Referee(FLEET);
  store = new MemoryPilotStore();
  pilot: Autopilot;
  startedAt: number;
  readonly #executors: readonly SimExecutor[];
  readonly #alerts = new Map<string, { alert: Alert; sentAt: number }>();
  /** `cluster/broker` of alerts that are wrong, and until when. */
  readonly falseAlarms = new Map<string, number>();
  #steps = 0;
  #acts = 0;
  #restarts = 0;
  #probes = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    for (const name of ['a', 'b', 'c']) this.clusters.set(name, new SimCluster(name, this.random, this.clock.now()));
    this.view = new SimView(this.clock, this.clusters, new Random(seed + 1));
    this.view.look();
    this.startedAt = this.clock.now();
    this.pilot = this.#startPilot();
    this.#executors = ['left', 'right'].map(
      (name) =>
        new SimExecutor({
          name,
          random: this.random,
          clusters: this.clusters,
          onLease: (intent) => this.#leased(intent),
          onAct: (intent) => {
            this.#acts++;
            this.referee.say(this.clock.now(), `${name} does ${intent.action} ${intent.cluster}/${intent.broker ?? ''}`);
          },
        }),
    );
  }

  /** Throws a `Violation` at the first thing that must not happen. */
  async run(steps: number): Promise<SimulationResult> {
    while (this.#steps < steps) {
      for (let step = 0; step < CHAOS_STEPS; step++) {
        await chaos(this);
        await this.#step();
      }
      await this.#calm();
      if (this.random.chance(0.5)) await this.#probe();
    }
    return { steps: this.#steps, leases: this.referee.leases, acts: this.#acts, restarts: this.#restarts, probes: this.#probes };
  }

  say(what: string): void {
    this.referee.say(this.clock.now(), what);
  }

  async restartBelfry(): Promise<void> {
    this.#restarts++;
    this.say('Belfry is killed and starts again');
    this.pilot.stop();
    this.store = this.store.copy();
    this.#alerts.clear();
    this.view.restarted();
    this.startedAt = this.clock.now();
    this.pilot = this.#startPilot();
  }

  #startPilot(): Autopilot {
    const pilot = new Autopilot({
      store: watched(this.store, (row) => this.referee.onEdge(row)),
      observer: this.view,
      board: { incidentOf: () => '', note: () => undefined, noteOver: () => undefined },
      policies: { cluster: () => POLICY, fleet: () => FLEET },
      loads: { loads: () => [] },
      haltFile: join(import.meta.dirname, 'no-such-file'),
      clock: this.clock,
      log: this.#logger(),
      meter: silentMeter,
    });
    pilot.start();
    return pilot;
  }

  /** The auto-pilot keeps its own failures from others; here they are violations. */
  #logger(): Logger {
    return {
      ...silentLogger,
      error: (event, fields) => {
        // What cannot be written is refused, as it should be.
        if (this.store.durable && (event === 'autopilot_failed' || event === 'intent_not_judged'))
          this.referee.remember(`${event}: ${JSON.stringify(fields)}`);
      },
    };
  }

  async #step(): Promise<void> {
    this.#steps++;
    await this.clock.advance(STEP_MS);
    const now = this.clock.now();
    for (const cluster of this.clusters.values()) cluster.step(now, STEP_MS);
    this.view.look();
    this.#sound(now);
    this.pilot.tick();
    for (const executor of this.#executors) await executor.step(this.pilot.book, now);
    this.referee.onStep(this.pilot.book.inFlight());
    if (this.#steps % 100 === 0 && this.store.durable) this.store.forgetBefore(now - KEEP_MS);
  }

  #leased(intent: Parameters<Referee['onLease']>[0]): void {
    const cluster = this.clusters.get(intent.cluster);
    if (cluster === undefined) return this.referee.fail(`a lease in the unknown cluster ${intent.cluster}`);
    const { control } = this.pilot;
    const truth = {
      halted: control.halted() !== undefined,
      breaker: control.breaker() !== undefined,
      durable: this.store.durable,
      blind: this.view.isBlind(intent.cluster),
      held: control.holdsFor(intent.cluster).length > 0,
      mode: control.modeOf(intent.cluster, intent.action),
      startedAt: this.startedAt,
    };
    this.referee.onLease(intent, cluster, truth, this.clock.now());
    // No machine watches it: it has shown what it was for.
    if (intent.incidentId.startsWith(ROGUE) && intent.action === 'replace') this.pilot.book.settle(intent.id, 'failed', 'out of nowhere');
  }

  /** The rules: an alert for each broker that Belfry takes for down, and the false ones. What is not seen stays as it was. */
  #sound(now: number): void {
    const news: Alert[] = [];
    for (const name of this.clusters.keys()) {
      if (this.view.isBlind(name)) continue;
      for (const { id, up, verdict, inStopGrace } of this.view.picture(name)?.brokers.values() ?? []) {
        const key = `${name}/${id}`;
        const wrong = now < (this.falseAlarms.get(key) ?? 0);
        const firing = wrong || (up === false && !inStopGrace && verdict !== 'suspect');
        const known = this.#alerts.get(key);
        if (firing && (known === undefined || now - known.sentAt >= ALERT_AGAIN_MS)) {
          const alert = known === undefined ? alertOf(name, id, now) : { ...known.alert, endsAt: now + BELIEVED_MS };
          this.#alerts.set(key, { alert, sentAt: now });
          news.push(alert);
        } else if (!firing && known !== undefined) {
          this.#alerts.delete(key);
          news.push({ ...known.alert, status: 'resolved', endsAt: now });
        }
      }
    }
    if (news.length > 0) this.pilot.receive(news, now);
  }

  /** No more faults, people mend what is theirs, executors do what they say: everything comes back to healthy. */
  async #calm(): Promise<void> {
    this.say('calm');
    for (const executor of this.#executors) executor.honest = true;
    for (let step = 0; step < CALM_STEPS_MAX; step++) {
      standDown(this);
      await this.#step();
      if (this.#isQuiet()) break;
    }
    if (!this.#isQuiet()) this.referee.fail(`not quiet after ${CALM_STEPS_MAX} calm steps: ${this.#unrest()}`);
  }

  #isQuiet(): boolean {
    return (
      this.pilot.book.inFlight().length === 0 &&
      [...this.clusters.values()].every(({ whole }) => whole) &&
      this.pilot.state().clusters.every(({ brokers }) => brokers.length === 0)
    );
  }

  #unrest(): string {
    const broken = [...this.clusters].flatMap(([name, cluster]) => (cluster.whole ? [] : [`${name} is not whole`]));
    const rows = this.pilot
      .state()
      .clusters.flatMap(({ name, brokers }) => brokers.map(({ brokerId, state, note }) => `${name}/${brokerId} ${state}: ${note}`));
    return [...broken, ...rows, ...this.pilot.book.inFlight().map(({ id, state }) => `${id} ${state}`)].join('; ');
  }

  /** One broker of a healthy fleet crashes, and nobody but the auto-pilot looks after it. */
  async #probe(): Promise<void> {
    // What broke at the end of the faults counts for the breaker: a single crash is single once that is past.
    for (let ms = 0; ms <= FLEET.breaker.withinMs; ms += STEP_MS) await this.#step();
    const now = this.clock.now();
    const name = this.random.pick([...this.clusters.keys()]) ?? 'a';
    const cluster = this.clusters.get(name);
    const broker = this.random.pick(cluster?.live ?? []);
    if (cluster === undefined || broker === undefined) return;
    const touchedMax = Math.max(1, Math.floor(cluster.live.length * FLEET.breaker.brokersRatio));
    if (this.referee.leasesWithinHour(now) >= FLEET.actsPerHourMax || this.referee.brokersWithinHour(name, now) >= touchedMax) return;
    this.#probes++;
    this.say(`probe: ${name}/${broker.id} crashes`);
    const before = this.#acts;
    cluster.kill(broker, now);
    broker.supervisorAt = 0;
    for (let step = 0; step < PROBE_STEPS_MAX && !(this.#isQuiet() && this.#acts > before); step++) await this.#step();
    if (this.#acts === before || !this.#isQuiet())
      this.referee.fail(`a single crash was not mended in ${PROBE_STEPS_MAX} steps: ${this.#unrest()}; ${this.#blockedBy(broker)}`);
  }

  #blockedBy(broker: SimBroker): string {
    const intents = this.pilot.book.all().filter((one) => one.broker === broker.id);
    const last = intents.at(-1);
    const held = last?.guards.filter(({ holds }) => holds).map(({ guard, sentence }) => `${guard}: ${sentence}`) ?? [];
    return `its last intent is ${last?.state ?? 'missing'}; ${held.join('; ')}`;
  }

  /** Commands of people, which may come at a bad time. */
  command(what: () => void): void {
    try {
      what();
    } catch (error) {
      if (!(error instanceof BelfryError)) throw error;
    }
  }

  lie(): void {
    for (const executor of this.#executors) executor.honest = false;
  }
}

function alertOf(cluster: string, broker: number, now: number): Alert {
  return {
    labels: Labels.of({ alertname: 'BrokerDown', cluster, broker: String(broker) }),
    annotations: Labels.empty,
    status: 'firing',
    startsAt: now,
    endsAt: now + BELIEVED_MS,
    value: 1,
    generatorUrl: '',
    source: { kind: 'rule', file: 'rules.yaml', group: 'kafka', rule: 'BrokerDown', action: 'repair' },
  };
}

/** The store, with every edge of the journal shown to somebody. */
function watched(store: MemoryPilotStore, onEdge: (row: JournalRow) => void): PilotStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'appendJournal')
        return (row: JournalRow): void => {
          if (row.kind === 'edge') onEdge(row);
          target.appendJournal(row);
        };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
