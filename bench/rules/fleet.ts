import { Labels } from '../../src/core/labels.ts';

/** All targets are scraped that often. */
export const INTERVAL_MS = 5000;
export const JOB = 'jmx';
export const CLUSTER = 'bench';

/** What a series does: counters that count or stand still, gauges that stand still, wander or fall. */
type Shape = 'counter' | 'constant' | 'noise' | 'falling';

const TOPICS = 68;
const TOPIC_FAMILIES: readonly (readonly [name: string, shape: Shape, scale: number])[] = [
  ['kafka_topic_bytes_in_total', 'counter', 1_000_000],
  ['kafka_topic_bytes_out_total', 'counter', 3_000_000],
  ['kafka_topic_messages_in_total', 'counter', 1000],
  ['kafka_topic_fetch_requests_total', 'counter', 200],
  ['kafka_topic_log_size_bytes', 'counter', 1_000_000],
];
const BROKER_FAMILIES: readonly (readonly [name: string, shape: Shape, scale: number])[] = [
  ['kafka_under_replicated_partitions', 'constant', 0],
  ['kafka_offline_partitions', 'constant', 0],
  ['kafka_isr_shrinks_total', 'constant', 12],
  ['kafka_request_handler_idle_ratio', 'noise', 1],
  ['process_cpu_ratio', 'noise', 0.5],
  ['process_start_time_seconds', 'constant', 1_790_000_000],
  ['jvm_heap_used_bytes', 'noise', 4e9],
  ['jvm_heap_max_bytes', 'constant', 8e9],
  ['disk_free_bytes', 'falling', 1e11],
  ['disk_size_bytes', 'constant', 4e11],
];
/** Further gauges and counters of each broker that no rule reads. */
const OTHER_FAMILIES = 37;

