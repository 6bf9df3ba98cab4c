import type { BrokerPicture, ClusterPicture, Confirmation } from '../../../src/autopilot/picture.ts';
import type { ClusterObserver } from '../../../src/autopilot/ports.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { STOP_GRACE_MS, type SimBroker, type SimCluster } from './sim-cluster.ts';

const SUSPECT_MS = 10_000;

/** What Belfry sees of the clusters, through a network that may be cut between it and them. */
export class SimView implements ClusterObserver {
  readonly #clock: Clock;
  readonly #all: ReadonlyMap<string, SimCluster>;
  /** Nothing of these is seen until then; the last picture stays as it was. */
  readonly blindUntil = new Map<string, number>();
  /** `cluster/broker`: Belfry alone cannot reach it within this time. */
  readonly unreachable = new Map<string, { readonly from: number; readonly until: number }>();
  readonly #forgotten = new Set<string>();
  readonly #pictures = new Map<string, ClusterPicture>();

  constructor(clock: Clock, all: ReadonlyMap<string, SimCluster>) {
    this.#clock = clock;
    this.#all = all;
  }

  clusters(): readonly string[] {
    return [...this.#all.keys()];
  }

  picture(cluster: string): ClusterPicture | undefined {
    return this.#pictures.get(cluster);
  }

  isBlind(cluster: string): boolean {
    return this.#clock.now() < (this.blindUntil.get(cluster) ?? 0);
  }

  /** Looks anew at every cluster. */
  look(): void {
    for (const [name, cluster] of this.#all) {
      if (!this.isBlind(name)) this.#pictures.set(name, this.#paint(cluster));
      else {
        const last = this.#pictures.get(name);
        if (last !== undefined) this.#pictures.set(name, { ...last, blind: 'no broker answers' });
      }
    }
  }

  confirm(name: string): Promise<Confirmation> {
    const cluster = this.#all.get(name);
    const askedAt = this.#clock.now();
    const able =
      this.isBlind(name) || cluster === undefined ? [] : cluster.live.filter((one) => this.#answers(cluster, one)).map(({ id }) => id);
    const brokers = able.slice(0, 2);
    const agree = brokers.length === 2;
    return Promise.resolve({
      brokers,
      askedAt,
      agree,
      picture: agree && cluster !== undefined ? this.#paint(cluster) : undefined,
      sentence: agree ? 'both say the same' : `${brokers.length} answered`,
    });
  }

  forget(cluster: string, broker: number): void {
    this.#forgotten.add(`${cluster}/${broker}`);
  }

  isForgotten(cluster: string, broker: number): boolean {
    return this.#forgotten.has(`${cluster}/${broker}`);
  }

  #answers(cluster: SimCluster, broker: SimBroker): boolean {
    return broker.process === 'running' && this.#clock.now() >= (this.unreachable.get(`${cluster.name}/${broker.id}`)?.until ?? 0);
  }

  #paint(cluster: SimCluster): ClusterPicture {
    const now = this.#clock.now();
    const brokers = new Map<number, BrokerPicture>();
    for (const broker of cluster.brokers.values()) {
      const listed = cluster.partitions.some(({ replicas }) => replicas.includes(broker.id));
      if (broker.retired && !listed && this.isForgotten(cluster.name, broker.id)) continue;
      brokers.set(broker.id, this.#paintBroker(cluster, broker, now));
    }
    const live = (id: number): boolean => cluster.brokers.get(id)?.process === 'running';
    const voters = cluster.voters.length === 0 ? [101, 102, 103] : cluster.voters;
    const caughtUp = voters.map((id) => ({ id, caughtUp: id > 100 || live(id) }));
    const able = caughtUp.filter((voter) => voter.caughtUp);
    const foreign = now < cluster.foreignMovesUntil ? [{ topic: 'orders', partition: 0 }] : [];
    return {
      cluster: cluster.name,
      askedAt: now,
      observedAt: now,
      blind: undefined,
      clusterIdChanged: false,
      brokers,
      partitions: cluster.partitions.map((one) => ({
        topic: one.topic,
        partition: one.partition,
        replicas: [...one.replicas],
        isr: [...one.isr],
        leader: one.leader,
        minIsr: one.minIsr,
        adding: [...one.adding],
        lastIsr: [...one.lastIsr],
      })),
      reassigning: [...foreign, ...cluster.moving.map(({ topic, partition }) => ({ topic, partition }))],
      quorum: { leaderId: able.length > voters.length / 2 ? (able[0]?.id ?? -1) : -1, voters: caughtUp },
      labels: cluster.drills ? { drill: 'yes' } : {},
      maintenance: now < cluster.maintenanceUntil ? 'sunday' : undefined,
    };
  }

  #paintBroker(cluster: SimCluster, broker: SimBroker, now: number): BrokerPicture {
    const up = this.#answers(cluster, broker);
    const away = broker.process !== 'running';
    const downSince = broker.downSince ?? (up ? undefined : this.unreachable.get(`${cluster.name}/${broker.id}`)?.from);
    const inStopGrace = away && broker.cleanly && broker.stoppedAt > 0 && now - broker.stoppedAt < STOP_GRACE_MS;
    const verdict = up
      ? undefined
      : !away
        ? 'unreachable'
        : broker.process === 'hung'
          ? now - (downSince ?? now) < SUSPECT_MS
            ? 'suspect'
            : 'not_answering'
          : broker.cleanly
            ? 'stopped'
            : 'crashed';
    return {
      id: broker.id,
      expected: !(broker.retired && this.isForgotten(cluster.name, broker.id)),
      up,
      registered: broker.registered,
      verdict,
      downSince,
      inStopGrace,
      rack: undefined,
      lastQuorumFetchAt: broker.fetchedAt,
      usedBytes: 100_000_000,
    };
  }
}
