import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../src/core/clock.ts';
import { BrokerState } from '../../../src/collectors/liveness/broker-state.ts';
import type { BrokerEntry } from '../../../src/collectors/liveness/broker-entry.ts';
import { EntrySaves } from '../../../src/collectors/liveness/entry-saves.ts';
import { KnownBrokers } from '../../../src/collectors/liveness/known-brokers.ts';
import { FakeBrokers } from './fake-brokers.ts';
import { FakeExpectedBrokersStore, WatchedCluster } from './watched-cluster.ts';

function entry(id: number): BrokerEntry {
  return { state: new BrokerState(id, { host: `kafka${id}`, port: 9092 }, 1), watch: undefined, looks: undefined, settle: [], savedAt: 0 };
}

describe('what is known of brokers', () => {
  let clock: ManualClock;
  let store: FakeExpectedBrokersStore;
  let saves: EntrySaves;

  beforeEach(() => {
    clock = new ManualClock();
    store = new FakeExpectedBrokersStore();
    const known = new KnownBrokers('c', store, (_, run) => run());
    known.identify('MkU3OEVBNTcwNTJENDM2Qg');
    saves = new EntrySaves(clock, known);
  });

  it('is saved a quarter of a second later where it may wait, all in one transaction', async () => {
    saves.soon(entry(1));
    await clock.advance(100);
    saves.soon(entry(2));
    await clock.advance(149);
    expect(store.transactions).toBe(0);
    await clock.advance(1);
    expect([store.transactions, [...store.rows.keys()]]).toEqual([1, [1, 2]]);
  });

  it('goes along with what cannot wait, and once only', async () => {
    const [first, second] = [entry(1), entry(2)];
    saves.soon(first);
    saves.now([second]);
    expect([store.transactions, [...store.rows.keys()]]).toEqual([1, [1, 2]]);
    expect([first.savedAt, second.savedAt]).toEqual([clock.now(), clock.now()]);
    await clock.advance(1000);
    expect([store.transactions, clock.pendingTimers]).toEqual([1, 0]);
  });

  it('is not saved of a broker that has been forgotten meanwhile', async () => {
    const first = entry(1);
    saves.soon(first);
    saves.forget(first);
    expect(clock.pendingTimers).toBe(0);
    saves.soon(entry(2));
    saves.forget();
    await clock.advance(1000);
    expect([store.transactions, clock.pendingTimers]).toEqual([0, 0]);
  });
});

describe('a cluster that is seen for the first time', () => {
  it('is one transaction, and one more when its brokers have answered', async () => {
    const clock = new ManualClock();
    const kafka = new FakeBrokers(clock);
    const watched = new WatchedCluster(clock, { connector: kafka, bootstrap: kafka.bootstrap });
    watched.liveness.start();
    await clock.advance(0);
    await clock.advance(1000);
    expect([...watched.liveness.facts()].map(({ up }) => up)).toEqual([true, true, true]);
    expect([watched.store.transactions, watched.store.rows.size]).toEqual([2, 3]);
    expect(new Set([...watched.store.rows.values()].map(({ state }) => state))).toEqual(new Set(['up']));
    watched.liveness.stop();
    expect(watched.store.transactions).toBe(3);
  });
});
