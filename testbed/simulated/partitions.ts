import { randomOf, type ClusterShape, type SimulatedTopic } from './shape.ts';

const LEADER_NOT_AVAILABLE = 5;

/** Leaders, replicas and ISRs of all partitions, and how they change when brokers are fenced or leaders are taken away. */
export class SimulatedPartitions {
  readonly count: number;
  readonly replicationFactor: number;
  /** Row-major: partition, then replica, -1 where there are fewer; the first is the preferred leader. */
  readonly replicas: Int32Array;
  readonly leader: Int32Array;
  readonly epoch: Int32Array;
  /** End of each log at the start. */
  readonly firstEnd: Float64Array;
  #fenced: ReadonlySet<number> = new Set();
  #leaderlessShare = 0;

  constructor(shape: ClusterShape, topics: readonly SimulatedTopic[]) {
    const random = randomOf(shape.seed);
    this.count = topics.reduce((sum, { partitions }) => sum + partitions, 0);
    this.replicationFactor = Math.min(shape.replicationFactor, shape.brokers);
    this.replicas = new Int32Array(this.count * this.replicationFactor);
    this.leader = new Int32Array(this.count);
    this.epoch = new Int32Array(this.count);
    this.firstEnd = new Float64Array(this.count);
    for (const { firstPartition, partitions, copies } of topics) {
      const first = Math.floor(random() * shape.brokers);
      for (let i = 0; i < partitions; i++) this.#lay(firstPartition + i, copies, (r) => 1 + ((first + i + r) % shape.brokers));
    }
    for (let p = 0; p < this.count; p++) {
      this.firstEnd[p] = Math.floor(random() * 1e7);
      this.leader[p] = this.replicas[p * this.replicationFactor] ?? -1;
    }
  }

  replicasOf(p: number): readonly number[] {
    return [...this.replicas.subarray(p * this.replicationFactor, (p + 1) * this.replicationFactor)].filter((id) => id >= 0);
  }

  /** Those in sync; none of a partition without a leader, as with eligible leader replicas (Kafka 4.1 and later). */
  isrOf(p: number): readonly number[] {
    return this.#isTaken(p) ? [] : this.replicasOf(p).filter((id) => !this.#fenced.has(id));
  }

  offlineOf(p: number): readonly number[] {
    const all = this.replicasOf(p);
    return this.#isTaken(p) ? all : all.filter((id) => this.#fenced.has(id));
  }

  errorOf(p: number): number {
    return (this.leader[p] ?? -1) < 0 ? LEADER_NOT_AVAILABLE : 0;
  }

  /** Brokers that the controller has fenced; `share` of all partitions, evenly spread, have no leader whoever lives. */
  set(fenced: ReadonlySet<number>, share: number): void {
    this.#fenced = fenced;
    this.#leaderlessShare = share;
    for (let p = 0; p < this.count; p++) {
      const leader = this.#electedOf(p);
      if (leader === this.leader[p]) continue;
      this.leader[p] = leader;
      this.epoch[p] = (this.epoch[p] ?? 0) + 1;
    }
  }

  #electedOf(p: number): number {
    if (this.#isTaken(p)) return -1;
    const from = p * this.replicationFactor;
    for (let r = from; r < from + this.replicationFactor; r++) {
      const id = this.replicas[r] ?? -1;
      if (id >= 0 && !this.#fenced.has(id)) return id;
    }
    return -1;
  }

  #isTaken(p: number): boolean {
    return Math.floor(p * this.#leaderlessShare) !== Math.floor((p + 1) * this.#leaderlessShare);
  }

  #lay(p: number, copies: number, brokerOf: (replica: number) => number): void {
    for (let r = 0; r < this.replicationFactor; r++) this.replicas[p * this.replicationFactor + r] = r < copies ? brokerOf(r) : -1;
  }
}
