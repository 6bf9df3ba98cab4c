import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfiguredPolicies } from '../../src/app/autopilot-policy.ts';
import { DEFAULT_FLEET, DEFAULT_POLICY, DEFAULT_SCALE, DEFAULT_TRIGGERS } from '../../src/autopilot/policy.ts';
import type { BelfryConfig } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { problemText } from '../../src/config/problems.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-config-'));
  writeFileSync(join(folder, 'rules.yaml'), 'groups: []\n');
  writeFileSync(join(folder, 'secret'), 'a-long-enough-secret\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const CLUSTERS = 'clusters: [{name: orders, brokers: [a]}, {name: ops, brokers: [b]}]\n';

function load(text: string) {
  const path = join(folder, 'belfry.yaml');
  writeFileSync(path, text);
  const named = { kafkaBrokers: undefined, configPath: undefined, logLevel: undefined, url: undefined, token: undefined };
  const environment = { ...named, lookup: () => undefined };
  const result = loadConfig({ path, environment, workingFolder: folder, defaultRules: join(folder, 'rules.yaml') });
  return { ...result, texts: result.problems.map(problemText).map((line) => line.replaceAll(`${folder}/`, '')) };
}

function configOf(text: string): BelfryConfig {
  const { config, texts } = load(text);
  expect(texts).toEqual([]);
  if (config === undefined) throw new Error('refused');
  return config;
}

const policiesOf = (text: string): ConfiguredPolicies => {
  const config = configOf(text);
  return new ConfiguredPolicies(() => config);
};

describe('the auto-pilot as configured', () => {
  it('observes with the default numbers where the file says nothing', () => {
    const policies = policiesOf(CLUSTERS);
    expect(policies.cluster('orders')).toEqual({ ...DEFAULT_POLICY, scale: { ...DEFAULT_SCALE, triggers: DEFAULT_TRIGGERS } });
    expect(policies.fleet()).toEqual(DEFAULT_FLEET);
  });

  // repair, replace, scale_out, scale_in
  it.each<[string, string, string, string]>([
    ['auto, where what costs data or a place asks all the same', '{mode: auto}', '{}', 'auto approve auto approve'],
    ['auto by name', '{mode: auto, actions: {replace: auto}}', '{}', 'auto auto auto approve'],
    ['one action only', '{actions: {repair: auto}}', '{}', 'auto observe observe observe'],
    ['observe', '{mode: observe}', '{}', 'observe observe observe observe'],
    [
      'off for one cluster, whatever the file names',
      '{mode: auto, actions: {repair: auto, scale_in: auto}}',
      '{mode: off}',
      'off off off off',
    ],
    ["a cluster's own action over its own mode", '{mode: auto}', '{mode: off, actions: {repair: approve}}', 'approve off off off'],
    [
      "a cluster's own action over the file's",
      '{actions: {repair: auto}}',
      '{actions: {repair: observe}}',
      'observe observe observe observe',
    ],
  ])('is %s', (_, all, own, expected) => {
    const text = `autopilot: ${all}\nclusters: [{name: orders, brokers: [a], autopilot: ${own}}]\n`;
    const { repair, replace, scale_out: out, scale_in: inwards } = policiesOf(text).cluster('orders').modes;
    expect([repair, replace, out, inwards].join(' ')).toBe(expected);
  });

  it("lets a cluster's numbers go over the file's, one by one", () => {
    const policies = policiesOf(
      `autopilot: {repair: {first_after: 3m, backoff: [1m, 2m]}, scale: {max: 6, bytes_per_second_per_broker: 50MB}, cooldown: 1h}\n` +
        `thresholds: {broker_cpu_busy_ratio: 0.5}\n` +
        `clusters: [{name: orders, brokers: [a], autopilot: {repair: {first_after: 5m}, scale: {min: 4}, stale_after: 30s}}, {name: ops, brokers: [b]}]\n`,
    );
    const { repair, scale, cooldownMs, staleAfterMs } = policies.cluster('orders');
    expect([repair.firstAfterMs, repair.backoffMs, cooldownMs, staleAfterMs]).toEqual([300_000, [60_000, 120_000], 3_600_000, 30_000]);
    expect([scale.min, scale.max, scale.bytesPerSecondPerBroker, scale.triggers?.cpu]).toEqual([4, 6, 50 * 1024 ** 2, 0.5]);
    expect(policies.cluster('ops').repair.firstAfterMs).toBe(180_000);
  });

  it.each([
    ['the scaler of the file', '', '{scale: {bytes_per_second_per_broker: 5MB}}', '', '{}', 5 * 1024 ** 2],
    ['the thresholds of the file', 'broker_bytes_per_second: 7', '{}', '', '{}', 7],
    [
      "a cluster's thresholds over the file's scaler",
      '',
      '{scale: {bytes_per_second_per_broker: 5MB}}',
      'broker_bytes_per_second: 8',
      '{}',
      8,
    ],
    [
      "a cluster's scaler over the file's thresholds",
      'broker_bytes_per_second: 7',
      '{}',
      '',
      '{scale: {bytes_per_second_per_broker: 9}}',
      9,
    ],
  ])(
    'has one number for what a broker can take in, for rules and scaler: by %s',
    (_, fileThresholds, file, ownThresholds, own, expected) => {
      const config = configOf(
        `autopilot: ${file}\nthresholds: {${fileThresholds}}\n` +
          `clusters: [{name: orders, brokers: [a], thresholds: {${ownThresholds}}, autopilot: ${own}}]\n`,
      );
      expect(config.clusters[0]?.thresholds.get('broker_bytes_per_second')?.value).toBe(expected);
      expect(new ConfiguredPolicies(() => config).cluster('orders').scale.bytesPerSecondPerBroker).toBe(expected);
    },
  );

  it('refuses two numbers for what a broker can take in', () => {
    const { texts } = load(`thresholds: {broker_bytes_per_second: 7}\nautopilot: {scale: {bytes_per_second_per_broker: 8}}\n${CLUSTERS}`);
    expect(texts.join('\n')).toContain('says 7, this 8: give one of them');
  });

  it('has a largest size that is not below a least one that alone is given, and the other way', () => {
    expect(policiesOf(`autopilot: {scale: {min: 20}}\n${CLUSTERS}`).cluster('orders').scale).toMatchObject({ min: 20, max: 20 });
    expect(policiesOf(`autopilot: {scale: {max: 2}}\n${CLUSTERS}`).cluster('orders').scale).toMatchObject({ min: 2, max: 2 });
  });

  it('has limits for all clusters together', () => {
    const text = `autopilot: {limits: {per_hour: 3}, breaker: {within: 10m}, announce: {first: 0}, lease_ttl: 30s, tick: 500ms}\n`;
    expect(policiesOf(text).fleet()).toEqual({
      ...DEFAULT_FLEET,
      actsPerHourMax: 3,
      breaker: { ...DEFAULT_FLEET.breaker, withinMs: 600_000 },
      announceFirst: 0,
      leaseTtlMs: 30_000,
      tickMs: 500,
    });
  });

  it('follows a reload', () => {
    let config = configOf(CLUSTERS);
    const policies = new ConfiguredPolicies(() => config);
    expect(policies.cluster('orders').modes.repair).toBe('observe');
    config = configOf(`autopilot: {mode: approve}\n${CLUSTERS}`);
    expect(policies.cluster('orders').modes.repair).toBe('approve');
  });

  it('publishes to a cluster that is watched, with its own access', () => {
    const { kafka, webhook } = configOf(
      'autopilot: {signing_key_file: secret, publish: {kafka: {cluster: ops}, webhook: {url: "https://hooks.example.com/x", secret_file: secret}}}\n' +
        'clusters: [{name: ops, brokers: [b], sasl: {mechanism: plain, username: u, password_file: secret}}]\n',
    ).autopilot.publish;
    expect(kafka).toMatchObject({
      cluster: 'ops',
      brokers: [{ host: 'b', port: 9092 }],
      topic: 'belfry.intents',
      acksTopic: 'belfry.acks',
    });
    const password = kafka?.sasl?.mechanism === 'PLAIN' ? kafka.sasl.password.reveal() : undefined;
    expect([password, webhook?.secret?.reveal()]).toEqual(['a-long-enough-secret', 'a-long-enough-secret']);
  });

  it('publishes to brokers of its own', () => {
    const { kafka } = configOf(`autopilot: {publish: {kafka: {brokers: [k], tls: {server_name: k.example.com}}}}\n`).autopilot.publish;
    expect(kafka).toMatchObject({ cluster: undefined, brokers: [{ host: 'k', port: 9092 }], tls: { serverName: 'k.example.com' } });
  });
});

describe('maintenance windows and tokens', () => {
  it('come out ready for use', () => {
    const config = configOf(
      `${CLUSTERS}maintenance: [{cluster: orders, schedule: '0 2 * * 6', for: 2h, timezone: America/Chicago}, {cluster: '*', schedule: '@daily', for: 1h, name: night}]\n` +
        'http: {tokens: [{name: executor-dal, scopes: [executor, read, executor], token_file: secret}]}\n',
    );
    expect(config.maintenance).toMatchObject([
      { cluster: 'orders', schedule: { hours: [2], minutes: [0] }, forMs: 7_200_000, timezone: 'America/Chicago', name: 'maintenance' },
      { cluster: '*', forMs: 3_600_000, timezone: 'UTC', name: 'night' },
    ]);
    expect(config.http.tokens.map(({ name, scopes, token }) => [name, scopes, token.reveal()])).toEqual([
      ['executor-dal', ['executor', 'read'], 'a-long-enough-secret'],
    ]);
    expect(JSON.stringify(config)).not.toContain('long-enough');
  });

  it('are read anew when a secret file changes', () => {
    const text = 'http: {tokens: [{name: a, scopes: [read], token_file: secret}]}\n';
    const before = configOf(text);
    writeFileSync(join(folder, 'secret'), 'another-secret-of-now\n');
    const after = configOf(text);
    expect([before.hash === after.hash, after.http.tokens[0]?.token.reveal()]).toEqual([false, 'another-secret-of-now']);
  });
});

describe('is refused, with its place:', () => {
  it.each([
    ['autopilot: {mode: automatic}\n', 'belfry.yaml:1:19 autopilot.mode: expected off, observe, approve, auto'],
    ['autopilot: {actions: {repare: auto}}\n', 'belfry.yaml:1:23 autopilot.actions.repare: unknown key: did you mean "repair"?'],
    ['autopilot: {repair: {backoff: []}}\n', 'belfry.yaml:1:31 autopilot.repair.backoff: too small: expected array to have >=1 items'],
    ['autopilot: {scale: {min: 5, max: 4}}\n', 'belfry.yaml:1:13 autopilot.scale: min (5) is more than max (4)'],
    [
      'autopilot: {scale: {max: 4}}\nclusters: [{name: a, brokers: [b], autopilot: {scale: {min: 5}}}]\n',
      'belfry.yaml:2:48 clusters[0].autopilot.scale: min (5) is more than max (4)',
    ],
    ['autopilot: {breaker: {brokers_ratio: 10}}\n', 'belfry.yaml:1:38 autopilot.breaker.brokers_ratio: too big: expected number to be <=1'],
    ['autopilot: {signing_key_file: nowhere}\n', 'belfry.yaml:1:31 autopilot.signing_key_file: cannot read nowhere: ENOENT'],
    [
      `autopilot: {publish: {kafka: {cluster: opz}}}\n${CLUSTERS}`,
      'belfry.yaml:1:40 autopilot.publish.kafka.cluster: no such cluster: opz; did you mean ops?',
    ],
    [
      'autopilot: {publish: {kafka: {topic: t}}}\n',
      'belfry.yaml:1:23 autopilot.publish.kafka: needs either a cluster of clusters: or brokers',
    ],
    [
      `autopilot: {publish: {kafka: {cluster: ops, tls: {}}}}\n${CLUSTERS}`,
      'belfry.yaml:1:45 autopilot.publish.kafka.tls: is taken from the cluster',
    ],
    [
      'autopilot: {publish: {kafka: {brokers: [a], topic: t, acks_topic: t}}}\n',
      'belfry.yaml:1:67 autopilot.publish.kafka.acks_topic: must be another topic than that of the intents',
    ],
    [
      'autopilot: {publish: {webhook: {url: "ftp://x"}}}\n',
      'belfry.yaml:1:23 autopilot.publish.webhook: expected an http or https address',
    ],
    [
      `maintenance: [{cluster: orderz, schedule: '@daily', for: 1h}]\n${CLUSTERS}`,
      'belfry.yaml:1:25 maintenance[0].cluster: no such cluster: orderz; did you mean orders?',
    ],
    [`maintenance: [{cluster: '*', schedule: '0 25 * * *', for: 1h}]\n`, 'belfry.yaml:1:40 maintenance[0].schedule: not a schedule: '],
    [`maintenance: [{cluster: '*', schedule: '@daily', for: 8d}]\n`, 'belfry.yaml:1:55 maintenance[0].for: must be at most 7d'],
    [
      `maintenance: [{cluster: '*', schedule: '@daily', for: 1h, timezone: Dallas}]\n`,
      'belfry.yaml:1:69 maintenance[0].timezone: expected a time zone such as Europe/Berlin',
    ],
    [
      'http: {tokens: [{name: a, scopes: [admin], token_file: secret}]}\n',
      'belfry.yaml:1:36 http.tokens[0].scopes[0]: expected read, operate, approve, executor, write',
    ],
    [
      'http: {tokens: [{name: a, scopes: [read], token: short}]}\n',
      'belfry.yaml:1:17 http.tokens[0]: the token is shorter than 16 characters',
    ],
    ['http: {tokens: [{name: a, scopes: [read]}]}\n', 'belfry.yaml:1:17 http.tokens[0]: needs one of token, token_file and token_env'],
  ])('%s', (text, expected) => {
    const { config, texts } = load(text);
    expect(config).toBeUndefined();
    expect(texts[0]).toContain(expected);
    expect(texts).toHaveLength(1);
  });

  it('two tokens of one name or one text', () => {
    const one = '{name: a, scopes: [read], token_file: secret}';
    expect(load(`http: {tokens: [${one}, ${one}]}\n`).texts).toEqual([
      'belfry.yaml:1:64 http.tokens[1]: another name has the same token',
      'belfry.yaml:1:71 http.tokens[1].name: another token has this name',
    ]);
  });
});
