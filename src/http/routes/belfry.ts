import { z } from 'zod';
import type { RouteContext } from '../server.ts';
import { parsed } from './parsed.ts';

/** Strict: what is no number must not become broker 0. */
const brokerId = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a broker id, a whole number')
  .transform(Number);
const brokerParameters = z.object({ cluster: z.string().min(1), id: brokerId });
const clusterParameters = z.object({ cluster: z.string().min(1) });
const ownerParameters = z.object({ owner: z.string().min(1) });

/** Belfry's own API, `/api/belfry/v1`: it changes by addition only. */
export function belfryRoutes({ server, access, ports }: RouteContext): void {
  server.get('/api/belfry/v1/status', async (request) => {
    access.require('read', request.headers);
    return ports.operations.status();
  });

  server.get('/api/belfry/v1/incidents', async (request) => {
    access.require('read', request.headers);
    return { incidents: ports.operations.incidents() };
  });

  server.get('/api/belfry/v1/alerts/muted', async (request) => {
    access.require('read', request.headers);
    return { alerts: ports.alertStatus.mutedHistory() };
  });

  server.post('/api/belfry/v1/owners/:owner/test', async (request) => {
    access.require('operate', request.headers);
    const { owner } = parsed(ownerParameters, request.params);
    return { deliveries: await ports.operations.sendTest(owner) };
  });

  server.delete('/api/belfry/v1/clusters/:cluster/brokers/:id', async (request, reply) => {
    access.require('operate', request.headers);
    const { cluster, id } = parsed(brokerParameters, request.params);
    ports.operations.forgetBroker(cluster, id);
    return reply.status(204).send();
  });

  server.post('/api/belfry/v1/clusters/:cluster/accept', async (request, reply) => {
    access.require('operate', request.headers);
    ports.operations.acceptCluster(parsed(clusterParameters, request.params).cluster);
    return reply.status(204).send();
  });
}