/** A whole number below 2^32 that looks random. */
function hash(a: number, b: number): number {
  let h = Math.imul(a + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x165667b1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

interface SeriesShape {
  readonly labels: Readonly<Record<string, string>>;
  readonly shape: Shape;
  readonly scale: number;
}

/** One simulated broker: about 390 series whose values follow from the time alone, so that two processes agree on them. */
export class FleetTarget {
  readonly index: number;
  readonly instance: string;
  readonly path: string;
  readonly #series: readonly SeriesShape[];
  readonly #prefixes: readonly string[];

  constructor(index: number) {
    this.index = index;
    this.instance = `broker-${index}:7071`;
    this.path = `/metrics/${index}`;
    this.#series = seriesOf(index);
    this.#prefixes = this.#series.map(
      ({ labels: { __name__: name = '', topic } }) => name + (topic === undefined ? ' ' : `{topic="${topic}"} `),
    );
  }

  get size(): number {
    return this.#series.length;
  }

  /** The series as a scrape of this target stores them, without those about the scrape itself. */
  labels(): readonly Labels[] {
    return this.#series.map(({ labels }) => Labels.of({ ...labels, cluster: CLUSTER, instance: this.instance, job: JOB }));
  }

  /** The values at a time in milliseconds. */
  values(ts: number, into: Float64Array): void {
    const tick = Math.floor(ts / INTERVAL_MS);
    for (let i = 0; i < this.#series.length; i++) into[i] = valueOf(this.#series[i]!, this.index * 1000 + i, tick);
  }

  page(ts: number): string {
    const tick = Math.floor(ts / INTERVAL_MS);
    let text = '';
    for (let i = 0; i < this.#series.length; i++)
      text += `${this.#prefixes[i]!}${valueOf(this.#series[i]!, this.index * 1000 + i, tick)}\n`;
    return text;
  }
}

function seriesOf(target: number): readonly SeriesShape[] {
  const series: SeriesShape[] = [];
  for (const [name, shape, scale] of TOPIC_FAMILIES) {
    for (let topic = 0; topic < TOPICS; topic++) {
      // A third of the topics is idle on each broker.
      const idle = hash(topic, target) % 3 === 0;
      series.push({
        labels: { __name__: name, topic: `orders-${topic}` },
        shape: idle ? 'constant' : shape,
        scale: scale * (1 + (topic % 7)),
      });
    }
  }
  for (const [name, shape, scale] of BROKER_FAMILIES) series.push({ labels: { __name__: name }, shape, scale });
  for (let other = 0; other < OTHER_FAMILIES; other++)
    series.push({ labels: { __name__: `broker_other_${other}` }, shape: other % 3 === 0 ? 'noise' : 'constant', scale: 100 * (other + 1) });
  return series;
}

function valueOf({ shape, scale }: SeriesShape, seed: number, tick: number): number {
  const random = hash(seed, tick) / 2 ** 32;
  switch (shape) {
    case 'counter':
      return Math.floor(scale * (tick - 350_000_000 + 0.2 * random));
    case 'constant':
      return scale;
    case 'noise':
      return Math.round(scale * (0.4 + 0.2 * random) * 1000) / 1000;
    case 'falling':
      return Math.floor(scale - (tick % 10_000) * 1000 + 5000 * random);
  }
}

/** The whole fleet. */
export function fleetOf(targets: number): readonly FleetTarget[] {
  return Array.from({ length: targets }, (_, index) => new FleetTarget(index));
}

interface BenchRule {
  readonly kind: string;
  readonly expr: string;
}

/** The 65 rules, with what kind each is of. */
export const RULES: readonly BenchRule[] = [
  { kind: 'threshold', expr: 'up == 0' },
  { kind: 'threshold', expr: 'kafka_under_replicated_partitions > 0' },
  { kind: 'threshold', expr: 'kafka_offline_partitions > 0' },
  { kind: 'threshold', expr: 'kafka_request_handler_idle_ratio < 0.1' },
  { kind: 'threshold', expr: 'process_cpu_ratio > 0.9' },
  { kind: 'threshold', expr: 'jvm_heap_used_bytes / jvm_heap_max_bytes > 0.95' },
  { kind: 'threshold', expr: 'disk_free_bytes / disk_size_bytes < 0.1' },
  { kind: 'rate > x', expr: 'rate(kafka_topic_bytes_in_total[1m]) > 1e9' },
  { kind: 'sum by (instance)', expr: 'sum by (instance) (rate(kafka_topic_bytes_in_total[1m])) > 1e12' },
  { kind: 'sum by (topic)', expr: 'sum by (topic) (rate(kafka_topic_bytes_in_total[1m])) > 1e12' },
  { kind: 'sum by (topic)', expr: 'sum by (topic) (rate(kafka_topic_bytes_out_total[1m])) > 1e12' },
  { kind: 'topk of sum by', expr: 'topk(5, sum by (topic) (kafka_topic_log_size_bytes)) > 1e18' },
  ...Array.from({ length: 50 }, (_, topic) => ({
    kind: 'one topic each (50)',
    expr: `sum(rate(kafka_topic_messages_in_total{topic="orders-${topic}"}[1m])) < 1`,
  })),
  { kind: 'predict_linear[10m]', expr: 'predict_linear(disk_free_bytes[10m], 4 * 3600) < 0' },
  { kind: 'changes[10m]', expr: 'changes(process_start_time_seconds[10m]) > 2' },
  { kind: 'avg_over_time[2m]', expr: 'avg_over_time(process_cpu_ratio[2m]) > 0.9' },
];

/** They as a rule file, which both Belfry and Prometheus read (JSON is YAML). */
export function ruleFile(): string {
  const rules = RULES.map(({ expr }, index) => ({ alert: `Rule${index + 1}`, expr, for: '1m', labels: { severity: 'page' } }));
  return JSON.stringify({ groups: [{ name: 'bench', interval: `${INTERVAL_MS / 1000}s`, rules }] }, null, 2);
}
