import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Alert } from '../../src/core/alert.ts';
import type { IncidentAlertRow, IncidentEventRow, IncidentRow } from '../../src/core/state.ts';
import { IncidentBook, INCIDENT_LIMITS, type IncidentChange } from '../../src/routing/incidents.ts';
import type { IncidentStore } from '../../src/routing/ports.ts';
import { alertOf, resolved } from './setup.ts';

const NOW = 1_700_000_000_000;

class MemoryStore implements IncidentStore {
  readonly incidents = new Map<string, IncidentRow>();
  readonly alerts = new Map<string, IncidentAlertRow>();
  readonly events: IncidentEventRow[] = [];
  readonly durable = true;
  writes = 0;

  durably(write: () => void): boolean {
    write();
    return true;
  }

  loadIncidents = (): readonly IncidentRow[] => [...this.incidents.values()].filter(({ closedAt }) => closedAt === 0);
  loadIncidentAlerts = (id: string): readonly IncidentAlertRow[] => [...this.alerts.values()].filter(({ incidentId }) => incidentId === id);
  loadIncidentEvents = (id: string): readonly IncidentEventRow[] => this.events.filter(({ incidentId }) => incidentId === id);
  incidentsClosedBefore = (): readonly string[] => [];
  saveIncident(row: IncidentRow): void {
    this.writes++;
    this.incidents.set(row.id, row);
  }
  deleteIncident(id: string): void {
    this.incidents.delete(id);
  }
  saveIncidentAlert(row: IncidentAlertRow): void {
    this.writes++;
    this.alerts.set(`${row.incidentId}\n${row.alertKey}`, row);
  }
  saveIncidentEvent(row: IncidentEventRow): void {
    this.writes++;
    this.events.push(row);
  }
}

let store: MemoryStore;
let book: IncidentBook;

beforeEach(() => {
  store = new MemoryStore();
  book = new IncidentBook(store, 0);
});

const CLUSTER = 'orders-dal';
const crashed = (broker: string, severity = 'warning', cluster = CLUSTER): Alert =>
  alertOf({ alertname: 'BrokerCrashed', cluster, broker, severity }, NOW);
const ofCluster = (alertname: string, severity = 'warning', cluster = CLUSTER): Alert => alertOf({ alertname, cluster, severity }, NOW);
const own = (alertname: string): Alert => alertOf({ alertname, severity: 'warning' }, NOW);

function absorb(alerts: readonly Alert[], at = NOW, owner = 'orders'): readonly IncidentChange[] {
  return book.absorb(
    alerts.map((alert) => ({ alert, owner })),
    at,
  ).changes;
}

describe('an alert joins the open incident of its cluster and broker, else its cluster’s, else opens one', () => {
  // number, alerts one after the other, the incident (counted from 1) each of them is in
  it.each<[number, string, readonly Alert[], readonly number[]]>([
    [1, 'one alert opens one', [crashed('2')], [1]],
    [2, 'what follows a crash joins it', [crashed('2'), ofCluster('UnderReplicated'), ofCluster('LeaderLoss', 'critical')], [1, 1, 1]],
    [3, 'a crash joins what came before it', [ofCluster('UnderReplicated'), crashed('2')], [1, 1]],
    [4, 'a second broker joins', [crashed('2'), crashed('3')], [1, 1]],
    [5, 'another cluster has its own', [crashed('2'), crashed('2', 'warning', 'orders-fra')], [1, 2]],
    [6, 'the same alert again is in the same', [crashed('2'), crashed('2')], [1, 1]],
    [7, 'alerts without a cluster are grouped by name', [own('Watchdog'), own('BelfryIsolated'), own('Watchdog')], [1, 2, 1]],
    [8, 'and do not swallow those of a cluster', [own('Watchdog'), crashed('2')], [1, 2]],
  ])('%i. %s', (_, __, alerts, expected) => {
    for (const [i, alert] of alerts.entries()) absorb([alert], NOW + i);
    const ids = [...book.all()].map(({ row }) => row.id);
    const found = alerts.map((alert) => [...book.all()].find((record) => record.alerts.has(alert.labels.key))?.row.id ?? '');
    expect(found.map((id) => ids.indexOf(id) + 1)).toEqual(expected);
  });

  it('opens another one for alerts that came after the cluster changed hands, and resolves in the old one', () => {
    absorb([crashed('2')]);
    absorb([ofCluster('UnderReplicated')], NOW + 1, 'payments');
    expect([...book.all()].map(({ row }) => row.owner)).toEqual(['orders', 'payments']);
    const [change] = absorb([resolved(crashed('2'), NOW + 2)], NOW + 2, 'payments');
    expect(change?.record.row.owner).toBe('orders');
  });

  it('opens another one after the first was closed', () => {
    const [change] = absorb([crashed('2')]);
    absorb([resolved(crashed('2'), NOW + 1)], NOW + 1);
    if (change !== undefined) book.close(change.record, NOW + 300_001);
    absorb([crashed('2')], NOW + 400_000);
    expect([...book.all()].map(({ closed }) => closed)).toEqual([true, false]);
    expect(book.openCount).toBe(1);
  });
});

