import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Arrivals } from '../../testbed/arrivals.ts';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { reservePort } from '../../testbed/free-port.ts';
import { HttpStandIn } from '../../testbed/http-stand-in.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Stage } from '../../testbed/stage.ts';
import { bodyOf, ledger, NO_KAFKA, ownMetric, told, until } from './harness.ts';

jest.setTimeout(300_000);

/** Longer than a start takes: what is told while both start would be damped, and over only much later. */
const PEER_DOWN_FOR = '5s';
const RULES = shippedRules({ only: ['Watchdog', 'BelfryPeerDown'], for: { BelfryPeerDown: PEER_DOWN_FOR } }).replaceAll('"15s"', '"1s"');

/** Where a heartbeat goes: the path of each request. */
class HeartbeatSink implements AsyncDisposable {
  readonly beats = new Arrivals<string>();
  #http!: HttpStandIn;

  static async start(): Promise<HeartbeatSink> {
    const sink = new HeartbeatSink();
    sink.#http = await HttpStandIn.listen((request, response) => {
      sink.beats.add(request.url ?? '');
      response.end('OK');
    });
    return sink;
  }

  get url(): string {
    return `${this.#http.url}/ping/s3cret`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

/** How often, as `/metrics` says. */
async function count(stage: Stage, name: string): Promise<number> {
  const [line = ' 0'] = await ownMetric(stage, name);
  return Number(line.slice(line.lastIndexOf(' ')));
}

describeWithKafka('the heartbeat', () => {
  let cluster: Cluster;
  let sink: HeartbeatSink;

  beforeAll(async () => {
    [cluster, sink] = await Promise.all([startCluster({ brokers: 1 }), HeartbeatSink.start()]);
  });

  afterAll(async () => {
    await sink[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  it('goes out while all works, is withheld while no cluster answers, and goes out again; Belfry is ready all the time', async () => {
    await using stage = await Stage.start({
      clusters: [{ name: 'orders-dal', brokers: cluster.bootstrap, cadence: { metadata: '500ms' } }],
      rules: RULES,
      config: {
        heartbeat: { url: sink.url, every: '1s', timeout: '1s', worked_within: '2s', watchdog_receiver: 'team' },
      },
    });
    await sink.beats.next((path) => path === '/ping/s3cret', { timeoutMs: 60_000 });
    // The Watchdog alert goes the same way to the owner's webhook, and to nobody else.
    const request = await stage.webhook.next((got) => ledgerOf(got).includes('Watchdog'), { timeoutMs: 60_000 });
    expect(bodyOf(request)).toMatchObject({ status: 'firing', receiver: 'owner/team' });
    await until(async () => (await ready(stage)).startsWith('200'), 'ready');

    await cluster.kill(cluster.brokerIds[0] ?? 1);
    await until(async () => (await count(stage, 'belfry_heartbeat_withheld_total{way="url"}')) >= 2, 'withheld', 60_000);
    const since = sink.beats.count;
    const line = await stage.belfry.logged('heartbeat_withheld', ({ way }) => way === 'url');
    expect(JSON.stringify(line['why'])).toMatch(/no cluster has answered for \d+ s/);
    expect(await ready(stage)).toBe('200 Belfry is ready.\n');

    await cluster.start(cluster.brokerIds[0] ?? 1);
    await sink.beats.next(() => true, { since, timeoutMs: 60_000 });
    expect(JSON.stringify(stage.belfry.log.all)).not.toContain('s3cret');
    expect([stage.slack.messages(), stage.mail.mails.all]).toEqual([[], []]);
  });
});

function ledgerOf(request: Parameters<typeof bodyOf>[0]): string {
  return JSON.stringify(request.json ?? '');
}

/** Status and text of `/-/ready`. */
async function ready(stage: Stage): Promise<string> {
  const answer = await stage.belfry.request('GET', '/-/ready');
  return `${answer.status} ${await answer.text()}`;
}

const PEER_DOWN = { alertname: 'BelfryPeerDown' };

/** Waits until one finds the other ready, and tells nobody any more that it was down while both were starting. */
async function sees(stage: Stage, peer: string): Promise<void> {
  await stage.belfry.queryUntil(`belfry_peer_ready{peer="${peer}"}`, ([sample]) => sample?.value === 1, 60_000);
  await until(() => isOver(stage), `BelfryPeerDown of ${peer} is over`, 60_000);
}

/** Whether the last that was told of a peer is that it is back, or nothing was ever told. */
async function isOver(stage: Stage): Promise<boolean> {
  const alerts = await stage.belfry.query('ALERTS{alertname="BelfryPeerDown"}');
  const [last] = ledger(stage)
    .filter((line) => line.includes('BelfryPeerDown'))
    .slice(-1);
  return alerts.length === 0 && last?.startsWith('firing') !== true;
}

describe('two Belfrys that watch each other', () => {
  it('see each other die and come back, and tell the platform', async () => {
    const ports = await Promise.all([reservePort(), reservePort()]);
    const stages: Stage[] = [];
    try {
      const [north, south] = ports.map(({ port }) => `127.0.0.1:${port}`) as [string, string];
      const peerOf = (name: string, listen: string, peer: string, peerListen: string) =>
        Stage.start({
          clusters: [{ ...NO_KAFKA, name }],
          rules: RULES,
          config: { http: { listen }, peers: [{ name: peer, url: `http://${peerListen}`, every: '1s' }] },
        });
      stages.push(...(await Promise.all([peerOf('north', north, 'south', south), peerOf('south', south, 'north', north)])));
      const [a, b] = stages as [Stage, Stage];
      await Promise.all([sees(a, 'south'), sees(b, 'north')]);

      const marks = { killed: a.webhook.requests.count, back: 0, stopped: 0 };
      await b.belfry.kill9();
      const down = await told(a, { status: 'firing', ...PEER_DOWN, peer: 'south' }, { timeoutMs: 60_000, since: marks.killed });
      expect(down.labels).toMatchObject({ severity: 'critical', audience: 'platform' });
      // The first question may have been on its way to the one that was killed.
      expect(down.annotations['belfry_cause']).toMatch(/^the Belfry south does not answer \((refused|connection)\)$/);

      marks.back = a.webhook.requests.count;
      await b.startAgain();
      await told(a, { status: 'resolved', ...PEER_DOWN, peer: 'south' }, { timeoutMs: 60_000, since: marks.back });
      await Promise.all([sees(a, 'south'), sees(b, 'north')]);

      // One that hangs is as good as dead.
      marks.stopped = b.webhook.requests.count;
      a.belfry.signal('SIGSTOP');
      await told(b, { status: 'firing', ...PEER_DOWN, peer: 'north' }, { timeoutMs: 60_000, since: marks.stopped });
      a.belfry.signal('SIGCONT');
      expect(ledger(a).filter((line) => line.includes('Watchdog'))).toEqual([]);
    } finally {
      for (const stage of stages) await stage[Symbol.asyncDispose]();
      for (const port of ports) await port.release();
    }
  });
});
