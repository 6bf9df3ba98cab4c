import type { ResolveReason } from '../core/alert.ts';
import { compareLabels } from '../core/labels.ts';
import type { RuleSet } from '../rules/model.ts';
import type { AlertRecord, Firing, ReplayRecord } from '../rules/replay-record.ts';
import { failureKey, type RuleFailures } from '../rules/replay.ts';
import type { ReplayMessages } from './replay-routing.ts';

/**
 * What a replay found. This is the JSON of `belfry replay --json` and of the API, the same for the same samples and rules:
 * times are RFC 3339 with milliseconds, durations seconds, lists in the order of the rule files and then of labels.
 */
export interface ReplayResult {
  readonly start: string;
  readonly end: string;
  /** Evaluated before `start` so that `for` and recorded series have their past; nothing of it is counted. */
  readonly warmup_seconds: number;
  /** It was stopped: `end` is how far it came. */
  readonly partial: boolean;
  /** Parts of the stored history that could not be read. */
  readonly holes: number;
  readonly rules: readonly ReplayedRule[];
  readonly alerts: readonly ReplayedAlert[];
  readonly owners: readonly ReplayedOwner[];
  /** What a reader must know to read the figures right. */
  readonly notes: readonly string[];
}

export interface ReplayTotals {
  /** Times that it began to fire within the range. */
  readonly firings: number;
  /** It fired already when the range began. */
  readonly firing_at_start: number;
  /** Within the range, all alerts and times added up. */
  readonly firing_seconds: number;
  readonly longest_seconds: number;
  /** Times that it was pending and did not come to fire. */
  readonly pending_only: number;
  readonly longest_pending_seconds: number;
  /** Of the firings those that nobody was told of: inhibited, in maintenance, or without an owner. */
  readonly untold: number;
}

export interface ReplayedRule extends ReplayTotals {
  readonly file: string;
  readonly group: string;
  readonly rule: string;
  readonly type: 'alerting' | 'recording';
  /** Distinct label sets that fired. */
  readonly alerts: number;
  /** Receivers that would have been told, sorted. */
  readonly told: readonly string[];
  readonly errors: { readonly count: number; readonly first_at: string; readonly last_at: string; readonly error: string } | null;
}

export interface ReplayedAlert extends ReplayTotals {
  readonly file: string;
  readonly group: string;
  readonly rule: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly first_fired_at: string | null;
  readonly last_fired_at: string | null;
  readonly told: readonly string[];
  readonly intervals: readonly FiringInterval[];
}

export interface FiringInterval {
  readonly active_at: string;
  readonly fired_at: string;
  /** Null where it still fired at the end. */
  readonly resolved_at: string | null;
  readonly reason: ResolveReason | '';
  readonly told: readonly string[];
}

export interface ReplayedOwner {
  readonly owner: string;
  /** Incidents that the owner was told of. */
  readonly incidents: number;
  /** Messages that ping somebody because something is wrong, on the busiest of the owner's ways. */
  readonly pages: number;
  readonly pages_per_week: number;
  /** Loud messages that all is over, and edits that ping nobody. */
  readonly resolved: number;
  readonly edits: number;
  readonly ways: readonly {
    readonly receiver: string;
    readonly integration: string;
    readonly pages: number;
    readonly resolved: number;
    readonly edits: number;
  }[];
}

export interface ResultParts {
  readonly ruleSet: RuleSet;
  readonly record: ReplayRecord;
  readonly failures: ReadonlyMap<string, RuleFailures>;
  readonly messages: ReplayMessages;
  readonly startTs: number;
  readonly endTs: number;
  readonly warmupMs: number;
  readonly partial: boolean;
  readonly holes: number;
  readonly notes: readonly string[];
  readonly keeps: (alert: AlertRecord) => boolean;
}

const WEEK_MS = 7 * 86_400_000;

