import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fleetOf } from './fleet.ts';

/**
 * The pages of the whole fleet on one port, a path each: `/metrics/0`, `/metrics/1` … A process of its own, so that what it
 * costs is nobody's figure. Its only argument is the number of targets; it prints its port.
 */
const fleet = fleetOf(Number(process.argv[2]));
const byPath = new Map(fleet.map((target) => [target.path, target]));

const server = createServer((request, response) => {
  const target = byPath.get(request.url ?? '');
  if (target === undefined) {
    response.writeHead(404).end();
    return;
  }
  const page = Buffer.from(target.page(Date.now()));
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4', 'content-length': page.length }).end(page);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
