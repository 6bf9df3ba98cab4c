import type { FleetPolicy } from '../../../src/autopilot/policy.ts';
import type { Intent } from '../../../src/core/autopilot.ts';
import type { JournalRow } from '../../../src/core/autopilot-state.ts';
import { LEGAL_EDGES } from './legal-edges.ts';
import { STOP_GRACE_MS, type SimBroker, type SimCluster } from './sim-cluster.ts';

const HOUR_MS = 3_600_000;
const HISTORY_MAX = 80;

/** Something that must never happen, with what led to it. */
export class Violation extends Error {
  readonly history: readonly string[];

  constructor(what: string, history: readonly string[]) {
    super(what);
    this.name = 'Violation';
    this.history = history;
  }
}

/** What stands against any act at the time of a lease, as it truly is. */
export interface Truth {
  readonly halted: boolean;
  readonly breaker: boolean;
  readonly durable: boolean;
  readonly blind: boolean;
  readonly held: boolean;
  readonly mode: string;
  readonly startedAt: number;
}

/** Knows the truth of the clusters and judges every lease and every edge by it, without asking any guard. */
export class Referee {
  leases = 0;
  #found: Violation | undefined;
  readonly #history: string[] = [];
  readonly #fleet: FleetPolicy;
  readonly #leased: { readonly at: number; readonly cluster: string; readonly broker: number | undefined }[] = [];

  constructor(fleet: FleetPolicy) {
    this.#fleet = fleet;
  }

  get history(): readonly string[] {
    return this.#history;
  }

  say(now: number, what: string): void {
    this.#history.push(`${(now / 1000).toFixed(0)} ${what}`);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
  }

