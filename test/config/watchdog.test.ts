import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { problemText } from '../../src/config/problems.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-config-'));
  writeFileSync(join(folder, 'rules.yaml'), 'groups: []\n');
  writeFileSync(join(folder, 'url'), 'https://beat.example.com/s3cret\n');
  writeFileSync(join(folder, 'no-url'), 'beat.example.com/s3cret\n');
  writeFileSync(join(folder, 'ca.pem'), 'an authority\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const OWNERS = "owners: {ops: {webhook: 'http://localhost/x'}, team: {slack: '#team'}}\nslack: {token: t}\ndefault_owner: ops\n";

function load(text: string) {
  const path = join(folder, 'belfry.yaml');
  writeFileSync(path, `clusters: [{name: orders, brokers: [a]}]\n${OWNERS}${text}`);
  const named = { kafkaBrokers: undefined, configPath: undefined, logLevel: undefined, url: undefined, token: undefined };
  const environment = { ...named, lookup: () => undefined };
  const result = loadConfig({ path, environment, workingFolder: folder, defaultRules: join(folder, 'rules.yaml') });
  return { config: result.config, texts: result.problems.map(problemText).map((line) => line.replaceAll(`${folder}/`, '')) };
}

describe('heartbeat', () => {
  it('is none where the file says nothing', () => {
    const { config, texts } = load('');
    expect([config?.heartbeat, config?.peers, texts]).toEqual([undefined, [], []]);
  });

  it('has its defaults, and a secret for an address', () => {
    const { heartbeat } = load('heartbeat: {url_file: url}').config ?? {};
    expect(heartbeat).toMatchObject({ everyMs: 30_000, timeoutMs: 10_000, workedWithinMs: 60_000, watchdogReceiver: undefined });
    expect(heartbeat?.url?.reveal()).toBe('https://beat.example.com/s3cret');
    expect(JSON.stringify(heartbeat)).not.toContain('s3cret');
  });

  it('may go to the webhook of an owner alone', () => {
    const { heartbeat } = load('heartbeat: {watchdog_receiver: ops, every: 1m}').config ?? {};
    expect(heartbeat).toMatchObject({ url: undefined, watchdogReceiver: 'ops', everyMs: 60_000 });
  });

  it.each([
    ['goes nowhere', '{every: 30s}', 'needs one of url, url_file and url_env'],
    ['is no address', '{url_file: no-url}', 'the URL is not one of http or https'],
    ['takes longer than its interval', '{url_file: url, every: 5s}', 'longer than every'],
    ['goes to an owner who is not there', '{watchdog_receiver: opps}', 'opps is no owner with a webhook'],
    ['goes to an owner without a webhook', '{watchdog_receiver: team}', 'team is no owner with a webhook'],
  ])('that %s is refused', (_, text, problem) => {
    const { config, texts } = load(`heartbeat: ${text}`);
    expect([config, texts]).toEqual([undefined, [expect.stringContaining(problem)]]);
    expect(texts.join()).not.toContain('s3cret');
  });
});

describe('peers', () => {
  it('have a name, an address and an authority', () => {
    const { config } = load(
      "peers: [{name: south, url: 'https://south:9559/', ca_file: ca.pem}, {name: west, url: 'http://west:9559', every: 5s}]",
    );
    expect(config?.peers).toEqual([
      { name: 'south', url: 'https://south:9559', ca: 'an authority\n', everyMs: 15_000 },
      { name: 'west', url: 'http://west:9559', ca: undefined, everyMs: 5000 },
    ]);
  });

  it.each([
    ['of one name', "[{name: a, url: 'http://a'}, {name: a, url: 'http://b'}]", 'there is a peer of that name already'],
    ['with a password in the address', "[{name: a, url: 'http://u:p@a'}]", 'without user'],
  ])('%s are refused', (_, text, problem) => {
    expect(load(`peers: ${text}`).texts).toEqual([expect.stringContaining(problem)]);
  });
});
