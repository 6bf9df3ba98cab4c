import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { FixtureExporter } from '../../testbed/fixture-exporter.ts';
import { reservePort } from '../../testbed/free-port.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Stage } from '../../testbed/stage.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { allUp, belfry, mended, NO_KAFKA, startWatching } from './harness.ts';
import type { CliResult } from './harness.ts';

jest.setTimeout(300_000);

describeWithKafka('the command line, against the running process', () => {
  let cluster: Cluster;
  let stage: Stage;

  beforeAll(async () => {
    cluster = await startCluster({ brokers: 2, sessionTimeoutMs: 3000 });
    await cluster.createTopic('orders', { replicas: [[1]] });
    stage = await startWatching('orders-dal', cluster.bootstrap, { cluster: { stop_grace: '1s' } });
  });

  beforeEach(async () => {
    await mended(cluster);
  });

  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  const run = (...args: string[]): Promise<CliResult> => belfry([...args, '--url', stage.belfry.url, '--data', stage.dataPath]);

  it('query prints samples, JSON on request, and the place of a mistake', async () => {
    expect(await run('query', 'up{job="kafka", broker="1"}')).toEqual({
      code: 0,
      out: `up{broker="1", cluster="orders-dal", instance="127.0.0.1:${cluster.port(1)}", job="kafka"} 1\n`,
      err: '',
    });
    const { out } = await run('query', '1 + 1', '--json');
    expect(JSON.parse(out)).toMatchObject({ status: 'success', data: { resultType: 'scalar', result: [expect.any(Number), '2'] } });
    expect(await run('query', 'sum(')).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/^belfry: .*1:\d+/) });
  });

  it('send-test reaches every channel of an owner, and names one that fails', async () => {
    const { code, out } = await run('send-test', '--owner', 'team', '--json');
    expect(code).toBe(0);
    const { deliveries } = JSON.parse(out) as { deliveries: { integration: string; ok: boolean }[] };
    expect(deliveries.map(({ integration, ok }) => [integration, ok]).toSorted(([a], [b]) => String(a).localeCompare(String(b)))).toEqual([
      ['email', true],
      ['slack', true],
      ['webhook', true],
    ]);
    await stage.mail.next(({ subject }) => subject.startsWith('[TEST]'));
    stage.webhook.answer({ status: 500 }, 1);
    const failed = await run('send-test', '--owner', 'team');
    expect(failed.code).toBe(1);
    expect(failed.out).toMatch(/^webhook +.*500/m);
    expect(await run('send-test', '--owner', 'nobody')).toMatchObject({ code: 1, err: expect.stringContaining('nobody') });
  });

  it('broker forget takes a broker that has left out of the expected ones; alerts shows what fires until then', async () => {
    await cluster.stop(2);
    await stage.belfry.queryUntil('ALERTS{alertname="BrokerStopped", alertstate="firing"}', (alerts) => alerts.length === 1);
    const { alerts } = JSON.parse((await run('alerts', '--json')).out) as { alerts: { labels: Record<string, string>; state: string }[] };
    expect(alerts).toContainEqual(
      expect.objectContaining({ state: 'firing', labels: expect.objectContaining({ alertname: 'BrokerStopped', broker: '2' }) }),
    );
    expect((await run('alerts')).out).toMatch(/^WARNING +orders-dal +BrokerStopped +.*broker 2 was stopped/m);
    expect(await run('broker', 'forget', '2', '--cluster', 'orders-dal')).toEqual({
      code: 0,
      out: 'broker 2 of orders-dal is no longer expected\n',
      err: '',
    });
    await stage.belfry.queryUntil('belfry_kafka_expected_brokers', ([expected]) => expected?.value === 1);
    await stage.belfry.queryUntil('ALERTS{alertname="BrokerStopped", alertstate="firing"}', (left) => left.length === 0);
    expect(await run('broker', 'forget', '77', '--cluster', 'orders-dal')).toMatchObject({ code: 1, err: expect.stringContaining('77') });
    expect(await run('broker', 'forget', '1', '--cluster', 'elsewhere')).toMatchObject({
      code: 1,
      err: expect.stringContaining('elsewhere'),
    });
    expect((await run('broker', 'forget', 'two', '--cluster', 'orders-dal')).code).toBe(2);
    await cluster.start(2);
    await allUp(stage, 2);
  });

  it('says in one line where nothing answers', async () => {
    const result = await belfry(['alerts', '--url', 'http://127.0.0.1:1']);
    expect(result.code).toBe(1);
    expect(result.err).toMatch(/^belfry: no answer from Belfry at http:\/\/127\.0\.0\.1:1 .*\n$/);
  });

  it('uses the bootstrap address that speaks Kafka, and names the others for what they are', async () => {
    await using web = await FixtureExporter.start('fixture 1\n');
    await using garbage = await GarbageServer.start();
    const [broker = ''] = cluster.bootstrap;
    await using other = await Stage.start({ clusters: [{ name: 'orders-dal', brokers: [web.target, garbage.target, broker] }] });
    await allUp(other, 2);
    for (const [target, why] of [
      [web.target, /HTTP server/],
      [garbage.target, /KAFKA_MALFORMED|malformed|speak Kafka|frame/],
    ] as const) {
      const line = await other.belfry.log.next((candidate) => candidate.level === 'warn' && JSON.stringify(candidate).includes(target));
      expect(JSON.stringify(line)).toMatch(why);
    }
  });
});