export function resultOf(parts: ResultParts): ReplayResult {
  const { startTs, endTs, record } = parts;
  const byRule = new Map<string, AlertRecord[]>();
  for (const alert of record.alerts) {
    if (!parts.keeps(alert)) continue;
    const firings = alert.firings.filter((firing) => (firing.resolvedAt ?? Infinity) > startTs);
    if (firings.length === 0 && alert.pendingOnly === 0) continue;
    const list = byRule.get(alert.ruleKey) ?? [];
    list.push({ ...alert, firings });
    byRule.set(alert.ruleKey, list);
  }
  const rules: ReplayedRule[] = [];
  const alerts: ReplayedAlert[] = [];
  for (const { file, name: group, rules: definitions } of parts.ruleSet.groups) {
    for (const [index, { key, name: rule, kind }] of definitions.entries()) {
      const found = (byRule.get(key) ?? []).toSorted((a, b) => compareLabels(a.labels, b.labels));
      const firings = found.flatMap((alert) => alert.firings);
      const failures = parts.failures.get(failureKey(file, group, index));
      rules.push({
        file,
        group,
        rule,
        type: kind,
        alerts: found.filter((alert) => alert.firings.length > 0).length,
        ...totals(firings, found, startTs, endTs),
        told: toldBy(firings),
        errors: failures === undefined ? null : errorsOf(failures),
      });
      for (const alert of found) alerts.push({ file, group, rule, ...alertOf(alert, startTs, endTs) });
    }
  }
  return {
    start: iso(startTs),
    end: iso(endTs),
    warmup_seconds: parts.warmupMs / 1000,
    partial: parts.partial,
    holes: parts.holes,
    rules,
    alerts,
    owners: ownersOf(parts.messages, endTs - startTs),
    notes: parts.notes,
  };
}

function alertOf(alert: AlertRecord, startTs: number, endTs: number): Omit<ReplayedAlert, 'file' | 'group' | 'rule'> {
  const { firings, labels } = alert;
  const [first, last] = [firings[0], firings.at(-1)];
  return {
    labels: labels.toObject(),
    ...totals(firings, [alert], startTs, endTs),
    first_fired_at: first === undefined ? null : iso(first.firedAt),
    last_fired_at: last === undefined ? null : iso(last.firedAt),
    told: toldBy(firings),
    intervals: firings.map((firing) => ({
      active_at: iso(firing.activeAt),
      fired_at: iso(firing.firedAt),
      resolved_at: firing.resolvedAt === undefined ? null : iso(firing.resolvedAt),
      reason: firing.resolvedAt === undefined ? '' : firing.resolveReason,
      told: [...firing.told].toSorted(),
    })),
  };
}

function totals(firings: readonly Firing[], alerts: readonly AlertRecord[], startTs: number, endTs: number): ReplayTotals {
  const lengths = firings.map(({ firedAt, resolvedAt }) => Math.max(0, Math.min(resolvedAt ?? endTs, endTs) - Math.max(firedAt, startTs)));
  const atStart = firings.filter(({ firedAt }) => firedAt < startTs).length;
  return {
    firings: firings.length - atStart,
    firing_at_start: atStart,
    firing_seconds: lengths.reduce((sum, ms) => sum + ms, 0) / 1000,
    longest_seconds: lengths.reduce((longest, ms) => Math.max(longest, ms), 0) / 1000,
    pending_only: alerts.reduce((sum, { pendingOnly }) => sum + pendingOnly, 0),
    longest_pending_seconds: alerts.reduce((longest, { longestPendingMs }) => Math.max(longest, longestPendingMs), 0) / 1000,
    untold: firings.filter(({ told, firedAt }) => told.size === 0 && firedAt >= startTs).length,
  };
}

function toldBy(firings: readonly Firing[]): readonly string[] {
  return [...new Set(firings.flatMap(({ told }) => [...told]))].toSorted();
}

function errorsOf({ count, firstAt, lastAt, firstError }: RuleFailures): ReplayedRule['errors'] {
  return { count, first_at: iso(firstAt), last_at: iso(lastAt), error: firstError };
}

function ownersOf(messages: ReplayMessages, rangeMs: number): readonly ReplayedOwner[] {
  const { counts } = messages;
  return [...new Set(counts.map(({ owner }) => owner))].map((owner) => {
    const ways = counts.filter((count) => count.owner === owner);
    const most = (of: 'pages' | 'resolved' | 'edits'): number => Math.max(0, ...ways.map((way) => way[of]));
    const pages = most('pages');
    return {
      owner,
      incidents: messages.incidentsOf(owner),
      pages,
      pages_per_week: rangeMs > 0 ? Math.round((10 * pages * WEEK_MS) / rangeMs) / 10 : 0,
      resolved: most('resolved'),
      edits: most('edits'),
      ways: ways.map(({ receiver, integration, pages: loud, resolved, edits }) => ({
        receiver,
        integration,
        pages: loud,
        resolved,
        edits,
      })),
    };
  });
}

function iso(ts: number): string {
  return new Date(ts).toISOString();
}
