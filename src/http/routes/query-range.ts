import type { RouteContext } from '../server.ts';
import { durationParameter, invalid, limitParameter, parametersOf, timeParameter } from './parameters.ts';
import { success } from './prometheus.ts';
import { sendAnswer, whileAwaited } from './query-answer.ts';

/** Steps beyond which Prometheus refuses a range: more points than anybody's screen has. */
const STEPS_MAX = 11_000;

/** `/api/v1/query_range`, refusing in the order in which Prometheus does (web/api/v1, `queryRange`), and what is told of an expression. */
export function queryRangeRoutes({ server, access, ports }: RouteContext): void {
  const about = (url: string, shown: (expression: string) => unknown): void => {
    server.route({
      method: ['GET', 'POST'],
      url,
      handler: async (request) => {
        access.require('read', request.headers);
        return success(shown(parametersOf(request).get('query') ?? ''));
      },
    });
  };
  about('/api/v1/format_query', (expression) => ports.query.format(expression));
  about('/api/v1/parse_query', (expression) => ports.query.tree(expression));

  server.route({
    method: ['GET', 'POST'],
    url: '/api/v1/query_range',
    handler: async (request, reply) => {
      access.require('read', request.headers);
      const parameters = parametersOf(request);
      const limit = limitParameter(parameters);
      const range = rangeOf(parameters);
      const timeoutMs = durationParameter(parameters, 'timeout');
      const lookbackMs = durationParameter(parameters, 'lookback_delta');
      if (lookbackMs !== undefined && lookbackMs <= 0) throw invalid('lookback_delta', 'must be above zero');
      const answer = await whileAwaited(request, (signal) =>
        ports.query.range(parameters.get('query') ?? '', range, {
          signal,
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
          ...(lookbackMs === undefined ? {} : { lookbackMs }),
        }),
      );
      return sendAnswer(reply, answer, limit);
    },
  });
}

function rangeOf(parameters: URLSearchParams): { startTs: number; endTs: number; stepMs: number } {
  const startTs = requiredTime(parameters, 'start');
  const endTs = requiredTime(parameters, 'end');
  if (endTs < startTs) throw invalid('end', 'end timestamp must not be before start time');
  const stepMs = durationParameter(parameters, 'step');
  if (stepMs === undefined) throw invalid('step', 'cannot parse "" to a valid duration');
  // Time is counted in milliseconds: a shorter step would never get on.
  if (stepMs < 1) {
    const why =
      stepMs > 0 ? 'a step below one millisecond is not accepted' : 'zero or negative query resolution step widths are not accepted';
    throw invalid('step', `${why}. Try a positive integer`);
  }
  if (Math.floor((endTs - startTs) / stepMs) > STEPS_MAX)
    throw invalid('step', 'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)');
  return { startTs, endTs, stepMs: Math.trunc(stepMs) };
}

function requiredTime(parameters: URLSearchParams, name: string): number {
  const ts = timeParameter(parameters, name);
  if (ts === undefined) throw invalid(name, 'cannot parse "" to a valid timestamp');
  return ts;
}
