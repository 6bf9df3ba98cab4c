import type { Random } from './random.ts';

/** A Kafka cluster of plain objects: what is true, whatever anybody sees of it. Milliseconds and bytes. */

/** So long an orderly stop is the doing of a person. */
export const STOP_GRACE_MS = 120_000;
/** A broker that has not been heard of for so long is fenced. */
const SESSION_MS = 9000;
/** What a leader takes in, and what a follower that lags can copy. */
const PRODUCE_BYTES_PER_MS = 1000;
const COPY_BYTES_PER_MS = 15_000;
/** An interrupted recovery begins anew. */
const RECOVERY_AGAIN_MS = 60_000;

export interface SimBroker {
  readonly id: number;
  /** `hung`: a pause that may end; `starting`: its port is closed while it recovers its logs. */
  process: 'running' | 'hung' | 'starting' | 'down';
  /** Its last end was an orderly stop. */
  cleanly: boolean;
  /** When a person stopped it. */
  stoppedAt: number;
  registered: boolean;
  heardAt: number;
  fetchedAt: number;
  downSince: number | undefined;
  recoveryLeftMs: number;
  /** Its recovery stands still: the process is there and does nothing. */
  stuck: boolean;
  /** Its log directory is gone or full: it ends as soon as it has started. */
  broken: boolean;
  /** The host's own supervisor starts it then; 0 where there is none. */
  supervisorAt: number;
  /** Its replicas were given to another for good. */
  retired: boolean;
}

export interface SimPartition {
  readonly topic: string;
  readonly partition: number;
  replicas: number[];
  isr: number[];
  leader: number;
  readonly minIsr: number;
  adding: number[];
  /** A copy that takes the place of another once it is in sync. */
  giving: number | undefined;
  lastIsr: number[];
  readonly behindBytes: Map<number, number>;
}

export class SimCluster {
  readonly name: string;
  readonly brokers = new Map<number, SimBroker>();
  readonly partitions: SimPartition[] = [];
  /** Brokers that are controllers too; empty where controllers are nodes of their own. */
  readonly voters: readonly number[];
  /** Labelled drill: yes. */
  readonly drills: boolean;
  /** A reassignment by people goes on until then. */
  foreignMovesUntil = 0;
  maintenanceUntil = 0;
  readonly #random: Random;

  constructor(name: string, random: Random, now: number) {
    this.name = name;
    this.#random = random;
    const size = random.between(3, 6);
    for (let id = 1; id <= size; id++) this.add(id, now);
    this.voters = random.chance(0.5) ? [1, 2, 3] : [];
    this.drills = random.chance(0.5);
    const pairNeedsBoth = random.chance(0.3);
    for (let index = 0; index < 6; index++) {
      const factor = index === 5 && random.chance(0.6) ? 1 : index === 4 && random.chance(0.5) ? 2 : 3;
      const replicas = Array.from({ length: factor }, (_, at) => ((index + at) % size) + 1);
      this.partitions.push({
        topic: factor === 1 ? 'single' : factor === 2 ? 'pair' : 'orders',
        partition: index,
        replicas,
        isr: [...replicas],
        leader: replicas[0] ?? -1,
        minIsr: factor === 3 || (factor === 2 && pairNeedsBoth) ? 2 : 1,
        adding: [],
        giving: undefined,
        lastIsr: [],
        behindBytes: new Map(),
      });
    }
  }

  add(id: number, now: number): SimBroker {
    const broker: SimBroker = {
      id,
      process: 'running',
      cleanly: false,
      stoppedAt: 0,
      registered: true,
      heardAt: now,
      fetchedAt: now,
      downSince: undefined,
      recoveryLeftMs: 0,
      stuck: false,
      broken: false,
      supervisorAt: 0,
      retired: false,
    };
    this.brokers.set(id, broker);
    return broker;
  }

  get live(): readonly SimBroker[] {
    return [...this.brokers.values()].filter(({ retired }) => !retired);
  }

  get moving(): readonly SimPartition[] {
    return this.partitions.filter(({ adding }) => adding.length > 0);
  }

  /** All its brokers run and everything is in sync. */
  get whole(): boolean {
    return (
      this.live.every(({ process, registered }) => process === 'running' && registered) &&
      this.partitions.every(({ replicas, isr, adding }) => adding.length === 0 && replicas.every((id) => isr.includes(id)))
    );
  }

