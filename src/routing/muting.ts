import type { Alert } from '../core/alert.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { Labels } from '../core/labels.ts';
import { isMuted, NOT_MUTED, silenceStateAt, type MutedBy, type Silence } from '../core/silence.ts';
import { InhibitionIndex, type InhibitRule } from './inhibition.ts';
import { SilenceIndex } from './silence-index.ts';

/** The maintenance windows that are open for a cluster; the answer holds until `until`, Belfry time (Infinity: for good). */
export type MaintenancePort = (cluster: string, now: number) => { readonly open: readonly string[]; readonly until: number };

export interface MutingOptions {
  readonly clock: Clock;
  /** The present configuration's. */
  readonly inhibitRules: () => readonly InhibitRule[];
  readonly maintenance: MaintenancePort;
  /** What a source inhibited stays inhibited for so long after it has ended: one that flaps lets nothing through. */
  readonly holdMs: () => number;
  /** For how long after the start an alert that something could inhibit waits for it to be known. */
  readonly startGraceMs: number;
  /** Whether the sources of a rule for alerts of a cluster would be known by now: the grace ends early for what only they could inhibit. */
  readonly sourcesKnown: (rule: InhibitRule, cluster: string) => boolean;
  /** Whether people have been told that the alert fires. */
  readonly isTold: (key: string) => boolean;
  /** Alerts that are muted no more without news of them, all at once. */
  readonly onReleased: (alerts: readonly Alert[]) => void;
}

/** What is left of a batch of alerts. */
export interface Heard {
  /** To be told: what is not muted, and whatever was told before. */
  readonly alerts: readonly Alert[];
  /** Of these the ones that nobody is to be pinged for: they are muted, or were when they ended. */
  readonly quiet: ReadonlySet<Alert>;
  /** Ended without ever being told, and why. */
  readonly untold: readonly { readonly alert: Alert; readonly because: string }[];
}

interface Entry {
  alert: Alert;
  updatedAt: number;
  silences: Set<string> | undefined;
  starting: boolean;
  /** What it was muted by when it was last looked at. */
  causes: number;
}

const CAUSES = { silence: 1, inhibition: 2, maintenance: 4, start: 8 } as const;
export type MuteCause = keyof typeof CAUSES;
export const MUTE_CAUSES = ['silence', 'inhibition', 'maintenance', 'start'] as const satisfies readonly MuteCause[];

/** Alerts named as inhibiting another. */
const INHIBITORS_SHOWN = 10;
/** How often it is asked whether the sources are known that alerts wait for. */
const KNOWN_POLL_MS = 100;

/**
 * All alerts that fire, and which of them nobody is told of now. Looks again at the few that a change can have changed:
 * alerts, silences, edges of maintenance windows, the end of the grace after a start.
 */
