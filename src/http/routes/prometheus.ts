import type { FastifyRequest } from 'fastify';
import { parseDuration } from '../../core/duration.ts';
import { BelfryError } from '../../core/errors.ts';
import { formatExponent, formatFloat, parseFloatText } from '../../core/number-format.ts';
import type { AlertView, QueryAnswer, QueryResult, RuleGroupView, RuleView } from '../ports.ts';
import type { RouteContext } from '../server.ts';

/** The part of the Prometheus HTTP API v1 that there is: query, rules, alerts. */
export function prometheusRoutes({ server, access, ports }: RouteContext): void {
  server.route({
    method: ['GET', 'POST'],
    url: '/api/v1/query',
    handler: async (request) => {
      access.require('read', request.headers);
      const parameters = parametersOf(request);
      const time = parameters.get('time');
      const answer = ports.query.instant(parameters.get('query') ?? '', time === null ? ports.query.now() : parseTime(time, 'time'), {
        ...durationParameter(parameters, 'timeout', 'timeoutMs'),
        ...durationParameter(parameters, 'lookback_delta', 'lookbackMs'),
      });
      return success(resultJson(answer.result), answer);
    },
  });

  server.get('/api/v1/rules', async (request) => {
    access.require('read', request.headers);
    return success({ groups: filterGroups(ports.rules.groups(), parametersOf(request)).map((group) => group.json) });
  });

  server.get('/api/v1/alerts', async (request) => {
    access.require('read', request.headers);
    const alerts = ports.rules.groups().flatMap((group) => group.rules.flatMap((rule) => rule.alerts));
    return success({ alerts: alerts.filter(({ state }) => state !== 'inactive').map(alertJson) });
  });
}

function success(data: unknown, answer?: Pick<QueryAnswer, 'warnings' | 'infos'>) {
  return {
    status: 'success',
    data,
    ...(answer !== undefined && answer.warnings.length > 0 ? { warnings: answer.warnings } : {}),
    ...(answer !== undefined && answer.infos.length > 0 ? { infos: answer.infos } : {}),
  };
}

/** Query parameters and, for a POST, the form's; the form wins where both have a name, as Go's `Request.FormValue`. */
function parametersOf(request: FastifyRequest): URLSearchParams {
  const at = request.url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : request.url.slice(at + 1));
  if (!(request.body instanceof URLSearchParams)) return query;
  const both = new URLSearchParams(request.body);
  for (const [name, value] of query) both.append(name, value);
  return both;
}

/** Unix seconds with a fraction, or RFC 3339; milliseconds. */
function parseTime(text: string, name: string): number {
  const seconds = parseFloatText(text);
  if (seconds !== undefined && Number.isFinite(seconds)) return Math.round(seconds * 1000);
  const parsed = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(parsed))
    throw new BelfryError('BAD_REQUEST', `invalid parameter "${name}": cannot parse ${JSON.stringify(text)} to a valid timestamp`);
  return parsed;
}

function durationParameter<Key extends string>(parameters: URLSearchParams, name: string, key: Key): { [K in Key]?: number } {
  const text = parameters.get(name);
  if (text === null || text === '') return {};
  const seconds = parseFloatText(text);
  const result: { [K in Key]?: number } = {};
  result[key] = seconds === undefined ? parseDuration(text) : seconds * 1000;
  return result;
}

/** `[1435781451.781, "1"]`: seconds as a number, the value as a text. */
function pair(ts: number, value: number): readonly [number, string] {
  return [ts / 1000, formatFloat(value)];
}

function resultJson(result: QueryResult) {
  switch (result.type) {
    case 'scalar':
      return { resultType: 'scalar', result: pair(result.ts, result.value) };
    case 'string':
      return { resultType: 'string', result: [result.ts / 1000, result.text] };
    case 'vector':
      return {
        resultType: 'vector',
        result: result.samples.map(({ labels, value }) => ({ metric: labels.toObject(), value: pair(result.ts, value) })),
      };
    case 'matrix':
      return {
        resultType: 'matrix',
        result: result.series.map(({ labels, points }) => ({
          metric: labels.toObject(),
          values: points.map(([ts, value]) => pair(ts, value)),
        })),
      };
  }
}

function filterGroups(groups: readonly RuleGroupView[], parameters: URLSearchParams): readonly { json: object }[] {
  const type = parameters.get('type') ?? '';
  if (!['', 'alert', 'record'].includes(type))
    throw new BelfryError('BAD_REQUEST', `invalid parameter "type": not supported value ${JSON.stringify(type)}`);
  const wanted = (name: string): ((value: string) => boolean) => {
    const values = [...parameters.getAll(name), ...parameters.getAll(`${name}[]`)];
    return (value) => values.length === 0 || values.includes(value);
  };
  const [group, file, rule] = [wanted('rule_group'), wanted('file'), wanted('rule_name')];
  const withAlerts = parameters.get('exclude_alerts') !== 'true';
  const filtered = parameters.has('rule_name') || parameters.has('rule_name[]') || type !== '';
  return groups
    .filter((candidate) => group(candidate.name) && file(candidate.file))
    .map((candidate) => ({
      candidate,
      rules: candidate.rules.filter(({ kind, name }) => rule(name) && (type === '' || (kind === 'alerting') === (type === 'alert'))),
    }))
    .filter(({ rules }) => rules.length > 0 || !filtered)
    .map(({ candidate, rules }) => ({ json: groupJson(candidate, rules, withAlerts) }));
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
  if (rule.kind === 'recording') return { ...shared, labels: rule.labels.toObject(), type: 'recording' };
  return {
    state: rule.state,
    ...shared,
    duration: rule.durationMs / 1000,
    keepFiringFor: rule.keepFiringForMs / 1000,
    labels: rule.labels.toObject(),
    annotations: rule.annotations.toObject(),
    alerts: withAlerts ? rule.alerts.filter(({ state }) => state !== 'inactive').map(alertJson) : [],
    type: 'alerting',
  };
}

function alertJson(alert: AlertView) {
  return {
    labels: alert.labels.toObject(),
    annotations: alert.annotations.toObject(),
    state: alert.state,
    activeAt: rfc3339(alert.activeAt),
    ...(alert.keepFiringSince === undefined ? {} : { keepFiringSince: rfc3339(alert.keepFiringSince) }),
    value: formatExponent(alert.value),
  };
}

/** Go prints the zero time for what never happened. */
function rfc3339(ts: number): string {
  return ts <= 0 ? '0001-01-01T00:00:00Z' : new Date(ts).toISOString();
}
