import { describe, expect, it } from '@jest/globals';
import { compareNames, Labels } from '../../src/core/labels.ts';
import type { MutedBy } from '../../src/core/silence.ts';
import type { AlertStatusView } from '../../src/http/quiet-ports.ts';
import { NOW, serverWith, WITH_TOKEN } from './harness.ts';
import { alertNamed, statusOf } from './quiet-rooms.ts';

const DISK = alertNamed(
  'DiskLow',
  { cluster: 'dal', broker: '1' },
  { annotations: Labels.of({ summary: 'full' }), generatorUrl: 'http://belfry/graph' },
);
const CRASH = alertNamed('BrokerCrashed', { cluster: 'dal', broker: '2' });
const OWN = alertNamed('Watchdog', {});

/** What `GET` answers, with these alerts. */
async function get(url: string, views: readonly AlertStatusView[]): Promise<unknown> {
  const { server, rooms } = serverWith();
  rooms.alerts = views;
  return (await server.inject(url)).json();
}

describe('an alert is shown', () => {
  it.each<[string, Partial<MutedBy>, object]>([
    ['told to people as active', {}, { state: 'active' }],
    ['silenced as suppressed', { silences: ['s1', 's2'] }, { state: 'suppressed', silencedBy: ['s1', 's2'] }],
    [
      'inhibited with the fingerprint of what inhibits it',
      { inhibitedBy: [CRASH.labels.key] },
      { state: 'suppressed', inhibitedBy: [CRASH.labels.fingerprint] },
    ],
    ['in maintenance as muted', { maintenance: ['saturday night'] }, { state: 'suppressed', mutedBy: ['saturday night'] }],
    ['as unprocessed while Belfry starts', { starting: true }, { state: 'unprocessed' }],
    [
      'as suppressed where it is silenced while Belfry starts',
      { starting: true, silences: ['s'] },
      { state: 'suppressed', silencedBy: ['s'] },
    ],
  ])('%s', async (_, mutedBy, status) => {
    const [alert] = (await get('/api/v2/alerts?filter=alertname=DiskLow', [
      statusOf(DISK, 'owner/dal', mutedBy),
      statusOf(CRASH, 'owner/dal'),
    ])) as object[];
    expect(alert).toEqual({
      annotations: { summary: 'full' },
      endsAt: new Date(DISK.endsAt).toISOString(),
      fingerprint: DISK.labels.fingerprint,
      receivers: [{ name: 'owner/dal' }],
      startsAt: new Date(DISK.startsAt).toISOString(),
      status: { inhibitedBy: [], mutedBy: [], silencedBy: [], ...status },
      updatedAt: new Date(DISK.startsAt).toISOString(),
      generatorURL: 'http://belfry/graph',
      labels: { alertname: 'DiskLow', cluster: 'dal', broker: '1' },
    });
  });

  it('that nobody is told of with a receiver that says so, in the groups too', async () => {
    const views = [statusOf(OWN, '')];
    expect(await get('/api/v2/alerts', views)).toMatchObject([{ receivers: [{ name: 'nobody' }] }]);
    expect(await get('/api/v2/alerts/groups', views)).toMatchObject([{ labels: { alertname: 'Watchdog' }, receiver: { name: 'nobody' } }]);
  });
});

it('where there are no owners, that receiver is listed', async () => {
  const alertStatus = { alerts: () => [], receivers: () => [], mutedHistory: () => [] };
  const { server } = serverWith({ ports: { alertStatus } });
  expect((await server.inject('/api/v2/receivers')).json()).toEqual([{ name: 'nobody' }]);
});

describe('what is let through', () => {
  const views = [
    statusOf(DISK, 'owner/dal', { maintenance: ['night'] }),
    statusOf(CRASH, 'owner/dal', { starting: true }),
    statusOf(OWN, 'owner/platform', { silences: ['s'] }),
  ];

  it.each([
    ['', ['BrokerCrashed', 'DiskLow', 'Watchdog']],
    ['muted=false', ['BrokerCrashed', 'Watchdog']],
    ['unprocessed=false', ['DiskLow', 'Watchdog']],
    ['silenced=false', ['BrokerCrashed', 'DiskLow']],
    ['receiver=owner/p.*', ['Watchdog']],
    ['filter=cluster!=dal', ['Watchdog']],
    ['filter=cluster=dal&filter=broker=~"2|3"', ['BrokerCrashed']],
  ])('%s', async (query, names) => {
    const alerts = (await get(`/api/v2/alerts?${query}`, views)) as { labels: Record<string, string> }[];
    expect(alerts.map(({ labels }) => labels['alertname'] ?? '').toSorted(compareNames)).toEqual(names);
  });
});

const SILENCE = {
  matchers: [{ name: 'cluster', value: 'dal', isRegex: false }],
  startsAt: new Date(NOW).toISOString(),
  endsAt: new Date(NOW + 3_600_000).toISOString(),
  createdBy: 'ann',
  comment: 'disk swap',
};

