import { parseArgs } from 'node:util';
import { startCluster, type Cluster } from './cluster.ts';
import { watchKeys } from './demo-keys.ts';
import { MissingToolError } from './kafka-dist.ts';
import { Stage } from './stage.ts';
import { tour } from './demo-tour.ts';

const HELP = `belfry demo: a real three-broker Kafka, Belfry on it, and stand-ins for Slack and the mail box.

  npm run demo             keys kill a broker and bring it back
  npm run demo -- --auto   the tour by itself: kill, alert with its time, recovery, summary

Needs Java 17 and Maven; the first run fetches Kafka from Maven Central.`;

/** What the demo shows: everything here is real, but Slack, which is a stand-in speaking its API. */
export interface Demo {
  readonly cluster: Cluster;
  readonly stage: Stage;
  say(text?: string): void;
}

const { values } = parseArgs({ options: { auto: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });

async function main(): Promise<void> {
  if (values.help === true) {
    console.log(HELP);
    return;
  }
  const auto = values.auto === true || !process.stdin.isTTY;
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  console.log('Starting three Kafka brokers …');
  await using cluster = await startCluster({ brokers: 3, controllers: 'separate' });
  await cluster.createTopic('orders', { partitions: 12, replicas: 3, config: { 'min.insync.replicas': '2' } });
  await cluster.createTopic('payments', { partitions: 6, replicas: 2 });
  await cluster.createTopic('legacy', { partitions: 3, replicas: 1 });
  console.log('Starting Belfry …');
  await using stage = await Stage.start({ clusters: [{ name: 'demo', brokers: cluster.bootstrap, labels: { datacenter: 'here' } }] });
  const demo: Demo = { cluster, stage, say: (text = '') => console.log(text) };
  await stage.belfry.queryUntil('up{job="kafka"} == 1', (samples) => samples.length === 3);
  introduce(demo);
  if (auto) await tour(demo, stopping.signal);
  else await watchKeys(demo, stopping.signal);
  console.log('\nStopping …');
}

function introduce({ cluster, stage, ...demo }: Demo): void {
  demo.say(`
  Kafka     ${cluster.bootstrap.join(', ')}
  Belfry    ${stage.belfry.url}/metrics   (API; ${stage.configPath})
  Slack     ${stage.slack.url}   what the owner sees in #team
  Mail box  ${stage.mail.url}   what the owner gets by mail
  Webhook   ${stage.webhook.url}   what a program gets

  In another terminal:
    BELFRY_URL=${stage.belfry.url} npm run belfry -- alerts --watch
    BELFRY_URL=${stage.belfry.url} npm run belfry -- query 'kafka_topic_partition_in_sync_replica < 3'
`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof MissingToolError ? error.message : error);
  process.exitCode = 1;
}
