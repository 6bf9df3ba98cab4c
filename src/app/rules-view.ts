import { Labels } from '../core/labels.ts';
import type { AlertView, RuleGroupView, RuleView } from '../http/ports.ts';
import type { AlertSnapshot, GroupSnapshot, RuleSnapshot } from '../rules/snapshot.ts';

/** The rule engine's state in the shape the HTTP API reads. */
export function rulesView(groups: readonly GroupSnapshot[]): readonly RuleGroupView[] {
  return groups.map((group) => ({ ...group, rules: group.rules.map(ruleView) }));
}

function ruleView(rule: RuleSnapshot): RuleView {
  const shared = {
    name: rule.name,
    query: rule.query,
    health: rule.health,
    lastError: rule.lastError,
    evaluationTimeMs: rule.evaluationTimeMs,
    lastEvaluation: rule.lastEvaluation,
    labels: Labels.of(rule.labels),
  };
  if (rule.type === 'recording') {
    return { ...shared, kind: 'recording', durationMs: 0, keepFiringForMs: 0, annotations: Labels.empty, state: 'unknown', alerts: [] };
  }
  return {
    ...shared,
    kind: 'alerting',
    durationMs: rule.durationMs,
    keepFiringForMs: rule.keepFiringForMs,
    annotations: Labels.of(rule.annotations),
    state: rule.state,
    alerts: rule.alerts.map(alertView),
  };
}

function alertView({ labels, annotations, state, activeAt, keepFiringSince, value }: AlertSnapshot): AlertView {
  return { labels, annotations, state, activeAt, keepFiringSince: keepFiringSince === 0 ? undefined : keepFiringSince, value };
}
