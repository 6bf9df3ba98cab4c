import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import type { AlertStatusView } from '../../src/http/quiet-ports.ts';
import { startHttpServer } from '../../src/http/server.ts';
import type { SilenceBook } from '../../src/routing/silences.ts';
import { firingAlert, NOW, alertingRule, ruleGroup, serverWith, TOKEN } from '../http/harness.ts';
import { alertNamed, silencesInMemory, statusOf } from '../http/quiet-rooms.ts';
import { Shell, type RunResult } from './harness.ts';
import { Labels } from '../../src/core/labels.ts';

const HOUR_MS = 3_600_000;
const CRASH = alertNamed(
  'BrokerCrashed',
  { cluster: 'dal', broker: '2', severity: 'critical' },
  { annotations: Labels.of({ summary: 'broker 2 crashed' }), startsAt: NOW - 60_000 },
);
const DISK = alertNamed(
  'DiskLow',
  { cluster: 'dal', broker: '1', severity: 'warning' },
  { annotations: Labels.of({ summary: 'broker 1 is nearly full' }), startsAt: NOW - 300_000 },
);

let shell: Shell;
let silences: SilenceBook;
let clock: ManualClock;
let rooms: ReturnType<typeof serverWith>['rooms'];
let stop: () => Promise<void> = async () => undefined;

beforeEach(async () => {
  shell = new Shell();
  clock = new ManualClock(NOW);
  silences = silencesInMemory(clock);
  const made = serverWith({ ports: { silences } });
  rooms = made.rooms;
  show([statusOf(CRASH, 'owner/dal'), statusOf(DISK, 'owner/dal')]);
  const server = await startHttpServer(made.serverOptions);
  stop = () => server.close();
  shell.variables.url = server.url;
  shell.variables.token = TOKEN;
});

afterEach(async () => {
  silences.stop();
  await stop();
  shell.close();
});

function show(views: readonly AlertStatusView[]): void {
  rooms.alerts = views;
}

async function silence(...args: readonly string[]): Promise<RunResult> {
  return shell.run('silence', ...args);
}

const ADD = ['add', 'cluster=dal', '--for', '2h', '--comment', 'disk swap', '--by', 'ann', '--timezone', 'UTC'];

/** Ids are random. */
function still(text: string): string {
  return text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');
}

