import { beforeEach, describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import type { AlertStateRow } from '../../src/core/state.ts';
import { ReplayRecord } from '../../src/rules/replay-record.ts';

const START = 1000;

let now = 0;
let record: ReplayRecord;

beforeEach(() => {
  now = 0;
  record = new ReplayRecord(() => now, START, { alerts: 3, firings: 2 });
});

const labelsOf = (name: string): Labels => Labels.of([['alertname', name]]);

/** The alert comes into that state at that time. */
function see(name: string, state: AlertStateRow['state'], at: number): void {
  now = at;
  record.saveAlert({
    ruleKey: 'rule',
    alertKey: labelsOf(name).key,
    shard: '',
    labels: { alertname: name },
    annotations: {},
    state,
    value: 1,
    activeAt: at,
    firedAt: state === 'pending' ? 0 : at,
    resolvedAt: state === 'inactive' ? at : 0,
    lastSentAt: 0,
    keepFiringSince: 0,
    resolveReason: '',
  });
}

function forget(name: string, at: number): void {
  now = at;
  record.deleteAlert('rule', labelsOf(name).key);
}

function fire(name: string, from: number, to: number): void {
  see(name, 'firing', from);
  see(name, 'inactive', to);
  forget(name, to + 1);
}

/** `name firings pendingOnly` of each alert that is kept. */
const kept = (): readonly string[] =>
  Array.from(record.alerts, ({ labels, firings, pendingOnly }) => `${labels.get('alertname')} ${firings.length} ${pendingOnly}`);

describe('the record of a replay', () => {
  it('has the firings of the range, and times of being pending that came to nothing', () => {
    fire('a', 1100, 1200);
    see('b', 'pending', 1300);
    forget('b', 1400);
    expect(kept()).toEqual(['a 1 0', 'b 0 1']);
  });

  it('forgets an alert of the warm-up that has gone, and has room for as many firings as without it', () => {
    for (let i = 0; i < 10; i++) {
      fire(`fired ${i}`, 10 * i, 10 * i + 5);
      see(`pending ${i}`, 'pending', 10 * i + 6);
      forget(`pending ${i}`, 10 * i + 7);
    }
    expect([kept(), record.firings]).toEqual([[], 0]);
    for (let i = 0; i < 3; i++) {
      see('again', 'firing', 500 + 10 * i);
      see('again', 'inactive', 505 + 10 * i);
    }
    see('again', 'firing', 1100);
    expect([kept(), record.firings, record.untold]).toEqual([['again 1 0'], 1, 0]);
  });

  it('counts firings beyond its limit, and keeps none of them', () => {
    for (let i = 0; i < 5; i++) fire('a', 1100 + 10 * i, 1105 + 10 * i);
    expect([kept(), record.firings, record.untold]).toEqual([['a 2 0'], 2, 3]);
  });

  it('counts what becomes of alerts beyond its limit, and keeps none of them', () => {
    for (let i = 0; i < 5; i++) {
      see(`alert ${i}`, 'pending', 1100);
      forget(`alert ${i}`, 1200);
    }
    fire('alert 5', 1300, 1400);
    expect([kept(), record.untold]).toEqual([['alert 0 0 1', 'alert 1 0 1', 'alert 2 0 1'], 3]);
  });
});
