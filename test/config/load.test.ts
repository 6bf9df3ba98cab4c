import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { problemText } from '../../src/config/problems.ts';
import { environmentOf } from './environment.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-config-'));
  writeFileSync(join(folder, 'rules.yaml'), 'groups: []\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(text: string, variables: Record<string, string> = {}, readSecrets = true) {
  const path = join(folder, 'belfry.yaml');
  writeFileSync(path, text);
  const result = loadConfig({
    path,
    environment: environmentOf((name) => variables[name]),
    workingFolder: folder,
    defaultRules: join(folder, 'rules.yaml'),
    readSecrets,
  });
  return { ...result, texts: result.problems.map(problemText).map((line) => line.replace(`${folder}/`, '')) };
}

const MINIMAL = 'clusters:\n  - name: orders\n    brokers: [kafka1:9092]\n';

describe('a configuration file', () => {
  it('gives every default when it names one cluster only', () => {
    const { config, texts } = load(MINIMAL);
    expect(texts).toEqual([]);
    expect(config).toMatchObject({
      evaluationIntervalMs: 5000,
      promql: { experimentalFunctions: false, durationExpressions: false, extendedRangeSelectors: false, binopFillModifiers: false },
      http: { listen: { host: '127.0.0.1', port: 9559 } },
      storage: { path: join(folder, 'data'), retentionMs: 15 * 86_400_000 },
      clusters: [{ name: 'orders', brokers: [{ host: 'kafka1', port: 9092 }], stopGraceMs: 300_000 }],
    });
  });

  it('is what runs on localhost where there is none', () => {
    const result = loadConfig({
      path: undefined,
      environment: environmentOf(),
      workingFolder: folder,
      defaultRules: join(folder, 'rules.yaml'),
    });
    expect(result.config?.clusters).toMatchObject([{ name: 'kafka', brokers: [{ host: 'localhost', port: 9092 }] }]);
    expect(result.config?.ruleFiles).toEqual([join(folder, 'rules.yaml')]);
  });

  it("lets a cluster's own threshold win over the file's, and that over the default", () => {
    const { config } = load(`thresholds: {disk_free_ratio: 0.3, cpu_idle_ratio: 0.2}\n${MINIMAL}    thresholds: {disk_free_ratio: 0.4}\n`);
    const thresholds = config?.clusters[0]?.thresholds;
    expect(thresholds?.get('disk_free_ratio')).toEqual({ value: 0.4, from: 'cluster' });
    expect(thresholds?.get('cpu_idle_ratio')).toEqual({ value: 0.2, from: 'file' });
    expect(thresholds?.get('certificate_days')).toEqual({ value: 30, from: 'default' });
  });

  it('says how messages are sent, and who is told in the place of those who cannot be reached', () => {
    const owners = "default_owner: a\nowners: {a: {email: a@b.c}, b: {email: b@b.c}}\nemail: {smtp: 'smtp://m', from: a@b.c}\n";
    const standard = load(owners).config?.delivery;
    expect(standard).toMatchObject({
      outbox: {
        attemptTimeoutMs: 10_000,
        overdueAfterMs: 900_000,
        giveUpAfterMs: 86_400_000,
        rates: { slack: { perSecond: 1, burst: 3 } },
      },
      fallbackTo: undefined,
    });
    const own = 'delivery: {attempt_timeout: 2s, rates: {slack: {per_second: 0.5}, webhook: {burst: 5}}, fallback: {to: b, after: 5m}}\n';
    expect(load(owners + own).config?.delivery).toMatchObject({
      outbox: {
        attemptTimeoutMs: 2000,
        overdueAfterMs: 300_000,
        rates: { slack: { perSecond: 0.5, burst: 3 }, email: { perSecond: 5, burst: 10 }, webhook: { perSecond: 20, burst: 5 } },
      },
      fallbackTo: 'b',
    });
    expect(load(`${owners}delivery: {fallback: {to: c}}\n`).texts).toEqual([
      expect.stringContaining('delivery.fallback.to: no such owner: c'),
    ]);
    expect(load(`${owners}delivery: {rates: {slack: {per_second: 0}}}\n`).texts).toHaveLength(1);
    expect(load(`${owners}delivery: {retry_first: 10m}\n`).texts).toEqual([expect.stringContaining('longer than retry_last')]);
  });

  it('reads a secret from a file, without its last line break, and from the environment', () => {
    writeFileSync(join(folder, 'token'), 'xoxb-1\n');
    const text = `slack: {token_file: token}\ndefault_owner: a\nowners: {a: {slack: '#a', webhook: {url_env: HOOK}}}\n${MINIMAL}`;
    const { config, texts } = load(text, { HOOK: 'https://hooks.example.com/s3cret' });
    expect(texts).toEqual([]);
    expect(config?.slack?.token.reveal()).toBe('xoxb-1');
    expect(config?.owners[0]?.receiver.webhook?.url.reveal()).toBe('https://hooks.example.com/s3cret');
    expect(JSON.stringify(config)).not.toMatch(/xoxb|s3cret/);
  });

  it('changes its hash with a rule file and a secret', () => {
    writeFileSync(join(folder, 'token'), 'one');
    const text = `slack: {token_file: token}\nrules: ['*.yaml']\n`;
    const first = load(text).config?.hash;
    expect(load(text).config?.hash).toBe(first);
    writeFileSync(join(folder, 'token'), 'two');
    const second = load(text).config?.hash;
    expect(second).not.toBe(first);
    writeFileSync(join(folder, 'rules.yaml'), 'groups: [] # changed\n');
    expect(load(text).config?.hash).not.toBe(second);
  });

  it.each([
    ['unknown key with a near one', 'clusterz: []\n', 'belfry.yaml:1:1 clusterz: unknown key: did you mean "clusters"?'],
    [
      'unknown key far from any',
      'storage: {xyz: 1}\n',
      'belfry.yaml:1:11 storage.xyz: unknown key: known here are path, retention, retention_size',
    ],
    ['key of a later version', `${MINIMAL}time_intervals: []\n`, 'belfry.yaml:4:17 time_intervals: not in this version of Belfry'],
    ['wrong type', 'rules: rules.yaml\n', 'belfry.yaml:1:8 rules: expected array, received string'],
    ['required key missing', 'clusters:\n  - brokers: [a:1]\n', 'belfry.yaml:2:5 clusters[0].name: is required'],
    [
      'bad duration',
      'storage: {retention: 15 days}\n',
      'belfry.yaml:1:22 storage.retention: not a valid duration string: "15 days" (such as 30s, 1h30m, 5ms)',
    ],
    [
      'bad address',
      'clusters:\n  - {name: a, brokers: ["http://a:9092"]}\n',
      'belfry.yaml:2:25 clusters[0].brokers[0]: not an address: "http://a:9092" (expected host:port, without a scheme)',
    ],
    [
      'two clusters of one name',
      `${MINIMAL}  - {name: orders, brokers: [b]}\n`,
      'belfry.yaml:4:12 clusters[1].name: clusters[0] has the same name',
    ],
    [
      'unknown owner',
      `owners: {orders: {email: a@b.c}}\nemail: {smtp: 'smtp://m', from: b@c.d}\ndefault_owner: order\n`,
      'belfry.yaml:3:16 default_owner: no such owner: order; did you mean orders?',
    ],
    [
      'no default owner',
      `owners: {orders: {email: a@b.c}}\nemail: {smtp: 'smtp://m', from: b@c.d}\n`,
      'belfry.yaml:1:1 owners: default_owner is required once there are owners: alerts that nobody owns go there',
    ],
    [
      'two ways to log in to one webhook',
      `owners: {orders: {webhook: {url: 'http://a/', bearer_token: t, basic_auth: {username: u, password: p}}}}\ndefault_owner: orders\n`,
      'owners.orders.webhook: only one of basic_auth and bearer_token may be given',
    ],
    [
      'a webhook that is nowhere',
      `owners: {orders: {webhook: 'http://'}}\ndefault_owner: orders\n`,
      'owners.orders.webhook: expected an http or https address',
    ],
    [
      'reachable from elsewhere',
      "http: {listen: '0.0.0.0:9559'}\n",
      'belfry.yaml:1:16 http.listen: 0.0.0.0 is reachable from other machines: give http.tls, or set http.insecure: true',
    ],
    ['secret file that is not there', 'slack: {token_file: nowhere}\n', 'belfry.yaml:1:21 slack.token_file: cannot read nowhere: ENOENT'],
    [
      'secret given twice',
      'slack: {token: a, token_env: B}\n',
      'belfry.yaml:1:30 slack.token_env: only one of token and token_env may be given',
    ],
    ['rule file that is not there', 'rules: [nowhere.yaml]\n', 'belfry.yaml:1:9 rules[0]: no such file: nowhere.yaml'],
    ['no YAML', 'clusters: [\n', 'belfry.yaml:2:1 Flow sequence'],
    [
      'unknown mechanism',
      `${MINIMAL}    sasl: {mechanism: scram, username: u, password: p}\n`,
      'belfry.yaml:4:23 clusters[0].sasl.mechanism: expected plain, scram-sha-256, scram-sha-512 or oauthbearer',
    ],
    [
      'an endpoint whose address may hold a secret',
      `${MINIMAL}    sasl: {mechanism: oauthbearer, token_endpoint: 'https://a:b@c/token', client_id: i, client_secret: s}\n`,
      'belfry.yaml:4:52 clusters[0].sasl.token_endpoint: expected an http or https address without user, query and fragment',
    ],
    [
      'a client without a secret',
      `${MINIMAL}    sasl: {mechanism: oauthbearer, token_endpoint: 'https://c/token', client_id: i}\n`,
      'clusters[0].sasl: needs one of client_secret, client_secret_file and client_secret_env',
    ],
    [
      'a certificate that is none',
      'http: {tls: {cert_file: rules.yaml, key_file: rules.yaml}}\n',
      'http.tls: the certificate and the key cannot be used:',
    ],
  ])('is refused for %s', (_, text, expected) => {
    const { config, texts } = load(text);
    expect(config).toBeUndefined();
    expect(texts[0]).toContain(expected);
    expect(texts).toHaveLength(1);
  });

  it('is refused when it is empty, or a rule file is: it may be half written', () => {
    expect(load('').texts).toEqual(['belfry.yaml:1:1 is empty']);
    expect(load('# nothing yet\n').texts).toEqual(['belfry.yaml:1:1 is empty']);
    writeFileSync(join(folder, 'rules.yaml'), '');
    expect(load('rules: [rules.yaml]\n').texts).toEqual(['belfry.yaml:1:9 rules[0]: rules.yaml is empty: write "groups: []" for no rules']);
  });

  it('shows twenty mistakes as twenty problems, in the order of the file', () => {
    const lines = Array.from({ length: 20 }, (_, i) => `unknown_${i}: ${i}`);
    const { texts } = load(`${lines.join('\n')}\n`);
    expect(texts).toHaveLength(20);
    expect(texts[19]).toMatch(/^belfry\.yaml:20:1 unknown_19/);
  });

  it('can be checked where the secrets are not', () => {
    const { texts } = load('slack: {token_file: /run/secrets/slack}\n', {}, false);
    expect(texts).toEqual([]);
  });
});
