import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startHttpServer } from '../../src/http/server.ts';
import { alertingRule, firingAlert, NOW, ruleGroup, serverWith } from '../http/harness.ts';
import { Shell } from './harness.ts';

let shell: Shell;
let made: ReturnType<typeof serverWith>;
let stop: () => Promise<void>;
beforeEach(async () => {
  shell = new Shell();
  made = serverWith();
  const server = await startHttpServer(made.serverOptions);
  stop = () => server.close();
  shell.variables.url = server.url;
});
afterEach(async () => {
  await stop();
  shell.close();
});

describe('status', () => {
  it('tells healthy clusters from those that fire and those that are not seen whole', async () => {
    made.rooms.clusters = [
      { name: 'calm', owner: 'orders', brokersUp: 3, brokersExpected: 3 },
      { name: 'hidden', owner: undefined, brokersUp: 3, brokersExpected: 3, unknown: '2 topics are hidden' },
      { name: 'sick', owner: 'orders', brokersUp: 2, brokersExpected: 3 },
      { name: 'unseen', owner: 'orders', brokersUp: 0, brokersExpected: 0 },
    ];
    const alert = firingAlert({ alertname: 'BrokerCrashed', cluster: 'sick', severity: 'critical' });
    made.rooms.groups = [ruleGroup('g', 'rules.yaml', [alertingRule('BrokerCrashed', { state: 'firing', alerts: [alert] })])];
    const { out, failure } = await shell.run('status');
    expect(failure).toBe('');
    const lines = out.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | ').trim());
    expect(lines.slice(0, 5)).toEqual([
      'CLUSTER | OWNER | STATE | BROKERS | FIRING',
      'calm | orders | OK | 3 of 3 up | -',
      'hidden | - | unknown: 2 topics are hidden | 3 of 3 up | -',
      'sick | orders | CRITICAL | 2 of 3 up | 1 critical',
      'unseen | orders | unknown: no broker has been seen yet | 0 of 0 up | -',
    ]);
  });

  it('says what keeps Belfry from its work', async () => {
    made.rooms.notReady = ['state is not durable'];
    expect((await shell.run('status')).out).toContain('state is not durable');
    const { ready, startedAt } = JSON.parse((await shell.run('status', '--json')).out) as { ready: boolean; startedAt: number };
    expect([ready, startedAt]).toEqual([false, NOW]);
  });
});
