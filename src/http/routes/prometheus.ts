import { createHash } from 'node:crypto';
import { compareNames, Labels } from '../../core/labels.ts';
import { matchesAll } from '../../core/matcher.ts';
import { formatExponent } from '../../core/number-format.ts';
import type { AlertView, HttpPorts, RuleGroupView, RuleView } from '../ports.ts';
import type { RouteContext } from '../server.ts';
import { whileAwaited } from './awaited.ts';
import {
  booleanParameter,
  durationParameter,
  invalid,
  limitParameter,
  lookbackParameter,
  optionalTime,
  parametersOf,
  reading,
  readingInTurns,
  rfc3339,
} from './parameters.ts';
import { queryOptions, sendAnswer } from './query-answer.ts';

/** Of the Prometheus HTTP API v1: query, rules, alerts. */
export function prometheusRoutes({ server, access, ports }: RouteContext): void {
  server.route({
    method: ['GET', 'POST'],
    url: '/api/v1/query',
    handler: async (request, reply) => {
      access.require('read', request.headers);
      const parameters = parametersOf(request);
      const limit = limitParameter(parameters);
      const ts = optionalTime(parameters, 'time') ?? ports.query.now();
      const timeoutMs = durationParameter(parameters, 'timeout');
      const lookbackMs = lookbackParameter(parameters);
      const answer = await whileAwaited(request, (signal) => {
        const options = queryOptions(parameters, signal, { timeoutMs, lookbackMs });
        return readingInTurns(() => ports.query.instantInSlices(parameters.get('query') ?? '', ts, options), 'query');
      });
      return sendAnswer(reply, answer, limit);
    },
  });

  server.get('/api/v1/rules', async (request) => {
    access.require('read', request.headers);
    return success(groupsPage(ports, parametersOf(request)));
  });

  server.get('/api/v1/alerts', async (request) => {
    access.require('read', request.headers);
    const alerts = ports.rules.groups().flatMap((group) => group.rules.flatMap((rule) => rule.alerts));
    return success({ alerts: alerts.filter(({ state }) => state !== 'inactive').map(alertJson) });
  });
}

/** Prometheus's envelope of an answer. */
export function success(data: unknown) {
  return { status: 'success', data };
}

/** The groups that are asked for, as many as are wanted at once, and where the next page begins. */
function groupsPage(ports: HttpPorts, parameters: URLSearchParams) {
  const [limit, token] = [groupLimit(parameters), parameters.get('group_next_token') ?? ''];
  const withAlerts = !booleanParameter(parameters, 'exclude_alerts');
  const all = ports.rules.groups().toSorted((a, b) => compareNames(a.file, b.file) || compareNames(a.name, b.name));
  const from = token === '' ? 0 : all.findIndex((group) => tokenOf(group) === token);
  if (from < 0) throw invalid('group_next_token', `invalid group_next_token '${token}'. were rule groups changed?`);
  const groups = filterGroups(all.slice(from), ports, parameters);
  const next = groups[limit]?.group;
  return {
    groups: groups.slice(0, limit).map(({ group, rules }) => groupJson(group, rules, withAlerts)),
    ...(next === undefined ? {} : { groupNextToken: tokenOf(next) }),
  };
}

const MAX_GROUP_LIMIT = 2 ** 31 - 1;

function groupLimit(parameters: URLSearchParams): number {
  const text = parameters.get('group_limit') ?? '';
  if (text === '') {
    if ((parameters.get('group_next_token') ?? '') === '') return Infinity;
    throw invalid('group_next_token', 'group_limit needs to be present in order to paginate over the groups');
  }
  if (!/^[+-]?\d+$/.test(text) || Number(text) > MAX_GROUP_LIMIT)
    throw invalid('group_limit', `group_limit needs to be a valid number: ${JSON.stringify(text)}`);
  if (Number(text) <= 0) throw invalid('group_limit', 'group_limit needs to be greater than 0');
  return Number(text);
}

