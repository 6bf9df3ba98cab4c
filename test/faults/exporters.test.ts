import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { LargePages } from '../../src/collectors/scrape/large-pages.ts';
import type { ScrapeTargetOptions } from '../../src/collectors/scrape/scrape-target.ts';
import { SystemClock, yieldToLoop } from '../../src/core/clock.ts';
import { silentMeter, type Meter } from '../../src/core/meter.ts';
import { ExporterRig } from '../collectors/scrape/exporter-rig.ts';

const clock = new SystemClock();
const MB = 1024 * 1024;
const rig = new ExporterRig();
const exporter = (listener: RequestListener): Promise<number> => rig.exporter(listener);
afterEach(() => rig.close());

/** A target whose failures are told by their code. */
function target(port: number, options: Partial<ScrapeTargetOptions> = {}) {
  const codes: (string | undefined)[] = [];
  const meter: Meter = {
    ...silentMeter,
    counter: (name) => ({ add: (_, labels) => void (name === 'belfry_scrape_failures_total' && codes.push(labels?.['code'])) }),
  };
  const { made, writer } = rig.target(port, { meter, ...options });
  return { made, writer, codes };
}

/** Writes as fast as it is read, until nobody reads any more. */
function forever(chunk: string | Buffer, headers: Record<string, string> = {}): RequestListener {
  return (_, response) => {
    response.writeHead(200, headers);
    const write = (): void => {
      while (!response.destroyed && response.write(chunk));
      response.once('drain', write);
    };
    write();
  };
}

const whole =
  (body: string | Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(200, headers).end(body);

/** One byte now and then, without end. */
const drop: RequestListener = (_, response) => {
  response.writeHead(200);
  const timer = setInterval(() => void response.write('a'), 20);
  response.once('close', () => clearInterval(timer));
};

const lines = (line: (i: number) => string, bytes: number): string => {
  const parts: string[] = [];
  for (let i = 0, size = 0; size < bytes; i++) {
    parts.push(line(i));
    size += parts[i]?.length ?? 0;
  }
  return parts.join('');
};

const hostile: readonly (readonly [what: string, code: string, listener: () => RequestListener])[] = [
  ['a page without end', 'SCRAPE_BODY_TOO_LARGE', () => forever('a 1\n'.repeat(16_384))],
  ['a line without end', 'SCRAPE_BODY_TOO_LARGE', () => forever('x'.repeat(65_536))],
  ['headers, and then a byte now and then', 'SCRAPE_TIMEOUT', () => drop],
  ['nothing', 'SCRAPE_TIMEOUT', () => () => undefined],
  [
    'a page of 1 GB, by its length',
    'SCRAPE_BODY_TOO_LARGE',
    () => forever('# x\n'.repeat(16_384), { 'content-length': String(1024 * MB) }),
  ],
  ['a gzip bomb', 'SCRAPE_BODY_TOO_LARGE', () => whole(gzipSync(Buffer.alloc(20 * MB, 10)), { 'content-encoding': 'gzip' })],
  ['gzip without end', 'SCRAPE_BODY_TOO_LARGE', () => forever(gzipSync('a 1\n'.repeat(100_000)), { 'content-encoding': 'gzip' })],
  ['gzip that breaks off', 'SCRAPE_FAILED', () => whole(gzipSync('a 1\n'.repeat(1000)).subarray(0, 30), { 'content-encoding': 'gzip' })],
  ['garbage', 'EXPOSITION_MALFORMED', () => whole(Buffer.from(Array.from({ length: 10_000 }, (_, i) => (i * 2_654_435_761) & 0xff)))],
  ['a line of two megabytes', 'EXPOSITION_MALFORMED', () => whole(`# HELP a ${'x'.repeat(2 * MB)}\na 1\n`)],
  ['a label value of a megabyte', 'SCRAPE_LABEL_TOO_LONG', () => whole(`a{b="${'x'.repeat(MB - 20)}"} 1\n`)],
  ['a label name of a megabyte', 'SCRAPE_LABEL_TOO_LONG', () => whole(`a{${'x'.repeat(MB - 20)}="b"} 1\n`)],
  ['a thousand labels', 'SCRAPE_LABEL_TOO_LONG', () => whole(`a{${Array.from({ length: 1000 }, (_, i) => `l${i}="1"`).join(',')}} 1\n`)],
  ['label sets without end', 'SCRAPE_TOO_MANY_SERIES', () => whole(lines((i) => `a{b="${i}"} 1\n`, 3 * MB))],
  ['one series again and again', 'SCRAPE_TOO_MANY_SERIES', () => whole('a 1\n'.repeat(100_000))],
  ['samples with times of their own, without end', 'SCRAPE_TOO_MANY_SERIES', () => whole(lines((i) => `a 1 ${i}\n`, 3 * MB))],
  ['nothing but line ends', 'SCRAPE_BODY_TOO_LARGE', () => whole(Buffer.alloc(3 * MB, 10))],
  ['nothing but comments', 'SCRAPE_BODY_TOO_LARGE', () => whole('# x\n'.repeat(700_000))],
];

describe('an exporter that answers with', () => {
  it.each(hostile)('%s fails with %s, and the next page of it is read again', async (_, code, listener) => {
    let isHostile = true;
    const bad = listener();
    const port = await exporter((request, response) => (isHostile ? bad(request, response) : void response.end('a 1\n')));
    const { made, writer, codes } = target(port, { bodyBytesMax: 4 * MB, seriesMax: 10_000 });
    await made.run(1000, abortedAfter(code === 'SCRAPE_TIMEOUT' ? 200 : 60_000));
    expect(codes).toEqual([code]);
    expect(made.state).toMatchObject({ health: 'down', lastError: expect.stringMatching(/./) });
    expect(made.state.lastError.length).toBeLessThan(500);
    isHostile = false;
    await made.run(2000, abortedAfter(60_000));
    expect([made.state.health, writer.last?.samples.size]).toEqual(['up', 6]);
  });

  it('ten million label sets, within the limits as they are, holds neither memory nor the loop', async () => {
    const port = await exporter(forever(lines((i) => `kafka_topic_partition_current_offset{topic="t${i}",partition="0"} 1\n`, MB)));
    const { made, codes } = target(port);
    const before = process.memoryUsage().rss;
    await made.run(1000, abortedAfter(60_000));
    expect(codes).toEqual(['SCRAPE_BODY_TOO_LARGE']);
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * MB);
  });

  it('64 MB of line ends takes no more memory than they have', async () => {
    const port = await exporter(whole(Buffer.alloc(60 * MB, 10)));
    const { made, codes } = target(port);
    const before = process.memoryUsage().rss;
    await made.run(1000, abortedAfter(60_000));
    expect(codes).toEqual(['SCRAPE_BODY_TOO_LARGE']);
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * MB);
  });

  it('a large page for the first time lets others have their turn', async () => {
    const port = await exporter(whole(lines((i) => `a{b="${i}"} 1\n`, MB / 2)));
    const { made, codes, writer } = target(port);
    let turns = 0;
    const busy = new AbortController();
    const turn = (): void => {
      turns++;
      if (!busy.signal.aborted) setImmediate(turn);
    };
    turn();
    await made.run(1000, abortedAfter(60_000));
    busy.abort();
    expect([codes, writer.last?.samples.size]).toEqual([[], expect.any(Number)]);
    expect(turns).toBeGreaterThan(8);
  });
});

