import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExpectedBrokerRow, ExpectedBrokersStore } from '../../../src/collectors/liveness/expected-brokers.ts';
import { VERDICTS } from '../../../src/collectors/liveness/verdict.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { BrokerStore } from '../../../src/store/state/broker-store.ts';
import { openStateDb } from '../../../src/store/state/state-db.ts';

function row(brokerId: number, changes: Partial<ExpectedBrokerRow> = {}): ExpectedBrokerRow {
  return {
    cluster: 'orders-dal',
    clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
    brokerId,
    host: `kafka${brokerId}`,
    port: 9092,
    firstSeenAt: 1_700_000_000_000,
    lastSeenAt: 1_700_000_000_500,
    state: 'down',
    downSince: 1_700_000_000_400,
    verdict: 'crashed',
    verdictHolds: true,
    ...changes,
  };
}

describe('expected brokers', () => {
  it('are kept by cluster over a restart, as the liveness room declares it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'belfry-brokers-'));
    const open = () => openStateDb({ path: join(folder, 'state.db'), clock: new ManualClock(), log: silentLogger, meter: silentMeter });
    const first = open();
    const store: ExpectedBrokersStore = new BrokerStore(first, VERDICTS);
    const rows = [row(1), row(10, { verdict: undefined, verdictHolds: false, state: 'up', downSince: 0 })];
    store.save([...rows, row(3), row(1, { cluster: 'orders-fra' })]);
    store.delete('orders-dal', 3);
    first.close();

    const second = open();
    const found = new BrokerStore(second, VERDICTS).load('orders-dal');
    expect(found).toMatchObject(rows);
    expect(found).toHaveLength(2);
    expect(new BrokerStore(second, VERDICTS).clusters()).toEqual(new Set(['orders-dal', 'orders-fra']));
    expect(new BrokerStore(second, []).load('orders-fra').map(({ verdict }) => verdict)).toEqual([undefined]);
    second.close();
    rmSync(folder, { recursive: true });
  });
});
