import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { PilotStore } from '../../../src/core/autopilot-state.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { AlertStore } from '../../../src/store/state/alert-store.ts';
import { MIGRATIONS } from '../../../src/store/state/migrations.ts';
import { PilotStateStore } from '../../../src/store/state/pilot-store.ts';
import { SettingStore } from '../../../src/store/state/setting-store.ts';
import { openStateDb, type StateDb } from '../../../src/store/state/state-db.ts';
import { MemoryPilotStore } from '../../fakes/memory-pilot-store.ts';
import { brokerRow, clusterRow, evidenceRow, holdRow, intentRow, journalRow, modeRow } from './pilot-rows.ts';

const cleanUps: (() => void)[] = [];

afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) cleanUp();
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-pilot-'));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  return folder;
}

function open(path: string, clock = new ManualClock(), migrations = MIGRATIONS): StateDb {
  const db = openStateDb({ path, clock, log: silentLogger, meter: silentMeter, busyTimeoutMs: 0, migrations });
  cleanUps.push(() => db.close());
  return db;
}

/** A store with what tests do to it from outside. */
interface Bench {
  store: PilotStore;
  /** The next process: what is waiting for the disk is lost. */
  restart(): void;
  breakDisk(): void;
  mendDisk(): Promise<void>;
}

function memoryBench(): Bench {
  let store = new MemoryPilotStore();
  return {
    get store() {
      return store;
    },
    restart: () => void (store = store.copy()),
    breakDisk: () => store.breakDisk({ silently: true }),
    mendDisk: async () => {
      await Promise.resolve();
      store.mendDisk();
    },
  };
}

function sqliteBench(): Bench {
  const path = join(temporaryFolder(), 'state.db');
  const clock = new ManualClock();
  let db = open(path, clock);
  let store = new PilotStateStore(db);
  let blocker: Sqlite.Database | undefined;
  cleanUps.push(() => blocker?.close());
  return {
    get store() {
      return store;
    },
    restart: () => {
      // While another connection holds the write lock, closing cannot write what waits: as after a kill.
      db.close();
      blocker?.close();
      blocker = undefined;
      db = open(path, clock);
      store = new PilotStateStore(db);
    },
    breakDisk: () => {
      blocker = new Sqlite(path);
      blocker.exec('BEGIN IMMEDIATE');
    },
    mendDisk: async () => {
      blocker?.close();
      blocker = undefined;
      await clock.advance(1000);
    },
  };
}

