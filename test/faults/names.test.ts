import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SMALL_SHAPE } from '../../testbed/simulated/shape.ts';
import { SimulatedFleet } from '../../testbed/simulated/fleet.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { missingSmallDisk } from '../../testbed/small-disk.ts';
import { Stage } from '../../testbed/stage.ts';
import { ledger, ownMetric, toldEverywhere, until } from '../acceptance/harness.ts';

const BROKERS = ['kafka1.test', 'kafka2.test', 'kafka3.test'];
const RECEIVERS = ['hook.test', 'slack.test', 'mail.test'];
const NOT_FOUND = /ENOTFOUND|EAI_AGAIN/;

const rulesFiring = (...names: readonly string[]): string =>
  `groups: [{name: fast, interval: 1s, rules: [{alert: BrokerCrashed, expr: 'belfry_broker_down_info{reason="crashed"} == 1'}${names
    .map((name) => `, {alert: ${name}, expr: 'vector(1)', labels: {severity: critical}}`)
    .join('')}]}]\n`;

/** A Belfry whose names are those of a file of its own: what is taken out of it is not found any more. */
describeWhere(missingSmallDisk(), 'names that are not found', () => {
  let fleet: SimulatedFleet;
  let stage: Stage;

  const hosts = (): string => join(stage.dir, 'hosts');
  const known = (...names: readonly string[]): void =>
    writeFileSync(hosts(), ['localhost', ...names].map((name) => `127.0.0.1 ${name}\n`).join(''));

  const configure = (...alerts: readonly string[]): void => {
    const at = (broker: number): string => `${BROKERS[broker] ?? ''}:${fleet.port(0, broker + 1)}`;
    const named = (url: string, host: string): string => url.replace('127.0.0.1', host);
    stage.configure({
      clusters: [
        {
          name: 'dal',
          brokers: [at(0), at(1), at(2)],
          addresses: { 1: at(0), 2: at(1), 3: at(2) },
          liveness: { ping_interval: '200ms', ping_timeout: '200ms', connect_timeout: '500ms' },
        },
      ],
      rules: rulesFiring(...alerts),
      config: {
        owners: { team: { slack: '#team', email: ['team@example.com'], webhook: named(stage.webhook.url, 'hook.test') } },
        slack: { token: stage.slack.token, api_url: named(stage.slack.apiUrl, 'slack.test') },
        email: { smtp: named(stage.mail.smtpUrl, 'mail.test'), from: 'Belfry <belfry@example.com>' },
      },
    });
  };

  beforeAll(async () => {
    fleet = await SimulatedFleet.start([SMALL_SHAPE]);
    stage = await Stage.start({ clusters: [], rules: rulesFiring(), diskBytes: 50_000_000 });
    known(...BROKERS);
    // Whoever asks further asks an address where nobody listens.
    writeFileSync(join(stage.dir, 'resolv.conf'), 'nameserver 127.99.99.99\noptions timeout:1 attempts:1\n');
    for (const name of ['hosts', 'resolv.conf'])
      expect(stage.disk?.run(['mount', '--bind', join(stage.dir, name), join('/etc', name)]).stderr).toBe('');
    configure();
    await stage.belfry.queryUntil('sum(up{job="kafka"})', ([sum]) => sum?.value === 3);
  }, 180_000);
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
    await fleet?.[Symbol.asyncDispose]();
  });

  it('of receivers: the news waits, and is told once when they are found again', async () => {
    configure('News');
    for (const integration of ['slack', 'email', 'webhook'])
      await stage.belfry.logged(
        'notification_retried',
        (line) => line['integration'] === integration && NOT_FOUND.test(String(line['reason'])),
      );
    known(...BROKERS, ...RECEIVERS);
    await toldEverywhere(stage, { alertname: 'News', status: 'firing' });
    expect(ledger(stage)).toEqual(['firing News /']);
  });

  it('of brokers: what stands goes on; a broker that has gone is not called crashed, and is back with its name', async () => {
    known();
    await fleet.tell({ do: 'kill', cluster: 0, broker: 2 });
    const [down] = await stage.belfry.queryUntil(
      'belfry_broker_down_info{broker="2", reason!="suspect"} == 1',
      (found) => found.length > 0,
    );
    expect(down?.metric).toMatchObject({ cluster: 'dal', reason: expect.stringMatching(/^(unreachable|unknown)$/) });
    expect((await stage.belfry.query('up{job="kafka"} == 1')).map(({ metric }) => metric['broker'])).toEqual(
      expect.arrayContaining(['1', '3']),
    );
    await fleet.tell({ do: 'revive', cluster: 0, broker: 2 });
    known(...BROKERS, ...RECEIVERS);
    await stage.belfry.queryUntil('sum(up{job="kafka"})', ([sum]) => sum?.value === 3);
    await stage.belfry.queryUntil('belfry_broker_down_info == 1', (found) => found.length === 0);
    expect(ledger(stage)).toEqual(['firing News /']);
    await until(async () => (await ownMetric(stage, 'belfry_outbox_messages')).every((line) => line.endsWith(' 0')), 'nothing waits');
  });
});
