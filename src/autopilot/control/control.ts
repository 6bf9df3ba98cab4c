import { type Action, ACTIONS, type Mode } from '../../core/autopilot.ts';
import type { PilotHoldRow, PilotStore } from '../../core/autopilot-state.ts';
import type { Clock } from '../../core/clock.ts';
import { BelfryError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Gauge, Meter } from '../../core/meter.ts';
import type { Journal } from '../journal.ts';
import type { ClusterObserver, IncidentBoard, PolicySource } from '../ports.ts';
import { Breaker } from './breaker.ts';
import { checkCommand } from './durable.ts';
import { Halt } from './halt.ts';
import { EVERY_CLUSTER, Holds } from './holds.ts';
import { Modes, type PendingRaise } from './modes.ts';
import { type Condition, Trust, type TrustReport } from './trust.ts';

export interface ControlOptions {
  readonly store: PilotStore;
  readonly journal: Journal;
  readonly policies: PolicySource;
  /** The clusters there are, their labels and how many brokers they have. */
  readonly observer: Pick<ClusterObserver, 'clusters' | 'picture'>;
  readonly board: Pick<IncidentBoard, 'note'>;
  /** Path of the file that halts by being there. */
  readonly haltFile: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

export interface Promotion {
  readonly cluster: string;
  readonly action: Action;
  readonly to: Mode;
  readonly by: string;
  readonly reason: string;
  /** Although conditions are not met. */
  readonly force: boolean;
}

/** What people decide about the auto-pilot: whether it may act at all, where, how far, and whether it has earned more. */
export class Control {
  readonly #options: ControlOptions;
  readonly #modes: Modes;
  readonly #halt: Halt;
  readonly #holds: Holds;
  readonly #breaker: Breaker;
  readonly #trust: Trust;
  readonly #stopListeners = new Set<(why: string, cluster?: string) => void>();
  readonly #stopped: Gauge;
  readonly #mode: Gauge;
  #counted = new Set<string>();

