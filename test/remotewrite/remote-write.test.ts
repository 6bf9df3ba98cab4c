import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { delay } from '../../src/core/clock.ts';
import type { Labels } from '../../src/core/labels.ts';
import { Secret } from '../../src/core/secret.ts';
import { layout, metric } from '../store/fixture.ts';
import { type Answer, destinationAt, Receiver, Sender } from './harness.ts';

let receiver: Receiver;
let sender: Sender;

beforeEach(async () => {
  receiver = await Receiver.listen();
  sender = new Sender();
  lastTs = 0;
});

afterEach(async () => {
  await sender.close();
  await receiver[Symbol.asyncDispose]();
});

const UP = metric('up', 'job=kafka');
let lastTs = 0;

/** Appends a row now; the values in the order of the series. */
function append(series: readonly Labels[], ...values: readonly number[]): number {
  lastTs = Math.max(lastTs + 1, sender.clock.now());
  sender.store.writer.target('t').append(lastTs, layout(...series), Float64Array.from(values));
  return lastTs;
}

const keptOf = (name: Labels): readonly string[] => receiver.kept.get(name.toString()) ?? [];
const timeOf = (sample: string): number => Number(sample.split('@')[1] ?? -Infinity);
const hasArrived = (name: Labels, count: number): Promise<void> => receiver.until(() => keptOf(name).length >= count);

