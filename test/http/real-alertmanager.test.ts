import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { SystemClock } from '../../src/core/clock.ts';
import { Matcher } from '../../src/core/matcher.ts';
import type { AlertStatusView } from '../../src/http/quiet-ports.ts';
import type { HttpServer } from '../../src/http/server.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { TOKEN, WITH_TOKEN } from './harness.ts';
import { alertNamed, listeningServer, statusOf } from './quiet-rooms.ts';
import { missingAlertmanager, startAlertmanager } from './real-alertmanager.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

const run = promisify(execFile);

const CONFIGURATION = `
route:
  receiver: owner/orders
  group_by: [cluster]
  group_wait: 1ms
  routes: [{matchers: ['cluster="pay"'], receiver: owner/pay}]
receivers: [{name: owner/orders}, {name: owner/pay}]
inhibit_rules:
  - source_matchers: ['alertname="ClusterUnreachable"']
    target_matchers: ['alertname!="ClusterUnreachable"']
    equal: [cluster]
`;
const SETS = [
  { alertname: 'BrokerCrashed', cluster: 'dal', broker: '2' },
  { alertname: 'DiskLow', cluster: 'dal', broker: '1', severity: 'warning' },
  { alertname: 'ClusterUnreachable', cluster: 'pay' },
  { alertname: 'DiskLow', cluster: 'pay', broker: '1' },
  { alertname: 'TwoLines', cluster: 'dal', text: 'one\ntwo' },
];
/** In Alertmanager's expressions a dot is no line break. */
const FILTERS_OF_LINES = [
  'text=~one.two',
  'text=~one.*',
  'text=~.*',
  'text!~.+',
  'text=~(?s)one.two',
  'text=~"one\\ntwo|x"',
  'text=~one|x',
];
const ACCEPTED = [
  '',
  '*/*',
  'application/*',
  'text/html,*/*;q=0.1',
  'text/plain',
  'text/*',
  'application/json;q=0',
  'application/xml, image/*',
];

const HOUR_MS = 3_600_000;
const TOMORROW = new SystemClock().wall() + 24 * HOUR_MS;
const inHours = (hours: number): string => new Date(TOMORROW + hours * HOUR_MS).toISOString();

let folder = '';
let peer: { readonly url: string; close(): Promise<void> };
let ours: HttpServer;
let views: readonly AlertStatusView[] = [];

interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: unknown;
}

async function ask(url: string, path: string, init: Request = {}): Promise<Answer> {
  const response = await fetch(`${url}/api/v2${path}`, init);
  const text = await response.text();
  return {
    status: response.status,
    type: text === '' ? null : (response.headers.get('content-type')?.split(';')[0] ?? null),
    body: text === '' ? '' : (JSON.parse(text) as unknown),
  };
}

function post(body: unknown, type = 'application/json'): Request {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { method: 'POST', headers: { 'content-type': type, ...WITH_TOKEN }, body: text };
}

/** The same request to both. */
async function both(path: string, init: Request = {}): Promise<readonly [Answer, Answer]> {
  const [theirs, mine] = await Promise.all([
    ask(peer.url, path, init),
    ask(ours.url, path, { ...init, headers: { ...WITH_TOKEN, ...init.headers } }),
  ]);
  return [theirs, mine];
}

/** Times, ids and what only one version of Alertmanager has are different by nature; JSON errors are worded by the parser. */
function shape(answer: Answer): unknown {
  return JSON.parse(
    JSON.stringify(answer, (key, value: unknown) => {
      if (['updatedAt', 'uptime', 'version', 'buildDate', 'buildUser', 'branch', 'goVersion', 'revision', 'original'].includes(key))
        return typeof value;
      if (['startsAt', 'endsAt'].includes(key)) return String(value).replace(/\.\d{3}Z$/, '.000Z').length;
      if (['id', 'silenceID'].includes(key) || key === 'silencedBy') return Array.isArray(value) ? value.length : 'an id';
      if (key === 'mutedBy') return undefined;
      if (typeof value === 'string')
        return value
          .replace('[DELETE,GET]', '[GET,DELETE]')
          .replace('[POST,GET]', '[GET,POST]')
          .replace(/(failed, because).*/s, '$1')
          .replace(/(invalid regular expression|failed to parse receiver param).*/s, '$1');
      return value;
    }),
  );
}

