import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../src/core/clock.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import { type LogFields, silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { KafkaCollector } from '../../../src/collectors/kafka/collector.ts';
import { FakeCluster } from './fake-cluster.ts';
import { RecordingWriter } from './recording-writer.ts';

/** Three brokers, all collections in once, and nothing of it asked again by itself. */
async function collected() {
  const clock = new ManualClock(1_700_000_000_000);
  const cluster = new FakeCluster(clock, [1, 2, 3]);
  cluster.topics = [{ name: 'orders', partitions: [{ id: 0, leader: 1, replicas: [1, 2, 3] }] }];
  const warned: (LogFields | undefined)[] = [];
  const collector = new KafkaCollector({
    cluster: 'test',
    connector: cluster,
    bootstrap: cluster.bootstrap,
    clock,
    log: { ...silentLogger, warn: (event, fields) => void (event === 'fresh_look_failed' && warned.push(fields)) },
    meter: silentMeter,
    writer: new RecordingWriter(),
    wake: () => undefined,
    random: () => 0.5,
  });
  collector.start();
  await clock.advance(0);
  await clock.advance(5000);
  return { clock, cluster, collector, warned, [Symbol.asyncDispose]: () => collector.stop() };
}

describe('what an act rests on', () => {
  it('is asked anew, the moves and the quorum too', async () => {
    await using setup = await collected();
    const { clock, cluster, collector } = setup;
    cluster.reassignments = [{ topic: 'orders', partition: 0, adding: [3], removing: [] }];
    cluster.quorum = { ...cluster.quorum, leaderId: 102 };
    expect(collector.facts()).toMatchObject({ reassignments: [], quorum: { leaderId: 101 } });
    const asking = collector.askAnew();
    await clock.advance(100);
    const { answers, facts } = await asking;
    expect(answers).toHaveLength(2);
    expect(facts).toMatchObject({ reassignments: cluster.reassignments, quorum: { leaderId: 102 } });
  });

  it('is not known where it is not told now, whatever was told before', async () => {
    await using setup = await collected();
    const { clock, cluster, collector, warned } = setup;
    for (const api of ['ListPartitionReassignments', 'DescribeQuorum'])
      cluster.failing.set(api, new BelfryError('KAFKA_REFUSED', 'the controller is gone'));
    const asking = collector.askAnew();
    await clock.advance(100);
    const { answers, facts } = await asking;
    expect([answers.length, facts]).toEqual([2, { reassignments: undefined, quorum: undefined }]);
    expect(warned).toEqual([{ what: 'reassignments', error: 'the controller is gone' }]);
  });
});
