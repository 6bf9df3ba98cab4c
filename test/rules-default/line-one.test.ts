import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { severityOf, type Alert } from '../../src/core/alert.ts';
import { buildMessage, DEFAULT_MESSAGE_OPTIONS } from '../../src/notifiers/message.ts';
import { notificationOf } from '../notifiers/sample-notifications.ts';
import { Bench } from '../rules/harness.ts';
import { RULES_PATH } from './default-rules.ts';

const BROKER = { cluster: 'orders-dal', broker: '2', instance: 'k2:9092' };
const CLUSTER = { cluster: 'orders-dal' };

/** `metric` or `metric{label=value}` with its value, for cluster orders-dal. */
type Samples = Readonly<Record<string, number>>;

const CALM: Samples = {
  'belfry_kafka_leaderless_partitions{copies=many}': 0,
  'belfry_kafka_leaderless_partitions{copies=one}': 0,
  belfry_kafka_leaderless_in_stop_grace_partitions: 0,
  belfry_kafka_under_min_isr_partitions: 0,
  belfry_kafka_min_isr_unknown_topics: 0,
  belfry_cluster_unreachable: 0,
};

/** What the owner's phone shows, and what they are told to do, `afterMs` of this lasting. */
async function told(samples: Samples, afterMs = 0): Promise<{ title: string; you: string }> {
  // A quarter of an hour of all rules is ten seconds of a test: here a minute is as good.
  const bench = new Bench(readFileSync(RULES_PATH, 'utf8').replaceAll('for: 15m', 'for: 1m'));
  bench.engine.start();
  for (let passedMs = 0; passedMs <= afterMs; passedMs += 5000) {
    for (const [key, value] of Object.entries({ ...CALM, ...samples })) {
      const [, name = '', labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(key) ?? [];
      const own = labels === '' ? [] : labels.split(',').map((pair) => pair.split('='));
      bench.write({ ...(name.includes('broker_') ? BROKER : CLUSTER), ...Object.fromEntries(own), __name__: name }, value);
    }
    await bench.clock.advance(5000);
  }
  bench.engine.stop();
  const latest = new Map<string, Alert>();
  for (const { alert } of bench.sent) if (alert.labels.get('alertname') !== 'Watchdog') latest.set(alert.labels.key, alert);
  const alerts = [...latest.values()].toSorted((a, b) => (severityOf(a.labels) < severityOf(b.labels) ? -1 : 1));
  const { title, you } = buildMessage(notificationOf({ alerts, at: bench.clock.now() }), DEFAULT_MESSAGE_OPTIONS);
  return { title: title.replaceAll(/\d\d:\d\d:\d\d UTC/g, 'TIME'), you };
}

const CRASHED = { 'belfry_broker_down_info{reason=crashed}': 1 };

describe('line 1 and line 2 of', () => {
  it.each<[string, Samples, number, string, string]>([
    [
      'a crash, while metadata still names the dead broker as leader',
      { ...CRASHED, belfry_kafka_broker_leader_partitions: 28 },
      0,
      'WARNING orders-dal: clients of 28 partitions wait for a new leader, usually about 10 s; broker 2 crashed TIME',
      'Nothing yet; it is expected to be started again by its host.',
    ],
    [
      'a crash, while it still led one partition',
      { ...CRASHED, belfry_kafka_broker_leader_partitions: 1 },
      0,
      'WARNING orders-dal: clients of 1 partition wait for a new leader, usually about 10 s; broker 2 crashed TIME',
      'Nothing yet; it is expected to be started again by its host.',
    ],
    [
      'a crash of a broker that leads nothing',
      { ...CRASHED, belfry_kafka_broker_leader_partitions: 0 },
      0,
      'WARNING orders-dal: broker 2 crashed TIME; no client impact expected: other brokers lead all its partitions',
      'Nothing yet; it is expected to be started again by its host.',
    ],
    [
      'a crash after which every partition has copies enough: it says how many',
      {
        ...CRASHED,
        belfry_kafka_broker_leader_partitions: 0,
        belfry_kafka_partitions: 84,
        'belfry_kafka_least_in_sync_copies_elsewhere{broker=2}': 2,
      },
      0,
      'WARNING orders-dal: broker 2 crashed TIME; no client impact expected: all 84 partitions have at least 2 in-sync copies',
      'Nothing yet; it is expected to be started again by its host.',
    ],
    [
      'a crash where topics are hidden: nothing is promised',
      { ...CRASHED, belfry_kafka_broker_leader_partitions: 0, belfry_kafka_invisible_topics: 1 },
      0,
      'WARNING orders-dal: broker 2 crashed TIME; unknown whether clients feel it: not all topics are known',
      'Nothing yet; it is expected to be started again by its host.',
    ],
    [
      'a crash where the minimum of in-sync copies is not known: nothing is promised',
      { ...CRASHED, belfry_kafka_broker_leader_partitions: 0, belfry_kafka_min_isr_unknown_topics: 3 },
      0,
      'WARNING orders-dal: broker 2 crashed TIME; unknown whether clients feel it: not all topics are known',
      'Nothing yet; it is expected to be started again by its host.',
    ],
    [
      'a crash that took partitions with it',
      {
        ...CRASHED,
        'belfry_kafka_leaderless_partitions{copies=many}': 12,
        'belfry_kafka_topic_leaderless_partitions{copies=many,topic=payments}': 9,
        'belfry_kafka_topic_leaderless_partitions{copies=many,topic=refunds}': 2,
        'belfry_kafka_topic_leaderless_partitions{copies=many,topic=clicks}': 1,
      },
      15_000,
      'CRITICAL orders-dal: 12 partitions cannot be written or read (payments +2 topics); broker 2 crashed TIME',
      'Start broker 2 again, keeping its disk.',
    ],
    [
      'a crash of the only copy',
      {
        ...CRASHED,
        'belfry_kafka_leaderless_partitions{copies=one}': 1,
        'belfry_kafka_topic_leaderless_partitions{copies=one,topic=logs}': 1,
      },
      45_000,
      'CRITICAL orders-dal: 1 partition of topics with one copy cannot be written or read (logs); broker 2 crashed TIME',
      'Start broker 2 again, keeping its disk.',
    ],
    [
      'a crash that leaves too few copies',
      { ...CRASHED, belfry_kafka_under_min_isr_partitions: 28, 'belfry_kafka_topic_under_min_isr_partitions{topic=payments}': 28 },
      75_000,
      'CRITICAL orders-dal: producers with acks=all are refused by 28 partitions (payments); broker 2 crashed TIME',
      'Start broker 2 again, keeping its disk.',
    ],
    [
      'a broker that hangs and still leads',
      { 'belfry_broker_down_info{reason=not_answering}': 1, belfry_kafka_broker_leader_partitions: 28, belfry_kafka_broker_registered: 1 },
      0,
      'WARNING orders-dal: clients of 28 partitions may be waiting; broker 2 does not answer TIME',
      'Nothing yet; look whether it is short of memory, processor or disk.',
    ],
    [
      'a cluster that is away',
      { belfry_cluster_unreachable: 1, ...CRASHED },
      0,
      "CRITICAL orders-dal: nothing can be written or read, unless only Belfry's way to it is broken; no broker of the cluster answers TIME",
      'See whether your applications reach the cluster; if they do not, start its brokers.',
    ],
    [
      'missing copies',
      { belfry_kafka_under_replicated_partitions: 1 },
      65_000,
      'WARNING orders-dal: 1 partition lacks a copy; one more failure may stop it; since TIME',
      'Look for a slow disk or network on the brokers whose copies lag.',
    ],
    [
      'a disk that is nearly full',
      {
        'belfry_kafka_log_dir_usable_bytes{broker=2,log_dir=/a}': 812,
        'belfry_kafka_log_dir_total_bytes{broker=2,log_dir=/a}': 10_000,
        'belfry_threshold{name=disk_free_critical_ratio}': 0.1,
      },
      140_000,
      'CRITICAL orders-dal: broker 2 has 8.12% of its disk left TIME; no client impact until the disk is full',
      'Lower the retention of the largest topics now, or add disk.',
    ],
  ])('%s', async (_, samples, afterMs, title, you) => {
    expect(await told(samples, afterMs)).toEqual({ title, you });
  });
});
