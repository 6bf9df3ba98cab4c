import type { Alert } from '../core/alert.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { humanDuration } from '../core/duration.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Gauge, Meter } from '../core/meter.ts';
import type { MutedAlert, MutedBy } from '../core/silence.ts';
import { Damper, DAMPING, type DampingOptions } from './damping.ts';
import type { InhibitRule } from './inhibition.ts';
import { MutedLog } from './muted-log.ts';
import { MUTE_CAUSES, Muting, type MaintenancePort } from './muting.ts';
import type { SilenceStore } from './ports.ts';
import { SilenceBook } from './silences.ts';

/** What keeps routing quiet. All but the store has a default; the functions give the present configuration's. */
export interface QuietOptions {
  readonly silenceStore: SilenceStore;
  /** Default: none. */
  readonly inhibitRules?: () => readonly InhibitRule[];
  /** Default: no windows. */
  readonly maintenance?: MaintenancePort;
  readonly damping?: () => DampingOptions;
  /** Default 15 s. */
  readonly inhibitionHoldMs?: () => number;
  /** Default: none. */
  readonly startGraceMs?: number;
  /**
   * Whether what a rule may inhibit alerts of a cluster by would be known by now: nobody waits for it any longer. Default:
   * never before the grace is over.
   */
  readonly sourcesKnown?: (rule: InhibitRule, cluster: string) => boolean;
}

/** What is left of a batch of alerts for people to be told. */
export interface Audible {
  readonly alerts: readonly Alert[];
  /** Of these the ones that nobody is to be pinged for. */
  readonly quiet: ReadonlySet<Alert>;
  /** Keys of those that are told as flapping. */
  readonly flapping: ReadonlySet<string>;
}

interface Context {
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  readonly isTold: (key: string) => boolean;
  /** Alerts that are to be told now without news of them, in a transaction. */
  readonly onAudible: (audible: Audible) => void;
}

const HOLD_MS = 15_000;
const NOBODY: ReadonlySet<never> = new Set<never>();