describeWhere(missingAlertmanager, 'beside a real Alertmanager', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'belfry-amtool-'));
    peer = await startAlertmanager(CONFIGURATION);
    const unreachable = alertNamed('ClusterUnreachable', { cluster: 'pay' });
    views = SETS.map(({ alertname, ...labels }) => {
      const inhibitedBy = labels.cluster === 'pay' && alertname !== 'ClusterUnreachable' ? [unreachable.labels.key] : [];
      return statusOf(alertNamed(alertname, labels), labels.cluster === 'pay' ? 'owner/pay' : 'owner/orders', { inhibitedBy });
    });
    const { server } = await listeningServer(() => views);
    ours = server;
    writeFileSync(join(folder, 'client.yml'), `authorization: {credentials: ${TOKEN}}\n`);
    const posted = await ask(peer.url, '/alerts', post(SETS.map((labels) => ({ labels }))));
    expect(posted.status).toBe(200);
    // Alertmanager decides on inhibition when it groups, a moment later.
    for (let groups: unknown = []; !(Array.isArray(groups) && groups.length === 2);) groups = (await ask(peer.url, '/alerts/groups')).body;
  }, 180_000);

  afterAll(async () => {
    await Promise.all([ours.close(), peer.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const good = {
    matchers: [{ name: 'a', value: 'b', isRegex: false }],
    startsAt: inHours(0),
    endsAt: inHours(1),
    createdBy: 'x',
    comment: 'y',
  };
  const without = (name: keyof typeof good) => ({ ...good, [name]: undefined });
  const [matcher] = good.matchers;

  it.each<[string, string, Request]>([
    ['status', '/status', {}],
    ['receivers', '/receivers', {}],
    ['no silences', '/silences?filter=never=here', {}],
    ['alerts', '/alerts', {}],
    ['groups', '/alerts/groups', {}],
    ['a path that is none', '/nothing', {}],
    ['a method that is none', '/silences', { method: 'PUT' }],
    ['a method that is none for one silence', '/silence/7f9aa9c9-1a5f-4a6e-ae2a-d1fd4c4b2d5b', { method: 'POST' }],
    ['an id that is none', '/silence/nope', {}],
    ['an unknown id', '/silence/7f9aa9c9-1a5f-4a6e-ae2a-d1fd4c4b2d5b', {}],
    ['expiring an id that is none', '/silence/nope', { method: 'DELETE' }],
    ['a bad filter of silences', '/silences?filter=a', {}],
    ['a bad filter of alerts', '/alerts?filter=a(', {}],
    ['an unquoted quote', `/alerts?filter=${encodeURIComponent('a=b"c')}`, {}],
    ['a switch twice', '/alerts?active=true&active=false', {}],
    ['a receiver twice', '/alerts?receiver=.*&receiver=none', {}],
    ['a space that is none to Go', `/alerts?filter=${encodeURIComponent('broker=1\u00a0')}`, {}],
    ['a comma behind a filter', '/alerts?filter=broker=1,', {}],
    ...FILTERS_OF_LINES.map((text): [string, string, Request] => [text, `/alerts?filter=${encodeURIComponent(text)}`, {}]),
    ...['a=~[', 'a!~a)', 'a=~*'].map((text): [string, string, Request] => [`in its words ${text}`, `/alerts?filter=${text}`, {}]),
    ...ACCEPTED.map((accept): [string, string, Request] => [`who accepts ${accept || 'nothing'}`, '/alerts', { headers: { accept } }]),
    ['a path that is none for who accepts text', '/nothing', { headers: { accept: 'text/plain' } }],
    ['an id that is none for who accepts text', '/silence/nope', { headers: { accept: 'text/plain' } }],
    ['a slash at the end', '/alerts/?filter=broker=1', {}],
    ['two of them', '/alerts/groups//', {}],
    ['one behind an id', '/silence/7f9aa9c9-1a5f-4a6e-ae2a-d1fd4c4b2d5b/', {}],
    ['no id', '/silence/', {}],
    ['HEAD', '/status', { method: 'HEAD' }],
    ['HEAD of nothing', '/nothing', { method: 'HEAD' }],
    ['a bad receiver', '/alerts?receiver=(', {}],
    ['a bad receiver of groups', '/alerts/groups?receiver=(', {}],
    ['a form', '/silences', post('a=b', 'application/x-www-form-urlencoded')],
    ['text', '/silences', post('{}', 'text/plain; charset=utf-8')],
    ['JSON by another name', '/silences', post(good, 'Application/JSON; charset=utf-8')],
    ['broken JSON', '/silences', post('{bad')],
    ['a list', '/silences', post([])],
    ['nothing', '/silences', post({})],
    ['no comment', '/silences', post(without('comment'))],
    ['no author', '/silences', post(without('createdBy'))],
    ['no end', '/silences', post(without('endsAt'))],
    ['no start', '/silences', post(without('startsAt'))],
    ['no matchers', '/silences', post(without('matchers'))],
    ['an empty list of matchers', '/silences', post({ ...good, matchers: [] })],
    ['a matcher without name', '/silences', post({ ...good, matchers: [{ ...matcher, name: undefined }] })],
    ['a matcher without value', '/silences', post({ ...good, matchers: [matcher, { ...matcher, value: undefined }] })],
    ['a matcher without isRegex', '/silences', post({ ...good, matchers: [{ ...matcher, isRegex: undefined }] })],
    ['a matcher of numbers', '/silences', post({ ...good, matchers: [{ ...matcher, value: 5 }] })],
    ['an empty name', '/silences', post({ ...good, matchers: [{ ...matcher, name: '' }] })],
    ['a bad expression', '/silences', post({ ...good, matchers: [{ ...matcher, value: '(', isRegex: true }] })],
    ['only empty matches', '/silences', post({ ...good, matchers: [{ ...matcher, value: '' }] })],
    ['an end before its start', '/silences', post({ ...good, endsAt: good.startsAt })],
    ['an end in the past', '/silences', post({ ...good, startsAt: '2020-01-01T00:00:00Z', endsAt: '2020-01-01T01:00:00Z' })],
    ['a time that is none', '/silences', post({ ...good, startsAt: 'soon' })],
    ['no body', '/silences', post('')],
    ['null', '/silences', post('null')],
    ['an empty start', '/silences', post({ ...good, startsAt: '' })],
    ['an empty end', '/silences', post({ ...good, endsAt: '' })],
    ['a time without a zone', '/silences', post({ ...good, endsAt: inHours(2).slice(0, 19) })],
    ['a time without seconds', '/silences', post({ ...good, endsAt: inHours(3).slice(0, 16) })],
    ['a time with a space', '/silences', post({ ...good, endsAt: inHours(4).slice(0, 19).replace('T', ' ') })],
    ['a space and a zone', '/silences', post({ ...good, endsAt: inHours(4).replace('T', ' ') })],
    ['a zone without a colon', '/silences', post({ ...good, startsAt: inHours(5), endsAt: inHours(5).replace('Z', '+0100') })],
    ['no fraction before such a zone', '/silences', post({ ...good, endsAt: `${inHours(5).slice(0, 19)}+0100` })],
    ['an unknown id to change', '/silences', post({ ...good, id: '7f9aa9c9-1a5f-4a6e-ae2a-d1fd4c4b2d5b' })],
    ['an id to change that is none', '/silences', post({ ...good, id: 'nope' })],
  ])('%s has the same answer', async (_, path, init) => {
    const [theirs, mine] = await both(path, init);
    expect(shape(mine)).toEqual(shape(theirs));
  });

  it('an unknown silence that is expired is not found; Alertmanager said 500 until its 0.26', async () => {
    const [theirs, mine] = await both('/silence/7f9aa9c9-1a5f-4a6e-ae2a-d1fd4c4b2d5b', { method: 'DELETE' });
    expect([theirs.status, mine]).toEqual([500, { status: 404, type: null, body: '' }]);
  });

  it('the same silences, listed, filtered, changed and expired, give the same answers', async () => {
    const names = fc.constantFrom('alertname', 'cluster', 'broker');
    const values = fc.constantFrom('dal', 'pay', '1', 'DiskLow', '', '.*', 'p.*|d.*', 'x');
    const matchers = fc.array(fc.record({ name: names, value: values, isRegex: fc.boolean(), isEqual: fc.boolean() }), {
      minLength: 1,
      maxLength: 3,
    });
    const filters = fc.array(fc.tuple(names, fc.constantFrom('=', '!=', '=~', '!~'), values), { maxLength: 2 });
    const switches = fc.dictionary(
      fc.constantFrom('active', 'silenced', 'inhibited', 'unprocessed'),
      fc.constantFrom('true', 'false', '', 'yes', 'no'),
    );
    const receiver = fc.constantFrom('', 'owner/pay', 'owner/.*', 'pay');
    const step = fc.record({
      matchers,
      filters,
      switches,
      receiver,
      change: fc.constantFrom('none', 'comment', 'end', 'matchers', 'expire'),
    });
    let minute = 0;
    await fc.assert(
      fc.asyncProperty(step, async (asked) => {
        minute++;
        // What has begun and what has not; its order in lists is by end and start, so no two have the same.
        const startsAt = minute % 3 === 0 ? new Date(Date.parse(inHours(0)) + minute * 60_000).toISOString() : '2020-01-01T00:00:00Z';
        const body = {
          matchers: asked.matchers,
          startsAt,
          endsAt: new Date(Date.parse(inHours(2)) + minute * 60_000).toISOString(),
          createdBy: 'x',
          comment: 'y',
        };
        const [theirs, mine] = await both('/silences', post(body));
        expect(shape(mine)).toEqual(shape(theirs));
        if (theirs.status === 200) await changeBoth(theirs, mine, asked.change);
        const query = new URLSearchParams({ ...asked.switches, ...(asked.receiver === '' ? {} : { receiver: asked.receiver }) });
        for (const [name, op, value] of asked.filters) query.append('filter', `${name}${op}"${value}"`);
        for (const path of ['/silences', '/alerts', '/alerts/groups']) {
          const [first, second] = await both(`${path}?${query.toString()}`);
          expect([path, query.toString(), shape(second)]).toEqual([path, query.toString(), shape(first)]);
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  async function changeBoth(theirs: Answer, mine: Answer, change: string): Promise<void> {
    const results: { status: number; isSame: boolean; after: unknown }[] = [];
    for (const [url, { body }] of [
      [peer.url, theirs],
      [ours.url, mine],
    ] as const) {
      const { silenceID: id } = body as { silenceID: string };
      const { body: silence } = await ask(url, `/silence/${id}`);
      const kept = silence as typeof good;
      const changed = {
        ...kept,
        ...(change === 'comment' ? { comment: 'z' } : {}),
        ...(change === 'end' ? { endsAt: inHours(30) } : {}),
        ...(change === 'matchers' ? { matchers: [{ name: 'zone', value: 'z', isRegex: false, isEqual: true }] } : {}),
      };
      const init = change === 'expire' ? { method: 'DELETE', headers: WITH_TOKEN } : post(changed);
      const { status, body: answer } = await ask(url, change === 'expire' ? `/silence/${id}` : '/silences', init);
      const now = change === 'expire' ? id : (answer as { silenceID: string }).silenceID;
      results.push({ status, isSame: now === id, after: shape(await ask(url, `/silence/${id}`)) });
      // An end that two have would leave their order open.
      if (change === 'end') await ask(url, `/silence/${now}`, { method: 'DELETE', headers: WITH_TOKEN });
    }
    expect(results[1]).toEqual(results[0]);
  }
});

describeWhere(missingAlertmanager, 'amtool', () => {
  it('adds, shows, changes, expires, exports and imports silences, and shows alerts', async () => {
    const home = mkdtempSync(join(tmpdir(), 'belfry-amtool-'));
    writeFileSync(join(home, 'client.yml'), `authorization: {credentials: ${TOKEN}}\n`);
    const { server, silences } = await listeningServer(() =>
      SETS.map(({ alertname, ...labels }) => statusOf(alertNamed(alertname, labels), 'owner/orders')),
    );
    const amtool = async (...args: readonly string[]): Promise<string> => {
      const options = [`--alertmanager.url=${server.url}`, `--http.config.file=${join(home, 'client.yml')}`];
      return (await run('amtool', [...args, ...options], { env: { ...process.env, HOME: home } })).stdout;
    };
    try {
      const id = (
        await amtool('silence', 'add', 'cluster=dal', 'broker=~"1|2"', '--duration=2h', '--comment=disk swap', '--author=ann')
      ).trim();
      expect(silences.get(id)?.matchers.map(String)).toEqual(['cluster="dal"', 'broker=~"1|2"']);
      expect(await amtool('silence', 'query', 'cluster=dal')).toContain('disk swap');
      expect(await amtool('alert', 'query')).not.toContain('dal');
      expect(await amtool('alert', 'query', '--silenced')).toContain('BrokerCrashed');
      expect((await amtool('silence', 'update', id, '--duration=4h', '--comment=longer')).trim()).toContain(id);
      expect(silences.get(id)?.comment).toBe('longer');
      const exported = await amtool('silence', 'query', '-o', 'json');
      expect(await amtool('silence', 'expire', id)).toBe('');
      expect(await amtool('silence', 'query')).not.toContain('longer');
      writeFileSync(join(home, 'silences.json'), exported);
      await amtool('silence', 'import', join(home, 'silences.json'), '--force');
      expect(await amtool('silence', 'query', '-q')).toMatch(/^[0-9a-f-]{36}\n$/);
      await amtool('silence', 'expire', (await amtool('silence', 'query', '-q')).trim());
      // Its own grammar knows no such names before 0.27; what others made is shown.
      const { id: other } = silences.set({
        matchers: [new Matcher('k8s.pod', '=~', 'kafka-.*')],
        startsAt: Date.parse(inHours(-30)),
        endsAt: Date.parse(inHours(1)),
        createdBy: 'eve',
        comment: 'any name',
      });
      expect(await amtool('silence', 'query', '-o', 'extended')).toContain('k8s.pod=~"kafka-.*"');
      await amtool('silence', 'expire', other);
      expect(await amtool('config', 'routes')).toContain('default-route  receiver: nobody');
    } finally {
      await server.close();
      rmSync(home, { recursive: true, force: true });
    }
  }, 180_000);

  it('is refused without a token', async () => {
    const { server } = await listeningServer(() => []);
    const home = mkdtempSync(join(tmpdir(), 'belfry-amtool-'));
    try {
      const attempt = run('amtool', ['silence', 'add', 'a=b', '--comment=c', `--alertmanager.url=${server.url}`], {
        env: { ...process.env, HOME: home },
      });
      await expect(attempt).rejects.toThrow(/401/);
    } finally {
      await server.close();
      rmSync(home, { recursive: true, force: true });
    }
  });
});
