import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { EvidenceIntake } from '../../src/autopilot/evidence.ts';
import { CLUSTER, MINUTE, Rig } from './pilot-rig.ts';

function intakeOf(rig: Rig): EvidenceIntake {
  return new EvidenceIntake({ store: rig.store, observer: rig.cluster, startedAt: rig.clock.now(), log: silentLogger, meter: silentMeter });
}

describe('what arms', () => {
  it('a firing alert of a rule whose file says the action literally, for an expected broker of a configured cluster', () => {
    const rig = new Rig();
    const intake = intakeOf(rig);
    expect([...intake.receive([rig.alert(2)], rig.clock.now())]).toEqual([CLUSTER]);
    expect(intake.of(CLUSTER, 'repair', 2)).toMatchObject([{ brokerId: 2, rule: 'BrokerCrashed', action: 'repair', value: 1 }]);
    expect(intake.of(CLUSTER, 'repair', 3)).toEqual([]);
  });

  it('only scaling may be about the whole cluster', () => {
    const rig = new Rig();
    const intake = intakeOf(rig);
    intake.receive([rig.alert('', { action: 'scale_out' }), rig.alert('', { action: 'repair', labels: { other: 'x' } })], rig.clock.now());
    expect(intake.of(CLUSTER, 'scale_out')).toHaveLength(1);
    expect(intake.all(CLUSTER)).toHaveLength(1);
  });
});

describe('what arms nothing', () => {
  it.each([
    ['the label action of a sample or a template, the rule naming none', { action: undefined, labels: { action: 'repair' } }],
    ['an alert posted to the API, whatever it says of itself', { kind: 'api' as const, labels: { action: 'repair' } }],
    ['an action that there is not', { action: 'format_disk' }],
    ['a cluster that is not configured', { labels: { cluster: 'somewhere' } }],
    ['a broker that nobody expects', { labels: { broker: '9' } }],
    ['a broker that is no number', { labels: { broker: '2; reboot' } }],
    ['a number written otherwise', { labels: { broker: '2e0' } }],
    ['a host in place of a broker', { labels: { broker: '', instance: 'kafka2:7071' } }],
  ])('%s', (_, change) => {
    const rig = new Rig();
    const intake = intakeOf(rig);
    expect(intake.receive([rig.alert(2, change)], rig.clock.now()).size).toBe(0);
    expect([intake.all(CLUSTER), rig.store.loadEvidence()]).toEqual([[], []]);
  });

  it('a broker that is known but was taken out of service', () => {
    const rig = new Rig();
    rig.cluster.set(2, { expected: false });
    const intake = intakeOf(rig);
    intake.receive([rig.alert(2)], rig.clock.now());
    expect(intake.all(CLUSTER)).toEqual([]);
  });
});

describe('how long it stands', () => {
  it.each(['recovered', 'no_data', 'rule_removed', 'target_removed', 'limit_exceeded'] as const)('until its alert ends: %s', (reason) => {
    const rig = new Rig();
    const intake = intakeOf(rig);
    intake.receive([rig.alert(2)], rig.clock.now());
    expect([...intake.receive([rig.alert(2, { status: 'resolved', reason })], rig.clock.now())]).toEqual([CLUSTER]);
    expect([intake.all(CLUSTER), rig.store.loadEvidence()]).toEqual([[], []]);
  });

  it('over a restart', () => {
    const rig = new Rig();
    intakeOf(rig).receive([rig.alert(2)], rig.clock.now());
    rig.store = rig.store.copy();
    const next = intakeOf(rig);
    expect(next.of(CLUSTER, 'repair', 2)).toHaveLength(1);
    next.receive([rig.alert(2, { status: 'resolved' })], rig.clock.now());
    expect(next.all(CLUSTER)).toEqual([]);
  });

  it('no longer than its alert is believed without news', () => {
    const rig = new Rig();
    const now = rig.clock.now();
    const intake = intakeOf(rig);
    intake.receive([{ ...rig.alert(2), endsAt: now + MINUTE }], now);
    expect([intake.tick(now + MINUTE).size, intake.all(CLUSTER).length]).toEqual([0, 1]);
    intake.receive([{ ...rig.alert(2), endsAt: now + 3 * MINUTE }], now + MINUTE);
    intake.tick(now + 2 * MINUTE);
    expect(intake.all(CLUSTER)).toHaveLength(1);
    expect([...intake.tick(now + 3 * MINUTE + 1)]).toEqual([CLUSTER]);
    expect(intake.all(CLUSTER)).toEqual([]);
  });

  it('a resolved alert of the API disarms nothing', () => {
    const rig = new Rig();
    const intake = intakeOf(rig);
    intake.receive([rig.alert(2)], rig.clock.now());
    intake.receive([rig.alert(2, { status: 'resolved', kind: 'api' })], rig.clock.now());
    expect(intake.all(CLUSTER)).toHaveLength(1);
  });
});