describe.each([
  ['in memory', memoryBench],
  ['in state.db', sqliteBench],
])("the auto-pilot's state %s", (_, make) => {
  it('gives every row back to the next process, as it was saved last', () => {
    const bench = make();
    const saved = bench.store.durably(() => {
      for (const row of [brokerRow(2, { state: 'suspect' }), brokerRow(2), brokerRow(10, { progress: NaN })]) bench.store.saveBroker(row);
      for (const row of [clusterRow('orders-dal'), clusterRow('orders-fra')]) bench.store.saveCluster(row);
      for (const row of [evidenceRow('a'), evidenceRow('b', { value: NaN })]) bench.store.saveEvidence(row);
      for (const row of [intentRow('01B'), intentRow('01A', { drill: false })]) bench.store.saveIntent(row);
      for (const row of [modeRow(), modeRow({ action: 'replace', mode: 'approve' })]) bench.store.saveMode(row);
      for (const row of [holdRow('*'), holdRow('orders-dal')]) bench.store.saveHold(row);
      bench.store.appendJournal(journalRow(1));
      bench.store.saveSetting('halt', 'mara: upgrade');
    });
    expect(saved).toBe(true);
    bench.restart();
    const { store } = bench;
    expect(new Set(store.loadBrokers())).toEqual(new Set([brokerRow(2), brokerRow(10, { progress: NaN })]));
    expect(new Set(store.loadClusters())).toEqual(new Set([clusterRow('orders-dal'), clusterRow('orders-fra')]));
    expect(new Set(store.loadEvidence())).toEqual(new Set([evidenceRow('a'), evidenceRow('b', { value: NaN })]));
    expect(store.loadIntents(0)).toEqual([intentRow('01A', { drill: false }), intentRow('01B')]);
    expect(new Set(store.loadModes())).toEqual(new Set([modeRow(), modeRow({ action: 'replace', mode: 'approve' })]));
    expect(new Set(store.loadHolds())).toEqual(new Set([holdRow('*'), holdRow('orders-dal')]));
    expect(store.journal({ limit: 10 })).toEqual([journalRow(1)]);
    expect([store.setting('halt'), store.setting('breaker'), store.lastJournalSeq()]).toEqual(['mara: upgrade', undefined, 1]);
  });

  it('deletes by key', () => {
    const { store } = make();
    for (const id of [1, 2]) store.saveBroker(brokerRow(id));
    for (const key of ['a', 'b']) store.saveEvidence(evidenceRow(key));
    for (const cluster of ['*', 'orders-dal']) store.saveHold(holdRow(cluster));
    store.deleteBroker('orders-dal', 1);
    store.deleteBroker('orders-fra', 2);
    store.deleteEvidence('a');
    store.deleteHold('*');
    expect(store.loadBrokers()).toEqual([brokerRow(2)]);
    expect(store.loadEvidence()).toEqual([evidenceRow('b')]);
    expect(store.loadHolds()).toEqual([holdRow('orders-dal')]);
  });

  it('loads intents that have not ended, and ended ones that changed after the time', () => {
    const { store } = make();
    store.saveIntent(intentRow('01A', { state: 'running', changedAt: 100 }));
    store.saveIntent(intentRow('01B', { state: 'succeeded', changedAt: 100 }));
    store.saveIntent(intentRow('01C', { state: 'observed', changedAt: 101 }));
    store.saveIntent(intentRow('01D', { state: 'unknown', changedAt: 1 }));
    expect(store.loadIntents(100).map(({ id }) => id)).toEqual(['01A', '01C', '01D']);
  });

  it('does not see what the caller does to a row afterwards', () => {
    const { store } = make();
    const memory: Record<string, unknown> = { want: 5 };
    store.durably(() => {
      store.saveCluster(clusterRow('orders-dal', { memory }));
      memory.want = 6;
    });
    memory.want = 7;
    expect(store.loadClusters()[0]?.memory).toEqual({ want: 5 });
  });

  it('leaves no trace of a transaction that threw, a joined one included', () => {
    const bench = make();
    bench.store.appendJournal(journalRow(1));
    const write = (): void => {
      bench.store.saveSetting('fencing_token', '8');
      bench.store.durably(() => bench.store.appendJournal(journalRow(2)));
      // What was set can be read before it is committed: two leases of one step must not get one number.
      expect([bench.store.setting('fencing_token'), bench.store.lastJournalSeq()]).toEqual(['8', 2]);
      throw new Error('changed its mind');
    };
    expect(() => bench.store.durably(write)).toThrow('changed its mind');
    const seen = () => [bench.store.setting('fencing_token'), bench.store.lastJournalSeq(), bench.store.journal({ limit: 9 }).length];
    expect([seen(), bench.store.durable]).toEqual([[undefined, 1, 1], true]);
    bench.restart();
    expect(seen()).toEqual([undefined, 1, 1]);
  });

  it('says when a write was not durable, goes on in memory, and writes it later', async () => {
    const bench = make();
    bench.breakDisk();
    expect(bench.store.durable).toBe(true);
    const write = (): void => {
      bench.store.saveSetting('fencing_token', '9');
      bench.store.appendJournal(journalRow(1));
    };
    expect([bench.store.durably(write), bench.store.durable]).toEqual([false, false]);
    expect([bench.store.setting('fencing_token'), bench.store.lastJournalSeq()]).toEqual(['9', 1]);
    await bench.mendDisk();
    expect(bench.store.durable).toBe(true);
    bench.restart();
    expect([bench.store.setting('fencing_token'), bench.store.lastJournalSeq()]).toEqual(['9', 1]);
  });

  it('loses what waited for the disk when the process ends', () => {
    const bench = make();
    bench.store.saveSetting('fencing_token', '1');
    bench.breakDisk();
    bench.store.saveSetting('fencing_token', '2');
    bench.restart();
    expect([bench.store.setting('fencing_token'), bench.store.durable]).toEqual(['1', true]);
  });
});

