import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SimulatedCluster } from './cluster.ts';
import type { Command, Counts, Ready } from './control.ts';
import type { ClusterShape } from './shape.ts';

/** The process of `SimulatedFleet`: its only argument is the shapes of its clusters, in JSON. */
const shapes = JSON.parse(process.argv[2] ?? '[]') as readonly ClusterShape[];
const clusters = shapes.map((shape, i) => new SimulatedCluster(shape, `simulated-${shape.seed}-${i}`));

async function obey(command: Command): Promise<void> {
  if (command.do === 'reset') {
    for (const { traffic } of clusters) traffic.reset();
    return;
  }
  const cluster = clusters[command.cluster];
  if (cluster === undefined) throw new Error(`simulated: there is no cluster ${command.cluster}`);
  if (command.do === 'leaderless') cluster.leaderless(command.share);
  else if (command.do === 'delay') cluster.delayAnswers(command.ms);
  else if (command.do === 'kill') await cluster.kill(command.broker);
  else if (command.do === 'fence') cluster.fence(command.broker);
  else await cluster.revive(command.broker);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

async function serve(request: IncomingMessage): Promise<Counts> {
  if (request.method === 'POST') await obey(JSON.parse(await bodyOf(request)) as Command);
  return { clusters: clusters.map(({ traffic }) => traffic.counts) };
}

const control = createServer((request, response) => {
  serve(request).then(
    (counts) => response.end(JSON.stringify(counts)),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
});
await Promise.all(clusters.map((cluster) => cluster.start()));
control.listen(0, '127.0.0.1', () => {
  const ready: Ready = { control: (control.address() as AddressInfo).port, ports: clusters.map(({ ports }) => ports) };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
});