export class Muting {
  readonly #options: MutingOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #silences = new SilenceIndex();
  readonly #silenced = new Map<string, Set<string>>();
  readonly #byCluster = new Map<string, Set<string>>();
  readonly #maintenance = new Map<string, { readonly open: readonly string[]; readonly until: number }>();
  /** Sources that have ended, with when they stop to inhibit; the earliest first. */
  readonly #held = new Map<string, { readonly labels: Labels; readonly endsAt: number }>();
  /** What fired before a restart without anybody being told, until there is news of it. */
  readonly #untoldBefore = new Set<string>();
  readonly #counts: Record<MuteCause, number> = { silence: 0, inhibition: 0, maintenance: 0, start: 0 };
  #inhibition: InhibitionIndex;
  #graceEndsAt = -Infinity;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: MutingOptions) {
    this.#options = options;
    this.#inhibition = new InhibitionIndex(options.inhibitRules());
  }

  /**
   * Takes up what people were told before a restart and still fires: it inhibits, and is no news. Of the others among
   * `firingKeys` only the end is of interest, should it have come meanwhile. The grace begins.
   */
  start(told: Iterable<Alert>, firingKeys: Iterable<string>): void {
    const { clock, startGraceMs, isTold } = this.#options;
    for (const key of firingKeys) if (!isTold(key)) this.#untoldBefore.add(key);
    this.#graceEndsAt = startGraceMs > 0 ? clock.now() + startGraceMs : -Infinity;
    const touched = new Set<string>();
    for (const alert of told) this.#enter(alert, clock.now(), touched);
    this.#review(touched);
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** How many alerts are muted, by what; one that is by two counts for both. */
  get counts(): Readonly<Record<MuteCause, number>> {
    return this.#counts;
  }

  /** Takes in a batch; sources and targets of the same batch know of each other. */
  hear(batch: readonly Alert[], now: number): Heard {
    const { isTold } = this.#options;
    const touched = new Set<string>();
    const quiet = new Set<Alert>();
    const untold: { alert: Alert; because: string }[] = [];
    const heard: Alert[] = [];
    const fresh = new Set<string>();
    for (const alert of batch) {
      const { key } = alert.labels;
      const entry = this.#entries.get(key);
      const wasUntold = this.#untoldBefore.delete(key);
      if (alert.status === 'resolved') {
        if (entry === undefined && wasUntold) untold.push({ alert, because: this.#becauseAfterRestart(alert) });
        if (entry !== undefined && entry.causes !== 0) {
          if (isTold(key)) quiet.add(alert);
          else untold.push({ alert, because: this.#because(key, entry) });
        }
        this.#leave(key, now);
        heard.push(alert);
      } else if (entry === undefined) {
        this.#enter(alert, now, touched);
        fresh.add(key);
        heard.push(alert);
      } else {
        [entry.alert, entry.updatedAt] = [alert, now];
        heard.push(alert);
      }
    }
    for (const key of fresh) touched.add(key);
    const released = this.#review(touched).filter(({ labels }) => !fresh.has(labels.key));
    this.#arm();
    const alerts = heard.filter((alert) => {
      if (alert.status === 'resolved' || this.#entries.get(alert.labels.key)?.causes === 0) return true;
      // What is told already goes on as it is: its texts are brought up to date, without a ping.
      const goesOn = isTold(alert.labels.key);
      if (goesOn) quiet.add(alert);
      return goesOn;
    });
    return { alerts: [...alerts, ...released], quiet, untold };
  }

  /** A silence was made, changed, began or ended. */
  silenceChanged(silence: Silence): void {
    const { clock } = this.#options;
    const touched = new Set<string>();
    const { id } = silence;
    for (const key of this.#silenced.get(id) ?? []) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      entry.silences?.delete(id);
      touched.add(key);
    }
    this.#silenced.delete(id);
    this.#silences.remove(id);
    // People say by the clock on the wall when it begins and ends.
    if (silenceStateAt(silence, clock.wall()) === 'active') {
      this.#silences.add(silence);
      for (const [key, entry] of this.#entries) {
        if (!silence.matchers.every((matcher) => matcher.matchesLabels(entry.alert.labels))) continue;
        this.#silence(key, entry, id);
        touched.add(key);
      }
    }
    this.#release(touched);
  }

  /** The inhibition rules or maintenance windows were replaced: everything is looked at again. */
  reload(): void {
    this.#inhibition = new InhibitionIndex(this.#options.inhibitRules());
    this.#maintenance.clear();
    const touched = new Set(this.#entries.keys());
    for (const [key, { alert }] of this.#entries) this.#inhibition.add(key, alert.labels, touched);
    // A reload must not let through what one that has just ended holds back.
    for (const [key, { labels }] of this.#held) {
      this.#inhibition.add(key, labels, touched);
      this.#inhibition.removeTarget(key);
      if (!this.#inhibition.isSource(key)) this.#held.delete(key);
    }
    this.#release(touched);
  }

  /** All that inhibits is known: nobody waits any longer. */
  endGrace(): void {
    this.#graceEndsAt = -Infinity;
    const touched = new Set<string>();
    this.#endWaits(touched);
    this.#release(touched);
  }

  isMuted(key: string): boolean {
    return (this.#entries.get(key)?.causes ?? 0) !== 0;
  }

  /** Whether an alert with these labels would be silenced. */
  isSilenced(alert: Alert): boolean {
    return this.#silences.matching(alert.labels).length > 0;
  }

  mutedByOf(key: string): MutedBy {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.causes === 0) return NOT_MUTED;
    const { silences, starting, alert } = entry;
    return {
      silences: [...(silences ?? [])].toSorted(),
      inhibitedBy: this.#inhibition.inhibitorsOf(key, INHIBITORS_SHOWN),
      maintenance: this.#windowsOf(alert.labels.get('cluster')),
      starting,
    };
  }

  /** Every alert that fires, with the time of its last news. */
  *firing(): Generator<{ readonly alert: Alert; readonly updatedAt: number }, void> {
    for (const { alert, updatedAt } of this.#entries.values()) yield { alert, updatedAt };
  }

  #enter(alert: Alert, now: number, touched: Set<string>): void {
    const { key } = alert.labels;
    const entry: Entry = { alert, updatedAt: now, silences: undefined, starting: false, causes: 0 };
    this.#entries.set(key, entry);
    this.#held.delete(key);
    this.#inhibition.add(key, alert.labels, touched);
    entry.starting = now < this.#graceEndsAt && !this.#options.isTold(key) && this.#mustWait(key, alert);
    for (const id of this.#silences.matching(alert.labels)) this.#silence(key, entry, id);
    const cluster = alert.labels.get('cluster');
    this.#byCluster.set(cluster, (this.#byCluster.get(cluster) ?? new Set()).add(key));
    touched.add(key);
  }

  /** Whether something that is not known yet may inhibit it. */
  #mustWait(key: string, { labels }: Alert, known = new Map<InhibitRule, Map<string, boolean>>()): boolean {
    const cluster = labels.get('cluster');
    return this.#inhibition.rulesOver(key).some((rule) => {
      const byCluster = known.get(rule) ?? new Map<string, boolean>();
      known.set(rule, byCluster);
      const isKnown = byCluster.get(cluster) ?? this.#options.sourcesKnown(rule, cluster);
      byCluster.set(cluster, isKnown);
      return !isKnown;
    });
  }

  #endWaits(touched: Set<string>): void {
    const isOver = this.#graceEndsAt === -Infinity;
    const known = new Map<InhibitRule, Map<string, boolean>>();
    for (const [key, entry] of this.#entries) {
      if (!entry.starting || (!isOver && this.#mustWait(key, entry.alert, known))) continue;
      entry.starting = false;
      touched.add(key);
    }
  }

  #leave(key: string, now: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#count(entry, 0);
    this.#entries.delete(key);
    for (const id of entry.silences ?? []) this.#silenced.get(id)?.delete(key);
    const cluster = entry.alert.labels.get('cluster');
    const others = this.#byCluster.get(cluster);
    others?.delete(key);
    if (others?.size === 0) {
      this.#byCluster.delete(cluster);
      this.#maintenance.delete(cluster);
    }
    this.#inhibition.removeTarget(key);
    if (this.#inhibition.isSource(key)) this.#held.set(key, { labels: entry.alert.labels, endsAt: now + this.#options.holdMs() });
  }

  #silence(key: string, entry: Entry, id: string): void {
    entry.silences = (entry.silences ?? new Set()).add(id);
    this.#silenced.set(id, (this.#silenced.get(id) ?? new Set()).add(key));
  }

  /** Looks again at these; returns those that were muted, are so no more, and have not been told. */
  #review(touched: Iterable<string>): readonly Alert[] {
    const released: Alert[] = [];
    for (const key of touched) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      const before = entry.causes;
      this.#count(entry, this.#causesOf(key, entry));
      if (before !== 0 && entry.causes === 0 && !this.#options.isTold(key)) released.push(entry.alert);
    }
    return released;
  }

  #release(touched: Iterable<string>): void {
    const released = this.#review(touched);
    this.#arm();
    this.#options.onReleased(released);
  }

  #causesOf(key: string, { silences, starting, alert }: Entry): number {
    let causes = 0;
    if (silences !== undefined && silences.size > 0) causes |= CAUSES.silence;
    if (this.#inhibition.isInhibited(key)) causes |= CAUSES.inhibition;
    if (this.#windowsOf(alert.labels.get('cluster')).length > 0) causes |= CAUSES.maintenance;
    if (starting) causes |= CAUSES.start;
    return causes;
  }

  #count(entry: Entry, causes: number): void {
    for (const cause of MUTE_CAUSES) {
      const bit = CAUSES[cause];
      this.#counts[cause] += Number((causes & bit) !== 0) - Number((entry.causes & bit) !== 0);
    }
    entry.causes = causes;
  }

  /** What is about no cluster is about Belfry itself: work on clusters does not explain it. */
  #windowsOf(cluster: string): readonly string[] {
    if (cluster === '') return [];
    let known = this.#maintenance.get(cluster);
    if (known === undefined) {
      known = this.#options.maintenance(cluster, this.#options.clock.now());
      this.#maintenance.set(cluster, known);
    }
    return known.open;
  }

  /** One timer, for what comes first: the end of a hold, the edge of a window, the end of the grace. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#stopped) return;
    const { clock } = this.#options;
    const now = clock.now();
    let due = Infinity;
    for (const { endsAt } of this.#held.values()) {
      due = endsAt;
      break;
    }
    for (const { until } of this.#maintenance.values()) due = Math.min(due, until);
    if (this.#counts.start > 0) due = Math.min(due, this.#graceEndsAt, now + KNOWN_POLL_MS);
    if (due !== Infinity) this.#timer = clock.timer(Math.max(0, due - now), () => this.#onTimer(), { unref: true });
  }

  #onTimer(): void {
    const now = this.#options.clock.now();
    const touched = new Set<string>();
    for (const [key, { endsAt }] of this.#held) {
      if (endsAt > now) break;
      this.#held.delete(key);
      this.#inhibition.removeSource(key, touched);
    }
    for (const [cluster, known] of this.#maintenance) {
      if (known.until > now) continue;
      const next = this.#options.maintenance(cluster, now);
      this.#maintenance.set(cluster, next);
      if (next.open.join('\n') === known.open.join('\n')) continue;
      for (const key of this.#byCluster.get(cluster) ?? []) touched.add(key);
    }
    if (now >= this.#graceEndsAt) this.#graceEndsAt = -Infinity;
    if (this.#counts.start > 0) this.#endWaits(touched);
    this.#release(touched);
  }

  #becauseAfterRestart({ labels }: Alert): string {
    const { maintenance, clock } = this.#options;
    const cluster = labels.get('cluster');
    const windows = cluster === '' ? [] : maintenance(cluster, clock.now()).open;
    const parts = [...this.#silences.matching(labels).map((id) => `silence ${id}`), ...windows.map((name) => `maintenance ${name}`)];
    return [...parts, 'it ended while Belfry was not running'].join(', ');
  }

  #because(key: string, entry: Entry): string {
    const mutedBy = this.mutedByOf(key);
    if (!isMuted(mutedBy)) return '';
    const inhibitors = mutedBy.inhibitedBy.map((source) => this.#entries.get(source)?.alert.labels.toString() ?? 'an alert that has ended');
    const parts = [
      ...mutedBy.silences.map((id) => `silence ${id}`),
      ...mutedBy.maintenance.map((name) => `maintenance ${name}`),
      ...inhibitors.slice(0, 3).map((labels) => `inhibited by ${labels}`),
      ...(entry.starting ? ['it ended while Belfry was starting'] : []),
    ];
    return parts.join(', ');
  }
}
