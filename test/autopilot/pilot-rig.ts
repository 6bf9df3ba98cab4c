import type { Alert, ResolveReason } from '../../src/core/alert.ts';
import type { Action, Mode } from '../../src/core/autopilot.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger, type Logger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { Autopilot } from '../../src/autopilot/autopilot.ts';
import type { BrokerPicture, ClusterPicture, PartitionPicture } from '../../src/autopilot/picture.ts';
import { type ClusterPolicy, DEFAULT_FLEET, DEFAULT_POLICY, type FleetPolicy } from '../../src/autopilot/policy.ts';
import type { ClusterObserver } from '../../src/autopilot/ports.ts';
import { MemoryPilotStore } from '../fakes/memory-pilot-store.ts';

export const CLUSTER = 'orders-dal';
export const MINUTE = 60_000;

export function brokerOf(id: number, change: Partial<BrokerPicture> = {}): BrokerPicture {
  return {
    id,
    expected: true,
    up: true,
    registered: true,
    verdict: undefined,
    downSince: undefined,
    inStopGrace: false,
    rack: undefined,
    lastQuorumFetchAt: undefined,
    usedBytes: undefined,
    ...change,
  };
}

/** A cluster of brokers that a test breaks and mends; every partition has three copies. */
export class FakeCluster implements ClusterObserver {
  readonly brokers = new Map<number, BrokerPicture>();
  replicas: number[][] = [
    [1, 2, 3],
    [2, 3, 1],
    [3, 1, 2],
  ];
  readonly outOfSync = new Set<number>();
  blind: string | undefined;
  clusterIdChanged = false;
  reassigning: { topic: string; partition: number }[] = [];
  labels: Record<string, string> = {};
  names: readonly string[] = [CLUSTER];
  /** Configured, and not looked at just now. */
  unwatched = false;
  /** Of the picture. */
  ageMs = 0;
  readonly forgotten: number[] = [];
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, ids: readonly number[] = [1, 2, 3]) {
    this.#clock = clock;
    for (const id of ids) this.brokers.set(id, brokerOf(id));
  }

  kill(id: number, verdict = 'crashed'): void {
    this.set(id, { up: false, registered: false, verdict, downSince: this.#clock.now() });
    this.outOfSync.add(id);
  }

  /** Answers and is registered; its copies catch up until `inSync`. */
  comesBack(id: number): void {
    this.set(id, { up: true, registered: true, verdict: undefined, downSince: undefined });
  }

  inSync(id: number): void {
    this.comesBack(id);
    this.outOfSync.delete(id);
  }

  set(id: number, change: Partial<BrokerPicture>): void {
    this.brokers.set(id, { ...(this.brokers.get(id) ?? brokerOf(id)), ...change });
  }

  picture(cluster: string): ClusterPicture | undefined {
    if (this.unwatched || !this.names.includes(cluster)) return undefined;
    const seenAt = this.#clock.now() - this.ageMs;
    return {
      cluster,
      askedAt: seenAt,
      observedAt: seenAt,
      blind: this.blind,
      clusterIdChanged: this.clusterIdChanged,
      brokers: new Map(this.brokers),
      partitions: this.replicas.map((replicas, partition) => this.#partition(replicas, partition)),
      reassigning: this.reassigning,
      quorum: { leaderId: 101, voters: [101, 102, 103].map((id) => ({ id, caughtUp: true })) },
      labels: this.labels,
      maintenance: undefined,
    };
  }

  async confirm(cluster: string): ReturnType<ClusterObserver['confirm']> {
    const up = [...this.brokers.values()].filter((broker) => broker.up === true).map(({ id }) => id);
    const brokers = up.slice(0, 2);
    return {
      brokers,
      askedAt: this.#clock.now(),
      agree: brokers.length === 2,
      picture: this.picture(cluster),
      sentence: 'both say the same',
    };
  }

  forget(_cluster: string, broker: number): void {
    this.forgotten.push(broker);
    this.brokers.delete(broker);
  }

  clusters(): readonly string[] {
    return this.names;
  }

  #partition(replicas: readonly number[], partition: number): PartitionPicture {
    const isr = replicas.filter((id) => !this.outOfSync.has(id));
    return { topic: 'payments', partition, replicas, isr, leader: isr[0] ?? -1, minIsr: 2, adding: [], lastIsr: isr };
  }
}

export interface RigOptions {
  readonly modes?: Partial<Record<Action, Mode>>;
  readonly repair?: Partial<ClusterPolicy['repair']>;
  readonly scale?: Partial<ClusterPolicy['scale']>;
  readonly fleet?: Partial<FleetPolicy>;
}

/** The real auto-pilot on a fake cluster, with a clock that a test moves. */
export class Rig {
  readonly clock = new ManualClock();
  readonly cluster = new FakeCluster(this.clock);
  readonly notes: { text: string; loud: boolean; broker: number | undefined }[] = [];
  /** Brokers of which it was said that nobody is needed any more. */
  readonly notesOver: (number | undefined)[] = [];
  readonly errors: unknown[] = [];
  /** The windows over which loads were read, one for each time. */
  readonly loadWindowsMs: number[] = [];
  store = new MemoryPilotStore();
  pilot: Autopilot;
  haltFileThere = false;
  readonly #options: RigOptions;

  constructor(options: RigOptions = {}) {
    this.#options = options;
    this.pilot = this.#make();
  }

  /** Past the grace after a start. */
  async started(): Promise<this> {
    this.pilot.start();
    await this.clock.advance(DEFAULT_FLEET.startGraceMs);
    return this;
  }

  /** As after kill -9: what was committed is all that is left. */
  async killedAndStarted(): Promise<void> {
    const old = this.pilot;
    this.store = this.store.copy();
    old.stop();
    this.pilot = this.#make();
    this.pilot.start();
  }

  alert(
    broker: number | string,
    change: Partial<{
      status: Alert['status'];
      kind: 'rule' | 'api';
      action: string | undefined;
      reason: ResolveReason;
      labels: Record<string, string>;
    }> = {},
  ): Alert {
    const now = this.clock.now();
    const action = 'action' in change ? change.action : 'repair';
    return {
      labels: Labels.of({ alertname: 'BrokerCrashed', cluster: CLUSTER, broker: String(broker), ...change.labels }),
      annotations: Labels.empty,
      status: change.status ?? 'firing',
      startsAt: now,
      endsAt: now + 24 * 3_600_000,
      value: 1,
      generatorUrl: '',
      ...(change.reason === undefined ? {} : { resolveReason: change.reason }),
      source: {
        kind: change.kind ?? 'rule',
        file: 'rules.yaml',
        group: 'brokers',
        rule: 'BrokerCrashed',
        ...(action === undefined ? {} : { action }),
      },
    };
  }

  fires(broker: number): void {
    this.pilot.receive([this.alert(broker)], this.clock.now());
  }

  resolves(broker: number, reason: ResolveReason = 'recovered'): void {
    this.pilot.receive([this.alert(broker, { status: 'resolved', reason })], this.clock.now());
  }

  /** A broker dies and the rule says so. */
  crash(broker: number): void {
    this.cluster.kill(broker);
    this.fires(broker);
  }

  /** Advances until something holds, at most so long. */
  async until(what: string, holds: () => boolean, limitMs = 10 * 3_600_000): Promise<void> {
    const end = this.clock.now() + limitMs;
    while (!holds()) {
      if (this.clock.now() >= end) throw new Error(`not so within its time: ${what}; edges: ${this.edges().join(', ')}`);
      await this.clock.advance(1000);
    }
  }

  stateOf(broker: number): string {
    return this.pilot.state().clusters[0]?.brokers.find(({ brokerId }) => brokerId === broker)?.state ?? 'healthy';
  }

  /** `healthy→suspect` …, oldest first. */
  edges(): readonly string[] {
    return this.store
      .journal({ limit: 1000 })
      .filter(({ kind }) => kind === 'edge')
      .map(({ from, to }) => `${from}→${to}`)
      .toReversed();
  }

  outcomes(): readonly string[] {
    return this.store
      .journal({ limit: 1000 })
      .filter(({ kind, detail }) => kind === 'outcome' && 'outcome' in detail)
      .map(({ detail }) => `${String(detail['action'])} ${String(detail['outcome'])}`)
      .toReversed();
  }

  intents(): readonly string[] {
    return this.pilot.book.all().map(({ action, attempt, state }) => `${action} ${attempt} ${state}`);
  }

  /** The open intent, leased. Throws what the lease throws. */
  async lease(): Promise<{ id: string; fencingToken: number }> {
    const open = this.pilot.book.all().find(({ state }) => state === 'open');
    if (open === undefined) throw new Error(`no open intent: ${this.intents().join(', ')}`);
    const leased = await this.pilot.book.lease(open.id, 'executor-1');
    return { id: leased.id, fencingToken: leased.lease?.fencingToken ?? 0 };
  }

  async openIntent(limitMs?: number): Promise<void> {
    await this.until('an open intent', () => this.pilot.book.all().some(({ state }) => state === 'open'), limitMs);
  }

  #make(): Autopilot {
    const modes = { ...DEFAULT_POLICY.modes, repair: 'auto' as Mode, replace: 'auto' as Mode, ...this.#options.modes };
    const policy = {
      ...DEFAULT_POLICY,
      modes,
      repair: { ...DEFAULT_POLICY.repair, ...this.#options.repair },
      scale: { ...DEFAULT_POLICY.scale, ...this.#options.scale },
    };
    const fleet = { ...DEFAULT_FLEET, announceFirst: 0, ...this.#options.fleet };
    const log: Logger = { ...silentLogger, error: (event, fields) => void this.errors.push({ event, ...fields }) };
    const pilot = new Autopilot({
      store: this.store,
      observer: this.cluster,
      policies: { cluster: () => policy, fleet: () => fleet },
      board: {
        incidentOf: (_, broker) => `incident-${broker ?? 'cluster'}`,
        note: ({ text, loud, broker }) => void this.notes.push({ text, loud, broker }),
        noteOver: (_, broker) => void this.notesOver.push(broker),
      },
      loads: { loads: (_cluster, _now, windowMs) => (this.loadWindowsMs.push(windowMs), []) },
      haltFile: '/nonexistent/belfry/HALT',
      clock: this.clock,
      log,
      meter: silentMeter,
    });
    return pilot;
  }
}
