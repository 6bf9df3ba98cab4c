import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay, SystemClock } from '../../src/core/clock.ts';
import { BelfryError, errorText } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { KafkaClusterActs } from '../../src/executor/kafka-acts.ts';
import { planCluster, type KafkaCluster } from '../../src/executor/plan.ts';
import { executorFileSchema } from '../../src/executor/schema.ts';
import { breakKindBehind } from '../../src/kafka/break.ts';
import { KafkaConnector } from '../../src/kafka/connection.ts';
import { KafkaMessaging, type IncomingMessage } from '../../src/kafka/messaging.ts';
import { ClientCredentialsTokens } from '../../src/kafka/oauth-token.ts';
import type { KafkaSecurity, TokenSource } from '../../src/kafka/observer.ts';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { NEWEST_KAFKA } from '../../testbed/kafka-dist.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Stage } from '../../testbed/stage.ts';
import { bearerListener, TokenEndpoint } from '../../testbed/token-endpoint.ts';
import { makeCa, makeCert, makeExpiredCert, type CertFiles } from '../../testbed/tls.ts';
import { belfry } from './harness.ts';

/** By hand: BELFRY_SECURITY_KAFKA=3.9.2 npm test -- test/acceptance/security.test.ts */
const VERSION = process.env['BELFRY_SECURITY_KAFKA'] ?? NEWEST_KAFKA;
/** Since 3.5 a cluster can be formatted with SCRAM users. */
const HAS_SCRAM = !VERSION.startsWith('3.3');
const TIMEOUT_MS = 10_000;
/** Longer than kafkajs's 10 s ahead, so that it does not prove itself anew with every request. */
const SESSION_MS = 11_500;
const CLIENTS = { belfry: 'client-secret' };
const clock = new SystemClock();

