import { formatDuration } from '../core/duration.ts';
import { children, isComparison, unwrapParens } from '../promql/ast.ts';
import { parse } from '../promql/parse.ts';
import { print } from '../promql/printer.ts';
import { mayHaveLabel } from './lint-labels.ts';
import type { ComparisonOp, Expr, VectorSelector } from '../promql/ast.ts';
import type { LintedRule } from './lint.ts';

/** Names that every rule engine makes by itself. */
const MADE: ReadonlySet<string> = new Set(['ALERTS', 'ALERTS_FOR_STATE']);
/** Gauges with the ending of a counter: kafka_exporter's sums of partitions, and an average that jmx_exporter calls a total. */
const GAUGES = /^kafka_consumergroup_(lag|current_offset)_sum$|percent_total$/;
const COUNTER = /_(total|count|sum|bucket)$/;
const ABSENCE: ReadonlySet<string> = new Set(['absent', 'absent_over_time']);
const DISK_SPACE =
  /filesystem_(avail|free|size|files)|log_dir_(usable|total|used)_bytes|disk_(free|used|avail)|volume_stats_(available|capacity|used)/;

/** A metric that was never seen: the rule can never fire. What `absent()` looks for need not be there. */
export function unknownMetric({ rule, expr, promql, metrics, recorded, nearest }: LintedRule): readonly string[] {
  const names = new Set([...metricNames(expr), ...recoverNames(rule, promql)]);
  return [...names]
    .filter((name) => !recorded.has(name) && !MADE.has(name) && metrics.seen(name) === false)
    .map((name) => `no series ${name} has ever been seen${nearest(name)}`);
}

function recoverNames(rule: LintedRule['rule'], promql: LintedRule['promql']): readonly string[] {
  return rule.kind === 'alerting' && rule.recover !== undefined ? metricNames(parse(rule.recover.text, promql)) : [];
}

function metricNames(expr: Expr): readonly string[] {
  if (expr.kind === 'call' && ABSENCE.has(expr.func)) return [];
  if (expr.kind === 'selector') {
    const name = nameOf(expr);
    return name === undefined ? [] : [name];
  }
  return children(expr).flatMap(metricNames);
}

function nameOf(selector: VectorSelector): string | undefined {
  return selector.name ?? selector.matchers.find(({ name, op }) => name === '__name__' && op === '=')?.value;
}

/** To Prometheus, which only looks at slots, such a `for` is as long as the interval. */
export function forBelowInterval({ rule, group }: LintedRule): readonly string[] {
  if (rule.kind !== 'alerting' || rule.forMs === 0 || rule.forMs >= group.intervalMs) return [];
  return [
    `for: ${formatDuration(rule.forMs)} is shorter than the interval of its group, ${formatDuration(group.intervalMs)}: ` +
      'one evaluation may not see what it is to wait for',
  ];
}

/** A counter only rises: once above a number it stays there until a restart. */
export function rawCounter({ expr, metrics }: LintedRule): readonly string[] {
  return conditions(expr).flatMap((condition) => {
    const { op, value, side } = condition;
    if (!['>', '>=', '!='].includes(op)) return [];
    const counter = countedIn(side, metrics);
    if (counter === undefined) return [];
    return [`${counter} ${op} ${value}: a counter only rises, so that this holds on once it has; compare increase(${counter}[5m])`];
  });
}

/** The counter whose plain value this is, summed up or not. */
function countedIn(expr: Expr, metrics: LintedRule['metrics']): string | undefined {
  const inner = unwrapParens(expr);
  if (inner.kind === 'aggregate' && ['sum', 'min', 'max', 'avg', 'topk', 'bottomk'].includes(inner.op))
    return countedIn(inner.expr, metrics);
  if (inner.kind !== 'selector') return undefined;
  const name = nameOf(inner);
  if (name === undefined) return undefined;
  const type = metrics.typeOf(name);
  if (type !== undefined && type !== 'unknown') return type === 'counter' ? name : undefined;
  return COUNTER.test(name) && !GAUGES.test(name) ? name : undefined;
}

