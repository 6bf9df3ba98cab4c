import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BelfryError } from '../../core/errors.ts';
import type { RouteContext } from '../server.ts';

/** The runbooks that messages link to, as the plain text they are. */
export function runbookRoutes({ server, access, runbookFolder }: RouteContext): void {
  server.get<{ Params: { name: string } }>('/docs/runbooks/:name', async (request, reply) => {
    access.require('read', request.headers);
    const { name } = request.params;
    if (!/^[A-Za-z]+\.md$/.test(name)) throw new BelfryError('NOT_FOUND', `no such runbook: ${name}`);
    const text = await readFile(join(runbookFolder, name), 'utf8').catch((error: unknown) => {
      throw new BelfryError('NOT_FOUND', `no such runbook: ${name}`, { cause: error });
    });
    return reply.type('text/markdown; charset=utf-8').send(text);
  });
}