describe('an exporter whose peer vanishes without a word', () => {
  it('is given up when its time is over, and the next scrape takes another connection', async () => {
    const sockets: Socket[] = [];
    const port = await exporter(whole('a 1\n'));
    rig.servers[0]?.on('connection', (socket: Socket) => void sockets.push(socket));
    const { made, codes } = target(port);
    await made.run(1000, abortedAfter(60_000));
    // The kept connection stands, but nobody reads from it any more.
    sockets[0]?.removeAllListeners('data').pause();
    await made.run(2000, abortedAfter(200));
    await made.run(3000, abortedAfter(60_000));
    expect([codes, made.state.health, sockets.length]).toEqual([['SCRAPE_TIMEOUT'], 'up', 2]);
  });
});

describe('many exporters that turn huge at once', () => {
  it('share the memory of a few: the others wait for as long as they have, and small pages go on', async () => {
    const largePages = new LargePages({ smallBytes: MB, places: 2 });
    const port = await exporter((_, response) => {
      response.writeHead(200).write(Buffer.alloc(2 * MB, 10));
    });
    const huge = Array.from({ length: 10 }, () => target(port, { largePages, bodyBytesMax: 3 * MB }));
    const asked = jest.spyOn(largePages, 'take');
    const over = new AbortController();
    const runs = huge.map(({ made }) => made.run(1000, over.signal));
    while (asked.mock.calls.length < 10) await yieldToLoop();
    const small = target(await exporter(whole('a 1\n')), { largePages });
    await small.made.run(1000, abortedAfter(60_000));
    expect([small.made.state.health, huge.flatMap(({ codes }) => codes)]).toEqual(['up', []]);
    over.abort(new Error('their time is over'));
    await Promise.all(runs);
    expect(huge.map(({ codes }) => codes)).toEqual(huge.map(() => ['SCRAPE_TIMEOUT']));
    expect(huge.filter(({ made }) => made.state.lastError.includes('other large pages'))).toHaveLength(8);
    // Whoever waited in vain, or was given up, holds no place.
    const next = target(await exporter(whole(lines((i) => `a{b="${i}"} 1\n`, 2 * MB))), { largePages });
    await next.made.run(2000, abortedAfter(60_000));
    expect(next.made.state).toMatchObject({ health: 'up' });
  });
});

it('a page is asked for as it is: gzip is read where an exporter sends it all the same', async () => {
  const asked: (string | undefined)[] = [];
  const port = await exporter((request, response) => {
    asked.push(String(request.headers['accept-encoding']));
    response.end('a 1\n');
  });
  await target(port).made.run(1000, abortedAfter(60_000));
  expect(asked).toEqual(['identity']);
});

/** As the scheduler ends a run. */
function abortedAfter(ms: number): AbortSignal {
  const abort = new AbortController();
  clock.timer(ms, () => abort.abort(new Error(`not done within ${ms} ms`)), { unref: true });
  return abort.signal;
}
