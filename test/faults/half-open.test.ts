import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Stage } from '../../testbed/stage.ts';
import { TcpProxy } from '../../testbed/tcp-proxy.ts';
import { NO_KAFKA, ownMetric, toldEverywhere, until } from '../acceptance/harness.ts';

const WAYS = ['slack', 'email', 'webhook'] as const;

const rulesFiring = (...names: readonly string[]): string =>
  `groups: [{name: fast, interval: 1s, rules: [${names
    .map((name) => `{alert: ${name}, expr: 'vector(1)', labels: {severity: critical}, annotations: {summary: ${name}}}`)
    .join(', ')}]}]\n`;

let stage: Stage;
const proxies: TcpProxy[] = [];

/** Alerts about no cluster are incidents of their own. */
const configure = (...alerts: readonly string[]): void => {
  const [slack, email, webhook] = proxies;
  const through = (url: string, proxy: TcpProxy | undefined): string => url.replace(/127\.0\.0\.1:\d+/, proxy?.address ?? '');
  stage.configure({
    clusters: [NO_KAFKA],
    rules: rulesFiring(...alerts),
    config: {
      owners: { team: { slack: '#team', email: ['team@example.com'], webhook: through(stage.webhook.url, webhook) } },
      slack: { token: stage.slack.token, api_url: through(stage.slack.apiUrl, slack) },
      email: { smtp: through(stage.mail.smtpUrl, email), from: 'Belfry <belfry@example.com>' },
      delivery: { attempt_timeout: '700ms', retry_first: '300ms', retry_last: '1s' },
    },
  });
};

beforeAll(async () => {
  stage = await Stage.start({ clusters: [NO_KAFKA], rules: rulesFiring() });
  for (const url of [stage.slack.apiUrl, stage.mail.smtpUrl, stage.webhook.url]) proxies.push(await TcpProxy.start(new URL(url).host));
}, 180_000);
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
});

it('the way to all receivers swallows everything, on connections that stand too: the news arrives when it is open again', async () => {
  configure('Before');
  await toldEverywhere(stage, { alertname: 'Before', status: 'firing' });
  await Promise.all(proxies.map((proxy) => proxy.blackhole()));
  configure('Before', 'During');
  // Twice: what stood was given up, and what was connected anew as well.
  for (const integration of WAYS)
    for (let failures = 0, since = 0; failures < 2; failures++) {
      await stage.belfry.logged('notification_retried', (line) => line['integration'] === integration, { since });
      since = stage.belfry.log.count;
    }
  expect((await stage.belfry.request('GET', '/-/healthy')).status).toBe(200);
  for (const proxy of proxies) proxy.restore();
  await toldEverywhere(stage, { alertname: 'During', status: 'firing' });
  await until(async () => (await ownMetric(stage, 'belfry_outbox_messages')).every((line) => line.endsWith(' 0')), 'nothing waits');
}, 180_000);
