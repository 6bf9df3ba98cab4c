import { describe, expect, it } from '@jest/globals';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { SystemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import type { SampleWriter } from '../../../src/core/sample.ts';
import { HealthRows } from '../../../src/collectors/kafka/health-rows.ts';
import { partitionFacts } from '../../../src/collectors/kafka/partition-facts.ts';
import { SeriesRows } from '../../../src/collectors/kafka/rows.ts';
import { TopicRows } from '../../../src/collectors/kafka/topic-rows.ts';
import { Slices } from '../../../src/core/slices.ts';
import { decodeMetadata } from '../../../src/kafka/metadata.ts';
import { WireReader } from '../../../src/kafka/wire-reader.ts';
import { metadataAnswer } from '../../kafka/answers.ts';

const BROKERS = 30;
const TOPICS = 2000;
const PARTITIONS = 20;

/** 30 brokers, 2000 topics of 20 partitions, every third partition leaderless. */
function bigAnswer(): Buffer {
  const replicasOf = (n: number): number[] => [0, 1, 2].map((i) => (n + i) % BROKERS);
  const answer = metadataAnswer(12, {
    clusterId: 'big',
    brokers: Array.from({ length: BROKERS }, (_, id) => ({ id, host: `kafka${id}`, port: 9092 })),
    topics: Array.from({ length: TOPICS }, (_, t) => ({
      name: `topic-${t}`,
      partitions: Array.from({ length: PARTITIONS }, (__, id) => {
        const n = t * PARTITIONS + id;
        return n % 3 === 0
          ? { id, leader: -1, error: 5, replicas: replicasOf(n), isr: [] }
          : { id, leader: n % BROKERS, replicas: replicasOf(n) };
      }),
    })),
  });
  return Buffer.from(answer.written());
}

describe('a cluster of 40,000 partitions, a third of them leaderless', () => {
  it('is decoded, judged and written in full; times are printed, not judged', async () => {
    const clock = new SystemClock();
    let columns = 0;
    const append = (_ts: number, layout: { series: readonly unknown[] }): void => void (columns += layout.series.length);
    const writer: SampleWriter = {
      target: () => ({ append, appendAt: () => undefined, markStale: () => undefined }),
      removeTarget: () => undefined,
    };
    const rows = (targetId: string): SeriesRows => new SeriesRows({ writer, log: silentLogger, targetId });
    const topicRows = new TopicRows(rows('topics'), 'big');
    const healthRows = new HealthRows({ rows: rows('health'), troubleRows: rows('troubles'), cluster: 'big', maxTroubles: 2000 });
    const bytes = bigAnswer();
    const times: string[] = [];
    const held = monitorEventLoopDelay({ resolution: 1 });
    held.enable();
    for (const round of ['first', 'second', 'third']) {
      const startedAt = clock.elapsed();
      const metadata = await decodeMetadata(new WireReader(bytes, 'Metadata'), 12, clock, clock.now());
      const decodedAt = clock.elapsed();
      const slices = new Slices(clock);
      const facts = await partitionFacts({ metadata, adding: new Map(), minIsr: new Map(), inStopGrace: new Set() }, slices);
      expect(facts).toMatchObject({
        leaderlessManyCopies: 13_334,
        leaderlessOneCopy: 0,
        underReplicated: 13_334,
        minIsrUnknownTopics: TOPICS,
      });
      await topicRows.prepare(metadata, slices);
      await healthRows.prepare(facts.troubles, slices);
      const preparedAt = clock.elapsed();
      columns = 0;
      for (const part of [healthRows.rows, healthRows.troubleRows, topicRows.rows]) part.begin();
      const known = { hiddenTopics: false, minIsrRefused: false, expectedBrokers: new Set([1]) };
      const reassigning = { reassigningPartitions: 0, uncleanElections: 0, ...known };
      healthRows.fill({ metadata, partitions: facts, ...reassigning });
      await topicRows.fill(metadata, facts, slices);
      for (const part of [healthRows.rows, healthRows.troubleRows, topicRows.rows]) await part.commitInSlices(clock.now(), slices);
      expect(columns).toBeGreaterThan(TOPICS * (1 + PARTITIONS * 5));
      const doneAt = clock.elapsed();
      times.push(
        `${round}: decode ${(decodedAt - startedAt).toFixed(0)}, labels ${(preparedAt - decodedAt).toFixed(0)}, rows ${(doneAt - preparedAt).toFixed(0)} ms`,
      );
    }
    held.disable();
    process.stdout.write(
      `${(bytes.length / 1e6).toFixed(1)} MB; ${times.join('; ')}; loop held at most ${(held.max / 1e6).toFixed(0)} ms\n`,
    );
  });
});