describe('labels of any name, as since Alertmanager 0.27', () => {
  const post = async (name: string) => {
    const { server, rooms } = serverWith();
    rooms.alerts = [statusOf(alertNamed('PodDown', { 'k8s.pod/name': 'kafka-1' }), 'owner/dal'), statusOf(CRASH, 'owner/dal')];
    const payload = JSON.stringify({ ...SILENCE, matchers: [{ name, value: 'kafka-.', isRegex: true }] });
    const headers = { 'content-type': 'application/json', ...WITH_TOKEN };
    return { server, answer: await server.inject({ method: 'POST', url: '/api/v2/silences', headers, payload }) };
  };

  it.each(['"k8s.pod/name"=~"kafka-."', 'k8s.pod/name=~kafka-.'])('are silenced, and filtered by %s', async (filter) => {
    const { server, answer } = await post('k8s.pod/name');
    const { silenceID } = answer.json() as { silenceID: string };
    const query = `filter=${encodeURIComponent(filter)}`;
    expect((await server.inject(`/api/v2/silences?${query}`)).json()).toMatchObject([
      { id: silenceID, matchers: [{ name: 'k8s.pod/name' }] },
    ]);
    expect((await server.inject(`/api/v2/alerts?${query}`)).json()).toMatchObject([{ labels: { alertname: 'PodDown' } }]);
  });

  it.each(['', '\ud800'])('but not %j', async (name) => {
    const { answer } = await post(name);
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      `silence invalid: invalid label matcher 0: invalid label name ${JSON.stringify(name)}`,
    ]);
  });
});

describe('annotations of a silence, as since Alertmanager 0.32', () => {
  const post = async (annotations: unknown) => {
    const { server } = serverWith();
    const headers = { 'content-type': 'application/json', ...WITH_TOKEN };
    const answer = await server.inject({
      method: 'POST',
      url: '/api/v2/silences',
      headers,
      payload: JSON.stringify({ ...SILENCE, annotations }),
    });
    return { answer, shown: ((await server.inject('/api/v2/silences')).json() as { annotations?: unknown }[])[0]?.annotations };
  };

  it.each<[unknown, unknown]>([
    [
      { ticket: '4711', by: 'a tool' },
      { ticket: '4711', by: 'a tool' },
    ],
    [{}, undefined],
    [null, undefined],
  ])('%j are shown as %j', async (annotations, shown) => {
    expect((await post(annotations)).shown).toEqual(shown);
  });

  it.each<[unknown]>([[{ ticket: 4711 }], ['text'], [['a']]])('%j are none', async (annotations) => {
    const { answer } = await post(annotations);
    expect([answer.statusCode, answer.json()]).toMatchObject([
      400,
      { code: 400, message: expect.stringContaining('parsing silence body') },
    ]);
  });
});

it('who sends alerts is told that they come from rules here', async () => {
  const { server } = serverWith();
  const headers = { 'content-type': 'application/json', ...WITH_TOKEN };
  const answer = await server.inject({ method: 'POST', url: '/api/v2/alerts', headers, payload: '[{"labels":{"alertname":"A"}}]' });
  expect([answer.statusCode, answer.headers['allow']]).toEqual([405, 'GET']);
  expect((answer.json() as { message: string }).message).toMatch(
    /^method POST is not allowed, but \[GET\] are; alerts come from the rules/,
  );
});

describe('who may change silences', () => {
  it('is who has a token with the scope operate; the body is not even read from others', async () => {
    const { server } = serverWith();
    const post = (headers: Record<string, string>, payload: string) =>
      server.inject({ method: 'POST', url: '/api/v2/silences', headers: { 'content-type': 'application/json', ...headers }, payload });
    const refused = await post({}, '{bad');
    expect([refused.statusCode, refused.headers['www-authenticate']]).toEqual([401, 'Bearer realm="Belfry"']);
    expect(refused.json()).toEqual({ code: 401, message: expect.stringContaining('Authorization: Bearer') });
    expect((await server.inject({ method: 'DELETE', url: '/api/v2/silence/7f9aa9c9-1a5f-4a6e-ae2a-d1fd4c4b2d5b' })).statusCode).toBe(401);
    const made = await post(WITH_TOKEN, JSON.stringify(SILENCE));
    const { silenceID } = made.json() as { silenceID: string };
    expect((await server.inject(`/api/v2/silence/${silenceID}`)).json()).toMatchObject({
      id: silenceID,
      comment: 'disk swap',
      createdBy: 'ann',
    });
    const ended = await server.inject({ method: 'DELETE', url: `/api/v2/silence/${silenceID}`, headers: WITH_TOKEN });
    expect([ended.statusCode, ended.body, ended.headers['content-type']]).toEqual([200, '', undefined]);
  });

  it('reading needs a token too where Belfry listens to others', async () => {
    const { server } = serverWith({ listen: '0.0.0.0' });
    for (const url of ['/status', '/receivers', '/silences', '/alerts', '/alerts/groups', '/silence/7f9aa9c9-1a5f-4a6e-ae2a-d1fd4c4b2d5b'])
      expect([url, (await server.inject({ url: `/api/v2${url}`, headers: { host: '127.0.0.1' } })).statusCode]).toEqual([url, 401]);
  });
});

it('the configuration it names is that of owners', async () => {
  const status = { version: '1.2.3', startedAt: NOW, configFile: undefined, configHash: '0', outbox: { waiting: 0, oldestMs: 0 } };
  const cluster = { brokersUp: 3, brokersExpected: 3 };
  const { server, serverOptions } = serverWith();
  const clusters = [
    { name: 'dal', owner: 'orders', ...cluster },
    { name: 'phx', owner: undefined, ...cluster },
  ];
  Object.assign(serverOptions.ports.operations, { status: () => ({ ...status, defaultOwner: 'platform', clusters }) });
  const answer = (await server.inject('/api/v2/status')).json() as { config: { original: string }; versionInfo: { version: string } };
  expect(answer.versionInfo.version).toBe('1.2.3');
  expect(answer.config.original).toBe(`route:
  receiver: owner/platform
  group_by:
    - cluster
  routes:
    - receiver: owner/platform
      matchers:
        - audience="platform"
    - receiver: owner/orders
      matchers:
        - cluster="dal"
receivers:
  - name: owner/platform
  - name: owner/orders
`);
});
