import { afterEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../src/core/clock.ts';
import type { BrokerAddress } from '../../../src/kafka/observer.ts';
import { FakeBrokers } from './fake-brokers.ts';
import { StallClock } from './stall-clock.ts';
import { FakeExpectedBrokersStore, WatchedCluster } from './watched-cluster.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Minutes pass in few steps; where a stall is what is tested the default holds. */
const timings = { stallCheckMs: 5 * SECOND };

let clock: ManualClock;
let kafka: FakeBrokers;
let watched: WatchedCluster;

async function pass(ms: number): Promise<void> {
  await clock.advance(0);
  await clock.advance(ms);
}

async function watch(store?: FakeExpectedBrokersStore, bootstrap: readonly BrokerAddress[] = kafka.bootstrap): Promise<void> {
  watched = new WatchedCluster(clock, { connector: kafka, bootstrap, timings }, store);
  watched.liveness.start();
  await pass(2 * SECOND);
}

/** Belfry ends and starts again on what it had stored. */
async function restartBelfry(): Promise<void> {
  watched.liveness.stop();
  await pass(MINUTE);
  await watch(watched.store);
}

async function begin(): Promise<void> {
  clock = new ManualClock();
  kafka = new FakeBrokers(clock);
  await watch();
}

afterEach(() => watched.liveness.stop());

describe('after a restart of Belfry', () => {
  it('a broker known before is missed, though nothing names it any more', async () => {
    await begin();
    watched.liveness.stop();
    kafka.fence(2);
    kafka.kill(2);
    kafka.topics.clear();
    await watch(watched.store, [kafka.broker(1).address]);
    expect(watched.up(2)).toBe(0);
    expect(watched.reasons(2)).toEqual(['unknown']);
  });

  it('the verdict of the same outage is kept, with its beginning', async () => {
    await begin();
    const killedAt = clock.now();
    kafka.kill(2);
    await pass(9 * SECOND);
    kafka.fence(2);
    await restartBelfry();
    expect(watched.reasons(2)).toEqual(['crashed']);
    expect(watched.of('belfry_broker_down_since_seconds', 2)).toBe(killedAt / SECOND);
    expect(watched.told(2)).toEqual([]);
  });

  it('a broker that went down meanwhile is down, cause not stated', async () => {
    await begin();
    watched.liveness.stop();
    kafka.kill(2);
    await watch(watched.store);
    expect(watched.told(2)).toEqual(['unknown']);
  });

  it('a crashed broker that came back meanwhile is followed until it is restored', async () => {
    await begin();
    kafka.kill(2);
    await pass(9 * SECOND);
    kafka.fence(2);
    watched.liveness.stop();
    kafka.restart(2);
    await watch(watched.store);
    expect([watched.up(2), ...watched.reasons(2)]).toEqual([1, 'crashed']);
    kafka.caughtUp(2);
    await pass(3 * SECOND);
    expect(watched.reasons(2)).toEqual([]);
    expect(watched.told(2)).toEqual(['up', 'restored']);
  });

  it('the watch goes on where nothing can be stored', async () => {
    clock = new ManualClock();
    kafka = new FakeBrokers(clock);
    const store = new FakeExpectedBrokersStore();
    await watch(store);
    store.broken = true;
    kafka.kill(2);
    await pass(5);
    expect(watched.told(2)).toEqual(['crashed']);
  });
});

describe('what belongs to others', () => {
  it('may fail, be it the row, the wake or a listener: the watch goes on', async () => {
    await begin();
    const fail = (): never => {
      throw new Error('not today');
    };
    watched.writer.append = fail;
    watched.liveness.onVerdict(fail);
    kafka.kill(2);
    await pass(5);
    expect(watched.told(2)).toEqual(['crashed']);
    kafka.fence(2);
    kafka.restart(2);
    await pass(6 * SECOND);
    expect(watched.told(2)).toEqual(['crashed', 'up']);
  });
});

describe('an expected broker', () => {
  it('retires by itself: stopped in an orderly way, no replicas, thirty minutes', async () => {
    await begin();
    kafka.add(4);
    await pass(20 * SECOND);
    kafka.stop(4);
    await pass(29 * MINUTE);
    expect(watched.of('belfry_broker_down_info', 4, { reason: 'stopped' })).toBe(1);
    await pass(2 * MINUTE);
    expect(watched.store.rows.has(4)).toBe(false);
    expect(watched.writer.value('up', { job: 'kafka', broker: '4', instance: 'kafka4:9092' })).toBeUndefined();
  });

  it.each([
    { name: 'it holds replicas', replicas: [4, 1], how: (): void => kafka.stop(4) },
    { name: 'it crashed', replicas: [1], how: (): void => kafka.kill(4) },
  ])('does not retire when $name', async ({ replicas, how }) => {
    await begin();
    kafka.add(4);
    kafka.topics.set('more', [{ leader: 1, replicas, isr: [1] }]);
    await pass(20 * SECOND);
    how();
    await pass(10 * SECOND);
    kafka.broker(4).listed = false;
    await pass(60 * MINUTE);
    expect(watched.up(4)).toBe(0);
  });

  it('is forgotten by hand, and no longer connected to', async () => {
    await begin();
    kafka.add(4);
    await pass(20 * SECOND);
    kafka.broker(4).listed = false;
    expect([watched.liveness.forget(4), watched.liveness.forget(99)]).toEqual([true, false]);
    await pass(MINUTE);
    expect(watched.store.rows.has(4)).toBe(false);
    expect(kafka.broker(4).held.size).toBe(0);
  });
});

describe('another cluster behind the name', () => {
  const addOther = (): void => {
    kafka.clusterId = 'another-cluster';
    for (const id of [1, 2, 3]) {
      kafka.brokers.delete(id);
      kafka.add(id + 10);
    }
    kafka.topics.clear();
  };

  it('is told, and no old id alerts', async () => {
    await begin();
    const { bootstrap } = kafka;
    watched.liveness.stop();
    addOther();
    kafka.broker(11).address = bootstrap[0] ?? kafka.broker(11).address;
    await watch(watched.store);
    expect(watched.writer.value('belfry_cluster_id_changed')).toBe(1);
    expect([1, 2, 3].map((id) => watched.reasons(id))).toEqual([[], [], []]);
    expect(watched.writer.value('up', { job: 'kafka', broker: '12', instance: 'kafka12:9092' })).toBe(1);
    expect([...watched.store.rows.keys()]).toEqual([1, 2, 3]);
  });

  it('stays told over a restart, until it is accepted', async () => {
    await begin();
    watched.liveness.stop();
    addOther();
    await watch(watched.store);
    await restartBelfry();
    expect(watched.writer.value('belfry_cluster_id_changed')).toBe(1);
    watched.liveness.acceptClusterId();
    expect(watched.writer.value('belfry_cluster_id_changed')).toBe(0);
    expect([...watched.store.rows.keys()]).toEqual([11, 12, 13]);
  });

  it('is not believed from one stray broker', async () => {
    await begin();
    kafka.sever(2);
    const stray = { ...kafka.metadata(1, undefined), clusterId: 'another-cluster' };
    const ask = kafka.metadata.bind(kafka);
    kafka.metadata = (from, topics) => (from === 1 ? stray : ask(from, topics));
    kafka.kill(2);
    await pass(600);
    expect(watched.told(2)).toEqual(['crashed']);
    expect(watched.writer.value('belfry_cluster_id_changed')).toBe(0);
  });
});

describe('Belfry standing still', () => {
  it.each([0, 300, 700, 990])('for ten seconds, %i ms after a ping, judges nobody', async (offsetMs) => {
    const stalling = new StallClock();
    const cluster = new FakeBrokers(stalling);
    const here = new WatchedCluster(stalling, { connector: cluster, bootstrap: cluster.bootstrap });
    here.liveness.start();
    await stalling.advance(3 * SECOND + offsetMs);
    // The answers that came meanwhile wait in the sockets: the timers run first.
    for (const id of [1, 2, 3]) cluster.hang(id);
    await stalling.stall(10 * SECOND);
    await stalling.advance(20);
    for (const id of [1, 2, 3]) cluster.resume(id);
    await stalling.advance(20 * SECOND);
    expect(here.events).toEqual([]);
    here.liveness.stop();
  });

  it('with its machine asleep discards the ping that spans it', async () => {
    const stalling = new StallClock();
    const cluster = new FakeBrokers(stalling);
    const here = new WatchedCluster(stalling, { connector: cluster, bootstrap: cluster.bootstrap });
    here.liveness.start();
    await stalling.advance(3 * SECOND);
    cluster.hang(2);
    await stalling.advance(500);
    stalling.suspend(3600 * SECOND);
    await stalling.advance(1500);
    cluster.resume(2);
    await stalling.advance(5 * SECOND);
    expect(here.events).toEqual([]);
    here.liveness.stop();
  });
});