/** A comparison with a number: `side op value`. */
interface Condition {
  readonly op: ComparisonOp;
  readonly value: number;
  readonly side: Expr;
}

const MIRRORED: Readonly<Record<ComparisonOp, ComparisonOp>> = { '>': '<', '<': '>', '>=': '<=', '<=': '>=', '==': '==', '!=': '!=' };

/** The comparisons with a number that decide whether there is a result; not those inside arithmetic, which only filter. */
function conditions(expr: Expr): readonly Condition[] {
  const inner = unwrapParens(expr);
  if (inner.kind === 'aggregate') return conditions(inner.expr);
  if (inner.kind !== 'binary') return [];
  const { op, left, right } = inner;
  if (op === 'and' || op === 'or') return [...conditions(left), ...conditions(right)];
  if (op === 'unless') return conditions(left);
  if (!isComparison(op)) return [];
  const [leftNumber, rightNumber] = [numberOf(left), numberOf(right)];
  if (rightNumber !== undefined) return [{ op, value: rightNumber, side: left }];
  return leftNumber === undefined ? [] : [{ op: MIRRORED[op], value: leftNumber, side: right }];
}

function numberOf(expr: Expr): number | undefined {
  const inner = unwrapParens(expr);
  if (inner.kind === 'number') return inner.value;
  const value = inner.kind === 'unary' ? numberOf(inner.expr) : undefined;
  return value !== undefined && inner.kind === 'unary' && inner.op === '-' ? -value : value;
}

/** A recover threshold inside the range that fires: the alert would resolve while it still holds. */
export function recoverSide({ rule, expr, promql }: LintedRule): readonly string[] {
  if (rule.kind !== 'alerting' || rule.recover === undefined) return [];
  const [fires, ...more] = conditions(expr);
  const [recovers, ...others] = conditions(parse(rule.recover.text, promql));
  if (fires === undefined || recovers === undefined || more.length + others.length > 0) return [];
  if (print(unwrapParens(fires.side)) !== print(unwrapParens(recovers.side)) || !overlap(fires, recovers)) return [];
  return [
    `belfry_recover (${recovers.op} ${recovers.value}) holds for values that fire (${fires.op} ${fires.value}): ` +
      'it must lie on the other side of the threshold',
  ];
}

/** Whether some number satisfies both: each threshold and its neighbours tell, and what lies between the two. */
function overlap(a: Condition, b: Condition): boolean {
  // A neighbour has to be another number beside large thresholds, too.
  const step = a.value === b.value ? Math.max(1, Math.abs(a.value)) * 1e-9 : Math.abs(a.value - b.value) / 2;
  const probes = [a.value, b.value].flatMap((value) => [value - step, value, value + step]);
  return probes.some((probe) => holds(a, probe) && holds(b, probe));
}

function holds({ op, value }: Condition, probe: number): boolean {
  switch (op) {
    case '>':
      return probe > value;
    case '<':
      return probe < value;
    case '>=':
      return probe >= value;
    case '<=':
      return probe <= value;
    case '==':
      return probe === value;
    case '!=':
      return probe !== value;
  }
}

/** The auto-pilot acts on a cluster: an alert that does not say on which is never acted on. */
export function actionWithoutCluster({ rule, expr }: LintedRule): readonly string[] {
  if (rule.kind !== 'alerting' || rule.action === undefined || rule.action === 'notify' || mayHaveLabel(expr, 'cluster')) return [];
  return [`action: ${rule.action}, but the result of the expression cannot have the label cluster: nobody would know where to act`];
}

/** A broker with a full disk is not mended by a restart, which it may not survive. */
export function diskFullRepair({ rule, expr }: LintedRule): readonly string[] {
  if (rule.kind !== 'alerting' || rule.action !== 'repair') return [];
  const name = metricNames(expr).find((candidate) => DISK_SPACE.test(candidate));
  return name === undefined ? [] : [`action: repair on ${name}: a restart frees no disk, and a broker without space may not come up again`];
}