  fail(what: string): never {
    throw new Violation(what, [...this.#history]);
  }

  /** For what is found where nothing may be thrown: the first of them comes out after the step. */
  remember(what: string): void {
    this.#found ??= new Violation(what, [...this.#history]);
  }

  leasesWithinHour(now: number): number {
    return this.#leased.filter(({ at }) => now - at < HOUR_MS).length;
  }

  brokersWithinHour(cluster: string, now: number): number {
    return new Set(this.#leased.filter((one) => one.cluster === cluster && now - one.at < HOUR_MS).map(({ broker }) => broker)).size;
  }

  onEdge({ shard, brokerId, from, to, text, at }: JournalRow): void {
    this.say(at, `edge ${shard}/${brokerId} ${from} → ${to}: ${text}`);
    const legal: readonly string[] = LEGAL_EDGES[from as keyof typeof LEGAL_EDGES] ?? [];
    if (!legal.includes(to)) this.remember(`an edge that is not legal: ${from} → ${to}`);
  }

  /** At the moment of the lease, which is judged on answers of that very moment. */
  onLease(intent: Intent, cluster: SimCluster, truth: Truth, now: number): void {
    const { action, broker: id, approvedBy } = intent;
    this.leases++;
    this.#leased.push({ at: now, cluster: cluster.name, broker: id });
    if (this.#leased.length > 1000) this.#leased.shift();
    this.say(now, `lease of ${action} ${cluster.name}/${id ?? ''} to ${intent.lease?.executor ?? ''}`);
    const must = (holds: boolean, what: string): void => {
      if (!holds) this.fail(`a lease of ${action} of ${cluster.name}/${id ?? ''} ${what}`);
    };
    must(!truth.halted, 'while halted');
    must(!truth.breaker, 'with the breaker open');
    must(truth.durable, 'that cannot be journalled');
    must(!truth.blind, 'of a cluster that is not seen');
    must(!truth.held, 'of a cluster that is held');
    must(now >= cluster.maintenanceUntil, 'in a maintenance window');
    must(now - truth.startedAt >= this.#fleet.startGraceMs, 'right after a start');
    must(truth.mode === 'auto' || (truth.mode === 'approve' && approvedBy !== undefined), `in mode ${truth.mode}`);
    must(this.leasesWithinHour(now) <= this.#fleet.actsPerHourMax, `is number ${this.leasesWithinHour(now)} within the hour`);
    must(now >= cluster.foreignMovesUntil && cluster.moving.length === 0, 'while partitions move');
    must(
      intent.guards.every(({ holds, approvable }) => !holds || (approvable === true && approvedBy !== undefined)),
      'with a guard that holds',
    );
    if (id === undefined) return;
    this.#judgeTarget(id, intent, cluster, must, now);
  }

  #judgeTarget(id: number, intent: Intent, cluster: SimCluster, must: (holds: boolean, what: string) => void, now: number): void {
    const target = cluster.brokers.get(id);
    if (target === undefined) return must(false, 'of a broker that never was');
    must(!target.retired, 'of a broker that was replaced');
    must(intent.drill ? cluster.drills : target.process !== 'running' || !target.registered, 'that is up and registered');
    must(target.process !== 'starting' || target.stuck, 'that recovers');
    must(intent.drill || !(target.process === 'hung' && target.registered), 'that only pauses');
    must(intent.evidence.length > 0, 'without evidence');
    must(
      cluster.live.every((one) => !isStoppedOnPurpose(one, now)),
      'while a broker was stopped on purpose not long ago',
    );
    // A broker that was replaced is expected until it is forgotten.
    const touchedMax = Math.max(1, Math.floor(cluster.brokers.size * this.#fleet.breaker.brokersRatio));
    const touched = this.brokersWithinHour(cluster.name, now);
    must(touched <= touchedMax, `is of broker number ${touched} within the hour`);
    for (const other of cluster.live)
      must(other.id === id || (other.process === 'running' && other.registered), `while broker ${other.id} is in trouble too`);
    const approved = intent.approvedBy !== undefined && intent.action === 'repair';
    for (const partition of cluster.partitions) {
      const waits = partition.leader < 0 && partition.isr.includes(id);
      const lagging = partition.replicas.some((one) => one !== id && !partition.isr.includes(one));
      must(waits || !lagging, `while others' copies of ${partition.topic}-${partition.partition} are out of sync`);
      const serving = partition.isr.filter((one) => cluster.brokers.get(one)?.registered === true);
      const left = serving.filter((one) => one !== id);
      const name = `${partition.topic}-${partition.partition}`;
      const approvedSingle = approved && partition.replicas.length === 1;
      must(left.length === serving.length || left.length >= partition.minIsr || approvedSingle, `by which ${name} falls below its min ISR`);
      if (intent.action === 'replace' && partition.replicas.includes(id)) must(left.length > 0, `that may hold the last copy of ${name}`);
    }
    if (intent.action === 'replace') must(!cluster.voters.includes(id), 'that votes in the quorum');
    if (cluster.voters.includes(id) && target.process === 'running') {
      const others = cluster.voters.filter((voter) => voter !== id && cluster.brokers.get(voter)?.process === 'running').length;
      must(others > cluster.voters.length / 2, 'without which the quorum has no majority');
    }
    this.say(now, `${cluster.name}/${id} is ${target.process}, ${target.registered ? 'registered' : 'fenced'}`);
  }

  /** After every step. */
  onStep(inFlight: readonly Intent[]): void {
    if (this.#found !== undefined) throw this.#found;
    const clusters = new Set<string>();
    for (const { cluster } of inFlight) {
      if (clusters.has(cluster)) this.fail(`two acts in flight in ${cluster}`);
      clusters.add(cluster);
    }
    if (inFlight.length > this.#fleet.inFlightMax) this.fail(`${inFlight.length} acts in flight`);
  }
}

/** As long as Belfry takes an orderly stop for the doing of a person. */
function isStoppedOnPurpose({ process, cleanly, stoppedAt }: SimBroker, now: number): boolean {
  return process !== 'running' && cleanly && stoppedAt > 0 && now - stoppedAt < STOP_GRACE_MS;
}