/** The stage between rules and incidents: silences, inhibition, maintenance, the grace after a start, damping. */
export class Quiet {
  readonly silences: SilenceBook;
  readonly #muting: Muting;
  readonly #damper: Damper;
  readonly #damping: () => DampingOptions;
  readonly #mutedLog: MutedLog;
  readonly #store: SilenceStore;
  readonly #context: Context;
  readonly #mutedGauge: Gauge;
  readonly #flappingGauge: Gauge;
  /** Of the ends that damping keeps those that came while they were muted. */
  readonly #quietEnds = new WeakSet<Alert>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: QuietOptions, context: Context) {
    this.#context = context;
    const { clock, log, meter, isTold } = context;
    this.#store = options.silenceStore;
    this.#damping = options.damping ?? ((): DampingOptions => DAMPING);
    this.#damper = new Damper(this.#damping);
    this.#mutedLog = new MutedLog(options.silenceStore);
    this.silences = new SilenceBook({ store: options.silenceStore, clock, log });
    this.#muting = new Muting({
      clock,
      isTold,
      inhibitRules: options.inhibitRules ?? ((): readonly InhibitRule[] => []),
      maintenance: options.maintenance ?? ((): { open: readonly string[]; until: number } => ({ open: [], until: Infinity })),
      holdMs: options.inhibitionHoldMs ?? ((): number => HOLD_MS),
      startGraceMs: options.startGraceMs ?? 0,
      sourcesKnown: options.sourcesKnown ?? ((): boolean => false),
      onReleased: (alerts) => this.#release(alerts),
    });
    this.silences.listen((silence) => this.#muting.silenceChanged(silence));
    this.#mutedGauge = meter.gauge('belfry_alerts_muted', 'Alerts that fire and of which nobody is told now, by what mutes them', ['by']);
    this.#flappingGauge = meter.gauge('belfry_alerts_damped', 'Alerts that flap and are told as such');
    this.#measure();
  }

  /** Reads the silences and takes up what was told before; before the first alert. */
  start(told: Iterable<Alert>): void {
    this.#mutedLog.load();
    this.silences.load();
    this.#muting.start(told, this.#store.loadFiringKeys());
    this.#measure();
  }

  stop(): void {
    this.#stopped = true;
    this.silences.stop();
    this.#muting.stop();
    this.#timer?.cancel();
  }

  /** The configuration has changed. */
  reload(): void {
    this.#muting.reload();
  }

  endGrace(): void {
    this.#muting.endGrace();
  }

  /** Takes in a batch. Joins the transaction that is open. */
  hear(batch: readonly Alert[], now: number): Audible {
    const { alerts, quiet, untold } = this.#muting.hear(batch, now);
    if (untold.length > 0) this.#mutedLog.add(untold, now);
    for (const alert of quiet) this.#quietEnds.add(alert);
    const audible = { ...this.#damp(alerts, now), quiet };
    this.#measure();
    return audible;
  }

  isMuted(key: string): boolean {
    return this.#muting.isMuted(key);
  }

  isSilenced(alert: Alert): boolean {
    return this.#muting.isSilenced(alert);
  }

  firing(): readonly { readonly alert: Alert; readonly updatedAt: number; readonly mutedBy: MutedBy }[] {
    return Array.from(this.#muting.firing(), ({ alert, updatedAt }) => ({
      alert,
      updatedAt,
      mutedBy: this.#muting.mutedByOf(alert.labels.key),
    }));
  }

  mutedHistory(): readonly MutedAlert[] {
    return this.#mutedLog.list();
  }

  /** What is said of alerts that flap. */
  flappingText(alerts: readonly Alert[]): string {
    const { times, withinMs, steadyMs } = this.#damping();
    const names = [...new Set(alerts.map(({ labels }) => labels.get('alertname')))].join(', ');
    return (
      `${names} flaps: it began ${times} times within ${humanDuration(withinMs)}. ` +
      `It counts as firing until it has been steady for ${humanDuration(steadyMs)}; nobody is pinged for it before.`
    );
  }

  #damp(alerts: readonly Alert[], now: number): Omit<Audible, 'quiet'> {
    const flapping = new Set<string>();
    const told = alerts.filter((alert) => {
      const { key } = alert.labels;
      if (alert.status === 'resolved') return this.#damper.ends(key, alert, now) === 'tell';
      if (this.#damper.fires(key, this.#context.isTold(key), now) === 'tell_flapping') flapping.add(key);
      return true;
    });
    this.#armDamping();
    return { alerts: told, flapping };
  }

  #release(alerts: readonly Alert[]): void {
    this.#measure();
    if (alerts.length === 0) return;
    const now = this.#context.clock.now();
    this.#context.log.info('alerts_muted_no_more', { count: alerts.length });
    this.#tell(() => ({ ...this.#damp(alerts, now), quiet: NOBODY }));
  }

  #armDamping(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const due = this.#damper.dueAt();
    if (due === undefined || this.#stopped) return;
    const { clock } = this.#context;
    this.#timer = clock.timer(Math.max(0, due - clock.now()), () => this.#onSteady(), { unref: true });
  }

  #onSteady(): void {
    const ends = this.#damper.steady(this.#context.clock.now());
    const quiet = new Set(ends.filter((alert) => this.#quietEnds.has(alert)));
    if (ends.length > 0) this.#tell(() => ({ alerts: ends, quiet, flapping: NOBODY }));
    this.#armDamping();
    this.#measure();
  }

  /** From a timer: an error of ours must not end the process. */
  #tell(audible: () => Audible): void {
    try {
      this.#store.durably(() => this.#context.onAudible(audible()));
    } catch (error) {
      this.#context.log.error('alerts_not_routed', { reason: 'error', error: errorText(error) });
    }
  }

  #measure(): void {
    for (const by of MUTE_CAUSES) this.#mutedGauge.set(this.#muting.counts[by], { by });
    this.#flappingGauge.set(this.#damper.flapping);
  }
}