describe.each([
  ['in memory', memoryBench],
  ['in state.db', sqliteBench],
])('the journal %s', (_, make) => {
  function filled(): PilotStore {
    const { store } = make();
    store.durably(() => {
      store.appendJournal(journalRow(1, { shard: 'orders-fra' }));
      store.appendJournal(journalRow(2, { intentId: '01A', kind: 'intent' }));
      store.appendJournal(journalRow(3));
      store.appendJournal(journalRow(4, { intentId: '01A', kind: 'ack' }));
      store.appendJournal(journalRow(5, { shard: 'orders-fra', intentId: '01B' }));
    });
    return store;
  }

  it.each([
    ['everything, newest first', {}, [5, 4, 3, 2, 1]],
    ['a cluster', { cluster: 'orders-dal' }, [4, 3, 2]],
    ['an intent', { intentId: '01A' }, [4, 2]],
    ['a kind', { kind: 'ack' as const }, [4]],
    ['no intent at all', { intentId: '' }, []],
    ['a page', { limit: 2 }, [5, 4]],
    ['the next page', { limit: 2, before: 4 }, [3, 2]],
    ['a time', { since: journalRow(4).at }, [5, 4]],
    ['all of these', { cluster: 'orders-dal', intentId: '01A', before: 4, since: 0 }, [2]],
    ['nothing', { limit: 0 }, []],
  ])('tells %s', (_what, filter, expected) => {
    const found = filled().journal({ limit: 1000, ...filter });
    expect(found.map(({ seq }) => seq)).toEqual(expected);
  });

  it('gives at most 1,000 lines', () => {
    const { store } = make();
    store.durably(() => {
      for (let seq = 1; seq <= 1005; seq++) store.appendJournal(journalRow(seq));
    });
    expect(store.journal({ limit: 5000 })).toHaveLength(1000);
  });

  it('forgets ended intents and lines before the time, but never its last number', () => {
    const store = filled();
    store.saveIntent(intentRow('01A', { state: 'failed', changedAt: 99 }));
    store.saveIntent(intentRow('01B', { state: 'failed', changedAt: 100 }));
    store.saveIntent(intentRow('01C', { state: 'leased', changedAt: 1 }));
    store.forgetBefore(100);
    expect(store.loadIntents(0).map(({ id }) => id)).toEqual(['01B', '01C']);
    store.forgetBefore(journalRow(4).at);
    expect(store.journal({ limit: 9 }).map(({ seq }) => seq)).toEqual([5, 4]);
    store.forgetBefore(Number.MAX_SAFE_INTEGER);
    expect([store.journal({ limit: 9 }).map(({ seq }) => seq), store.lastJournalSeq()]).toEqual([[5], 5]);
  });
});

describe('the memory store', () => {
  it('tells of every commit, so that a test can stop after any of them', () => {
    const store = new MemoryPilotStore();
    store.onCommit = (commit) => {
      if (commit === 2) throw new Error('killed');
    };
    store.saveHold(holdRow('a'));
    expect(() => store.durably(() => store.saveHold(holdRow('b')))).toThrow('killed');
    expect(store.copy().loadHolds()).toEqual([holdRow('a'), holdRow('b')]);
    expect(store.commits).toBe(2);
  });
});

describe('state.db', () => {
  it("of the version before keeps its firing alerts, and has room for the auto-pilot's state", () => {
    const path = join(temporaryFolder(), 'state.db');
    const alert = {
      ruleKey: 'rules.yaml/kafka/BrokerCrashed/0',
      alertKey: 'a',
      shard: 'orders-dal',
      labels: { alertname: 'BrokerCrashed' },
      annotations: {},
      state: 'firing' as const,
      value: 1,
      activeAt: 1,
      firedAt: 2,
      resolvedAt: 0,
      lastSentAt: 3,
      keepFiringSince: 0,
      resolveReason: '',
    };
    const old = open(path, new ManualClock(), MIGRATIONS.slice(0, 1));
    new AlertStore(old).saveAlert(alert);
    new SettingStore(old).save('token', 'hash');
    old.close();

    const db = open(path);
    new PilotStateStore(db).saveBroker(brokerRow(2));
    expect(new AlertStore(db).loadAlerts()).toEqual([alert]);
    expect(new SettingStore(db).load().get('token')).toBe('hash');
    expect(new PilotStateStore(db).loadBrokers()).toEqual([brokerRow(2)]);
  });

  it("keeps the auto-pilot's settings apart from others of the same name", () => {
    const db = open(join(temporaryFolder(), 'state.db'));
    new SettingStore(db).save('halt', 'theirs');
    const store = new PilotStateStore(db);
    store.saveSetting('halt', 'ours');
    expect([new SettingStore(db).load().get('halt'), new PilotStateStore(db).setting('halt')]).toEqual(['theirs', 'ours']);
  });

  it('finds lines of a cluster and of an intent by an index', () => {
    const path = join(temporaryFolder(), 'state.db');
    open(path).close();
    const sqlite = new Sqlite(path, { readonly: true });
    cleanUps.push(() => sqlite.close());
    const plan = (where: string): string =>
      JSON.stringify(sqlite.prepare(`EXPLAIN QUERY PLAN SELECT * FROM journal WHERE seq > 0 AND ${where} ORDER BY seq DESC LIMIT 9`).all());
    expect(plan("shard = 'a'")).toContain('journal_by_shard');
    expect(plan("intent_id = 'a' AND intent_id <> ''")).toContain('journal_by_intent');
    expect(plan('at < 5')).not.toContain('SCAN');
  });
});
