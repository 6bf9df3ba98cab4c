import { parseArgs } from 'node:util';
import { startCluster, type Cluster } from './cluster.ts';
import { watchKeys } from './demo-keys.ts';
import { DEMO_AUTOPILOT, DEMO_RULES, DemoPilot, SHORTENED } from './demo-pilot.ts';
import { MissingToolError } from './kafka-dist.ts';
import { Stage } from './stage.ts';
import { tour } from './demo-tour.ts';

const HELP = `belfry demo: a real three-broker Kafka, Belfry on it with its auto-pilot and an executor, and stand-ins for Slack and the
mail box. The auto-pilot asks before it acts.

  npm run demo                     keys kill a broker, approve its repair, halt, load the cluster until a fourth broker joins
  npm run demo -- --auto           the tour by itself: kill, alert with its time, repair with approval, summary
  npm run demo -- --auto --scale   the tour, then load until a fourth broker has joined and taken its part

Needs Java 17 and Maven; the first run fetches Kafka from Maven Central.`;

const CLUSTER = 'demo';
/** A killed broker cannot register again before its session is over; Kafka's own is 9 s. */
const SESSION_MS = 4000;
const CADENCE = { metadata: '1s', log_dirs: '2s', configs: '5s' };

/** What the demo shows: everything here is real, but Slack, which is a stand-in speaking its API. */
export interface Demo {
  readonly cluster: Cluster;
  readonly stage: Stage;
  readonly pilot: DemoPilot;
  say(text?: string): void;
}

const { values } = parseArgs({ options: { auto: { type: 'boolean' }, scale: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });

async function main(): Promise<void> {
  if (values.help === true) {
    console.log(HELP);
    return;
  }
  const auto = values.auto === true || !process.stdin.isTTY;
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const say = (text = ''): void => console.log(text);
  say('Starting three Kafka brokers …');
  await using cluster = await startCluster({ brokers: 3, controllers: 'separate', sessionTimeoutMs: SESSION_MS });
  await cluster.createTopic('orders', { partitions: 12, replicas: 3, config: { 'min.insync.replicas': '2' } });
  await cluster.createTopic('payments', { partitions: 6, replicas: 2 });
  await cluster.createTopic('legacy', { partitions: 3, replicas: 1 });
  if (stopping.signal.aborted) return;
  say('Starting Belfry and an executor …');
  await using stage = await startStage(cluster);
  await stage.belfry.queryUntil('up{job="kafka"} == 1', (samples) => samples.length === 3);
  await using pilot = await DemoPilot.start(cluster, stage, CLUSTER, say);
  const demo: Demo = { cluster, stage, pilot, say };
  introduce(demo);
  const shown = auto ? tour(demo, { scale: values.scale === true }) : watchKeys(demo, stopping.signal);
  await Promise.race([shown, aborted(stopping.signal)]);
  shown.catch(() => undefined); // Whoever has ended it waits for no more of it.
  say('\nStopping …');
}

async function startStage(cluster: Cluster): Promise<Stage> {
  return await Stage.start({
    clusters: [
      {
        name: CLUSTER,
        brokers: cluster.bootstrap,
        labels: { datacenter: 'here' },
        cadence: CADENCE,
        // The disks are those of this machine, however full.
        thresholds: { broker_disk_used_ratio: 1 },
      },
    ],
    rules: DEMO_RULES,
    config: { autopilot: DEMO_AUTOPILOT },
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
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
    BELFRY_URL=${stage.belfry.url} npm run belfry -- autopilot status --watch
    BELFRY_URL=${stage.belfry.url} npm run belfry -- query 'kafka_topic_partition_in_sync_replica < 3'

  The auto-pilot asks before it repairs or adds a broker. ${SHORTENED}
  Its executor runs here, and really restarts brokers. What it does and why is told at a line │.
`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof MissingToolError ? error.message : error);
  process.exitCode = 1;
}
