import type { RouteContext } from '../server.ts';
import { whileAwaited } from './awaited.ts';
import { BelfryError } from '../../core/errors.ts';
import {
  durationParameter,
  invalid,
  limitParameter,
  lookbackParameter,
  parametersOf,
  reading,
  readingInTurns,
  timeParameter,
} from './parameters.ts';
import { success } from './prometheus.ts';
import { queryOptions, sendAnswer } from './query-answer.ts';

/** Steps beyond which Prometheus refuses a range: more points than anybody's screen has. */
const STEPS_MAX = 11_000;
const TOO_MANY_STEPS = 'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)';

/** `/api/v1/query_range`, refusing in the order in which Prometheus does (web/api/v1, `queryRange`), and what is told of an expression. */
export function queryRangeRoutes({ server, access, ports }: RouteContext): void {
  const about = (url: string, shown: (expression: string) => unknown): void => {
    server.route({
      method: ['GET', 'POST'],
      url,
      handler: async (request) => {
        access.require('read', request.headers);
        const expression = parametersOf(request).get('query') ?? '';
        return success(reading(() => shown(expression), 'query'));
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
      const lookbackMs = lookbackParameter(parameters);
      const answer = await whileAwaited(request, (signal) => {
        const options = queryOptions(parameters, signal, { timeoutMs, lookbackMs });
        return readingInTurns(() => ports.query.range(parameters.get('query') ?? '', range, options), 'query');
      });
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
  if (Math.floor((endTs - startTs) / stepMs) > STEPS_MAX) throw new BelfryError('BAD_REQUEST', TOO_MANY_STEPS);
  return { startTs, endTs, stepMs: Math.trunc(stepMs) };
}

function requiredTime(parameters: URLSearchParams, name: string): number {
  const ts = timeParameter(parameters, name);
  if (ts === undefined) throw invalid(name, 'cannot parse "" to a valid timestamp');
  return ts;
}
