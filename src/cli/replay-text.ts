import type { ReplayComparison } from '../app/replay-compare.ts';
import type { ReplayResult } from '../app/replay-result.ts';
import type { ReplayAnswer } from '../app/replay-spec.ts';
import { humanDuration } from '../core/duration.ts';
import { Labels } from '../core/labels.ts';
import { printable, table } from './table.ts';

const MAX_ALERTS = 50;
const MAX_NAMES = 12;

/** What a replay found, for people; `alert`: the only one that was asked for. */
export function answerText({ result, compared }: ReplayAnswer, alert?: string): string {
  const head = `${result.partial ? 'PARTIAL: it was stopped. ' : ''}${span(result)}\n`;
  const parts = [head, rulesText(result), quietText(result, alert), alertsText(result), ownersText(result), errorsText(result)];
  if (compared !== undefined) parts.push(comparisonText(compared.comparison));
  parts.push(...result.notes.map((note) => `note: ${printable(note)}\n`));
  if (result.holes > 0) parts.push(`note: ${result.holes} parts of the history could not be read\n`);
  return parts.filter((part) => part !== '').join('\n');
}

function span({ start, end }: ReplayResult): string {
  return `From ${start} to ${end} (${humanDuration(Date.parse(end) - Date.parse(start))})`;
}

function rulesText({ rules }: ReplayResult): string {
  const rows = rules
    .filter((rule) => rule.type === 'alerting' && rule.firings + rule.firing_at_start + rule.pending_only > 0)
    .map((rule) => [
      printable(rule.rule),
      String(rule.firings + rule.firing_at_start),
      String(rule.alerts),
      seconds(rule.firing_seconds),
      seconds(rule.longest_seconds),
      rule.pending_only === 0 ? '-' : `${rule.pending_only} (≤ ${seconds(rule.longest_pending_seconds)})`,
      rule.told.length > 0 ? printable(rule.told.join(', ')) : rule.firings > 0 ? 'nobody' : '-',
    ]);
  if (rows.length === 0) return 'No alert would have fired or come near to it.\n';
  return table([['RULE', 'FIRED', 'ALERTS', 'FIRING', 'LONGEST', 'ONLY PENDING', 'WOULD HAVE TOLD'], ...rows]);
}

function quietText({ rules }: ReplayResult, alert: string | undefined): string {
  const quiet = rules.filter(
    ({ rule, type, errors, firings, firing_at_start: atStart, pending_only: pendingOnly }) =>
      type === 'alerting' && (alert === undefined || rule === alert) && errors === null && firings + atStart + pendingOnly === 0,
  );
  if (quiet.length === 0) return '';
  const names = quiet.slice(0, MAX_NAMES).map(({ rule }) => printable(rule));
  const more = quiet.length > MAX_NAMES ? ` and ${quiet.length - MAX_NAMES} more` : '';
  return `Never: ${names.join(', ')}${more}\n`;
}

function alertsText({ alerts }: ReplayResult): string {
  const fired = alerts.filter(({ intervals }) => intervals.length > 0);
  if (fired.length === 0) return '';
  const rows = fired
    .slice(0, MAX_ALERTS)
    .map((alert) => [
      String(alert.firings + alert.firing_at_start),
      seconds(alert.firing_seconds),
      minute(alert.first_fired_at),
      alert.intervals.length > 1 ? minute(alert.last_fired_at) : '',
      printable(Labels.of(alert.labels).toString()),
    ]);
  const more = fired.length > MAX_ALERTS ? `and ${fired.length - MAX_ALERTS} more alerts: --alert, --cluster or --json\n` : '';
  return table([['FIRED', 'FIRING', 'FIRST', 'LAST', 'ALERT'], ...rows]) + more;
}

function ownersText({ owners }: ReplayResult): string {
  if (owners.length === 0) return 'Nobody would have been told of anything.\n';
  const rows = owners.map(({ owner, incidents, pages, pages_per_week: perWeek, resolved, edits, ways }) => [
    printable(owner),
    String(incidents),
    String(pages),
    String(perWeek),
    String(resolved),
    String(edits),
    ways.map(({ integration }) => integration).join(', '),
  ]);
  return table([['OWNER', 'INCIDENTS', 'PAGES', 'A WEEK', 'ALL OVER', 'EDITS', 'BY'], ...rows]);
}

function errorsText({ rules }: ReplayResult): string {
  return rules
    .flatMap(({ rule, errors }) =>
      errors === null
        ? []
        : [`error: ${printable(rule)}: ${errors.count} evaluations failed, the first at ${errors.first_at}: ${printable(errors.error)}\n`],
    )
    .join('');
}

function comparisonText({ alerts, owners }: ReplayComparison): string {
  const changed = alerts.filter(({ change }) => change !== 'same');
  const rows = changed
    .slice(0, MAX_ALERTS)
    .map((alert) => [
      alert.change,
      `${alert.firings_old} → ${alert.firings_new}`,
      `${seconds(alert.firing_seconds_old)} → ${seconds(alert.firing_seconds_new)}`,
      shiftOf(alert.intervals),
      printable(Labels.of(alert.labels).toString()),
    ]);
  const more = changed.length > MAX_ALERTS ? `and ${changed.length - MAX_ALERTS} more: --json\n` : '';
  const alertTable =
    rows.length === 0
      ? 'Compared: every alert fires just as with the old rules.\n'
      : `Compared with the old rules:\n${table([['CHANGE', 'FIRED', 'FIRING', 'EARLIER (+) OR LATER (-)', 'ALERT'], ...rows])}${more}`;
  const ownerRows = owners.map((one) => [
    printable(one.owner),
    `${one.pages_old} → ${one.pages_new}`,
    `${one.net_per_week > 0 ? '+' : ''}${one.net_per_week}`,
  ]);
  return ownerRows.length === 0 ? alertTable : `${alertTable}\n${table([['OWNER', 'PAGES', 'NET A WEEK'], ...ownerRows])}`;
}

/** By how much firings that both have begin earlier or later. */
function shiftOf(intervals: ReplayComparison['alerts'][number]['intervals']): string {
  const shifts = intervals.flatMap(({ earlier_seconds: earlier }) => (earlier === null || earlier === 0 ? [] : [earlier]));
  if (shifts.length === 0) return '-';
  const [least, most] = [Math.min(...shifts), Math.max(...shifts)];
  const signed = (value: number): string => `${value > 0 ? '+' : '-'}${seconds(Math.abs(value))}`;
  return least === most ? signed(least) : `${signed(least)} … ${signed(most)}`;
}

function seconds(value: number): string {
  return value === 0 ? '-' : humanDuration(value * 1000);
}

function minute(time: string | null): string {
  return time === null ? '' : `${time.slice(0, 10)} ${time.slice(11, 19)}`;
}
