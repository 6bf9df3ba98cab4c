import { AlertingRule } from './alerting-rule.ts';
import type { Labels } from '../core/labels.ts';
import type { GroupRunner } from './group-runner.ts';
import type { RuleHealth, RuleRunner } from './rule-runner.ts';

/** What the APIs show of a group. Times are milliseconds of Belfry time, 0 where there is none yet. */
export interface GroupSnapshot {
  readonly name: string;
  readonly file: string;
  readonly intervalMs: number;
  readonly queryOffsetMs: number;
  readonly limit: number;
  readonly rules: readonly RuleSnapshot[];
  readonly lastEvaluation: number;
  readonly evaluationTimeMs: number;
  readonly missedIterations: number;
}

interface RuleSnapshotBase {
  readonly name: string;
  readonly query: string;
  readonly health: RuleHealth;
  readonly lastError: string;
  readonly lastEvaluation: number;
  readonly evaluationTimeMs: number;
}

export interface RecordingRuleSnapshot extends RuleSnapshotBase {
  readonly type: 'recording';
  readonly labels: Readonly<Record<string, string>>;
}

export interface AlertingRuleSnapshot extends RuleSnapshotBase {
  readonly type: 'alerting';
  /** The highest of its alerts' states; `unknown` before the first evaluation. */
  readonly state: 'unknown' | 'inactive' | 'pending' | 'firing';
  readonly durationMs: number;
  readonly keepFiringForMs: number;
  /** As written, with their templates. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly alerts: readonly AlertSnapshot[];
}

export type RuleSnapshot = RecordingRuleSnapshot | AlertingRuleSnapshot;

/** A pending or firing alert. */
export interface AlertSnapshot {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: 'pending' | 'firing';
  readonly activeAt: number;
  readonly firedAt: number;
  readonly keepFiringSince: number;
  readonly value: number;
}

export function snapshotOf(group: GroupRunner): GroupSnapshot {
  const { definition } = group;
  return {
    name: definition.name,
    file: definition.file,
    intervalMs: definition.intervalMs,
    queryOffsetMs: definition.queryOffsetMs,
    limit: definition.limit,
    rules: group.rules.map(snapshotOfRule),
    lastEvaluation: group.lastEvaluationTs,
    evaluationTimeMs: group.evaluationTimeMs,
    missedIterations: group.missedIterations,
  };
}

function snapshotOfRule(runner: RuleRunner): RuleSnapshot {
  const { definition } = runner;
  const base = {
    name: definition.name,
    query: definition.expression.text,
    health: runner.health,
    lastError: runner.lastError,
    lastEvaluation: runner.lastEvaluationTs,
    evaluationTimeMs: runner.evaluationTimeMs,
  };
  if (definition.kind === 'recording') return { ...base, type: 'recording', labels: Object.fromEntries(definition.labels) };
  const texts = (list: typeof definition.labels): Record<string, string> =>
    Object.fromEntries(list.map(({ name, template }) => [name, template.text]));
  const alerts = runner.rule instanceof AlertingRule ? alertsOf(runner.rule) : [];
  const highest = alerts.some(({ state }) => state === 'firing') ? 'firing' : alerts.length > 0 ? 'pending' : 'inactive';
  return {
    ...base,
    type: 'alerting',
    state: runner.lastEvaluationTs === 0 && alerts.length === 0 ? 'unknown' : highest,
    durationMs: definition.forMs,
    keepFiringForMs: definition.keepFiringForMs,
    labels: texts(definition.labels),
    annotations: texts(definition.annotations),
    alerts,
  };
}

function alertsOf(rule: AlertingRule): readonly AlertSnapshot[] {
  const alerts: AlertSnapshot[] = [];
  for (const { state, labels, annotations, activeAt, firedAt, keepFiringSince, value } of rule.entries) {
    if (state !== 'inactive') alerts.push({ labels, annotations, state, activeAt, firedAt, keepFiringSince, value });
  }
  return alerts;
}