describe('belfry silence add', () => {
  it('says what is silenced until when, in which zone, and shows the alerts that are', async () => {
    const { out, err, exitCode } = await silence(...ADD);
    expect([exitCode, err]).toEqual([0, '']);
    expect(still(out)).toBe(
      'Silenced cluster="dal" until 15 Nov 2023 00:13:20 UTC (2 h), by ann: disk swap\n' +
        'End it earlier with: belfry silence expire ID\n' +
        'It matches 2 alerts that fire now:\n' +
        'STATE     CLUSTER  ALERT          FOR  SUMMARY\n' +
        'CRITICAL  dal      BrokerCrashed  1 m  broker 2 crashed\n' +
        'WARNING   dal      DiskLow        5 m  broker 1 is nearly full\n',
    );
    const [made] = silences.list();
    expect(made).toMatchObject({ startsAt: NOW, endsAt: NOW + 2 * HOUR_MS, createdBy: 'ann', comment: 'disk swap' });
  });

  it('begins at once, though the clock of Belfry is behind that of whoever makes it; not where it says from when', async () => {
    clock.stepWall(-30_000);
    await silence(...ADD);
    await silence(...ADD, '--from', new Date(NOW + 1000).toISOString());
    expect(silences.list().map(({ startsAt }) => startsAt - NOW)).toEqual([-30_000, 1000]);
  });

  it('takes a bare word for the name of the alert, and any operator', async () => {
    await silence('add', 'DiskLow', 'broker=~1|2', 'cluster!="phx"', '--for', '1h', '--comment', 'x');
    expect(silences.list()[0]?.matchers.map(String)).toEqual(['alertname="DiskLow"', 'broker=~"1|2"', 'cluster!="phx"']);
  });

  it('warns when no alert that fires is matched, and silences all the same', async () => {
    const { out, err, exitCode } = await silence('add', 'cluster=dall', '--for', '1h', '--comment', 'x');
    expect([exitCode, err]).toEqual([0, 'No alert that fires now is matched by cluster="dall": see belfry alerts for the labels.\n']);
    expect(out).toContain('Silenced cluster="dall"');
  });

  it('with --dry-run only shows what would be', async () => {
    const { out } = await silence(...ADD, '--dry-run');
    expect(out).toContain('Nothing was silenced, this is what would be: cluster="dal"');
    expect(out).toContain('It matches 2 alerts that fire now');
    expect(silences.list()).toEqual([]);
  });

  it('begins later, and shows it in the zone that is asked for', async () => {
    const { out } = await silence(
      'add',
      'cluster=dal',
      '--from',
      '2023-11-15T09:00:00+01:00',
      '--until',
      '2023-11-15T12:00:00+01:00',
      '--comment',
      'x',
      '--by',
      'ann',
      '--timezone',
      'America/Chicago',
    );
    expect(out).toContain('from 15 Nov 2023 02:00:00 CST until 15 Nov 2023 05:00:00 CST (3 h)');
  });

  it.each<[string, readonly string[], string]>([
    ['without an end', ['add', 'a=b', '--comment', 'x'], 'a silence must end: say for how long with --for 2h'],
    ['with two ends', ['add', 'a=b', '--comment', 'x', '--for', '1h', '--until', '2023-11-15T12:00:00Z'], 'one of the two'],
    ['without a reason', ['add', 'a=b', '--for', '1h'], "required option '--comment <text>' not specified"],
    ['with an empty reason', ['add', 'a=b', '--for', '1h', '--comment', ' '], '--comment must say why'],
    ['without matchers', ['add', '--for', '1h', '--comment', 'x'], "missing required argument 'matcher'"],
    ['with a matcher that is none', ['add', 'a-b', '--for', '1h', '--comment', 'x'], 'bad matcher format: a-b'],
    ['with a bad expression', ['add', 'a=~(', '--for', '1h', '--comment', 'x'], 'invalid regular expression'],
    ['about everything', ['add', 'cluster=', '--for', '1h', '--comment', 'x'], 'at least one matcher must not match the empty string'],
    ['for a duration that is none', ['add', 'a=b', '--for', 'long', '--comment', 'x'], 'not a valid duration'],
    ['for no time', ['add', 'a=b', '--for', '0s', '--comment', 'x'], 'expected a duration'],
    ['until a time without a zone', ['add', 'a=b', '--until', '2023-11-15T12:00:00', '--comment', 'x'], 'expected a time with its zone'],
    ['until a time that has passed', ['add', 'a=b', '--until', '2020-11-15T12:00:00Z', '--comment', 'x'], 'not in the past'],
    ['in a zone that is none', ['add', 'a=b', '--for', '1h', '--comment', 'x', '--timezone', 'Mars'], 'expected a time zone'],
  ])('is refused %s', async (_, args, sentence) => {
    const { err, failure, exitCode } = await silence(...args);
    expect(exitCode).not.toBe(0);
    expect(err + failure).toContain(sentence);
    expect(silences.list()).toEqual([]);
  });

  it('is refused without a token', async () => {
    delete shell.variables.token;
    expect((await silence(...ADD)).failure).toContain('Authorization: Bearer');
  });
});

describe('belfry silence list and expire', () => {
  it('show what is active and pending, and end one by the beginning of its id', async () => {
    await silence(...ADD);
    const id = silences.list()[0]?.id ?? '';
    const { out } = await silence('list', '--timezone', 'UTC');
    expect(out.split('\n')[1]).toBe(`${id}  active  15 Nov 2023 00:13:20 UTC  ends in 2 h  ann  cluster="dal"  disk swap`);
    expect((await silence('expire', id.slice(0, 6))).out).toBe(`expired ${id}: cluster="dal"\n`);
    expect((await silence('list')).out).toBe('No silences.\n');
    expect((await silence('list', '--expired')).out).toContain('expired');
    expect((await silence('expire', id.slice(0, 6))).failure).toContain(`no silence ${id.slice(0, 6)}: see belfry silence list`);
  });
});

