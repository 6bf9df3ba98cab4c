import { Readable } from 'node:stream';
import { OPENMETRICS_TYPE } from '../../formats/openmetrics-text.ts';
import type { RouteContext } from '../server.ts';
import { invalid, parametersOf, timeParameter } from './parameters.ts';

/**
 * `POST /api/belfry/v1/import`: whole lines of OpenMetrics text with times, a part of a file after the other; `line` is the
 * number of the first. It is kept when it is answered. `GET /api/belfry/v1/export?match[]=…&start=…&end=…`: the same, out.
 */
export function backfillRoutes({ server, access, ports }: RouteContext): void {
  void server.register(async (scope) => {
    // For this route alone: nobody else takes such a body.
    scope.addContentTypeParser('application/openmetrics-text', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    scope.post('/api/belfry/v1/import', {
      // Before the body is read: without a token nobody makes Belfry take one in.
      onRequest: async ({ headers }) => access.require('write', headers),
      handler: async (request) => {
        const line = parametersOf(request).get('line') ?? '1';
        if (!/^[1-9]\d{0,14}$/.test(line)) throw invalid('line', 'line must be the number of the first line');
        const body: unknown = request.body;
        return { status: 'success', data: await ports.backfill.bring(body instanceof Uint8Array ? body : new Uint8Array(0), Number(line)) };
      },
    });
  });

  server.get('/api/belfry/v1/export', async (request, reply) => {
    access.require('read', request.headers);
    const parameters = parametersOf(request);
    if (!parameters.has('match[]')) throw invalid('match[]', 'no match[] parameter provided');
    const matcherSets = parameters.getAll('match[]').map((selector) => ports.query.matchers(selector));
    const [fromTs, toTs] = [timeParameter(parameters, 'start') ?? -Infinity, timeParameter(parameters, 'end') ?? ports.query.now()];
    return reply.type(OPENMETRICS_TYPE).send(Readable.from(ports.backfill.take({ matcherSets }, fromTs, toTs)));
  });
}
