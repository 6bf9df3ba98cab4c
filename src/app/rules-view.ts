import type { AlertView, RuleGroupView, RuleView } from '../http/ports.ts';
import type { AlertingRuleSnapshot, AlertSnapshot, GroupSnapshot, RuleSnapshot } from '../rules/snapshot.ts';

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
    labels: rule.labels,
  };
  if (rule.type === 'recording') {
    return { ...shared, kind: 'recording', durationMs: 0, keepFiringForMs: 0, annotations: {}, state: 'unknown', alerts: [] };
  }
  return {
    ...shared,
    kind: 'alerting',
    durationMs: rule.durationMs,
    keepFiringForMs: rule.keepFiringForMs,
    annotations: rule.annotations,
    state: rule.state,
    alerts: rule.alerts.map((alert) => alertView(alert, rule)),
  };
}

/** An annotation whose template expands to nothing is one that is empty, as in Prometheus. */
function alertView(alert: AlertSnapshot, rule: AlertingRuleSnapshot): AlertView {
  const { labels, state, activeAt, keepFiringSince, value } = alert;
  const annotations = { ...Object.fromEntries(Object.keys(rule.annotations).map((name) => [name, ''])), ...alert.annotations.toObject() };
  return { labels, annotations, state, activeAt, keepFiringSince: keepFiringSince === 0 ? undefined : keepFiringSince, value };
}