describe('what makes an incident worse', () => {
  it.each<[number, string, readonly Alert[], Alert, string | undefined]>([
    [1, 'the first alert is not worse', [], crashed('2'), undefined],
    [2, 'another warning of the cluster is not', [crashed('2')], ofCluster('UnderReplicated'), undefined],
    [3, 'a rise in severity', [crashed('2')], ofCluster('LeaderLoss', 'critical'), 'severity'],
    [4, 'a second broker', [crashed('2')], crashed('3'), 'second_broker'],
    [5, 'a second broker, though milder than what fires', [crashed('2', 'critical')], crashed('3'), 'second_broker'],
    [6, 'not a mere info about a second broker', [crashed('2')], crashed('3', 'info'), undefined],
    [7, 'the first broker that is named is no second one', [ofCluster('UnderReplicated')], crashed('2'), undefined],
    [8, 'one more critical alert', [ofCluster('LeaderLoss', 'critical')], ofCluster('UnderMinIsr', 'critical'), 'more_critical'],
    [
      9,
      'a critical alert that fired in this run and comes back is not',
      [crashed('2'), ofCluster('LeaderLoss', 'critical'), resolved(ofCluster('LeaderLoss', 'critical'), NOW)],
      ofCluster('LeaderLoss', 'critical'),
      undefined,
    ],
    [10, 'a milder alert is not', [crashed('2', 'critical')], ofCluster('UnderReplicated'), undefined],
    [11, 'what begins a new run is not', [crashed('2'), resolved(crashed('2'), NOW)], crashed('3', 'critical'), undefined],
  ])('%i. %s', (_, __, before, alert, expected) => {
    for (const earlier of before) absorb([earlier]);
    const [change] = absorb([alert]);
    expect(change?.worseBy).toBe(expected);
    // The same after a restart: nothing of it is in memory only.
    const restored = new IncidentBook(store, 0);
    restored.load();
    const again = new IncidentBook(store, 0);
    again.load();
    expect(again.get(change?.record.row.groupKey ?? '')?.orderedAlerts()).toEqual(change?.record.orderedAlerts());
  });

  it.each([
    ['a rise in severity', 'severity', [crashed('2'), ofCluster('LeaderLoss', 'critical')]],
    ['one more', 'more_critical', [crashed('2', 'critical'), ofCluster('LeaderLoss', 'critical')]],
  ])('a critical alert that comes back after more than five minutes is %s, over a restart too', (_, expected, before) => {
    for (const isRestarted of [false, true]) {
      absorb(before);
      absorb([resolved(ofCluster('LeaderLoss', 'critical'), NOW + 1000)], NOW + 1000);
      if (isRestarted) {
        book = new IncidentBook(store, 0);
        book.load();
      }
      expect(absorb([ofCluster('LeaderLoss', 'critical')], NOW + 300_000)[0]?.worseBy).toBe(undefined);
      absorb([resolved(ofCluster('LeaderLoss', 'critical'), NOW + 301_000)], NOW + 301_000);
      expect(absorb([ofCluster('LeaderLoss', 'critical')], NOW + 601_000)[0]?.worseBy).toBe(expected);
      absorb(
        [...before, ofCluster('LeaderLoss', 'critical')].map((alert) => resolved(alert, NOW + 700_000)),
        NOW + 700_000,
      );
    }
  });

  it('a broker that is away again after it was well for more than five minutes is as a second one', () => {
    absorb([ofCluster('UnderReplicated'), crashed('2'), { ...crashed('2'), labels: crashed('2').labels.with('alertname', 'DiskLow') }]);
    absorb([resolved(crashed('2'), NOW)]);
    // Another alert about it still fires.
    expect(absorb([crashed('2')], NOW + 600_000)[0]?.worseBy).toBe(undefined);
    const all = [crashed('2'), { ...crashed('2'), labels: crashed('2').labels.with('alertname', 'DiskLow') }];
    absorb(
      all.map((alert) => resolved(alert, NOW + 700_000)),
      NOW + 700_000,
    );
    expect(absorb([crashed('2')], NOW + 900_000)[0]?.worseBy).toBe(undefined);
    absorb([resolved(crashed('2'), NOW + 901_000)], NOW + 901_000);
    expect(absorb([crashed('2')], NOW + 1_300_000)[0]?.worseBy).toBe('second_broker');
  });

  it('judges by what fired before a restart', () => {
    absorb([crashed('2', 'critical')]);
    book = new IncidentBook(store, 0);
    book.load();
    expect(absorb([crashed('3')], NOW + 1)[0]?.worseBy).toBe('second_broker');
    expect(absorb([crashed('2', 'critical')], NOW + 1)).toEqual([]);
  });
});

