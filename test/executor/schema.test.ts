import { describe, expect, it } from '@jest/globals';
import { executorFileSchema } from '../../src/executor/schema.ts';

const belfry = { url: 'http://127.0.0.1:1', token: 't', signing_key: 'k' };
const command = ['act', '{cluster}'];
const probe = ['look'];

/** What is wrong, each with the place of the key that says it. */
function problems(cluster: object, more: object = {}): readonly string[] {
  const parsed = executorFileSchema.safeParse({ name: 'one', belfry, clusters: { a: cluster }, ...more });
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('executor.yaml', () => {
  it.each<[string, object, string]>([
    ['no token', { url: 'http://a', signing_key: 'k' }, 'belfry: needs one of token_file, token_env and token'],
    ['no key', { url: 'http://a', token: 't' }, 'belfry: needs one of signing_key_file, signing_key_env and signing_key'],
    ['two tokens', { ...belfry, token_file: 'f' }, 'belfry.token_file: only one of token and token_file may be given'],
  ])('is refused with %s', (_, section, problem) => {
    expect(problems({ scale_in: [{ command }] }, { belfry: section })).toEqual([problem]);
  });

  it.each<[string, object, string]>([
    [
      'a user without a password',
      { brokers: ['a:1'], sasl: { mechanism: 'plain', username: 'u' }, scale_in: [{ rebalance: 'kafka' }] },
      'clusters.a.sasl: needs one of password_file, password_env and password',
    ],
    [
      'a client of OAuth without a secret',
      {
        brokers: ['a:1'],
        sasl: { mechanism: 'oauthbearer', token_endpoint: 'https://a/token', client_id: 'c' },
        scale_in: [{ rebalance: 'kafka' }],
      },
      'clusters.a.sasl: needs one of client_secret_file, client_secret_env and client_secret',
    ],
    [
      'a certificate without its key',
      { brokers: ['a:1'], tls: { cert_file: 'c' }, scale_in: [{ rebalance: 'kafka' }] },
      'clusters.a.tls: cert_file and key_file go together',
    ],
    [
      'a webhook without a secret',
      { webhook: { url: 'http://a' }, repair: [{ webhook: true }] },
      'clusters.a.webhook: needs one of secret_file, secret_env and secret',
    ],
    [
      'a password of nobody',
      { cruise_control: { url: 'http://a', password: 'p' }, scale_out: [{ rebalance: 'cruise_control' }] },
      'clusters.a.cruise_control: needs a username beside the password',
    ],
    [
      'a machine that is named nowhere',
      { probe: ['ssh', '{host}'], repair: [{ command }] },
      'clusters.a.probe: {host} needs hosts: the machine of each broker id',
    ],
    [
      'a broker where there is none yet',
      { hosts: { 1: 'a' }, scale_out: [{ command: ['act', '--on={host}'] }] },
      'clusters.a.scale_out.0: {host} has no value in scale_out',
    ],
    [
      'a number of brokers that a repair does not want',
      { probe, repair: [{ command: ['act', '{desired}'] }] },
      'clusters.a.repair.0: {desired} has no value in repair',
    ],
    [
      'partitions for a broker that nobody has made',
      { brokers: ['a:1'], replace: [{ rebalance: 'kafka' }, { command }] },
      'clusters.a.replace.0: needs a step before it that names the new broker (a command whose last line is broker=ID)',
    ],
    [
      'a throttle that stands still',
      { scale_in: [{ command }], throttle_bytes: '1kB' },
      'clusters.a.throttle_bytes: must be at least 10000 bytes a second',
    ],
  ])('is refused with %s', (_, cluster, problem) => {
    expect(problems(cluster)).toEqual([problem]);
  });

  it.each<[string, object]>([
    ['the number of brokers in scale_in', { hosts: { 1: 'a' }, scale_in: [{ command: ['act', '{host}', '{desired}'] }] }],
    [
      'a new broker that a webhook names',
      { brokers: ['a:1'], webhook: { url: 'http://a', secret: 's' }, replace: [{ webhook: true }, { rebalance: 'kafka' }] },
    ],
    [
      'what the clusters of belfry.yaml may have to be let in',
      {
        brokers: ['a:1'],
        tls: { ca_file: 'a', cert_file: 'b', key_file: 'c', server_name: 'd', insecure_skip_verify: true },
        sasl: {
          mechanism: 'oauthbearer',
          token_endpoint: 'https://a/token',
          client_id: 'c',
          client_secret_env: 'S',
          scope: 's',
          audience: 'u',
        },
        scale_in: [{ rebalance: 'kafka' }],
      },
    ],
    ['a rate as people write it', { scale_in: [{ command }], throttle_bytes: '50MB' }],
  ])('may have %s', (_, cluster) => {
    expect(problems(cluster)).toEqual([]);
  });
});