describe('belfry silence export and import', () => {
  const write = (text: string): void => writeFileSync(join(shell.folder, 'silences.yaml'), text);

  it('bring silences to another Belfry; the same file again changes nothing', async () => {
    await silence(...ADD);
    const { out: exported } = await silence('export');
    expect(still(exported)).toBe(
      'silences:\n  - id: ID\n    matchers:\n      - cluster="dal"\n    starts_at: 2023-11-14T22:13:20.000Z\n    ends_at: 2023-11-15T00:13:20.000Z\n    created_by: ann\n    comment: disk swap\n',
    );
    write(exported);
    expect((await silence('import', 'silences.yaml')).out).toContain('unchanged');
    silences.expire(silences.list()[0]?.id ?? '');
    expect((await silence('import', 'silences.yaml', '--dry-run')).out).toContain('made');
    expect((await silence('export')).out).toBe('silences: []\n');
    expect((await silence('import', 'silences.yaml')).out).toContain('made');
    expect((await silence('import', 'silences.yaml')).out).toContain('unchanged');
    expect(still((await silence('export')).out)).toBe(still(exported));
  });

  it('keep the annotations that a tool made', async () => {
    await silence(...ADD);
    const [made] = silences.list();
    if (made === undefined) throw new Error('nothing was silenced');
    silences.set({ ...made, annotations: { ticket: '4711' } });
    const { out: exported } = await silence('export');
    expect(exported).toContain('    annotations:\n      ticket: "4711"\n');
    write(exported);
    expect((await silence('import', 'silences.yaml')).out).toContain('unchanged');
    write(exported.replace('4711', '4712'));
    expect((await silence('import', 'silences.yaml')).out).toContain(`changed  ${made.id}`);
    expect(silences.get(made.id)?.annotations).toEqual({ ticket: '4712' });
  });

  it('change one whose id is known in place, and leave out what is over', async () => {
    await silence(...ADD);
    const id = silences.list()[0]?.id ?? '';
    write((await silence('export')).out.replace('disk swap', 'two disks'));
    expect((await silence('import', 'silences.yaml')).out).toContain(`changed  ${id}`);
    expect(silences.get(id)?.comment).toBe('two disks');
    write(readFileSync(join(shell.folder, 'silences.yaml'), 'utf8').replace('ends_at: 2023', 'ends_at: 2022'));
    expect((await silence('import', 'silences.yaml')).out).toContain('over already');
  });

  it.each<[string, string, string]>([
    ['no end', "silences:\n  - matchers: ['a=b']\n    created_by: x\n    comment: y\n", 'silences.yaml:2:5 silences.0.ends_at: '],
    [
      'a matcher that is none',
      "silences:\n  - matchers: ['a']\n    ends_at: 2030-01-01T00:00:00Z\n    created_by: x\n    comment: y\n",
      'silences.yaml:2:16 silences.0.matchers.0: bad matcher format: a',
    ],
    [
      'an end without a zone',
      "silences:\n  - matchers: ['a=b']\n    ends_at: 2030-01-01\n    created_by: x\n    comment: y\n",
      'silences.yaml:3:14 silences.0.ends_at: expected a time with its zone',
    ],
    ['no YAML', 'silences: [', 'silences.yaml:1:12'],
    ['nothing', '', 'silences.yaml:1:1'],
  ])('refuse a file with %s, with its place', async (_, text, sentence) => {
    write(text);
    expect((await silence('import', 'silences.yaml')).failure).toContain(sentence);
    expect(silences.list()).toEqual([]);
  });

  it('say so where there is no file', async () => {
    expect((await silence('import', 'nowhere.yaml')).failure).toContain('cannot read nowhere.yaml');
  });
});

describe('belfry alerts', () => {
  it('shows of what is muted by whom and until when', async () => {
    await silence('add', 'DiskLow', '--for', '2h', '--comment', 'x', '--by', 'ann');
    const id = silences.list()[0]?.id ?? '';
    rooms.groups = [
      ruleGroup('g', 'rules.yaml', [
        alertingRule('BrokerCrashed', { alerts: [firingAlert(CRASH.labels.toObject())] }),
        alertingRule('DiskLow', { alerts: [firingAlert(DISK.labels.toObject())] }),
      ]),
    ];
    show([
      statusOf(CRASH, 'owner/dal', { inhibitedBy: [DISK.labels.key], maintenance: ['saturday'] }),
      statusOf(DISK, 'owner/dal', { silences: [id] }),
    ]);
    const { out } = await shell.run('alerts', '--timezone', 'UTC');
    expect(out).toContain('CRITICAL muted  dal      BrokerCrashed');
    expect(out).toContain('[inhibited by DiskLow; maintenance saturday]');
    expect(out).toContain('[silenced by ann until 15 Nov 2023 00:13:20 UTC]');
  });

  it('--history shows what ended without anybody being told, and why', async () => {
    expect((await shell.run('alerts', '--history')).out).toBe('No alert has ended without anybody being told.\n');
    const { labels, annotations } = DISK;
    rooms.mutedHistory = [{ labels, annotations, startsAt: NOW, endsAt: NOW + 60_000, because: 'maintenance saturday' }];
    const { out } = await shell.run('alerts', '--history', '--timezone', 'UTC');
    expect(out).toMatch(
      /^BEGAN +ENDED +CLUSTER +ALERT +SUMMARY\n14 Nov 2023 22:13:20 UTC +14 Nov 2023 22:14:20 UTC +\S+ +DiskLow .*\[maintenance saturday\]\n$/,
    );
    expect((await shell.run('alerts', '--history', '--json', '--cluster', 'nowhere')).out).toBe('{\n  "alerts": []\n}\n');
  });
});
