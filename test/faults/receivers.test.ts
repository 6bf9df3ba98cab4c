import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeliveryOutcome } from '../../src/core/notification.ts';
import { alertOf, resolved, Setup } from '../routing/setup.ts';
import type { FakeNotifier } from '../outbox/fake-notifier.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DOWN: DeliveryOutcome = { kind: 'retry', reason: 'connect ECONNREFUSED' };
const LIMITED: DeliveryOutcome = { kind: 'retry', reason: 'Slack says: slow down', retryAfterMs: 30_000 };
const OK: DeliveryOutcome = { kind: 'delivered' };

let setup: Setup;
beforeEach(() => void (setup = new Setup()));
afterEach(() => setup.end());

const mail = (): FakeNotifier => setup.notifier('owner/orders email');
const slack = (): FakeNotifier => setup.notifier('owner/orders slack');
const webhook = (): FakeNotifier => setup.notifier('owner/orders webhook');
const crashed = (broker: number, severity = 'critical') =>
  alertOf({ alertname: 'BrokerCrashed', cluster: 'orders-dal', broker: String(broker), severity }, setup.clock.now());
/** What a message says of each alert: its name and broker, and whether it fires. */
const said = (notifier: FakeNotifier): string[][] =>
  notifier.delivered.map(({ alerts }) => alerts.map(({ labels, status }) => `${status} ${labels.get('broker')}`));

describe('a mail server that is down for an hour', () => {
  beforeEach(() => void (mail().otherwise = DOWN));

  it('gets one mail for each incident when it is back, of how things are then, and the others were told meanwhile', async () => {
    const first = crashed(1);
    await setup.receive(first);
    await setup.clock.advance(10 * MINUTE);
    await setup.receive(crashed(2));
    await setup.clock.advance(50 * MINUTE);
    expect(mail().delivered).toEqual([]);
    expect(slack().delivered.length).toBeGreaterThanOrEqual(2);
    // From 1 s to 5 min between attempts: a server that is down is not stormed.
    const tries = mail().attempts.length;
    expect(tries).toBeGreaterThan(12);
    expect(tries).toBeLessThan(60);
    mail().otherwise = OK;
    await setup.clock.advance(6 * MINUTE);
    expect(said(mail()).flat().toSorted()).toEqual(['firing 1', 'firing 2']);
    expect(mail().delivered.length).toBe(new Set(mail().delivered.map(({ groupKey }) => groupKey)).size);
    const afterwards = mail().attempts.length;
    await setup.clock.advance(HOUR);
    expect(mail().attempts.length - afterwards).toBe(0);
  });

  it('is told of what began and ended in that hour, as over: an attempt may have got through', async () => {
    const alert = crashed(1);
    await setup.receive(alert);
    await setup.clock.advance(20 * MINUTE);
    await setup.receive(resolved(alert, setup.clock.now()));
    await setup.clock.advance(40 * MINUTE);
    mail().otherwise = OK;
    await setup.clock.advance(6 * MINUTE);
    expect(mail().delivered.map(({ status }) => status)).toEqual(['resolved']);
    expect(setup.outbox.size).toBe(0);
  });

  it('loses nothing when Belfry is killed in the middle of it', async () => {
    await setup.receive(crashed(1));
    await setup.clock.advance(30 * MINUTE);
    setup.kill();
    setup.start();
    await setup.clock.advance(30 * MINUTE);
    mail().otherwise = OK;
    await setup.clock.advance(6 * MINUTE);
    expect(said(mail())).toEqual([['firing 1']]);
  });

  it('is given up after a day, and the default owner is told in its place', async () => {
    await setup.receive(crashed(1));
    await setup.clock.advance(25 * HOUR);
    const platform = setup.notifier('owner/platform webhook').delivered;
    expect(platform.length).toBeGreaterThanOrEqual(1);
    expect(
      platform
        .at(-1)
        ?.events.map(({ text }) => text)
        .join('\n'),
    ).toContain('Could not tell owner/orders by email');
  });
});

