import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { createQueryPort } from '../../src/app/query-port.ts';
import { createRemoteWritePort } from '../../src/app/remote-write-port.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { BelfryError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { encodeWriteRequest, field, type SentSeries, snappyLiterals } from '../formats/remote-write-encoder.ts';
import { NOW, serverWith, TOKEN, WITH_TOKEN } from './harness.ts';

const HOUR = 3_600_000;
/** What the disk answers. */
let committed = async (): Promise<void> => undefined;
const HEADERS = { ...WITH_TOKEN, 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' };

let store: SampleStore;
let server: FastifyInstance;

beforeEach(() => {
  const clock = new ManualClock(NOW);
  committed = async () => undefined;
  store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: 24 * HOUR });
  const remoteWrite = createRemoteWritePort({
    store: { writer: store.writer, committed: () => committed() },
    clock,
    meter: silentMeter,
    retentionMs: () => 24 * HOUR,
  });
  ({ server } = serverWith({ ports: { query: createQueryPort(store.reader, clock), remoteWrite } }));
});

afterEach(() => store.close());

async function post(payload: Buffer, headers: Readonly<Record<string, string>> = HEADERS) {
  const { statusCode, body } = await server.inject({ method: 'POST', url: '/api/v1/write', headers, payload });
  return { status: statusCode, body };
}

const send = (...series: readonly SentSeries[]) => post(snappyLiterals(encodeWriteRequest(series)));

/** `{labels}: value@ms from now`, of everything in the last day. */
async function kept(selector = '{__name__=~".+"}') {
  const answer = await server.inject({
    url: `/api/v1/query?${new URLSearchParams({ query: `${selector}[1d]`, time: String(NOW / 1000 + 60) }).toString()}`,
  });
  const { data } = answer.json<{ data: { result: { metric: Record<string, string>; values: [number, string][] }[] } }>();
  return data.result.map(({ metric, values }) => [
    metric,
    values.map(([seconds, value]) => `${value}@${Math.round(seconds * 1000) - NOW}`),
  ]);
}

const UP = { __name__: 'up', cluster: 'orders', action: 'replace', owner: 'me' };

