import { Readable } from 'node:stream';
import { yieldToLoop } from '../../core/clock.ts';
import { EXPOSITION_CONTENT_TYPE, expositionPieces } from '../../formats/write-exposition.ts';
import type { RouteContext } from '../server.ts';

const FRONT_PAGE = `Belfry watches Kafka clusters. What it answers here:
/-/healthy, /-/ready      whether it runs, and whether it does its work
/metrics, /metrics/kafka  its own metrics, and those of its clusters
/federate?match[]=        the newest sample of each series, for another Prometheus
/api/v1/                  the HTTP API of Prometheus
/api/v2/                  the API of Alertmanager
/api/belfry/v1/           its own API
`;

/** A page that says what there is, health, reload, and the two exposition pages. */
export function lifecycleRoutes({ server, access, ports }: RouteContext): void {
  // Clients of Prometheus ask for the root to learn whether anybody is there.
  server.get('/', async (_, reply) => reply.type('text/plain; charset=utf-8').send(FRONT_PAGE));

  server.get('/-/healthy', async (_, reply) => reply.type('text/plain; charset=utf-8').send('Belfry is healthy.\n'));

  server.get('/-/ready', async (request, reply) => {
    const missing = ports.health.notReady();
    reply.type('text/plain; charset=utf-8');
    if (missing.length === 0) return reply.send('Belfry is ready.\n');
    // Whoever watches the process needs no token; the reasons name clusters and are for those who may read.
    const reasons = access.allows('read', request.headers) ? `: ${missing.join('; ')}` : '';
    return reply.status(503).send(`Belfry is not ready${reasons}\n`);
  });

  server.route({
    method: ['POST', 'PUT'],
    url: '/-/reload',
    handler: async (request, reply) => {
      access.require('operate', request.headers);
      const problems = await ports.operations.reload();
      reply.type('text/plain; charset=utf-8');
      if (problems.length === 0) return reply.send('reloaded\n');
      return reply.status(400).send(`the configuration was not loaded, the old one runs on:\n${problems.join('\n')}\n`);
    },
  });

  server.get('/metrics', async (request, reply) => {
    access.require('read', request.headers);
    const page = await ports.metrics.own();
    return reply.type(page.contentType).send(page.text);
  });

  server.get('/metrics/kafka', async (request, reply) => {
    access.require('read', request.headers);
    return reply.type(EXPOSITION_CONTENT_TYPE).send(Readable.from(paced(expositionPieces(ports.metrics.kafka()))));
  });
}

/** A turn of the event loop before each piece: a big cluster has some hundred thousand lines. */
export async function* paced(pieces: Iterable<string>): AsyncGenerator<string, void> {
  for (const piece of pieces) {
    yield piece;
    await yieldToLoop();
  }
}
