import { Labels } from '../core/labels.ts';
import type { FiringInterval, ReplayResult } from './replay-result.ts';

/** What new rules would have changed. Durations in seconds; positive: more, longer or earlier than with the old ones. */
export interface ReplayComparison {
  readonly alerts: readonly ComparedAlert[];
  readonly owners: readonly ComparedOwner[];
}

export interface ComparedAlert {
  /** Without `severity`, by which alerts are not told apart here. */
  readonly labels: Readonly<Record<string, string>>;
  readonly change: 'added' | 'removed' | 'changed' | 'same';
  readonly firings_old: number;
  readonly firings_new: number;
  readonly firing_seconds_old: number;
  readonly firing_seconds_new: number;
  readonly intervals: readonly ComparedInterval[];
}

/** A time that an alert fired with one of the two sets of rules, or with both at overlapping times. */
export interface ComparedInterval {
  readonly change: 'added' | 'removed' | 'changed' | 'same';
  readonly old: FiringInterval | null;
  readonly new: FiringInterval | null;
  /** How much earlier it fires; null where only one does. */
  readonly earlier_seconds: number | null;
  /** How much longer; null where only one does. */
  readonly longer_seconds: number | null;
}

export interface ComparedOwner {
  readonly owner: string;
  readonly pages_old: number;
  readonly pages_new: number;
  readonly pages_per_week_old: number;
  readonly pages_per_week_new: number;
  readonly net_per_week: number;
}

interface Side {
  readonly labels: Labels;
  readonly intervals: FiringInterval[];
}

/** Both over the same time. */
export function compareReplays(old: ReplayResult, next: ReplayResult): ReplayComparison {
  const [before, after] = [sidesOf(old), sidesOf(next)];
  const keys = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  const endTs = Date.parse(next.end);
  const startTs = Date.parse(next.start);
  return {
    alerts: keys.map((key) => compared(before.get(key), after.get(key), startTs, endTs)),
    owners: ownersOf(old, next),
  };
}

function sidesOf({ alerts }: ReplayResult): ReadonlyMap<string, Side> {
  const sides = new Map<string, Side>();
  for (const alert of alerts) {
    if (alert.intervals.length === 0) continue;
    const labels = Labels.of(alert.labels).without('severity');
    const side = sides.get(labels.toString());
    if (side === undefined) sides.set(labels.toString(), { labels, intervals: [...alert.intervals] });
    else side.intervals.push(...alert.intervals);
  }
  for (const { intervals } of sides.values()) intervals.sort((a, b) => Date.parse(a.fired_at) - Date.parse(b.fired_at));
  return sides;
}

function compared(old: Side | undefined, next: Side | undefined, startTs: number, endTs: number): ComparedAlert {
  const intervals = pairsOf(old?.intervals ?? [], next?.intervals ?? [], endTs);
  const seconds = (side: Side | undefined): number =>
    (side?.intervals ?? []).reduce((sum, one) => sum + Math.max(0, endOf(one, endTs) - Math.max(startTs, Date.parse(one.fired_at))), 0) /
    1000;
  const changes = new Set(intervals.map(({ change }) => change));
  const [only = 'same'] = changes;
  return {
    labels: (next ?? old)?.labels.toObject() ?? {},
    change: changes.size > 1 ? 'changed' : only,
    firings_old: old?.intervals.length ?? 0,
    firings_new: next?.intervals.length ?? 0,
    firing_seconds_old: seconds(old),
    firing_seconds_new: seconds(next),
    intervals,
  };
}

/** In the order of time each interval goes with the first one of the other side that overlaps it and is not taken. */
function pairsOf(old: readonly FiringInterval[], next: readonly FiringInterval[], endTs: number): readonly ComparedInterval[] {
  const left = [...old];
  const found: ComparedInterval[] = next.map((one) => {
    const at = left.findIndex(
      (other) => Date.parse(other.fired_at) <= endOf(one, endTs) && Date.parse(one.fired_at) <= endOf(other, endTs),
    );
    const [other] = at < 0 ? [] : left.splice(at, 1);
    return other === undefined ? single('added', null, one) : pair(other, one, endTs);
  });
  found.push(...left.map((one) => single('removed', one, null)));
  return found.toSorted((a, b) => firedAt(a) - firedAt(b));
}

function pair(old: FiringInterval, next: FiringInterval, endTs: number): ComparedInterval {
  const earlier = (Date.parse(old.fired_at) - Date.parse(next.fired_at)) / 1000;
  const length = (one: FiringInterval): number => endOf(one, endTs) - Date.parse(one.fired_at);
  const longer = (length(next) - length(old)) / 1000;
  const change = earlier === 0 && longer === 0 ? 'same' : 'changed';
  return { change, old, new: next, earlier_seconds: earlier, longer_seconds: longer };
}

function single(change: 'added' | 'removed', old: FiringInterval | null, next: FiringInterval | null): ComparedInterval {
  return { change, old, new: next, earlier_seconds: null, longer_seconds: null };
}

function endOf({ resolved_at: resolvedAt }: FiringInterval, endTs: number): number {
  return resolvedAt === null ? endTs : Date.parse(resolvedAt);
}

function firedAt({ old, new: next }: ComparedInterval): number {
  return Date.parse((next ?? old)?.fired_at ?? '');
}

function ownersOf(old: ReplayResult, next: ReplayResult): readonly ComparedOwner[] {
  const names = [...new Set([...old.owners, ...next.owners].map(({ owner }) => owner))].toSorted();
  return names.map((owner) => {
    const [before, after] = [old, next].map(({ owners }) => owners.find((one) => one.owner === owner));
    const [perWeekOld, perWeekNew] = [before?.pages_per_week ?? 0, after?.pages_per_week ?? 0];
    return {
      owner,
      pages_old: before?.pages ?? 0,
      pages_new: after?.pages ?? 0,
      pages_per_week_old: perWeekOld,
      pages_per_week_new: perWeekNew,
      net_per_week: Math.round(10 * (perWeekNew - perWeekOld)) / 10,
    };
  });
}