describe('POST /api/v1/write', () => {
  it('keeps samples under the labels they are sent with', async () => {
    expect(
      await send({
        labels: UP,
        samples: [
          [NOW - 2000, 1],
          [NOW - 1000, Number.NaN],
          [NOW, 0.5],
        ],
      }),
    ).toEqual({ status: 204, body: '' });
    expect(await kept()).toEqual([[UP, ['1@-2000', 'NaN@-1000', '0.5@0']]]);
  });

  it('answers when the samples are on disk, and not before', async () => {
    let written = (): void => undefined;
    committed = () => new Promise((resolve) => (written = resolve));
    const events: string[] = [];
    const answer = send({ labels: UP, samples: [[NOW, 1]] }).then(({ status }) => events.push(`${status}`));
    while ((await kept()).length === 0);
    events.push('kept');
    written();
    await answer;
    expect(events).toEqual(['kept', '204']);
  });

  it.each([
    ['taken', UP],
    ['in part refused', [['b', '1']] as const],
  ])('lets its sender try again what was %s where the disk takes nothing', async (_, labels) => {
    committed = () => Promise.reject(new BelfryError('STATE_NOT_DURABLE', 'no room'));
    const payload = snappyLiterals(encodeWriteRequest([{ labels, samples: [[NOW, 1]] }]));
    const { statusCode, headers, body } = await server.inject({ method: 'POST', url: '/api/v1/write', headers: HEADERS, payload });
    expect([statusCode, headers['retry-after'], body]).toEqual([503, '5', 'no room\n']);
    committed = async () => undefined;
    expect((await post(payload)).status).toBe(labels === UP ? 204 : 400);
  });

  it('takes a request again that was not answered, whatever it had', async () => {
    const rows = [4000, 3000, 2000].map((ago, i) => [NOW - ago, i] as const);
    const request = [
      { labels: UP, samples: rows },
      {
        labels: { __name__: 'b' },
        samples: [
          [NOW - 1000, 1],
          [NOW, 'stale'],
        ],
      },
    ] as const;
    expect([(await send(...request)).status, (await send(...request)).status]).toEqual([204, 204]);
    expect(await kept('up')).toEqual([[UP, ['0@-4000', '1@-3000', '2@-2000']]]);
  });

  it('takes a request again that was answered but not heard', async () => {
    const request = { labels: UP, samples: [[NOW, 1]] } as const;
    expect([(await send(request)).status, (await send(request)).status]).toEqual([204, 204]);
    expect(await kept()).toEqual([[UP, ['1@0']]]);
  });

  it('ends a series where its sender says so, until it begins anew', async () => {
    await send(
      {
        labels: UP,
        samples: [
          [NOW - 3000, 1],
          [NOW - 2000, 'stale'],
        ],
      },
      { labels: { __name__: 'never' }, samples: [[NOW, 'stale']] },
    );
    const now = async () => {
      const answer = await server.inject({ url: `/api/v1/query?query=up&time=${NOW / 1000}` });
      return answer.json<{ data: { result: unknown[] } }>().data.result.length;
    };
    expect(await now()).toBe(0);
    await send({ labels: UP, samples: [[NOW - 1000, 2]] });
    expect([await now(), await kept()]).toEqual([1, [[UP, ['1@-3000', '2@-1000']]]]);
  });

  it.each<readonly [string, SentSeries, RegExp]>([
    [
      'out of order',
      {
        labels: UP,
        samples: [
          [NOW - 1000, 1],
          [NOW - 5000, 1],
          [NOW - 6000, 1],
        ],
      },
      /^out of order sample: 2 of the samples, first up\{.*\} at 2023-11-14T22:13:15\.000Z\n$/,
    ],
    [
      'another value at the same time',
      {
        labels: UP,
        samples: [
          [NOW - 1000, 1],
          [NOW - 1000, 2],
        ],
      },
      /^duplicate sample for timestamp: 1 of/,
    ],
    [
      'far in the future',
      {
        labels: UP,
        samples: [
          [NOW - 1000, 1],
          [NOW + 60_001, 1],
        ],
      },
      /^out of bounds: timestamp is too far in the future: 1 of the samples, first up\{/,
    ],
    [
      'older than anything kept',
      {
        labels: UP,
        samples: [
          [NOW - 25 * HOUR, 1],
          [NOW - 1000, 1],
        ],
      },
      /^out of bounds: 1 of/,
    ],
    [
      'of no time at all',
      {
        labels: UP,
        samples: [
          [Number.MIN_SAFE_INTEGER, 1],
          [NOW - 1000, 1],
        ],
      },
      /^out of bounds: 1 of/,
    ],
    ['native histograms', { labels: UP, samples: [[NOW - 1000, 1]], histograms: 2 }, /^native histograms are not kept: 2 of/],
  ])('refuses samples %s, and keeps the rest', async (_, series, text) => {
    const other = { __name__: 'other' };
    const { status, body } = await send(series, { labels: other, samples: [[NOW, 7]] });
    expect([status, body]).toEqual([400, expect.stringMatching(text)]);
    expect(await kept()).toEqual(
      expect.arrayContaining([
        [UP, ['1@-1000']],
        [other, ['7@0']],
      ]),
    );
  });

  it.each<readonly [string, SentSeries['labels'], string]>([
    ['no name', { cluster: 'a' }, 'no metric name'],
    ['an empty name', { __name__: '' }, 'no metric name'],
    [
      'a label twice',
      [
        ['__name__', 'a'],
        ['b', '1'],
        ['b', '2'],
      ],
      'the label "b" twice',
    ],
    [
      'a label without a name',
      [
        ['__name__', 'a'],
        ['', '1'],
      ],
      'a label without a name',
    ],
    ['a value that is too long', { __name__: 'a', b: 'x'.repeat(5000) }, 'a label value longer than 4096 bytes'],
    ['too many labels', Array.from({ length: 65 }, (_, i) => [`l${i}`, 'x'] as const), 'more than 64 labels'],
  ])('refuses a series with %s, and keeps the rest', async (_, labels, text) => {
    const { status, body } = await send({ labels, samples: [[NOW, 1]] }, { labels: UP, samples: [[NOW, 7]] });
    expect([status, body]).toEqual([400, expect.stringContaining(text)]);
    expect(await kept()).toEqual([[UP, ['7@0']]]);
  });

  it.each([
    ['a name', Buffer.from([0xff]), Buffer.from('x')],
    ['a value', Buffer.from('x'), Buffer.from([0xff])],
    ['a metric name', Buffer.from('__name__'), Buffer.from([0x61, 0xff])],
  ])('refuses a series with %s that is no UTF-8, and keeps the rest', async (_, name, value) => {
    const broken = field(1, field(1, Buffer.concat([field(1, name), field(2, value)])));
    const { status, body } = await post(snappyLiterals(Buffer.concat([broken, encodeWriteRequest([{ labels: UP, samples: [[NOW, 7]] }])])));
    expect([status, body]).toEqual([400, expect.stringContaining('a label that is not UTF-8')]);
    expect(await kept()).toEqual([[UP, ['7@0']]]);
  });

  it('keeps nothing of what it does not understand to the end', async () => {
    const message = encodeWriteRequest([{ labels: UP, samples: [[NOW, 1]] }]);
    expect(await post(snappyLiterals(Buffer.concat([message, Buffer.from([0x0a, 9])])))).toMatchObject({ status: 400 });
    expect(await post(message)).toMatchObject({ status: 400, body: expect.stringContaining('not a Snappy block') });
    expect(await kept()).toEqual([]);
  });

  it.each([
    ['no token', { authorization: '' }, 401],
    ['another token', { authorization: 'Bearer no' }, 401],
    ['remote write 2.0', { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request' }, 415],
    ['JSON', { 'content-type': 'application/json' }, 415],
    ['another compression', { 'content-encoding': 'zstd' }, 415],
  ])('refuses a request with %s before it reads it', async (_, headers, status) => {
    const payload = snappyLiterals(encodeWriteRequest([{ labels: UP, samples: [[NOW, 1]] }]));
    const answer = await post(payload, { ...HEADERS, ...headers });
    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain(TOKEN);
    expect(await kept()).toEqual([]);
  });

  it.each([
    ['neither type nor compression', {}],
    ['a compression only', { 'content-encoding': 'snappy' }],
    ['a type only', { 'content-type': 'application/x-protobuf' }],
  ])('takes %s to mean the protocol, as 1.0 came before they were looked at', async (_, headers) => {
    const payload = snappyLiterals(encodeWriteRequest([{ labels: UP, samples: [[NOW, 1]] }]));
    expect(await post(payload, { ...WITH_TOKEN, ...headers })).toEqual({ status: 204, body: '' });
    expect(await kept()).toEqual([[UP, ['1@0']]]);
  });

  it('takes the protocol where it is named in full', async () => {
    const payload = snappyLiterals(encodeWriteRequest([{ labels: UP, samples: [[NOW, 1]] }]));
    const type = 'application/x-protobuf;proto=prometheus.WriteRequest';
    expect((await post(payload, { ...HEADERS, 'content-type': type })).status).toBe(204);
  });

  it.each([
    ['a body', Buffer.alloc(8 * 1024 * 1024 + 1)],
    ['what a body says it holds', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0])],
  ])('refuses %s that is too large', async (_, payload) => {
    expect((await post(payload)).status).toBe(413);
  });

  it('is no way to read', async () => {
    const answer = await server.inject({ url: '/api/v1/write' });
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, 'POST']);
  });

  it('spreads jobs over its targets, and each series is always in the same', async () => {
    const series = Array.from(
      { length: 100 },
      (_, i) => ({ labels: { __name__: 'a', job: `job ${i}` }, samples: [[NOW - 1000, i]] }) as const,
    );
    await send(...series);
    await send(...series.map(({ labels }) => ({ labels, samples: [[NOW, 0]] }) as const));
    expect(store.stats()).toMatchObject({ series: 100, samplesAppended: 200 });
    expect(store.stats().targets).toBeLessThanOrEqual(16);
  });
});