  kill(broker: SimBroker, now: number, options: { readonly cleanly?: boolean } = {}): void {
    if (broker.process === 'down') return;
    const wasStarting = broker.process === 'starting';
    broker.process = 'down';
    broker.downSince ??= now;
    broker.cleanly = options.cleanly === true && !wasStarting;
    broker.stoppedAt = options.cleanly === true ? now : 0;
    broker.recoveryLeftMs = wasStarting ? RECOVERY_AGAIN_MS : broker.cleanly ? 0 : this.#random.between(0, 8) * 15_000;
    broker.stuck = false;
    // A controlled shutdown: leaderships are handed over and the broker fenced before its sockets close.
    if (broker.cleanly) this.#fence(broker);
  }

  hang(broker: SimBroker, now: number): void {
    if (broker.process !== 'running') return;
    broker.process = 'hung';
    broker.downSince ??= now;
  }

  start(broker: SimBroker, now: number): void {
    if (broker.retired || broker.process === 'running' || broker.process === 'starting') return;
    if (broker.process === 'hung') {
      broker.process = 'running';
      return;
    }
    broker.process = 'starting';
    broker.supervisorAt = 0;
    broker.stoppedAt = 0;
    if (broker.broken) this.kill(broker, now);
  }

  /** What an executor does: the process is ended, whatever it does, and started; its disk stays. */
  restart(broker: SimBroker, now: number): void {
    if (broker.process !== 'down') this.kill(broker, now);
    this.start(broker, now);
  }

  /** A new broker takes the place of an old one, whose disk is given up. */
  replace(old: SimBroker, now: number): SimBroker {
    this.kill(old, now);
    old.retired = true;
    old.supervisorAt = 0;
    this.#fence(old);
    const next = this.add(Math.max(...this.brokers.keys()) + 1, now);
    for (const partition of this.partitions) {
      if (!partition.replicas.includes(old.id)) continue;
      partition.adding = [next.id];
      partition.giving = old.id;
      partition.behindBytes.set(next.id, 200_000_000);
    }
    return next;
  }

  step(now: number, dtMs: number): void {
    for (const broker of this.live) this.#stepBroker(broker, now, dtMs);
    for (const partition of this.partitions) this.#stepPartition(partition, dtMs);
  }

  #stepBroker(broker: SimBroker, now: number, dtMs: number): void {
    if (broker.process === 'down' && broker.supervisorAt > 0 && now >= broker.supervisorAt) this.start(broker, now);
    if (broker.process === 'starting' && !broker.stuck) {
      broker.fetchedAt = now;
      broker.recoveryLeftMs -= dtMs;
      if (broker.recoveryLeftMs <= 0) broker.process = 'running';
    }
    if (broker.process === 'running') {
      broker.heardAt = now;
      broker.fetchedAt = now;
      broker.registered = true;
      broker.downSince = undefined;
    } else if (broker.registered && now - broker.heardAt >= SESSION_MS) this.#fence(broker);
  }

  #fence(broker: SimBroker): void {
    broker.registered = false;
    for (const partition of this.partitions) {
      if (!partition.isr.includes(broker.id)) continue;
      if (partition.isr.length > 1) partition.isr = partition.isr.filter((id) => id !== broker.id);
      this.#elect(partition);
    }
  }

  /** The last member stays in the ISR although it is gone: nobody else may lead. */
  #elect(partition: SimPartition): void {
    const able = partition.isr.filter((id) => this.brokers.get(id)?.registered === true);
    if (able.includes(partition.leader)) return;
    partition.leader = able[0] ?? -1;
    partition.lastIsr = partition.leader < 0 ? [...partition.isr] : [];
  }

  #stepPartition(partition: SimPartition, dtMs: number): void {
    this.#elect(partition);
    for (const id of [...partition.replicas, ...partition.adding]) {
      if (partition.isr.includes(id)) continue;
      const behind = partition.behindBytes.get(id) ?? 0;
      const copies = partition.leader >= 0 && this.brokers.get(id)?.process === 'running' && this.brokers.get(id)?.registered === true;
      const grown = partition.leader >= 0 ? behind + PRODUCE_BYTES_PER_MS * dtMs : behind;
      const left = copies ? grown - COPY_BYTES_PER_MS * dtMs : grown;
      partition.behindBytes.set(id, Math.max(0, left));
      if (copies && left <= 0) {
        partition.behindBytes.delete(id);
        partition.isr.push(id);
      }
    }
    const [added] = partition.adding;
    if (added === undefined || !partition.isr.includes(added)) return;
    const { giving } = partition;
    partition.replicas = partition.replicas.map((id) => (id === giving ? added : id));
    partition.isr = partition.isr.filter((id) => id !== giving);
    partition.adding = [];
    partition.giving = undefined;
    this.#elect(partition);
  }
}