/** What stands for a group in the address of the page that begins with it; clients look for no meaning in it. */
function tokenOf({ file, name }: RuleGroupView): string {
  return createHash('sha256').update(`${file};${name}`).digest('hex');
}

interface FoundGroup {
  readonly group: RuleGroupView;
  readonly rules: readonly RuleView[];
}

/** Groups that have no rule, or none of those that are asked for, are left out. */
function filterGroups(groups: readonly RuleGroupView[], ports: HttpPorts, parameters: URLSearchParams): readonly FoundGroup[] {
  const [group, file] = [oneOf(parameters, 'rule_group'), oneOf(parameters, 'file')];
  const filters = ruleFilters(ports, parameters);
  return groups
    .filter((candidate) => group?.(candidate.name) !== false && file?.(candidate.file) !== false)
    .map((candidate) => ({ group: candidate, rules: candidate.rules.filter((rule) => filters.every((accepts) => accepts(rule))) }))
    .filter(({ rules }) => rules.length > 0);
}

function ruleFilters({ query }: HttpPorts, parameters: URLSearchParams): readonly ((rule: RuleView) => boolean)[] {
  const filters: ((rule: RuleView) => boolean)[] = [];
  const type = (parameters.get('type') ?? '').toLowerCase();
  if (!['', 'alert', 'record'].includes(type)) throw invalid('type', `not supported value ${JSON.stringify(type)}`);
  if (type !== '') filters.push(({ kind }) => (kind === 'alerting') === (type === 'alert'));
  const name = oneOf(parameters, 'rule_name');
  if (name !== undefined) filters.push((rule) => name(rule.name));
  const selectors = parameters.getAll('match[]').map((selector) => reading(() => query.matchers(selector)));
  // The labels as the rule has them: a template is its text.
  if (selectors.length > 0) filters.push(({ labels }) => selectors.some((matchers) => matchesAll(matchers, Labels.of(labels))));
  return filters;
}

/** Whether a value is among those of `name` and `name[]`; undefined where neither is given. */
function oneOf(parameters: URLSearchParams, name: string): ((value: string) => boolean) | undefined {
  const values = new Set([...parameters.getAll(name), ...parameters.getAll(`${name}[]`)]);
  return values.size === 0 ? undefined : (value) => values.has(value);
}

function groupJson(group: RuleGroupView, rules: readonly RuleView[], withAlerts: boolean) {
  return {
    name: group.name,
    file: group.file,
    rules: rules.map((rule) => ruleJson(rule, withAlerts)),
    interval: group.intervalMs / 1000,
    limit: group.limit,
    evaluationTime: group.evaluationTimeMs / 1000,
    lastEvaluation: rfc3339(group.lastEvaluation),
  };
}

function ruleJson(rule: RuleView, withAlerts: boolean) {
  const shared = {
    name: rule.name,
    query: rule.query,
    health: rule.health,
    ...(rule.lastError === '' ? {} : { lastError: rule.lastError }),
    evaluationTime: rule.evaluationTimeMs / 1000,
    lastEvaluation: rfc3339(rule.lastEvaluation),
  };
  if (rule.kind === 'recording') return { ...shared, labels: rule.labels, type: 'recording' };
  return {
    state: rule.state,
    ...shared,
    duration: rule.durationMs / 1000,
    keepFiringFor: rule.keepFiringForMs / 1000,
    labels: rule.labels,
    annotations: rule.annotations,
    alerts: withAlerts ? rule.alerts.filter(({ state }) => state !== 'inactive').map(alertJson) : null,
    type: 'alerting',
  };
}

function alertJson(alert: AlertView) {
  return {
    labels: alert.labels.toObject(),
    annotations: alert.annotations,
    state: alert.state,
    activeAt: rfc3339(alert.activeAt),
    ...(alert.keepFiringSince === undefined ? {} : { keepFiringSince: rfc3339(alert.keepFiringSince) }),
    value: formatExponent(alert.value),
  };
}
