import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { startCluster } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import type { ClusterOptions } from './cluster-plan.ts';
import { NEWEST_KAFKA } from './kafka-dist.ts';

const HELP = `A real Kafka cluster on free ports of 127.0.0.1, to watch and to break.

Usage: npm run testbed -- [options]
  --brokers N          number of brokers (3)
  --controllers KIND   separate | combined (separate)
  --security KIND      plaintext | tls | sasl_plaintext | sasl_ssl (plaintext)
  --authorizer         access lists; admin is the super user
  --jmx                jmx_exporter's agent in every broker
  --version X.Y.Z      version of Kafka (${NEWEST_KAFKA})
  --topic NAME         create this topic (replicated three times, 6 partitions); may be repeated
  --load BYTES         write so many bytes a second to each of them
  --session-timeout MS broker.session.timeout.ms (9000)

While it runs, type a letter and a broker's id, then Enter:
  k1  kill broker 1 (SIGKILL)         s1  stop it (SIGTERM)       b1  start it again
  p1  pause it (SIGSTOP)              r1  resume it (SIGCONT)
  a   add a broker                    v   show leaders and ISR    q   quit
Without a terminal it runs until it gets SIGINT or SIGTERM. Needs Java 17 and, the first time, Maven.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      brokers: { type: 'string', default: '3' },
      controllers: { type: 'string', default: 'separate' },
      security: { type: 'string', default: 'plaintext' },
      authorizer: { type: 'boolean', default: false },
      jmx: { type: 'boolean', default: false },
      version: { type: 'string', default: NEWEST_KAFKA },
      topic: { type: 'string', multiple: true, default: [] },
      load: { type: 'string' },
      'session-timeout': { type: 'string', default: '9000' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const options: ClusterOptions = {
    brokers: Number(values.brokers),
    controllers: oneOf('--controllers', values.controllers, ['separate', 'combined'] as const),
    security: oneOf('--security', values.security, ['plaintext', 'tls', 'sasl_plaintext', 'sasl_ssl'] as const),
    authorizer: values.authorizer,
    jmx: values.jmx,
    version: values.version,
    sessionTimeoutMs: Number(values['session-timeout']),
  };
  await using cluster = await startCluster(options);
  for (const topic of values.topic) {
    await cluster.createTopic(topic, { partitions: 6, replicas: Math.min(3, cluster.brokerIds.length) });
    if (values.load !== undefined) cluster.load({ topic, bytesPerSecond: Number(values.load) });
  }
  describeCluster(cluster);
  await untilQuit(cluster);
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`${name} must be one of ${allowed.join(', ')}, not ${value}`);
  return found;
}

function describeCluster(cluster: Cluster): void {
  console.log(`bootstrap  ${cluster.bootstrap.join(',')}`);
  for (const id of cluster.brokerIds) console.log(`broker ${id}   pid ${cluster.pid(id)}, data ${cluster.logDir(id)}`);
  console.log(`logs       ${cluster.dir}/node-*/kafka.log`);
  for (const { username, password } of Object.values(cluster.users)) console.log(`user       ${username} / ${password}`);
  if (cluster.tls !== undefined) console.log(`tls        ca ${cluster.tls.caPath}, client ${cluster.tls.certPath}`);
  if (process.stdin.isTTY) console.log('keys       k1 kill, s1 stop, b1 start, p1 pause, r1 resume, a add, v view, q quit (then Enter)');
}

async function untilQuit(cluster: Cluster): Promise<void> {
  const quit = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => quit.resolve());
  const keepAlive = setInterval(() => undefined, 60_000);
  const lines = process.stdin.isTTY ? createInterface({ input: process.stdin }) : undefined;
  let last: Promise<void> = Promise.resolve();
  lines?.on('line', (line) => {
    if (line.trim() === 'q') quit.resolve();
    else last = last.then(() => obey(cluster, line.trim()));
  });
  lines?.on('close', () => quit.resolve());
  await quit.promise;
  clearInterval(keepAlive);
  lines?.close();
}

/** Does what one typed line asks for; mistakes are told and survived. */
async function obey(cluster: Cluster, line: string): Promise<void> {
  const id = Number(line.slice(1));
  try {
    switch (line.charAt(0)) {
      case '':
        return;
      case 'k':
        await cluster.kill(id);
        break;
      case 's':
        await cluster.stop(id);
        break;
      case 'b':
        await cluster.start(id);
        break;
      case 'p':
        cluster.pause(id);
        break;
      case 'r':
        cluster.resume(id);
        break;
      case 'a':
        console.log(`broker ${await cluster.addBroker()} is there`);
        break;
      case 'v':
        await show(cluster);
        break;
      default:
        console.log('k1 kill, s1 stop, b1 start, p1 pause, r1 resume, a add, v view, q quit');
        return;
    }
    console.log(`${line}: done`);
  } catch (error) {
    console.log(`${line}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function show(cluster: Cluster): Promise<void> {
  const { brokers, topics } = await cluster.view();
  console.log(`live brokers: ${brokers.join(', ')}`);
  for (const [topic, partitions] of topics) {
    for (const { partition, leader, replicas, isr } of partitions) {
      console.log(`${topic}-${partition}  leader ${leader}  replicas ${replicas.join(',')}  isr ${isr.join(',')}`);
    }
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
