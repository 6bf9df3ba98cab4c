import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startHttpServer, type HttpServer } from '../../src/http/server.ts';
import { FakeAutopilot } from '../http/fake-autopilot.ts';
import { serverWith, TOKEN } from '../http/harness.ts';
import { Shell } from './harness.ts';

let shell: Shell;
let pilot: FakeAutopilot;
let server: HttpServer;
beforeEach(async () => {
  shell = new Shell();
  pilot = new FakeAutopilot();
  server = await startHttpServer(serverWith({ ports: { autopilot: pilot } }).serverOptions);
  shell.variables.url = server.url;
  shell.variables.token = TOKEN;
});
afterEach(async () => {
  await server.close();
  shell.close();
});

const COMMANDS = [
  'status',
  'intents',
  'show',
  'journal',
  'approve',
  'reject',
  'halt',
  'resume',
  'hold',
  'release',
  'simulate',
  'report',
  'promote',
  'confirm',
  'drill',
  'close-breaker',
  'reset',
];
const SAID = ['--by', 'anna', '--reason', 'seen'];

describe('belfry autopilot', () => {
  it.each(COMMANDS)('%s --help teaches', async (command) => {
    const { out, exitCode } = await shell.run('autopilot', command, '--help');
    expect([exitCode, out]).toEqual([0, expect.stringContaining(`Usage: belfry autopilot ${command}`)]);
  });

  it('shows where everything stands', async () => {
    pilot.halted = 'halted by anna';
    const { out, failure } = await shell.run('autopilot', 'status');
    expect(failure).toBe('');
    expect(out).toContain('HALTED: halted by anna\n');
    expect(out).toMatch(/orders +approve +observe +off +off +steady +3 +all well/);
    expect(out).toContain('orders: repair stays at approve, auto waits for "belfry autopilot confirm" (raised)');
    expect(out).toContain('orders is held by anna for another 1 h: a move');
    expect(out).toMatch(/I1 +awaiting_approval +orders +repair +broker\/2 +1 m +last_copy: payments-3/);
  });

  it.each<[string, readonly string[], string, string]>([
    ['approve', ['approve', 'I1', ...SAID], 'approve I1 anna seen', 'broker/2'],
    ['reject', ['reject', 'I1', ...SAID], 'reject I1 anna seen', 'broker/2'],
    ['approve as messages name it', ['approve', 'I1', '--by', 'anna'], 'approve I1 anna approved on the command line', 'broker/2'],
    ['halt', ['halt', ...SAID], 'halt anna seen', 'HALTED: anna: seen'],
    ['resume', ['resume', ...SAID], 'resume anna seen', 'CLUSTER'],
    ['close-breaker', ['close-breaker', ...SAID], 'closeBreaker anna seen', 'CLUSTER'],
    ['confirm', ['confirm', '--cluster', 'orders', ...SAID], 'confirm anna seen orders', 'orders: repair from approve to auto\n'],
    ['hold', ['hold', '--cluster', '*', '--for', '2h', ...SAID], 'hold * 7200000 anna seen', '* is held for 2h\n'],
    ['release', ['release', '--cluster', 'orders', '--by', 'anna'], 'release orders anna', 'no longer held\n'],
    ['reset', ['reset', '--cluster', 'orders', '--broker', '2', ...SAID], 'reset orders 2 anna seen', 'begins anew\n'],
    ['drill', ['drill', '--cluster', 'orders', '--broker', '1', '--by', 'anna'], 'drill orders 1 anna', 'D1'],
    [
      'simulate',
      ['simulate', '--cluster', 'orders', '--fault', 'broker=2:down', '--fault', 'blind'],
      'simulate orders broker=2:down blind',
      'ASKS  last_copy',
    ],
    ['report', ['report', '--cluster', 'orders', '--days', '7'], 'report orders 7', 'NOT MET  1 acts were wrong'],
    ['journal', ['journal', '--cluster', 'orders'], 'journal {"limit":50,"cluster":"orders"}', 'waits for approval'],
    ['show', ['show', 'I1'], 'journal {"intentId":"I1","limit":100}', 'expires in'],
    [
      'promote',
      ['promote', '--cluster', 'orders', '--action', 'repair', '--to', 'auto', '--force', ...SAID],
      'promote {"by":"anna","reason":"seen","cluster":"orders","action":"repair","to":"auto","force":true}',
      'repair in orders is at auto\n',
    ],
  ])('%s asks for just that, and shows the answer', async (_, args, called, shown) => {
    const { out, failure } = await shell.run('autopilot', ...args);
    expect([failure, pilot.calls]).toEqual(['', [called]]);
    expect(out).toContain(shown);
    const { out: asJson } = await shell.run('autopilot', ...args, '--json');
    expect(typeof JSON.parse(asJson)).toBe('object');
  });

  it.each<[string, readonly string[], string]>([
    ['no reason', ['halt', '--by', 'anna'], '--reason'],
    ['no name, where the shell has none', ['halt', '--reason', 'x'], 'who are you? Say it with --by NAME'],
    ['no such action', ['promote', '--cluster', 'a', '--action', 'dance', '--to', 'auto', ...SAID], 'dance'],
    ['no number', ['drill', '--cluster', 'a', '--broker', 'x'], 'a broker id'],
    ['no fault', ['simulate', '--cluster', 'a'], '--fault'],
    ['no such intent', ['approve', 'nope', ...SAID], 'there is no intent nope'],
  ])('with %s is refused', async (_, args, text) => {
    const { err, failure, exitCode } = await shell.run('autopilot', ...args);
    expect(exitCode).not.toBe(0);
    expect(err + failure).toContain(text);
    expect(pilot.calls).toEqual([]);
  });
});