describe('samples that the store takes', () => {
  it('arrive bit by bit, each series in its order, its end too', async () => {
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    const lag = metric('lag', 'topic=zahlungen-ü');
    const times = [append([UP, lag], 1, 0.1), append([UP, lag], Number.NaN, -0), append([UP], Infinity)];
    await hasArrived(lag, 3);
    expect(keptOf(UP)).toEqual([`1@${times[0]}`, `NaN@${times[1]}`, `Infinity@${times[2]}`]);
    expect(keptOf(lag)).toEqual([`0.1@${times[0]}`, `0@${times[1]}`, `stale@${times[2]}`]);
    expect(receiver.requests[0]?.headers).toMatchObject({
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      'user-agent': 'Belfry',
    });
  });

  it('leave with the labels that the configuration wants, and only those that it wants', async () => {
    const rule = { source_labels: [], separator: ';', target_label: '', regex: '(.*)', modulus: 0, replacement: '$1' };
    await sender.remoteWrite.replace([
      destinationAt(receiver.url, {
        externalLabels: { region: 'eu', job: 'ours' },
        relabel: [
          { ...rule, action: 'drop', source_labels: ['__name__'], regex: 'secret_.*' },
          { ...rule, action: 'replace', source_labels: ['job', 'region'], regex: '(.*);(.*)', target_label: 'where', replacement: '$2/$1' },
          { ...rule, action: 'labeldrop', regex: 'reg.*' },
        ],
      }),
    ]);
    append([UP, metric('secret_a'), metric('lag')], 1, 2, 3);
    const lag = metric('lag', 'job=ours', 'where=eu/ours');
    await hasArrived(lag, 1);
    expect([...receiver.kept.keys()].toSorted()).toEqual([lag.toString(), 'up{job="kafka", where="eu/kafka"}']);
  });

  it('arrive once it is there again, none lost and none out of order', async () => {
    await sender.remoteWrite.replace([destinationAt(receiver.url, { queue: { retriesOn4xx: true } })]);
    const expected: string[] = [];
    const failures = async (): Promise<number> => (await sender.metric('belfry_remote_write_failed_requests_total')) ?? 0;
    const sent = async (): Promise<number> => (await sender.metric('belfry_remote_write_sent_samples_total')) ?? 0;
    const soon = (): Promise<void> => new Promise((resolve) => void sender.clock.timer(5, resolve));
    const outages = [503, 429, 'refuse', 'reset', 500, 401, 404] as const;
    for (const outage of outages) {
      await receiver.outage(outage);
      const failed = await failures();
      for (let i = 0; i < 5; i++) expected.push(`${i}@${append([UP], i)}`);
      while ((await failures()) === failed) await soon();
      await receiver.outage(undefined);
      await hasArrived(UP, expected.length);
    }
    expect(keptOf(UP)).toEqual(expected);
    // The receiver has them; the sender has yet to read its answer, and a stop would not wait for a destination that fails.
    while ((await sent()) < expected.length) await soon();
    await sender.remoteWrite.stop();
    expect(await failures()).toBeGreaterThanOrEqual(outages.length);
    expect(await sent()).toBe(expected.length);
    expect(sender.logged.filter((line) => line.startsWith('remote_write_failing')).length).toBeGreaterThan(0);
  });

  it('are those that come from now on where it is not known any more how far they were sent, which is told', async () => {
    const { name } = destinationAt(receiver.url);
    sender.positions.set(`remote_write/${name}`, '{"v":1,');
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    append([UP], 1);
    await hasArrived(UP, 1);
    expect(sender.logged.filter((line) => line.startsWith('remote_write_position_lost'))).toHaveLength(1);
  });

  it('are known to be behind while nothing is taken', async () => {
    await receiver.outage('hang');
    await sender.remoteWrite.replace([destinationAt(receiver.url, { timeoutMs: 60_000 })]);
    append([UP], 1);
    await new Promise<void>((resolve) => void sender.clock.timer(2300, resolve));
    expect(await sender.metric('belfry_remote_write_behind_seconds')).toBeGreaterThan(1);
    await receiver.outage(undefined);
    await hasArrived(UP, 1);
  });

  it('wait as long as the destination asks for', async () => {
    const times: number[] = [];
    receiver.answer = () => {
      times.push(sender.clock.elapsed());
      return times.length === 1 ? { status: 429, headers: { 'retry-after': '1' } } : undefined;
    };
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    append([UP], 1);
    await hasArrived(UP, 1);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990);
  });

  it.each([400, 401, 404, 408, 413, 422])('that are refused with a %i are given up, and are not sent again', async (status) => {
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    receiver.answer = () => (receiver.requests.length === 0 ? { status, text: 'not these' } : undefined);
    append([UP, metric('down')], 1, 2);
    await receiver.until(() => receiver.requests.length > 0);
    append([UP], 3);
    await hasArrived(UP, 1);
    const [first, ...later] = receiver.requests.map(({ samples }) => samples);
    expect(later.flat().filter((sample) => first?.includes(sample))).toEqual([]);
    expect(await sender.metric('belfry_remote_write_dropped_samples_total', { reason: 'refused' })).toBe(2);
    expect(sender.logged.find((line) => line.startsWith('remote_write_refused'))).toContain(`answered ${status}: not these`);
  });

  it('are not lost with one among them that is refused, where it is told to look for it', async () => {
    const bad = metric('bad');
    receiver.answer = ({ samples }): Answer =>
      samples.some((sample) => sample.startsWith('bad ')) ? { status: 400, text: 'label too long' } : undefined;
    await sender.remoteWrite.replace([destinationAt(receiver.url, { queue: { retriesOn4xx: true } })]);
    const series = Array.from({ length: 40 }, (_, i) => metric(`s${i}`));
    append([...series.slice(0, 25), bad, ...series.slice(25)], ...Array.from({ length: 41 }, (_, i) => i));
    for (const one of series) await hasArrived(one, 1);
    await sender.remoteWrite.stop();
    expect(await sender.metric('belfry_remote_write_dropped_samples_total', { reason: 'refused' })).toBe(1);
    expect(sender.logged.find((line) => line.startsWith('remote_write_refused'))).toContain('answered 400: label too long');
  });

  it('that have become too old are passed over, and counted', async () => {
    const dropped = () => sender.metric('belfry_remote_write_dropped_samples_total', { reason: 'too_old' });
    await sender.remoteWrite.replace([destinationAt(receiver.url, { queue: { ageMaxMs: 60_000 } })]);
    append([UP], 0);
    await hasArrived(UP, 1);
    receiver.answer = () => ({ status: 503 });
    append([UP], 1);
    // It has been read, and is on its way.
    await receiver.until(() => receiver.requests.length >= 2);
    sender.clock.aheadMs = 120_000;
    while ((await dropped()) === 0) await delay(sender.clock, 5);
    receiver.answer = () => undefined;
    append([UP], 2);
    await hasArrived(UP, 2);
    expect(keptOf(UP).map((sample) => sample.split('@')[0])).toEqual(['0', '2']);
    expect(await dropped()).toBe(1);
  });
});

