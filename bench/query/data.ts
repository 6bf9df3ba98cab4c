import { Labels } from '../../src/core/labels.ts';

/** All series are sampled that often. */
export const INTERVAL_MS = 15_000;
/** Samples stand beside whole seconds, so that no window of either server has one on its edge. */
export const PHASE_MS = 137;

const TOPICS = 50;
const PARTITIONS = 4;
const BOUNDS = ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '+Inf'];

/** One target's series, which are sampled together; what its values are follows from the time alone. */
export interface DataTarget {
  readonly id: string;
  readonly labels: readonly Labels[];
  values(row: number, into: Float64Array): void;
}

/** Each instance has 200 counters `x_total`, as many gauges `size_bytes` and `quota_bytes`, and the buckets of 4 histograms. */
export function dataOf(instances: number): readonly DataTarget[] {
  return Array.from({ length: instances }, (_, index) => targetOf(index));
}

function targetOf(index: number): DataTarget {
  const labels: Labels[] = [];
  const common = { instance: `broker-${index}:7071`, job: 'jmx' };
  for (const name of ['x_total', 'size_bytes', 'quota_bytes']) {
    for (let topic = 0; topic < TOPICS; topic++)
      for (let partition = 0; partition < PARTITIONS; partition++)
        labels.push(Labels.of({ ...common, __name__: name, topic: `orders-${topic}`, partition: String(partition) }));
  }
  for (const path of ['a', 'b', 'c', 'd'])
    for (const le of BOUNDS) labels.push(Labels.of({ ...common, __name__: 'seconds_bucket', path, le }));
  const plain = TOPICS * PARTITIONS;
  return {
    id: `bench/${index}`,
    labels,
    values: (row, into) => {
      for (let i = 0; i < plain; i++) {
        const speed = 1 + ((i * 7 + index) % 97);
        into[i] = 1e6 + row * speed * 15 + ((row * 31 + i * 17 + index) % 13);
        into[plain + i] = 1e9 + ((row * 7919 + i * 104_729 + index * 31) % 1000) * 1000;
        into[2 * plain + i] = 4e9;
      }
      for (let i = 3 * plain; i < labels.length; i++) {
        const bound = (i - 3 * plain) % BOUNDS.length;
        into[i] = (bound + 1) * (row * 10 + ((index + i) % 5));
      }
    },
  };
}

export interface BenchQuery {
  readonly name: string;
  readonly text: string;
  /** Asked at one time only: what it gives at each step would be all about writing and reading JSON. */
  readonly instantOnly?: true;
}

const QUERIES: readonly BenchQuery[] = [
  { name: 'sum by (topic) of rate', text: 'sum by (topic) (rate(x_total[1m]))' },
  { name: 'rate, all series', text: 'rate(x_total[1m])', instantOnly: true },
  { name: 'count of rate', text: 'count(rate(x_total[1m]))' },
  { name: 'sum by of selector', text: 'sum by (topic) (x_total)' },
  { name: 'topk of sum by', text: 'topk(5, sum by (topic, instance) (rate(x_total[5m])))' },
  { name: 'quantile by', text: 'quantile by (topic) (0.9, rate(x_total[5m]))' },
  { name: 'match of two vectors', text: 'sum by (topic) (size_bytes / quota_bytes)' },
  { name: 'avg_over_time', text: 'max by (topic) (avg_over_time(size_bytes[10m]))' },
  { name: 'subquery', text: 'max_over_time(sum by (topic) (rate(x_total[1m]))[10m:1m])' },
  { name: 'histogram_quantile', text: 'histogram_quantile(0.99, sum by (path, le) (rate(seconds_bucket[5m])))' },
];

/** All queries, or the few that say most. */
export function queriesOf(quick: boolean): readonly BenchQuery[] {
  const few = ['sum by (topic) of rate', 'rate, all series', 'topk of sum by', 'match of two vectors', 'subquery', 'histogram_quantile'];
  return quick ? QUERIES.filter(({ name }) => few.includes(name)) : QUERIES;
}