describe('belfry check', () => {
  it('shows twenty mistakes at once, each with its place', async () => {
    const dir = await makeTempDir();
    try {
      const file = join(dir, 'belfry.yaml');
      writeFileSync(file, TWENTY_MISTAKES);
      const { code, err, out } = await belfry(['check', file]);
      const lines = err.trimEnd().split('\n');
      expect(lines.map((line) => line.replace(file, 'belfry.yaml').replace(/^(belfry\.yaml:\d+:\d+ \S+?):? .*$/, '$1'))).toHaveLength(20);
      for (const line of lines) expect(line.replace(file, 'belfry.yaml')).toMatch(/^belfry\.yaml:\d+:\d+ \S+: \S/);
      expect([code, out]).toEqual([1, `${file}: 20 mistakes\n`]);
    } finally {
      await removeTempDir(dir);
    }
  });
});

describe('a start that cannot succeed', () => {
  it('ends with one line: the port is taken', async () => {
    const reserved = await reservePort();
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(reserved.port, '127.0.0.1', resolve));
    const dir = await makeTempDir();
    try {
      const result = await belfry(['start', '--listen', `127.0.0.1:${reserved.port}`, '--data', join(dir, 'data')], { cwd: dir });
      expect(result.code).not.toBe(0);
      expect(plainLines(result.err)).toEqual([expect.stringMatching(new RegExp(`^belfry: .*127\\.0\\.0\\.1:${reserved.port}`))]);
    } finally {
      await new Promise((resolve) => taken.close(resolve));
      await reserved.release();
      await removeTempDir(dir);
    }
  });

  it('ends with one line: another Belfry holds the data folder, which is left alone', async () => {
    await using stage = await Stage.start({ clusters: [NO_KAFKA], rules: 'groups: []' });
    const result = await belfry(['start', '--config', stage.configPath]);
    expect(result.code).not.toBe(0);
    expect(plainLines(result.err)).toEqual([expect.stringMatching(/^belfry: .*(another|held|lock)/i)]);
    expect((await stage.belfry.request('GET', '/-/healthy')).status).toBe(200);
  });
});

/** What stands beside the log, whose lines are for machines when nobody looks. */
function plainLines(text: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('{'));
}

/** Answers every connection with bytes that are nothing. */
class GarbageServer implements AsyncDisposable {
  readonly #server: net.Server;
  readonly target: string;

  private constructor(server: net.Server, port: number) {
    this.#server = server;
    this.target = `127.0.0.1:${port}`;
  }

  static async start(): Promise<GarbageServer> {
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(Buffer.from(Array.from({ length: 512 }, (_, i) => (i * 37 + 129) % 256))));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new GarbageServer(server, (server.address() as net.AddressInfo).port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const TWENTY_MISTAKES = `rulez: [rules.yaml]
evaluation_interval: soon
storage: {path: data, retention: 5}
http: {listen: 'http://127.0.0.1:9559', insecure: maybe}
thresholds: {disk_free_ration: 0.2, cpu_idle_ratio: low}
clusters:
  - name: orders dal
    brokers: []
    labels: {0datacenter: dal}
    sasl: {mechanism: scram-sha-1, username: belfry}
    stop_grace: -5m
  - name: payments
    brokers: ['kafka1:99999']
    addresses: {one: 'kafka1:9092'}
    exporters:
      - {job: node, targets: ['kafka1:9100'], interval: 10ms, scheme: ftp}
      - {targets: ['kafka1:9100'], path: metrics}
    cadence: {metadata: 1}
    liveness: {ping_intervall: 1s}
`;