describe('absorbing a batch', () => {
  it('takes what fires before what ends, so that a worse alert in place of a milder one ends nothing', () => {
    absorb([crashed('2', 'warning')]);
    const changes = absorb([resolved(crashed('2', 'warning'), NOW + 1), crashed('2', 'critical')], NOW + 1);
    expect(changes.map(({ record, worseBy }) => [record.firing, worseBy, record.row.resolvedAt])).toEqual([[true, 'severity', 0]]);
  });

  it('writes nothing for what it knows already, but shows its newest texts', () => {
    absorb([crashed('2')]);
    const before = store.writes;
    const changed = { ...crashed('2'), value: 42 };
    expect(absorb([changed, resolved(ofCluster('Unknown'), NOW)])).toEqual([]);
    expect(store.writes).toBe(before);
    expect([...book.all()][0]?.orderedAlerts()[0]?.value).toBe(42);
  });

  it('orders alerts: firing before resolved, then by severity, then by age', () => {
    const young = { ...ofCluster('C', 'critical'), startsAt: NOW + 5 };
    const old = { ...ofCluster('D', 'critical'), startsAt: NOW - 5 };
    absorb([ofCluster('A'), ofCluster('B'), young, old]);
    absorb([resolved(old, NOW + 9)], NOW + 9);
    expect([...book.all()][0]?.orderedAlerts().map(({ labels }) => labels.get('alertname'))).toEqual(['C', 'A', 'B', 'D']);
  });

  it('tells a storm in a few events', () => {
    absorb(Array.from({ length: 500 }, (_, i) => ofCluster(`Alert${i}`)));
    expect(store.events).toHaveLength(21);
    expect(store.events.at(-1)?.text).toBe('480 more alerts fire.');
  });

  it.each([
    ['no_data', 'Over: BrokerCrashed 2 (there is no data about it any more, which does not mean that it is well)'],
    ['rule_removed', 'Over: BrokerCrashed 2 (its rule was removed)'],
    ['recovered', 'Over: BrokerCrashed 2'],
  ] as const)('says why an alert ended: %s', (resolveReason, text) => {
    absorb([crashed('2')]);
    absorb([{ ...resolved(crashed('2'), NOW), resolveReason }]);
    expect(store.events.at(-1)?.text).toBe(text);
  });

  it('has a limit for incidents and for alerts of one', () => {
    book = new IncidentBook(store, 0, { openIncidents: 1, alertsPerIncident: 2 });
    const alerts = [crashed('1'), crashed('2'), crashed('3'), crashed('1', 'warning', 'orders-fra')];
    const { ignored } = book.absorb(
      alerts.map((alert) => ({ alert, owner: 'orders' })),
      NOW,
    );
    expect([...ignored]).toEqual([
      ['too_many_alerts', 1],
      ['too_many_incidents', 1],
    ]);
    expect(INCIDENT_LIMITS).toEqual({ openIncidents: 10_000, alertsPerIncident: 50_000 });
  });
});

afterEach(() => {
  for (const { seq, incidentId } of store.events) {
    expect(store.events.filter((event) => event.incidentId === incidentId && event.seq === seq)).toHaveLength(1);
  }
});
