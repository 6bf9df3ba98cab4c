import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';
import { MIGRATIONS } from '../../src/store/state/migrations.ts';
import { SilenceStore } from '../../src/store/state/silence-store.ts';
import { openStateDb } from '../../src/store/state/state-db.ts';
import { alertOf, resolved, Setup } from './setup.ts';

/** The schema of the file before there were silences. */
const BEFORE = 2;

let setup: Setup;

beforeEach(() => {
  setup = new Setup();
});

afterEach(async () => {
  await setup.end();
});

/** By id: two of the same moment are in no order. */
const incidentRows = () =>
  setup.routing
    .openIncidents()
    .map(({ row }) => row)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));

/** Tables and indexes as SQLite keeps their text. */
function schemaOf(path: string): readonly unknown[] {
  const file = new Sqlite(path);
  try {
    return file.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all();
  } finally {
    file.close();
  }
}

/** Makes of the file what the version before would have left: what came later is taken out again. */
function downgrade(path: string): void {
  const file = new Sqlite(path);
  file.exec('DROP TABLE silence; DROP TABLE muted_alert');
  file.pragma(`user_version = ${BEFORE}`);
  file.close();
  const folder = mkdtempSync(join(tmpdir(), 'belfry-upgrade-'));
  const common = { clock: new ManualClock(), log: silentLogger, meter: silentMeter };
  openStateDb({ path: join(folder, 'state.db'), migrations: MIGRATIONS.slice(0, BEFORE), ...common }).close();
  expect(schemaOf(path)).toEqual(schemaOf(join(folder, 'state.db')));
  rmSync(folder, { recursive: true });
}

it('an upgrade with alerts firing and a message on its way loses nothing and sends nothing twice', async () => {
  const now = setup.clock.now();
  const crash = alertOf({ alertname: 'BrokerCrashed', cluster: 'orders-dal', broker: '2', severity: 'critical' }, now);
  const loss = alertOf({ alertname: 'LeaderLoss', cluster: 'pay-dal', severity: 'critical' }, now);
  setup.notifier('owner/payments webhook').otherwise = { kind: 'retry', reason: 'down' };
  await setup.receive(crash, loss);
  const incidents = incidentRows();
  setup.kill();
  downgrade(setup.db.path);

  setup.notifier('owner/payments webhook').otherwise = { kind: 'delivered' };
  setup.start();
  expect(incidentRows()).toEqual(incidents);
  expect([setup.routing.silences.list(), setup.routing.mutedHistory()]).toEqual([[], []]);
  await setup.receive(crash, loss);
  await setup.clock.advance(60_000);
  for (const way of ['slack', 'email', 'webhook']) expect(setup.notifier(`owner/orders ${way}`).told).toEqual(['first firing loud']);
  expect(setup.notifier('owner/payments webhook').told).toEqual(['first firing loud']);

  const silence = {
    matchers: [parseMatcher('cluster="pay-dal"')],
    startsAt: 0,
    endsAt: setup.clock.now() + 60_000,
    createdBy: 'ann',
    comment: '',
  };
  const { id } = setup.routing.silences.set(silence);
  setup.kill();
  setup.start();
  expect(setup.routing.silences.get(id)?.createdBy).toBe('ann');
  await setup.receive(resolved(crash, setup.clock.now()));
  await setup.clock.advance(1000);
  expect(setup.notifier('owner/orders slack').told).toEqual(['first firing loud', 'all_resolved resolved loud']);
});

it('a silence of before there were annotations stays as it was, and takes some', () => {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-upgrade-'));
  const path = join(folder, 'state.db');
  const common = { path, clock: new ManualClock(), log: silentLogger, meter: silentMeter };
  openStateDb({ ...common, migrations: MIGRATIONS.slice(0, 3) }).close();
  const file = new Sqlite(path);
  file.exec(`INSERT INTO silence VALUES ('s1', '', 0, '[{"name":"a","op":"=","value":"b"}]', 1, 2, 'ann', 'disk swap', 1)`);
  file.close();
  const row = {
    id: 's1',
    shard: '',
    matchers: [{ name: 'a', op: '=', value: 'b' }],
    startsAt: 1,
    endsAt: 2,
    createdBy: 'ann',
    comment: 'disk swap',
    annotations: {},
    updatedAt: 1,
  };
  const opened = openStateDb(common);
  const silences = new SilenceStore(opened);
  expect(silences.loadSilences()).toEqual([row]);
  silences.saveSilence({ ...row, annotations: { ticket: '4711' } });
  expect(silences.loadSilences()).toEqual([{ ...row, annotations: { ticket: '4711' } }]);
  opened.close();
  rmSync(folder, { recursive: true });
});
