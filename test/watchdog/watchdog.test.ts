import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Alert } from '../../src/core/alert.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import type { DeliveryOutcome, Notification } from '../../src/core/notification.ts';
import { Secret } from '../../src/core/secret.ts';
import { Watchdog, type WatchdogConfig } from '../../src/watchdog/watchdog.ts';
import { RecordingLogger, RecordingMeter } from './recording.ts';

function alertOf(labels: Record<string, string>, more: Partial<Alert> = {}): Alert {
  return {
    labels: Labels.of(labels),
    annotations: Labels.empty,
    status: 'firing',
    startsAt: 1000,
    endsAt: 2000,
    value: 1,
    generatorUrl: '',
    source: { kind: 'rule', file: 'rules.yaml', group: 'watching', rule: 'Watchdog' },
    ...more,
  };
}

const WATCHDOG = alertOf({ alertname: 'Watchdog', severity: 'none' });
const HEARTBEAT = { url: undefined, watchdogReceiver: undefined, everyMs: 60_000, timeoutMs: 5000, workedWithinMs: 60_000 };

/** A server that answers with what it is told. */
class Listener {
  readonly asked: string[] = [];
  answer: { status: number; body: string } = { status: 200, body: 'Belfry is ready.\n' };
  readonly #server: Server = createServer((request, response) => {
    this.asked.push(`${request.method} ${request.url}`);
    response.writeHead(this.answer.status).end(this.answer.body);
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let listener: Listener;
let url: string;
let watchdog: Watchdog;
let log: RecordingLogger;
let meter: RecordingMeter;
let told: Notification[];
let outcome: DeliveryOutcome;

beforeEach(async () => {
  listener = new Listener();
  url = await listener.start();
  log = new RecordingLogger();
  meter = new RecordingMeter();
  told = [];
  outcome = { kind: 'delivered' };
  const clock = new SystemClock();
  const now = (): number => clock.now();
  const notify = async (notification: Notification): Promise<DeliveryOutcome> => {
    told.push(notification);
    return outcome;
  };
  watchdog = new Watchdog({
    sources: { collection: now, rules: now, outbox: now },
    webhookOf: (owner) =>
      owner === 'ops' ? { receiver: 'owner/ops', notifier: { integration: 'webhook', destination: 'ops', notify } } : undefined,
    clock,
    log,
    meter,
  });
});

afterEach(async () => {
  await watchdog.stop();
  await listener.stop();
});

const configOf = (heartbeat: Partial<WatchdogConfig['heartbeat']>, peers: WatchdogConfig['peers'] = []): WatchdogConfig => ({
  heartbeat: { ...HEARTBEAT, ...heartbeat },
  peers,
});

/** Resolves once the condition holds; the loop turns in between. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('the heartbeat to a URL', () => {
  it('is a GET; its path, which is its secret, stands in no log', async () => {
    await watchdog.replace(configOf({ url: new Secret(`${url}/ping/s3cret?x=1`) }));
    await until(() => meter.values.get('belfry_heartbeat_sent_total{url}') === 1);
    expect(listener.asked).toEqual(['GET /ping/s3cret?x=1']);
    expect(log.lines).toEqual([expect.stringContaining(`"destination":"${url}"`)]);
    expect(log.lines.join()).not.toContain('s3cret');
  });

  it.each([301, 404, 500])('has failed where the answer is HTTP status %d', async (status) => {
    listener.answer = { status, body: '' };
    await watchdog.replace(configOf({ url: new Secret(`${url}/ping`) }));
    await until(() => meter.values.get('belfry_heartbeat_failed_total{url}') === 1);
    expect(log.lines.join()).toContain(`answered with HTTP status ${status}`);
  });

  it('goes on undisturbed by a reload that leaves it alone, and goes elsewhere with one that does not', async () => {
    await watchdog.replace(configOf({ url: new Secret(`${url}/one`) }));
    await until(() => listener.asked.length === 1);
    await watchdog.replace(configOf({ url: new Secret(`${url}/one`) }));
    await watchdog.replace(configOf({ url: new Secret(`${url}/two`) }));
    await until(() => listener.asked.length === 2);
    expect(listener.asked).toEqual(['GET /one', 'GET /two']);
  });
});

describe('the Watchdog alert', () => {
  it.each<[string, Alert, boolean]>([
    ['Watchdog with the severity none', WATCHDOG, true],
    ['one with more labels', alertOf({ alertname: 'Watchdog', severity: 'none', cluster: 'c' }), true],
    ['one that ended', { ...WATCHDOG, status: 'resolved' }, true],
    ['one of another severity', alertOf({ alertname: 'Watchdog', severity: 'critical' }), false],
    ['one of another name', alertOf({ alertname: 'Other', severity: 'none' }), false],
    ['one that was posted', { ...WATCHDOG, source: { ...WATCHDOG.source, kind: 'api' } }, false],
  ])('%s: kept from people: %#', (_, alert, isKept) => {
    const other = alertOf({ alertname: 'LeaderLoss', severity: 'critical' });
    expect(watchdog.withhold([other, alert])).toEqual(isKept ? [other] : [other, alert]);
  });

  it('goes to the webhook of the configured owner, once rules have said it', async () => {
    await watchdog.replace(configOf({ watchdogReceiver: 'ops', everyMs: 1000 }));
    watchdog.withhold([WATCHDOG]);
    await until(() => told.length > 0);
    expect(told[0]).toMatchObject({ receiver: 'owner/ops', groupKey: '{}:{alertname="Watchdog"}', status: 'firing', alerts: [WATCHDOG] });
    await until(() => meter.values.get('belfry_heartbeat_sent_total{watchdog}') === 1);
  });

  it('is withheld while no rule says it', async () => {
    watchdog.withhold([WATCHDOG]);
    watchdog.withhold([{ ...WATCHDOG, status: 'resolved' }]);
    await watchdog.replace(configOf({ watchdogReceiver: 'ops', everyMs: 200 }));
    await until(() => meter.values.get('belfry_heartbeat_withheld_total{watchdog}') === 1);
    expect(told).toEqual([]);
    expect(log.lines.join()).toContain('no rule says Watchdog');
  });

  it('that the receiver does not take is a failed heartbeat', async () => {
    outcome = { kind: 'give_up', reason: 'answered with HTTP status 410' };
    watchdog.withhold([WATCHDOG]);
    await watchdog.replace(configOf({ watchdogReceiver: 'ops' }));
    await until(() => meter.values.get('belfry_heartbeat_failed_total{watchdog}') === 1);
    expect(log.lines.join()).toContain('HTTP status 410');
  });
});

describe('a peer', () => {
  const peerOf = (more: object = {}) => ({ name: 'north', url, ca: undefined, everyMs: 50, ...more });
  const seen = (): Record<string, number> => meter.of('belfry_peer_');

  it.each([
    ['is ready', 200, 'Belfry is ready.\n', { 'belfry_peer_ready{north}': 1, 'belfry_peer_up{north}': 1 }],
    [
      'is up but not ready',
      503,
      'Belfry is not ready\n',
      { 'belfry_peer_down_info{north,not_ready}': 1, 'belfry_peer_ready{north}': 0, 'belfry_peer_up{north}': 1 },
    ],
    [
      'is hidden by a page of somebody else',
      200,
      '<html>sign in</html>',
      { 'belfry_peer_down_info{north,wrong_answer}': 1, 'belfry_peer_ready{north}': 0, 'belfry_peer_up{north}': 0 },
    ],
    [
      'is hidden by a proxy that has no way to it',
      503,
      'no upstream',
      { 'belfry_peer_down_info{north,wrong_answer}': 1, 'belfry_peer_ready{north}': 0, 'belfry_peer_up{north}': 0 },
    ],
  ])('%s', async (_, status, body, shown) => {
    listener.answer = { status, body };
    await watchdog.replace({ heartbeat: undefined, peers: [peerOf()] });
    await until(() => meter.values.has('belfry_peer_up{north}'));
    expect(seen()).toEqual(shown);
    expect(listener.asked[0]).toBe('GET /-/ready');
  });

  it('that dies and comes back is shown so, with the reason while it lasts', async () => {
    await watchdog.replace({ heartbeat: undefined, peers: [peerOf()] });
    await until(() => meter.values.get('belfry_peer_up{north}') === 1);
    const { port } = new URL(url);
    await listener.stop();
    await until(() => meter.values.get('belfry_peer_up{north}') === 0);
    expect(seen()).toEqual({ 'belfry_peer_down_info{north,refused}': 1, 'belfry_peer_ready{north}': 0, 'belfry_peer_up{north}': 0 });
    const again = createServer((_, response) => response.end('Belfry is ready.\n'));
    await new Promise<void>((resolve) => again.listen(Number(port), '127.0.0.1', resolve));
    try {
      await until(() => meter.values.get('belfry_peer_up{north}') === 1);
      expect(seen()).toEqual({ 'belfry_peer_ready{north}': 1, 'belfry_peer_up{north}': 1 });
    } finally {
      again.closeAllConnections();
      await new Promise((resolve) => again.close(resolve));
    }
  });

  it('that leaves the configuration leaves no series; one whose address changes is asked there', async () => {
    await watchdog.replace({ heartbeat: undefined, peers: [peerOf({ url: 'http://127.0.0.1:1' })] });
    await until(() => meter.values.get('belfry_peer_up{north}') === 0);
    await watchdog.replace({ heartbeat: undefined, peers: [peerOf()] });
    await until(() => meter.values.get('belfry_peer_up{north}') === 1);
    await watchdog.replace({ heartbeat: undefined, peers: [] });
    expect(seen()).toEqual({});
  });
});
