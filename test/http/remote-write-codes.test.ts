import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createRemoteWritePort } from '../../src/app/remote-write-port.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { encodeWriteRequest, field, type SentSeries, snappyLiterals } from '../formats/remote-write-encoder.ts';
import { missingPrometheus, RealReceiver } from '../remotewrite/real-receiver.ts';
import { serverWith, TOKEN } from './harness.ts';

const DAY = 86_400_000;
const now = new SystemClock().wall();

/** A series of its own for each row, with samples at so many milliseconds from now. */
const one = (name: string, ...samples: readonly (readonly [number, number | 'stale'])[]): SentSeries => ({
  labels: { __name__: name },
  samples: samples.map(([ago, value]) => [now + ago, value] as const),
});
const packed = (...series: readonly SentSeries[]): Buffer => snappyLiterals(encodeWriteRequest(series));
const labelled = (...labels: readonly (readonly [string, string])[]): Buffer => packed({ labels, samples: [[now - 1000, 1]] });

interface Row {
  readonly what: string;
  /** Sent first, and taken. */
  readonly before?: Buffer;
  readonly body: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ours: number;
  readonly theirs: number;
  /** What both say, where both refuse for the same reason. */
  readonly text?: string;
}

const ROWS: readonly Row[] = [
  { what: 'samples in order', body: packed(one('a', [-3000, 1], [-2000, 2])), ours: 204, theirs: 204 },
  { what: 'the newest sample once more', body: packed(one('b', [-2000, 1], [-2000, 1])), ours: 204, theirs: 204 },
  { what: 'the end of a series', body: packed(one('c', [-2000, 1], [-1000, 'stale'])), ours: 204, theirs: 204 },
  {
    what: 'another value at its time',
    before: packed(one('d', [-2000, 1])),
    body: packed(one('d', [-2000, 2])),
    ours: 400,
    theirs: 400,
    text: 'duplicate sample for timestamp',
  },
  {
    what: 'an older sample',
    before: packed(one('e', [-2000, 1])),
    body: packed(one('e', [-3000, 1])),
    ours: 400,
    theirs: 400,
    text: 'out of order sample',
  },
  // Prometheus looks at what it has before a request, and passes over in silence what is wrong within one.
  { what: 'an older sample in one request', body: packed(one('o', [-2000, 1], [-3000, 1])), ours: 400, theirs: 204 },
  { what: 'older than the retention', body: packed(one('f', [-20 * DAY, 1])), ours: 400, theirs: 400, text: 'out of bounds' },
  { what: 'more than a minute ahead', body: packed(one('g', [90_000, 1])), ours: 400, theirs: 204 },
  { what: 'less than a minute ahead', body: packed(one('h', [30_000, 1])), ours: 204, theirs: 204 },
  { what: 'a label twice', body: labelled(['__name__', 'i'], ['x', '1'], ['x', '2']), ours: 400, theirs: 500 },
  {
    what: 'a label that is no UTF-8',
    body: snappyLiterals(field(1, field(1, Buffer.concat([field(1, Buffer.from('__name__')), field(2, Buffer.from([0xff]))])))),
    ours: 400,
    theirs: 204,
  },
  { what: 'a long value', body: labelled(['__name__', 'p'], ['x', 'y'.repeat(5000)]), ours: 400, theirs: 204 },
  { what: 'a label without a name', body: labelled(['', '1'], ['__name__', 'j']), ours: 400, theirs: 204 },
  { what: 'no metric name', body: labelled(['x', '1']), ours: 400, theirs: 204 },
  { what: 'labels in another order', body: labelled(['x', '1'], ['a', '1'], ['__name__', 'k']), ours: 204, theirs: 204 },
  { what: 'metadata', body: snappyLiterals(field(3, field(2, Buffer.from('up')))), ours: 204, theirs: 204 },
  { what: 'nothing at all', body: snappyLiterals(Buffer.alloc(0)), ours: 204, theirs: 204 },
  { what: 'no Snappy block', body: Buffer.from('hello'), ours: 400, theirs: 400 },
  { what: 'no such message', body: snappyLiterals(Buffer.from([0x0a, 0x7f, 1])), ours: 400, theirs: 400 },
  {
    what: 'another version',
    body: packed(one('l', [-1000, 1])),
    headers: { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request' },
    ours: 415,
    theirs: 204,
  },
  { what: 'another compression', body: packed(one('m', [-1000, 1])), headers: { 'content-encoding': 'zstd' }, ours: 415, theirs: 204 },
  { what: 'more than 8 MiB', body: labelled(['__name__', 'n'], ['x', 'y'.repeat(9 * 1024 * 1024)]), ours: 413, theirs: 204 },
];

let store: SampleStore;
let ours: HttpServer;
const prometheus = new RealReceiver();

beforeAll(async () => {
  const clock = new SystemClock();
  store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: 15 * DAY });
  const remoteWrite = createRemoteWritePort({ store, clock, meter: silentMeter, retentionMs: () => 15 * DAY });
  ours = await startHttpServer(serverWith({ ports: { remoteWrite } }).serverOptions);
});

afterAll(async () => {
  await ours.close();
  store.close();
});

async function send(url: string, { body, headers }: Pick<Row, 'body' | 'headers'>) {
  const response = await fetch(`${url}/api/v1/write`, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: {
      authorization: `Bearer ${TOKEN}`,
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      ...headers,
    },
  });
  return { status: response.status, text: await response.text() };
}

it.each(ROWS)('$what: $ours', async ({ ours: status, text = '', before, ...request }) => {
  if (before !== undefined) expect((await send(ours.url, { body: before })).status).toBe(204);
  const answer = await send(ours.url, request);
  expect([answer.status, answer.text.slice(0, text.length)]).toEqual([status, text]);
});

it('the words of a refusal stand in docs/remote-write.md', () => {
  const page = readFileSync('docs/remote-write.md', 'utf8');
  for (const { text, what } of ROWS) if (text !== undefined) expect(page).toMatch(new RegExp(`^\\| .*${what}.* \\| 400 \`${text}\``, 'm'));
});

describeWhere(missingPrometheus, 'beside a real Prometheus', () => {
  beforeAll(async () => {
    await prometheus.start();
    expect(await send(prometheus.url, { body: packed(one('seed', [-1000, 1])) })).toEqual({ status: 204, text: '' });
  }, 180_000);

  afterAll(() => prometheus.stop());

  it.each(ROWS)('$what: $theirs', async ({ theirs: status, text = '', before, ...request }) => {
    if (before !== undefined) expect((await send(prometheus.url, { body: before })).status).toBe(204);
    const answer = await send(prometheus.url, request);
    expect([answer.status, answer.text.slice(0, text.length)]).toEqual([status, text]);
  });
});