describe('Slack that says 429 for ten minutes', () => {
  it('is left alone for as long as it asked, then gets the newest of each incident at its pace, and nothing twice', async () => {
    slack().otherwise = LIMITED;
    const alerts = [1, 2, 3, 4, 5].map((broker) => crashed(broker));
    await setup.receive(...alerts);
    const ended = alerts[4];
    await setup.clock.advance(5 * MINUTE);
    if (ended !== undefined) await setup.receive(resolved(ended, setup.clock.now()));
    await setup.clock.advance(5 * MINUTE);
    // One attempt each 30 s for the whole channel, not one for each incident.
    expect(slack().attempts.length).toBeLessThanOrEqual(22);
    expect(slack().delivered).toEqual([]);
    slack().otherwise = OK;
    const before = slack().attempts.length;
    await setup.clock.advance(5 * MINUTE);
    const attempts = slack().attempts.length - before;
    expect(attempts).toBe(slack().delivered.length);
    const newest = new Map(slack().delivered.flatMap(({ alerts: all }) => all.map(({ labels, status }) => [labels.get('broker'), status])));
    expect([...newest].toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual([
      ['1', 'firing'],
      ['2', 'firing'],
      ['3', 'firing'],
      ['4', 'firing'],
      ['5', 'resolved'],
    ]);
    expect(slack().delivered.length).toBe(new Set(slack().delivered.map(({ groupKey }) => groupKey)).size);
  });
});

describe('a receiver that takes a message and never answers', () => {
  it('ends each attempt in time, and holds up nobody else', async () => {
    webhook().script.push(...Array.from({ length: 100 }, () => 'hang' as const));
    await setup.receive(crashed(1));
    expect([slack().delivered.length, mail().delivered.length]).toEqual([1, 1]);
    await setup.clock.advance(10 * MINUTE);
    expect(webhook().attempts.length).toBeGreaterThan(3);
    expect(webhook().mostAtOnce).toBe(1);
    webhook().script.length = 0;
    await setup.clock.advance(6 * MINUTE);
    expect(said(webhook())).toEqual([['firing 1']]);
  });
});

describe('ten thousand alerts at once', () => {
  const storm = (clusters: number): ReturnType<typeof alertOf>[] =>
    Array.from({ length: 10_000 }, (_, i) => {
      const cluster = clusters === 1 ? 'orders-dal' : `c${i % clusters}`;
      return alertOf({ alertname: 'UnderMinIsr', cluster, topic: `t${i}`, severity: 'critical' }, setup.clock.now());
    });

  /** Prints how long it took, which says nothing on a machine that is busy, and how much of a core. */
  function receive(alerts: ReturnType<typeof storm>, what: string): void {
    const [at, before] = [performance.now(), process.cpuUsage()];
    setup.routing.receive(alerts, setup.clock.now());
    const { user, system } = process.cpuUsage(before);
    const [tookMs, cpuMs] = [performance.now() - at, (user + system) / 1000];
    process.stderr.write(
      `    10,000 alerts of ${what}: grouped and queued in ${Math.round(tookMs)} ms, ${Math.round(cpuMs)} ms of a core\n`,
    );
  }

  it('of one owner are one message to each of its destinations', async () => {
    const alerts = storm(1);
    const rss = process.memoryUsage().rss;
    receive(alerts, 'one cluster');
    await setup.clock.advance(0);
    expect([slack(), mail(), webhook()].map(({ delivered }) => delivered.length)).toEqual([1, 1, 1]);
    expect(webhook().delivered[0]?.alerts).toHaveLength(10_000);
    expect(process.memoryUsage().rss - rss).toBeLessThan(300 * 1024 * 1024);
  });

  it('of two hundred clusters all go out at the pace of their destination, none lost and none twice, also over a kill', async () => {
    receive(storm(200), '200 clusters');
    const platform = setup.notifier('owner/platform webhook');
    await setup.clock.advance(0);
    expect(platform.delivered).toHaveLength(50);
    await setup.clock.advance(2000);
    expect(platform.delivered).toHaveLength(90);
    setup.kill();
    setup.start();
    await setup.clock.advance(0);
    await setup.clock.advance(30_000);
    expect(platform.delivered).toHaveLength(200);
    expect(new Set(platform.delivered.map(({ groupKey }) => groupKey)).size).toBe(200);
    expect(platform.delivered.reduce((sum, { alerts: all }) => sum + all.length, 0)).toBe(10_000);
    expect(setup.outbox.size).toBe(0);
  });
});