describeWithKafka(
  `the ways into a cluster of Kafka ${VERSION}`,
  () => {
    let cluster: Cluster;
    let endpoint: TokenEndpoint;
    let secureEndpoint: TokenEndpoint;
    let ca: string;
    let otherCa: string;
    let expired: CertFiles;
    let stranger: CertFiles;
    /** It takes longest, so that it begins first. */
    let holding: ReturnType<typeof hold>;

    beforeAll(async () => {
      endpoint = await TokenEndpoint.start({ clients: CLIENTS, lifetimeSeconds: 300 });
      const { props, jvmArgs } = bearerListener(endpoint, VERSION);
      cluster = await startCluster({
        brokers: 1,
        controllers: 'combined',
        version: VERSION,
        security: 'sasl_ssl',
        jvmArgs,
        brokerProps: { 'listener.name.client.connections.max.reauth.ms': SESSION_MS, 'connection.failed.authentication.delay.ms': 50 },
        listeners: [
          { name: 'TLS', security: 'tls', props: { 'ssl.client.auth': 'none' } },
          { name: 'MTLS', security: 'tls', props: { 'ssl.client.auth': 'required' } },
          { name: 'OTHERNAME', security: 'tls', props: { 'ssl.client.auth': 'none' }, altNames: 'DNS:kafka.example.com' },
          { name: 'OAUTH', security: 'sasl_ssl', props: { ...props, 'connections.max.reauth.ms': SESSION_MS } },
        ],
      });
      const otherDir = join(cluster.dir, 'other');
      mkdirSync(otherDir);
      [expired, stranger] = await Promise.all([
        makeExpiredCert(cluster.dir, 'belfry'),
        makeCa(otherDir, { client: 'belfry', admin: 'admin' }),
      ]);
      ca = text(cluster.tls?.caPath);
      otherCa = text(join(otherDir, 'ca.pem'));
      const { certPath, keyPath } = await makeCert(cluster.dir, { name: 'endpoint', commonName: 'endpoint' });
      secureEndpoint = await TokenEndpoint.start({
        clients: CLIENTS,
        lifetimeSeconds: 300,
        tls: { cert: text(certPath), key: text(keyPath) },
        signsAs: endpoint,
      });
      await cluster.createTopic('held');
      holding = hold();
    }, 180_000);

    afterAll(async () => {
      await cluster[Symbol.asyncDispose]();
      await Promise.all([endpoint[Symbol.asyncDispose](), secureEndpoint[Symbol.asyncDispose]()]);
    });

    const tls = (more: Partial<NonNullable<KafkaSecurity['tls']>> = {}): KafkaSecurity => ({
      tls: { ca, rejectUnauthorized: true, ...more },
    });
    const certificate = ({ certPath, keyPath }: CertFiles): KafkaSecurity => tls({ cert: text(certPath), key: text(keyPath) });
    const password = (mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512', word = 'belfry-secret'): KafkaSecurity => ({
      ...tls(),
      sasl: { mechanism, username: 'belfry', password: word },
    });
    const bearer = (tokens: TokenSource): KafkaSecurity => ({ ...tls(), sasl: { mechanism: 'OAUTHBEARER', tokens } });
    const flow = (more: { url?: string; secret?: string; ca?: string } = {}): TokenSource =>
      new ClientCredentialsTokens(
        {
          endpoint: more.url ?? endpoint.tokenUrl,
          clientId: 'belfry',
          clientSecret: more.secret ?? CLIENTS.belfry,
          scope: 'kafka',
          ...(more.ca === undefined ? {} : { ca: more.ca }),
        },
        clock,
      );
    /** A source that gives one token out again and again. */
    const fixed = (token: () => string): TokenSource => ({ token: () => Promise.resolve(token()), refused: () => undefined });

    const address = (listener?: string) => ({ host: '127.0.0.1', port: cluster.port(1, listener) });

    const look = async (security: KafkaSecurity, listener?: string): Promise<string> => {
      const connection = await new KafkaConnector({ clock, security }).connect(address(listener), TIMEOUT_MS);
      try {
        return (await connection.metadata([], TIMEOUT_MS)).clusterId;
      } finally {
        connection.close();
      }
    };

    const messaging = (security: KafkaSecurity, listener?: string): KafkaMessaging =>
      new KafkaMessaging({ brokers: [address(listener)], security, clock, log: silentLogger });

    /** One message there and back, with kafkajs. */
    const talk = async (security: KafkaSecurity, listener: string | undefined, topic: string): Promise<void> => {
      const client = messaging(security, listener);
      try {
        await client.send({ topic, key: 'k', value: 'v', headers: {} });
        const heard = Promise.withResolvers<string | undefined>();
        const onMessage = async ({ value }: IncomingMessage): Promise<void> => heard.resolve(value?.toString());
        for (let attempt = 1; ; attempt++) {
          const { ended } = await client.consume({ topic, groupId: topic, onMessage });
          const outcome = await Promise.race([heard.promise, ended]);
          if (outcome === 'v') return;
          // The coordinator of a group on a broker that has just started may still read its log; whoever consumes begins again.
          if (attempt === 100) throw outcome instanceof Error ? outcome : new Error('another message');
          await delay(clock, 300);
        }
      } finally {
        await client.close();
      }
    };

    const GOOD: readonly (readonly [name: string, listener: string | undefined, security: () => KafkaSecurity])[] = [
      ['TLS with a CA of its own', 'TLS', () => tls()],
      ['TLS under another name than the address', 'OTHERNAME', () => tls({ serverName: 'kafka.example.com' })],
      ['TLS that checks nothing', 'OTHERNAME', () => ({ tls: { rejectUnauthorized: false } })],
      ['a certificate of our own (mTLS)', 'MTLS', () => certificate(cluster.tls ?? stranger)],
      ['PLAIN', undefined, () => password('PLAIN')],
      ...(HAS_SCRAM
        ? ([
            ['SCRAM-SHA-256', undefined, () => password('SCRAM-SHA-256')],
            ['SCRAM-SHA-512', undefined, () => password('SCRAM-SHA-512')],
          ] as const)
        : []),
      ['OAUTHBEARER', 'OAUTH', () => bearer(flow())],
      ['OAUTHBEARER from an endpoint with a CA of its own', 'OAUTH', () => bearer(flow({ url: secureEndpoint.tokenUrl, ca }))],
    ];

    it('let both clients in: TLS, mTLS and every mechanism', async () => {
      const results = await Promise.allSettled(
        GOOD.map(async ([name, listener, security], index) => {
          expect(await look(security(), listener)).toBe(cluster.clusterId);
          await cluster.createTopic(`t${index}`);
          await talk(security(), listener, `t${index}`);
          return name;
        }),
      );
      expect(
        results.map((result, index) => (result.status === 'fulfilled' ? result.value : [GOOD[index]?.[0], errorText(result.reason)])),
      ).toEqual(GOOD.map(([name]) => name));
    }, 180_000);

    it('let an executor in by its own credentials, in the same forms', async () => {
      const trust = { ca_file: cluster.tls?.caPath };
      const oauth = { mechanism: 'oauthbearer', token_endpoint: endpoint.tokenUrl, client_id: 'belfry', scope: 'kafka' };
      const forms: readonly (readonly [listener: string | undefined, security: object, finding: RegExp])[] = [
        ['MTLS', { tls: { ...trust, cert_file: cluster.tls?.certPath, key_file: cluster.tls?.keyPath } }, /would let this credential act/],
        ['MTLS', { tls: trust }, /alert/],
        ['OAUTH', { tls: trust, sasl: { ...oauth, client_secret: CLIENTS.belfry } }, /would let this credential act/],
        ['OAUTH', { tls: trust, sasl: { ...oauth, client_secret: 'wrong' } }, /invalid_client/],
        [undefined, { tls: trust, sasl: { mechanism: 'plain', username: 'belfry', password: 'belfry-secret' } }, /would let/],
      ];
      const belfry = { url: 'http://127.0.0.1:1', token: 't', signing_key: 'k' };
      for (const [listener, security, finding] of forms) {
        const file = { ...security, brokers: [`127.0.0.1:${cluster.port(1, listener)}`], scale_in: [{ rebalance: 'kafka' }] };
        const { clusters } = executorFileSchema.parse({ name: 'one', belfry, clusters: { a: file } });
        const openKafka = (opened: KafkaCluster): KafkaClusterActs => new KafkaClusterActs(opened, { clock, log: silentLogger });
        const surroundings = { folder: cluster.dir, lookup: () => undefined, clock, passEnv: [], openKafka };
        const [step] = clusters['a'] === undefined ? [] : (planCluster('a', clusters['a'], surroundings).steps.get('scale_in') ?? []);
        const [found] = (await step?.check(new AbortController().signal)) ?? [];
        expect([listener, found?.text]).toEqual([listener, expect.stringMatching(finding)]);
        expect(found?.text).not.toContain('secret');
      }
    }, 180_000);

    const foreign = new SystemClock().wall();
    const BAD: readonly (readonly [
      name: string,
      listener: string | undefined,
      security: () => KafkaSecurity,
      kind: 'auth' | 'tls' | 'closed',
      words: RegExp,
    ])[] = [
      ['a wrong password with PLAIN', undefined, () => password('PLAIN', 'wrong'), 'auth', /Invalid username or password/],
      ...(HAS_SCRAM
        ? ([
            ['a wrong password with SCRAM', undefined, () => password('SCRAM-SHA-256', 'wrong'), 'auth', /invalid credentials/],
            ['a wrong password with SCRAM of 512', undefined, () => password('SCRAM-SHA-512', 'wrong'), 'auth', /invalid credentials/],
          ] as const)
        : []),
      ['a mechanism that the listener does not have', 'OAUTH', () => password('PLAIN'), 'auth', /does not offer PLAIN|not supported/],
      ['the machine’s own CAs', 'TLS', () => ({ tls: { rejectUnauthorized: true } }), 'tls', /self.signed certificate|unable to/],
      ['another CA', 'TLS', () => tls({ ca: otherCa }), 'tls', /self.signed certificate|unable to|signature/],
      ['another host name', 'OTHERNAME', () => tls(), 'tls', /does not match certificate's altnames|IP: 127\.0\.0\.1 is not in the cert/],
      [
        'a server name that the certificate does not have',
        'TLS',
        () => tls({ serverName: 'kafka.example.com' }),
        'tls',
        /does not match certificate's/,
      ],
      ['no certificate where one is required', 'MTLS', () => tls(), 'tls', /alert/],
      ['an expired certificate of our own', 'MTLS', () => certificate(expired), 'tls', /alert/],
      ['a certificate of another CA', 'MTLS', () => certificate(stranger), 'tls', /alert/],
      [
        'a wrong client secret',
        'OAUTH',
        () => bearer(flow({ secret: 'wrong' })),
        'auth',
        /no token from http:\/\/127\.0\.0\.1:\d+: answered 401, invalid_client/,
      ],
      [
        'an endpoint that is not believed',
        'OAUTH',
        () => bearer(flow({ url: secureEndpoint.tokenUrl })),
        'auth',
        /no token from https:.*(self.signed|unable to)/,
      ],
      [
        'an endpoint that is down',
        'OAUTH',
        () => bearer(flow({ url: 'http://127.0.0.1:1/token' })),
        'auth',
        /no token from .*ECONNREFUSED/,
      ],
      [
        'a token for others',
        'OAUTH',
        () => bearer(fixed(() => endpoint.sign('belfry', { aud: 'other' }))),
        'auth',
        /not taken: invalid_token/,
      ],
      [
        'a token that has ended',
        'OAUTH',
        () => bearer(fixed(() => endpoint.sign('belfry', { exp: Math.floor(foreign / 1000) - 600 }))),
        'auth',
        /not taken: invalid_token/,
      ],
      [
        'a token that somebody else has signed',
        'OAUTH',
        () => bearer(fixed(() => endpoint.sign('belfry', {}, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey))),
        'auth',
        /not taken: invalid_token/,
      ],
    ];

    it('turn both clients away by name where something is wrong, and show no secret', async () => {
      const seen = await Promise.all(
        BAD.map(async ([name, listener, security]) => {
          const [wire, kafkajs] = await Promise.all([
            failureOf(look(security(), listener)),
            (async () => {
              const client = messaging(security(), listener);
              const failure = await failureOf(client.send({ topic: 't0', key: 'k', value: 'v', headers: {} }));
              await client.close();
              return failure;
            })(),
          ]);
          return { name, wire, kafkajs };
        }),
      );
      const wrong = seen.flatMap(({ name, wire, kafkajs }, index) => {
        const [, , , kind, words] = BAD[index] ?? [];
        const isRight =
          wire.code === 'KAFKA_AUTH_FAILED' &&
          wire.kind === kind &&
          words?.test(wire.text) === true &&
          kafkajs.code === 'KAFKA_AUTH_FAILED';
        return isRight ? [] : [{ name, wire, kafkajs }];
      });
      expect(wrong).toEqual([]);
      expect(JSON.stringify(seen)).not.toMatch(/-secret|eyJ/);
    }, 180_000);

    it('show none of their secrets, nor do the other rooms, in logs, metrics, answers, files and commands', async () => {
      const marks: string[] = [];
      /** A secret that is easy to find, whole or in base64. */
      const secret = (): string => {
        const mark = `m4rk${String(marks.length).padStart(3, '0')}-${randomBytes(12).toString('hex')}`;
        marks.push(mark);
        return mark;
      };
      const here = `127.0.0.1:${cluster.port(1)}`;
      const trust = { ca_file: cluster.tls?.caPath };
      const file = join(cluster.dir, 'secret-file');
      writeFileSync(file, `${secret()}\n`);
      const fromEnvironment = secret();
      const oauth = { mechanism: 'oauthbearer', token_endpoint: endpoint.tokenUrl, client_id: 'belfry' };
      const config = {
        http: { listen: '127.0.0.1:0', tokens: [{ name: 'script', scopes: ['read'], token: secret() }] },
        owners: {
          team: {
            slack: { webhook_url: `http://127.0.0.1:1/services/${secret()}` },
            email: ['team@example.com'],
            webhook: { url: `http://127.0.0.1:1/hooks/${secret()}?key=${secret()}`, hmac_secret: secret(), bearer_token: secret() },
          },
          others: { slack: '#others' },
        },
        slack: { token: secret(), api_url: 'http://127.0.0.1:1/api/' },
        default_owner: 'team',
        email: { smtp: 'smtp://127.0.0.1:1', from: 'belfry@example.com', username: 'belfry', password: secret(), require_tls: false },
        heartbeat: { url: `http://127.0.0.1:1/beat/${secret()}`, every: '1s', timeout: '1s' },
        autopilot: {
          signing_key: secret(),
          publish: {
            kafka: { brokers: [here], tls: trust, sasl: { mechanism: 'plain', username: 'belfry', password: secret() } },
            webhook: { url: `http://127.0.0.1:1/intents/${secret()}`, secret: secret() },
          },
        },
      };
      const exporters = [
        { job: 'a', targets: ['127.0.0.1:1'], interval: '1s', basic_auth: { username: 'u', password: secret() } },
        { job: 'b', targets: ['127.0.0.1:1'], interval: '1s', bearer_token: secret() },
      ];
      const clusters = [
        { name: 'plain', brokers: [here], tls: trust, sasl: { mechanism: 'plain', username: 'belfry', password_file: file }, exporters },
        { name: 'scram', brokers: [here], tls: trust, sasl: { mechanism: 'scram-sha-512', username: 'belfry', password: secret() } },
        {
          name: 'oauth',
          brokers: [`127.0.0.1:${cluster.port(1, 'OAUTH')}`],
          tls: trust,
          sasl: { ...oauth, client_secret_env: 'BELFRY_TEST_MARK' },
        },
        { name: 'nobody', brokers: ['127.0.0.1:1'], tls: trust, sasl: { ...oauth, client_secret: secret() } },
      ];
      const env = { BELFRY_TEST_MARK: fromEnvironment, BELFRY_LOG_LEVEL: 'debug' };
      await using stage = await Stage.start({ clusters, config, env });
      const { belfry: running } = stage;
      for (const name of ['plain', ...(HAS_SCRAM ? ['scram'] : []), 'oauth', 'nobody'])
        await running.log.next((line) => line.event === 'liveness_bootstrap_failed' && line['cluster'] === name, { timeoutMs: 60_000 });

      const seen = new Map<string, string>();
      const told = async (name: string, work: Promise<Response>): Promise<void> => void seen.set(name, await (await work).text());
      await told('send-test', running.request('POST', '/api/belfry/v1/owners/team/test'));
      for (const path of ['/metrics', '/metrics/kafka', '/-/ready', '/api/v1/targets', '/api/v1/status/config', '/api/v1/status/flags'])
        await told(path, running.request('GET', path));
      for (const path of [
        '/api/v1/alerts',
        '/api/v1/rules',
        '/api/v2/status',
        '/api/v2/alerts',
        '/api/v2/receivers',
        '/api/belfry/v1/status',
      ])
        await told(path, running.request('GET', path));
      await told('/api/belfry/v1/autopilot', running.request('GET', '/api/belfry/v1/autopilot'));
      await told('everything stored', running.request('POST', '/api/v1/query', { form: { query: '{__name__=~".+"}' } }));
      const cli = async (name: string, args: readonly string[], more: Record<string, string> = {}): Promise<void> => {
        const { out, err } = await belfry(args, { env: { ...env, BELFRY_URL: running.url, BELFRY_TOKEN: running.token, ...more } });
        seen.set(name, out + err);
      };
      await Promise.all([cli('send-test command', ['send-test', 'team']), cli('a wrong token', ['alerts'], { BELFRY_TOKEN: secret() })]);
      // A configuration with an error beside every secret, once for the running process, once for the command.
      const spoilt = (entry: object): object => ({
        ...entry,
        sasl: { mechanism: 'plain', username: 'b', pasword: secret(), password: secret(), password_file: file },
      });
      const text = `${JSON.stringify({ ...config, clusters: clusters.map(spoilt), slack: { tokens: secret(), token: secret(), api_url: `x://${secret()}` } })}\n`;
      writeFileSync(stage.configPath, text);
      await told('reload', running.request('POST', '/-/reload'));
      await cli('check of a spoilt file', ['check', stage.configPath]);
      seen.set('log', running.log.all.map((line) => JSON.stringify(line)).join('\n'));
      await running.stop();
      for (const name of readdirSync(stage.dataPath))
        if (!name.endsWith('token') && !name.endsWith('key')) seen.set(name, readFileSync(join(stage.dataPath, name), 'latin1'));

      expect([seen.get('reload'), seen.get('check of a spoilt file')]).toEqual([
        expect.stringContaining('pasword'),
        expect.stringContaining('pasword'),
      ]);
      expect(seen.get('log')).toMatch(/no token from http:\/\/127\.0\.0\.1/);
      const leaks = marks.flatMap((mark) =>
        [...seen]
          .filter(([, shown]) => shown.includes(mark) || shown.includes(Buffer.from(`:${mark}`).toString('base64').slice(4, 24)))
          .map(([where]) => [mark, where]),
      );
      expect(leaks).toEqual([]);
    }, 180_000);

    it('hold connections beyond the lifetime of a session, with both clients', async () => {
      expect(await holding).toMatchObject({ ended: 0, failures: [] });
    }, 180_000);

    /** Longer than a session lives; without a new proof the broker closes at the first request after its end. */
    async function hold(): Promise<{ readonly ended: number; readonly failures: readonly string[] }> {
      const tokens = flow();
      const clients = [messaging(bearer(tokens), 'OAUTH'), messaging(password('PLAIN'))];
      const asking = await new KafkaConnector({ clock, security: bearer(tokens) }).connect(address('OAUTH'), TIMEOUT_MS);
      const pinging = await new KafkaConnector({ clock, security: password('PLAIN') }).connect(address(), TIMEOUT_MS);
      let ended = 0;
      for (const connection of [asking, pinging]) void connection.ended.then(() => (ended += 1));
      const failures: string[] = [];
      const until = clock.elapsed() + SESSION_MS + 1500;
      while (clock.elapsed() < until) {
        const work = [asking.metadata([], TIMEOUT_MS), pinging.apiVersions(TIMEOUT_MS)];
        const sent = clients.map((client) => client.send({ topic: 'held', key: 'k', value: 'v', headers: {} }));
        for (const result of await Promise.allSettled([...work, ...sent]))
          if (result.status === 'rejected') failures.push(errorText(result.reason));
        await delay(clock, 1500);
      }
      const summary = { ended, failures };
      asking.close();
      pinging.close();
      await Promise.all(clients.map((client) => client.close()));
      return summary;
    }
  },
  VERSION,
);

function text(path: string | undefined): string {
  return readFileSync(path ?? '', 'utf8');
}

async function failureOf(work: Promise<unknown>): Promise<{ code: string | undefined; kind: string | undefined; text: string }> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { code: error instanceof BelfryError ? error.code : undefined, kind: breakKindBehind(error), text: errorText(error) };
}