  constructor(options: ControlOptions) {
    const { store, journal, policies, observer, haltFile, clock, log, meter } = options;
    this.#options = options;
    this.#stopped = meter.gauge('belfry_autopilot_stopped', 'Whether all acts are stopped, by what: halt or breaker.', ['by']);
    this.#mode = meter.gauge('belfry_autopilot_mode', 'The mode that holds: 0 off, 1 observe, 2 approve, 3 auto.', ['cluster', 'action']);
    const isConfigured = (cluster: string): boolean => observer.clusters().includes(cluster);
    this.#modes = new Modes({ store, journal, policies, isConfigured, clock, log });
    this.#holds = new Holds({ store, journal, clock });
    this.#halt = new Halt({ store, journal, haltFile, clock, log, onHalt: (why) => this.#whenHalted(why) });
    this.#breaker = new Breaker({
      store,
      journal,
      observer,
      fleet: () => policies.fleet(),
      clock,
      log,
      onOpen: (why, clusters) => this.#whenOpened(why, clusters),
    });
    this.#trust = new Trust({
      store,
      journal,
      clock,
      log,
      observedForMs: (cluster, action) => this.#modes.observedForMs(cluster, action),
      haltDrilledAt: () => this.#halt.drilledAt(),
    });
  }

  /**
   * Calls the listener whenever everything is stopped anew, by halt or breaker, or one cluster, which it is told then, by a
   * hold: leases are to be revoked.
   */
  onStopped(listener: (why: string, cluster?: string) => void): () => void {
    this.#stopListeners.add(listener);
    return () => void this.#stopListeners.delete(listener);
  }

  /** Once a tick: the file, what has ended, configurations that changed, and the gauges. */
  tick(now: number): void {
    this.halted();
    this.#holds.tick(now);
    this.#breaker.tick(now);
    this.#measure();
  }

  /** Why everything is halted, by command or by file; undefined where it is not. Looks at the file. */
  halted(): string | undefined {
    return this.#halt.halted();
  }

  /** Halts, also where state.db cannot be written. What was automatic needs a person's word again. Throws `BAD_REQUEST`. */
  halt(by: string, reason: string): void {
    this.#halt.halt({ by, reason });
  }

  /** Throws `CONFLICT` while the file is there, naming it, or where nothing is halted. */
  resume(by: string, reason: string): void {
    this.#halt.resume({ by, reason });
  }

  /** `*` for every cluster. What runs there loses its lease. Throws `NOT_FOUND`, `BAD_REQUEST`. */
  hold(cluster: string, forMs: number, by: string, reason: string): PilotHoldRow {
    if (cluster !== EVERY_CLUSTER) this.#mustExist(cluster);
    const row = this.#holds.hold(cluster, forMs, { by, reason });
    for (const listener of this.#stopListeners) listener(`held by ${by}: ${reason}`, cluster === EVERY_CLUSTER ? undefined : cluster);
    return row;
  }

  /** Throws `NOT_FOUND` where there is no hold. */
  release(cluster: string, by: string): void {
    checkCommand({ by, reason: 'released' });
    this.#holds.release(cluster, by);
  }

  holdsFor(cluster: string): readonly string[] {
    return this.#holds.of(cluster);
  }

  holds(): readonly PilotHoldRow[] {
    return this.#holds.rows();
  }

  /** What holds now, which may be lower than what is configured. */
  modeOf(cluster: string, action: Action): Mode {
    return this.#modes.modeOf(cluster, action);
  }

  /** What the configuration asks for and waits for `confirm`. */
  pendingRaises(): readonly PendingRaise[] {
    return this.#modes.pendingRaises(this.#options.observer.clusters());
  }

  /** Takes the configuration at its word, of one cluster or of all. Returns what was raised. */
  confirm(by: string, reason: string, cluster?: string): readonly PendingRaise[] {
    if (cluster !== undefined) this.#mustExist(cluster);
    return this.#modes.confirm(cluster === undefined ? this.#options.observer.clusters() : [cluster], { by, reason });
  }

  /** Throws `CONFLICT` listing each condition that is not met, unless it is forced; `BAD_REQUEST`, `NOT_FOUND`. */
  promote({ cluster, action, to, by, reason, force }: Promotion): void {
    this.#mustExist(cluster);
    checkCommand({ by, reason });
    const unmet = this.#trust.conditions(cluster, action).filter(({ met }) => !met);
    if (unmet.length > 0 && !force) throw new BelfryError('CONFLICT', `not promoted: ${unmet.map(({ sentence }) => sentence).join('; ')}`);
    const detail = { by, reason, forced: unmet.length > 0, unmet: unmet.map(({ sentence }) => sentence) };
    this.#modes.promote(cluster, action, to, { by, reason }, detail);
  }

  /** What a promotion asks for, met or not. Throws `NOT_FOUND`. */
  conditions(cluster: string, action: Action): readonly Condition[] {
    this.#mustExist(cluster);
    return this.#trust.conditions(cluster, action);
  }

  /** Automatic acts of one kind need approval again. Told quietly: the failure that led to it pings people already. */
  demote(cluster: string, action: Action, why: string): void {
    if (!this.#modes.demote(cluster, action, why)) return;
    this.#tell(cluster, `The auto-pilot asks before each ${action.replace('_', '-')} again: ${why}.`, false);
  }

  report(cluster: string | undefined, days: number): TrustReport {
    if (cluster !== undefined) this.#mustExist(cluster);
    return this.#trust.report(cluster, days);
  }

  noteDryRun(executor: string, ok: boolean, text: string, at: number): void {
    this.#trust.noteDryRun(executor, ok, text, at);
  }

  /** A broker turned unhealthy: told once, at the edge. `labels` are those of the cluster, with the broker's own `rack`. */
  unhealthy(cluster: string, broker: number, labels: Readonly<Record<string, string>>, at: number): void {
    this.#breaker.unhealthy({ cluster, broker, labels, at });
  }

  /** Why the breaker is open; undefined while it is closed. */
  breaker(): string | undefined {
    return this.#breaker.isOpen();
  }

  closeBreaker(by: string, reason: string): void {
    this.#breaker.close({ by, reason });
  }

  #whenHalted(why: string): void {
    for (const { cluster, action } of this.#modes.demoteAll(this.#options.observer.clusters(), why))
      this.#options.log.warn('autopilot_demoted', { cluster, action, why });
    for (const listener of this.#stopListeners) listener(why);
  }

  #whenOpened(why: string, clusters: readonly string[]): void {
    for (const cluster of clusters)
      this.#tell(cluster, `The auto-pilot does nothing more, in any cluster, until somebody closes its breaker: ${why}.`);
    for (const listener of this.#stopListeners) listener(why);
  }

  #tell(cluster: string, text: string, loud = true): void {
    const { board, clock } = this.#options;
    board.note({ cluster, broker: undefined, text, loud, at: clock.now() });
  }

  #mustExist(cluster: string): void {
    if (!this.#options.observer.clusters().includes(cluster)) throw new BelfryError('NOT_FOUND', `no such cluster: ${cluster}`);
  }

  #measure(): void {
    this.#stopped.set(this.halted() === undefined ? 0 : 1, { by: 'halt' });
    this.#stopped.set(this.breaker() === undefined ? 0 : 1, { by: 'breaker' });
    const clusters = new Set(this.#options.observer.clusters());
    this.#modes.seeAll([...clusters]);
    for (const cluster of clusters)
      for (const action of ACTIONS) this.#mode.set(MODE_NUMBER[this.modeOf(cluster, action)], { cluster, action });
    for (const gone of this.#counted) if (!clusters.has(gone)) for (const action of ACTIONS) this.#mode.remove({ cluster: gone, action });
    this.#counted = clusters;
  }
}

const MODE_NUMBER: Readonly<Record<Mode, number>> = { off: 0, observe: 1, approve: 2, auto: 3 };
