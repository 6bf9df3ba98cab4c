import type { Alert } from '../../src/core/alert.ts';
import { matchesAll } from '../../src/core/matcher.ts';
import type { Silence } from '../../src/core/silence.ts';
import type { InhibitRule } from '../../src/routing/inhibition.ts';

/** From one beginning of an alert to the next. */
interface Life {
  readonly alert: Alert;
  readonly begun: number;
  /** 0 while it fires. */
  ended: number;
  /** Whether there was a moment at which people could be told. */
  everAudible: boolean;
  /** Since when nothing has muted it; 0 while something does. */
  audibleSince: number;
  /** Whether it was muted when it ended. */
  endedMuted: boolean;
}

export interface Window {
  readonly cluster: string;
  readonly from: number;
  readonly until: number;
}

/**
 * What mutes what, word by word: every alert against every silence, window and rule. In the grace after a start neither
 * that an alert is muted nor that it is not is certain.
 */
export class QuietModel {
  readonly lives = new Map<string, Life>();
  readonly silences = new Map<string, Silence>();
  readonly windows: Window[] = [];
  rules: readonly InhibitRule[];
  graceEndsAt = 0;
  readonly #holdMs: number;
  /** Ended sources, and until when they inhibit. */
  readonly #held = new Map<string, { readonly alert: Alert; readonly until: number }>();

  constructor(rules: readonly InhibitRule[], holdMs: number) {
    this.rules = rules;
    this.#holdMs = holdMs;
  }

  get firing(): readonly Life[] {
    return [...this.lives.values()].filter(({ ended }) => ended === 0);
  }

  fire(alert: Alert, now: number): void {
    this.#held.delete(alert.labels.key);
    const life = { alert, begun: now, ended: 0, everAudible: false, audibleSince: 0, endedMuted: false };
    this.lives.set(alert.labels.key, life);
  }

  end(key: string, now: number): void {
    const life = this.lives.get(key);
    if (life === undefined || life.ended > 0) return;
    life.endedMuted = this.isMuted(life.alert, now);
    [life.ended, life.audibleSince] = [now, 0];
    if (this.rules.some(({ sourceMatchers }) => matchesAll(sourceMatchers, life.alert.labels)))
      this.#held.set(key, { alert: life.alert, until: now + this.#holdMs });
  }

  replaceRules(rules: readonly InhibitRule[]): void {
    this.rules = rules;
    for (const [key, { alert }] of this.#held)
      if (!rules.some(({ sourceMatchers }) => matchesAll(sourceMatchers, alert.labels))) this.#held.delete(key);
  }

  /** What ended before is no source after a start. */
  restart(graceEndsAt: number): void {
    this.#held.clear();
    this.graceEndsAt = graceEndsAt;
  }

  /** Takes in that time has come to `now`. */
  look(now: number): void {
    for (const [key, { until }] of this.#held) if (until <= now) this.#held.delete(key);
    for (const life of this.firing) {
      const isMuted = this.isMuted(life.alert, now);
      if (!isMuted) life.everAudible = true;
      if (isMuted || now < this.graceEndsAt) life.audibleSince = 0;
      else if (life.audibleSince === 0) life.audibleSince = now;
    }
  }

  isMuted(target: Alert, now: number): boolean {
    const { labels } = target;
    for (const { matchers, startsAt, endsAt } of this.silences.values())
      if (startsAt <= now && now < endsAt && matchesAll(matchers, labels)) return true;
    for (const { cluster, from, until } of this.windows) if (cluster === labels.get('cluster') && from <= now && now < until) return true;
    const sources = [...this.firing.map(({ alert }) => alert), ...[...this.#held.values()].map(({ alert }) => alert)];
    return this.rules.some(({ sourceMatchers, targetMatchers, equal }) => {
      if (!matchesAll(targetMatchers, labels)) return false;
      const isBoth = matchesAll(sourceMatchers, labels);
      return sources.some(
        (source) =>
          matchesAll(sourceMatchers, source.labels) &&
          !(isBoth && matchesAll(targetMatchers, source.labels)) &&
          equal.every((name) => source.labels.get(name) === labels.get(name)),
      );
    });
  }

  /** When something may change by itself next. */
  nextEdge(now: number): number {
    const edges = [
      this.graceEndsAt,
      ...[...this.silences.values()].flatMap(({ startsAt, endsAt }) => [startsAt, endsAt]),
      ...this.windows.flatMap(({ from, until }) => [from, until]),
      ...[...this.#held.values()].map(({ until }) => until),
    ];
    return Math.min(Infinity, ...edges.filter((at) => at > now));
  }
}
