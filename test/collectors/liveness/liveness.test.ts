import { afterEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../src/core/clock.ts';
import { type LogFields, silentLogger } from '../../../src/core/log.ts';
import type { BreakKind } from '../../../src/kafka/observer.ts';
import { FakeBrokers } from './fake-brokers.ts';
import { WatchedCluster } from './watched-cluster.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Minutes pass in few steps; where a stall is what is tested the default holds. */
const timings = { stallCheckMs: 5 * SECOND };

let clock: ManualClock;
let kafka: FakeBrokers;
let watched: WatchedCluster;

/** Lets what just happened be noticed, then time pass. */
async function pass(ms: number): Promise<void> {
  await clock.advance(0);
  await clock.advance(ms);
}

async function watching(ids: readonly number[] = [1, 2, 3]): Promise<void> {
  clock = new ManualClock();
  kafka = new FakeBrokers(clock, ids);
  watched = new WatchedCluster(clock, { connector: kafka, bootstrap: kafka.bootstrap, timings });
  watched.liveness.start();
  await pass(2 * SECOND);
}

afterEach(async () => {
  watched.liveness.stop();
  await pass(5 * SECOND);
  expect({ connections: kafka.openConnections, timers: clock.pendingTimers }).toEqual({ connections: 0, timers: 0 });
});

describe('a healthy cluster', () => {
  it('is found through its bootstrap addresses, each broker held by one connection', async () => {
    await watching();
    expect([1, 2, 3].map((id) => watched.up(id))).toEqual([1, 1, 1]);
    expect(kafka.openConnections).toBe(3);
    expect(watched.writer.value('belfry_cluster_unreachable')).toBe(0);
    expect(watched.writer.value('belfry_cluster_id_changed')).toBe(0);
    expect(watched.of('belfry_broker_isr_restored', 1)).toBe(1);
    expect(watched.of('belfry_broker_down_since_seconds', 1)).toBeUndefined();
    expect(watched.events).toEqual([]);
    expect(watched.wakes.filter(({ urgent }) => urgent === true)).toEqual([]);
  });

  it('is written every five seconds, and wakes nobody', async () => {
    await watching();
    const { rows } = watched.writer;
    const wakes = watched.wakes.length;
    await pass(60 * SECOND);
    expect(watched.writer.rows - rows).toBe(12);
    expect(watched.wakes.length).toBe(wakes);
  });

  it('is greeted by at most twenty handshakes a second', async () => {
    await watching(Array.from({ length: 60 }, (_, i) => i + 1));
    await pass(2 * SECOND);
    const first = kafka.connects[0]?.at ?? 0;
    const perSecond = [0, 1, 2].map(
      (s) => kafka.connects.filter(({ at }) => at >= first + s * SECOND && at < first + (s + 1) * SECOND).length,
    );
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(20);
    expect(kafka.openConnections).toBe(60);
  });

  it('shows when the certificates end', async () => {
    clock = new ManualClock();
    kafka = new FakeBrokers(clock);
    kafka.certificateNotAfter = 1_800_000_000_000;
    watched = new WatchedCluster(clock, { connector: kafka, bootstrap: kafka.bootstrap, timings });
    watched.liveness.start();
    await pass(SECOND);
    expect(watched.of('belfry_tls_certificate_not_after_seconds', 2)).toBe(1_800_000_000);
  });

  it('is found although the first bootstrap addresses are dead or no brokers', async () => {
    clock = new ManualClock();
    kafka = new FakeBrokers(clock);
    kafka.broker(1).connect = 'protocol';
    const bootstrap = [{ host: 'nowhere', port: 9092 }, ...kafka.bootstrap];
    const passedOver: unknown[] = [];
    const warn = (event: string, fields?: LogFields): void => {
      if (event === 'liveness_bootstrap_address_failed') passedOver.push(fields?.['address']);
    };
    watched = new WatchedCluster(clock, { connector: kafka, bootstrap, log: { ...silentLogger, warn } });
    watched.liveness.start();
    await pass(2 * SECOND);
    expect(watched.up(2)).toBe(1);
    expect(watched.reasons(1)).toEqual(['unreachable']);
    const [{ host, port } = { host: '', port: 0 }] = kafka.bootstrap;
    expect(passedOver).toEqual(['nowhere:9092', `${host}:${port}`]);
  });

  it('counts a broker that only replica lists name as down, cause not stated', async () => {
    await watching([1, 2]);
    expect(watched.writer.value('up', { job: 'kafka', broker: '3' })).toBe(0);
    expect(watched.reasons(3)).toEqual(['unknown']);
  });

  it('uses the addresses of the configuration instead of advertised ones', async () => {
    clock = new ManualClock();
    kafka = new FakeBrokers(clock);
    const advertised = kafka.broker(2).address;
    kafka.broker(2).address = { host: 'tunnel', port: 19092 };
    const addresses = new Map([[2, { host: 'tunnel', port: 19092 }]]);
    watched = new WatchedCluster(clock, { connector: kafka, bootstrap: kafka.bootstrap, addresses });
    watched.liveness.start();
    await pass(SECOND);
    expect(kafka.connects.some(({ address }) => address.host === advertised.host)).toBe(false);
    expect(watched.writer.value('up', { job: 'kafka', broker: '2', instance: 'tunnel:19092' })).toBe(1);
  });
});

describe('a broker that goes', () => {
  it('has crashed: told at once, with the look that proves it', async () => {
    await watching();
    const killedAt = clock.now();
    kafka.kill(2);
    await pass(5);
    expect(watched.told(2)).toEqual(['crashed']);
    expect(watched.events[0]).toMatchObject({ broker: 2, brokenAt: killedAt, evidence: { look: { registered: true } } });
    expect(watched.reasons(2)).toEqual(['crashed']);
    expect(watched.up(2)).toBe(0);
    expect(watched.of('belfry_broker_down_since_seconds', 2)).toBe(killedAt / SECOND);
    const names = watched.wakes.at(-1)?.metricNames ?? new Set();
    expect([...names].toSorted()).toEqual([
      'belfry_broker_down_info',
      'belfry_broker_down_since_seconds',
      'belfry_broker_isr_restored',
      'up',
    ]);
    expect(watched.wakes.at(-1)).toMatchObject({ ts: watched.writer.lastTs, urgent: true });
  });

  it('has crashed also when it led nothing: told after the last of the quick looks', async () => {
    await watching([1, 2, 3, 4]);
    kafka.topics.set('follows', [{ leader: 1, replicas: [1, 4], isr: [1, 4] }]);
    await pass(20 * SECOND);
    kafka.kill(4);
    await pass(240);
    expect(watched.told(4)).toEqual([]);
    await pass(20);
    expect(watched.told(4)).toEqual(['crashed']);
  });

  it('has crashed also when it held nothing: a second later, for a stop would look the same at first', async () => {
    await watching([1, 2, 3, 4]);
    kafka.kill(4);
    await pass(900);
    expect(watched.told(4)).toEqual([]);
    await pass(150);
    expect(watched.told(4)).toEqual(['crashed']);
  });

  it('has stopped, and has its grace', async () => {
    await watching();
    kafka.stop(2);
    await pass(5);
    expect(watched.told(2)).toEqual(['stopped']);
    expect(watched.of('belfry_broker_stop_grace', 2)).toBe(1);
    await pass(5 * MINUTE + 2 * SECOND);
    expect(watched.of('belfry_broker_stop_grace', 2)).toBe(0);
    expect(watched.reasons(2)).toEqual(['stopped']);
    expect(watched.told(2)).toEqual(['stopped']);
  });

  it('has stopped, though the survivors hear of it 80 ms late', async () => {
    await watching();
    kafka.sees.set('1/2', true).set('3/2', false);
    kafka.stop(2);
    await pass(50);
    expect(watched.told(2)).toEqual([]);
    kafka.sees.clear();
    await pass(100);
    expect(watched.told(2)).toEqual(['stopped']);
  });

  it('was killed in the middle of its stop', async () => {
    await watching();
    for (const partition of kafka.topics.get('orders') ?? []) partition.leader = 2;
    await pass(20 * SECOND);
    for (const partition of kafka.topics.get('orders')?.slice(0, 3) ?? []) {
      partition.leader = 1;
      partition.isr = [1, 3];
    }
    kafka.kill(2);
    await pass(5);
    expect(watched.told(2)).toEqual(['cut_short']);
  });

  it.each<BreakKind>(['no_route', 'dns', 'closed'])('cannot be reached: %s', async (kind) => {
    await watching();
    kafka.kill(2, kind);
    await pass(160);
    expect(watched.told(2)).toEqual(['unreachable']);
  });

  it('refuses our login: tried again once a minute', async () => {
    await watching();
    kafka.kill(2, 'auth');
    await pass(5);
    expect(watched.told(2)).toEqual(['auth']);
    expect([watched.up(2), ...watched.reasons(2)]).toEqual([1, 'auth']);
    const tries = kafka.connectsTo(2);
    await pass(5 * MINUTE);
    expect(kafka.connectsTo(2) - tries).toBeLessThanOrEqual(7);
  });

  it('is back within the quick reconnects: counted, nobody told of a fault', async () => {
    await watching();
    kafka.kill(2);
    kafka.broker(1).metadataMs = 60;
    kafka.broker(3).metadataMs = 60;
    await pass(20);
    kafka.restart(2);
    await pass(SECOND);
    expect(watched.told(2)).toEqual(['reconnected']);
    expect(watched.up(2)).toBe(1);
  });

  it('is tried again ever more rarely, never by more than three connections', async () => {
    await watching();
    kafka.kill(2);
    await pass(MINUTE);
    const before = kafka.connectsTo(2);
    await pass(MINUTE);
    expect(kafka.connectsTo(2) - before).toBeGreaterThan(10);
    expect(kafka.connectsTo(2) - before).toBeLessThanOrEqual(24);
  });

  it('is judged by the one survivor that is left', async () => {
    await watching([1, 2]);
    kafka.kill(2);
    await pass(5);
    expect(watched.told(2)).toEqual(['crashed']);
  });

  it('is judged by another survivor when the one asked fails', async () => {
    await watching([1, 2, 3, 4]);
    kafka.broker(1).metadataMs = 'fail';
    kafka.kill(2);
    await pass(5);
    expect(watched.told(2)).toEqual(['crashed']);
  });

  it('goes together with another: the third tells about both', async () => {
    await watching();
    kafka.kill(1);
    kafka.kill(2);
    await pass(600);
    expect([watched.told(1), watched.told(2)]).toEqual([['crashed'], ['crashed']]);
  });

  it('is the only one: the cause is not stated', async () => {
    await watching([1]);
    kafka.kill(1);
    await pass(600);
    expect(watched.told(1)).toEqual(['unknown']);
    expect(watched.writer.value('belfry_cluster_unreachable')).toBe(1);
  });

  it('asks survivors about no more topics than those on the broker', async () => {
    await watching();
    kafka.topics.set('elsewhere', [{ leader: 1, replicas: [1, 3], isr: [1, 3] }]);
    await pass(20 * SECOND);
    kafka.metadataRequests.length = 0;
    kafka.kill(2);
    await pass(300);
    expect(kafka.metadataRequests.map(({ topics }) => topics)).toEqual(Array.from({ length: 6 }, () => ['orders']));
  });

  it('is asked about by a sample of its topics, but for one look, where its partitions are many', async () => {
    await watching();
    kafka.topics.set(
      'wide',
      Array.from({ length: 2001 }, () => ({ leader: 2, replicas: [2, 3], isr: [2, 3] })),
    );
    await pass(20 * SECOND);
    kafka.metadataRequests.length = 0;
    kafka.kill(2);
    await pass(300);
    expect(kafka.metadataRequests.filter(({ topics }) => topics === undefined).length).toBe(1);
    expect(kafka.metadataRequests.filter(({ topics }) => topics?.join() === 'orders').length).toBe(5);
    expect(watched.told(2)).toEqual(['crashed']);
  });

  it('has stopped, though both survivors list it for 200 ms after its sockets closed', async () => {
    await watching();
    kafka.sees.set('1/2', true).set('3/2', true);
    kafka.stop(2);
    await pass(200);
    expect(watched.told(2)).toEqual([]);
    kafka.sees.clear();
    await pass(100);
    expect(watched.told(2)).toEqual(['stopped']);
  });
});

describe('a silent broker', () => {
  it('is suspect after two missed pings, not answering after ten seconds, and back when it answers', async () => {
    await watching();
    kafka.hang(2);
    await pass(3.1 * SECOND);
    expect(watched.told(2)).toEqual(['suspect']);
    await pass(9 * SECOND);
    expect(watched.told(2)).toEqual(['suspect', 'not_answering']);
    expect(watched.reasons(2)).toEqual(['not_answering']);
    kafka.resume(2);
    await pass(2 * SECOND);
    expect(watched.told(2)).toEqual(['suspect', 'not_answering', 'up']);
    expect(watched.reasons(2)).toEqual([]);
    expect(watched.of('belfry_broker_flapping', 2)).toBe(0);
  });

  it('misses one ping: nothing', async () => {
    await watching();
    kafka.hang(2);
    await pass(1.5 * SECOND);
    kafka.resume(2);
    await pass(5 * SECOND);
    expect(watched.told(2)).toEqual([]);
  });

  it('is asked on few connections while it hangs', async () => {
    await watching();
    const before = kafka.connectsTo(2);
    kafka.hang(2);
    await pass(MINUTE);
    expect(kafka.connectsTo(2) - before).toBeLessThanOrEqual(13);
  });

  it('is found gone behind a connection that never ended', async () => {
    await watching();
    kafka.hang(2);
    kafka.broker(2).connect = 'refused';
    await pass(3.2 * SECOND);
    expect(watched.told(2)).toEqual(['suspect', 'crashed']);
  });

  it('is killed after its session ran out: that it was fenced proves nothing', async () => {
    await watching();
    kafka.hang(2);
    await pass(12 * SECOND);
    kafka.fence(2);
    kafka.kill(2);
    await pass(5 * SECOND);
    expect(watched.told(2)).toEqual(['suspect', 'not_answering']);
  });
});

describe('a broker that comes back', () => {
  it('is up at once, and crashed no longer when it is back in all its ISRs', async () => {
    await watching();
    kafka.kill(2);
    await pass(9 * SECOND);
    kafka.fence(2);
    await pass(20 * SECOND);
    kafka.restart(2);
    await pass(7 * SECOND);
    expect(watched.up(2)).toBe(1);
    expect(watched.of('belfry_broker_down_since_seconds', 2)).toBeUndefined();
    expect(watched.of('belfry_broker_isr_restored', 2)).toBe(0);
    expect(watched.reasons(2)).toEqual(['crashed']);
    kafka.caughtUp(2);
    await pass(3 * SECOND);
    expect(watched.reasons(2)).toEqual([]);
    expect(watched.of('belfry_broker_isr_restored', 2)).toBe(1);
    expect(watched.told(2)).toEqual(['crashed', 'up', 'restored']);
  });

  it('is crashed no longer after ten minutes, catching up or not', async () => {
    await watching();
    kafka.kill(2);
    await pass(9 * SECOND);
    kafka.fence(2);
    kafka.restart(2);
    await pass(9 * MINUTE);
    expect(watched.reasons(2)).toEqual(['crashed']);
    await pass(2 * MINUTE);
    expect(watched.reasons(2)).toEqual([]);
    expect(watched.of('belfry_broker_isr_restored', 2)).toBe(0);
  });

  it('is stopped no longer as soon as it answers', async () => {
    await watching();
    kafka.stop(2);
    await pass(MINUTE);
    kafka.restart(2);
    await pass(6 * SECOND);
    expect(watched.told(2)).toEqual(['stopped', 'up']);
    expect(watched.reasons(2)).toEqual([]);
  });

  it('comes back under another address', async () => {
    await watching();
    kafka.stop(2);
    await pass(MINUTE);
    kafka.broker(2).address = { host: 'kafka2-new', port: 9093 };
    kafka.restart(2);
    await pass(22 * SECOND);
    expect(watched.writer.value('up', { job: 'kafka', broker: '2', instance: 'kafka2-new:9093' })).toBe(1);
  });

  it('flaps with its third break in fifteen minutes, until they are past', async () => {
    await watching();
    for (let i = 0; i < 3; i++) {
      expect(watched.of('belfry_broker_flapping', 2)).toBe(0);
      kafka.kill(2);
      await pass(9 * SECOND);
      kafka.fence(2);
      kafka.restart(2);
      kafka.caughtUp(2);
      await pass(MINUTE);
    }
    expect(watched.of('belfry_broker_flapping', 2)).toBe(1);
    await pass(14 * MINUTE);
    expect(watched.of('belfry_broker_flapping', 2)).toBe(0);
  });

  it('does not flap by connections that stand again at once', async () => {
    await watching();
    for (let i = 0; i < 5; i++) {
      kafka.sever(2);
      await pass(MINUTE);
    }
    expect(watched.told(2)).toEqual(Array.from({ length: 5 }, () => 'reconnected'));
    expect(watched.of('belfry_broker_flapping', 2)).toBe(0);
  });
});

describe('a whole cluster', () => {
  it('that dies is unreachable, and found again wherever one broker comes back', async () => {
    await watching();
    for (const id of [1, 2, 3]) kafka.kill(id);
    await pass(SECOND);
    expect(watched.writer.value('belfry_cluster_unreachable')).toBe(1);
    kafka.restart(3);
    await pass(6 * SECOND);
    expect(watched.writer.value('belfry_cluster_unreachable')).toBe(0);
  });

  it('that times out as one is suspect for fifteen seconds before any broker is judged', async () => {
    await watching();
    for (const id of [1, 2, 3]) kafka.hang(id);
    await pass(14 * SECOND);
    expect([1, 2, 3].flatMap((id) => watched.reasons(id))).toEqual(['suspect', 'suspect', 'suspect']);
    expect(watched.writer.value('belfry_cluster_unreachable')).toBe(1);
    await pass(4 * SECOND);
    expect(watched.reasons(1)).toEqual(['not_answering']);
  });

  it('that refuses our login is there, though nothing is known of it', async () => {
    clock = new ManualClock();
    kafka = new FakeBrokers(clock);
    for (const id of [1, 2, 3]) kafka.broker(id).connect = 'auth';
    watched = new WatchedCluster(clock, { connector: kafka, bootstrap: kafka.bootstrap, timings });
    watched.liveness.start();
    await pass(10 * SECOND);
    expect(watched.writer.value('belfry_cluster_unreachable')).toBeUndefined();
    expect(watched.liveness.hasLooked).toBe(true);
  });

  it('that was never there is unreachable', async () => {
    clock = new ManualClock();
    kafka = new FakeBrokers(clock);
    for (const id of [1, 2, 3]) kafka.broker(id).connect = 'refused';
    watched = new WatchedCluster(clock, { connector: kafka, bootstrap: kafka.bootstrap, timings });
    watched.liveness.start();
    await pass(SECOND);
    expect(watched.writer.value('belfry_cluster_unreachable')).toBe(1);
    for (const id of [1, 2, 3]) kafka.restart(id);
    await pass(8 * SECOND);
    expect(watched.writer.value('belfry_cluster_unreachable')).toBe(0);
  });
});