describe('over a restart', () => {
  const rows = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}@${append([UP], i)}`);

  it('goes on where it was, once', async () => {
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    const expected = rows(5);
    await hasArrived(UP, 5);
    await sender.remoteWrite.stop();
    expected.push(...rows(300));
    await sender.restart();
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    expected.push(...rows(3));
    await hasArrived(UP, expected.length);
    expect(keptOf(UP)).toEqual(expected);
  });

  it('sends what was on its way once more after a kill, and loses nothing', async () => {
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    const expected = rows(5);
    await hasArrived(UP, 5);
    await receiver.outage(503);
    expected.push(...rows(20));
    sender.store.flush();
    await sender.restart({ killed: true });
    await receiver.outage(undefined);
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    const all = () => [...new Set(keptOf(UP))];
    await receiver.until(() => all().length >= expected.length);
    expect(all()).toEqual(expected);
  });

  it('finds what is new among what the destination had before a kill, and refuses', async () => {
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    rows(5);
    await hasArrived(UP, 5);
    const had = new Set(keptOf(UP));
    sender.store.flush();
    await sender.restart({ killed: true });
    const added = rows(4);
    receiver.answer = ({ samples }): Answer =>
      samples.some((sample) => had.has(sample.split(' ').at(-1) ?? '')) ? { status: 400, text: 'out of order sample' } : undefined;
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    await hasArrived(UP, 5 + added.length);
    expect(keptOf(UP).slice(5)).toEqual(added);
  });

  it('loses nothing that is new, however much the destination had before a kill and refuses', async () => {
    const series = Array.from({ length: 240 }, (_, i) => metric(`s${i}`));
    const row = (): number => append(series, ...series.map((_, i) => i));
    const isEverywhere = (ts: number): Promise<void> =>
      receiver.until(() => series.every((one) => timeOf(keptOf(one).at(-1) ?? '') === ts));
    receiver.answer = ({ samples }) => {
      // As Prometheus without a window for what is out of order.
      const isOld = samples.some((sample) => {
        const [name = '', what = ''] = sample.split(' ');
        const newest = receiver.kept.get(name)?.at(-1) ?? '';
        return timeOf(what) < timeOf(newest);
      });
      return isOld ? { status: 400, text: 'out of order sample' } : undefined;
    };
    const destination = destinationAt(receiver.url, { queue: { samplesPerSend: 600 } });
    await sender.remoteWrite.replace([destination]);
    for (let i = 0; i < 3; i++) await isEverywhere(row());
    sender.store.flush();
    await sender.restart({ killed: true });
    const added = [row(), row()];
    await sender.remoteWrite.replace([destination]);
    await isEverywhere(added[1]!);
    for (const one of series) expect(keptOf(one).slice(-2).map(timeOf)).toEqual(added);
  });

  it.each([401, 403, 404, 408])('does not cut a request that is answered %i, as no part of it would be taken either', async (status) => {
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    await sender.remoteWrite.stop();
    rows(4);
    await sender.restart();
    const answered: number[] = [];
    receiver.answer = ({ samples }) => {
      answered.push(samples.length);
      return answered.length === 1 ? { status } : undefined;
    };
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    await receiver.until(() => answered.length > 0);
    const ts = append([UP], 9);
    await hasArrived(UP, 1);
    expect([answered[0], keptOf(UP)]).toEqual([4, [`9@${ts}`]]);
  });

  it('sends only what is new to a destination of another name, and forgets one that is not there any more', async () => {
    await sender.remoteWrite.replace([destinationAt(receiver.url, { name: 'old' })]);
    append([UP], 1);
    await hasArrived(UP, 1);
    await sender.remoteWrite.replace([destinationAt(receiver.url, { name: 'new' })]);
    const ts = append([UP], 2);
    await hasArrived(UP, 2);
    expect(keptOf(UP)[1]).toBe(`2@${ts}`);
    expect([...sender.positions.keys()]).toEqual(['remote_write/new']);
  });
});

describe('a reload', () => {
  it('leaves a destination alone that is as it was, and loses nothing of one that changes', async () => {
    await sender.remoteWrite.replace([destinationAt(receiver.url)]);
    const expected: string[] = [];
    for (let i = 0; i < 6; i++) {
      expected.push(`${i}@${append([UP], i)}`);
      await sender.remoteWrite.replace([destinationAt(receiver.url, i % 2 === 0 ? {} : { timeoutMs: 2000 + i })]);
    }
    await hasArrived(UP, expected.length);
    expect(keptOf(UP)).toEqual(expected);
  });
});

describe('what is told of a destination', () => {
  it('holds none of its secrets, however it echoes them', async () => {
    const secrets = { user: 'frieda-password', token: 'token-of-the-store', path: 'very-secret-path' };
    const url = receiver.url.replace('http://', `http://${secrets.user}@`).replace('/api/v1/write', `/${secrets.path}/push`);
    receiver.answer = () => ({ status: 400, text: `you sent ${secrets.token} to ${url}, that is ${secrets.path} of ${secrets.user}` });
    await sender.remoteWrite.replace([
      destinationAt(url, {
        authorization: { type: 'Bearer', credentials: new Secret(secrets.token) },
        headers: { 'X-Scope-OrgID': 'orders' },
      }),
    ]);
    append([UP], 1);
    await receiver.until(() => receiver.requests.length > 0);
    await sender.remoteWrite.stop();
    expect(sender.logged.join()).toContain('remote_write_refused');
    expect(receiver.requests[0]?.headers).toMatchObject({ authorization: `Bearer ${secrets.token}`, 'x-scope-orgid': 'orders' });
    for (const secret of Object.values(secrets)) expect(sender.logged.join('\n')).not.toContain(secret);
  });
});
