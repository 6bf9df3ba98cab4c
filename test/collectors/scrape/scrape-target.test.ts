import { afterEach, describe, expect, it } from '@jest/globals';
import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { BelfryError } from '../../../src/core/errors.ts';
import type { TargetWriter } from '../../../src/core/sample.ts';
import { Secret } from '../../../src/core/secret.ts';
import type { ScrapeTargetOptions } from '../../../src/collectors/scrape/scrape-target.ts';
import { pageMetadata } from '../../../src/formats/page-metadata.ts';
import { RecordingWriter } from '../../fakes/recording-writer.ts';
import { ExporterRig } from './exporter-rig.ts';

const rig = new ExporterRig();
const exporter = (listener: RequestListener): Promise<number> => rig.exporter(listener);
afterEach(() => rig.close());

function target(port: number, options: Partial<ScrapeTargetOptions> = {}) {
  const { made, writer } = rig.target(port, options);
  const own = (name: string): string => `${name}{cluster="orders", instance="127.0.0.1:${port}", job="jmx"}`;
  return { made, writer, own, run: (ts: number, signal = new AbortController().signal) => made.run(ts, signal) };
}

const page =
  (text: string): RequestListener =>
  (_, response) =>
    void response.end(text);

describe('a scrape', () => {
  it("writes the page's series, with the target's labels, and its own five", async () => {
    const { writer, own, run } = target(await exporter(page('a 1\nb{x="y"} 2\n')));
    await run(1000);
    const { samples, ts } = writer.last ?? { samples: new Map<string, number>(), ts: 0 };
    expect(ts).toBe(1000);
    expect(samples.get(own('a'))).toBe(1);
    expect(samples.get(own('b').replace(', job="jmx"', ', job="jmx", x="y"'))).toBe(2);
    expect(samples.get(own('up'))).toBe(1);
    expect(samples.get(own('scrape_samples_scraped'))).toBe(2);
    expect(samples.get(own('scrape_samples_post_metric_relabeling'))).toBe(2);
    expect(samples.get(own('scrape_series_added'))).toBe(2);
    expect(samples.get(own('scrape_duration_seconds'))).toBeGreaterThan(0);
  });

  it.each<readonly [string, readonly string[], readonly number[]]>([
    ['that stay', ['a 1\nb 1\n', 'a 2\nb 2\n'], [2, 0]],
    ['one of which is another', ['a 1\nb{x="1"} 1\n', 'a 2\nb{x="2"} 2\n'], [2, 1]],
    ['in another order', ['a 1\nb 1\nc 1\n', 'c 2\na 1\nb 2\n'], [3, 0]],
    ['written another way', ['a{x="1",y="2"} 1\n', 'b 1\na{y="2",x="1"} 1\n'], [1, 1]],
    ['after a page that could not be read', ['a 1\n', '<html>', 'a 1\nb 1\n'], [1, 0, 1]],
    ['that stand twice', ['a 1\na 2\na 3\n', 'a 1\nb 1\nb 1\n'], [1, 1]],
  ])('tells how many series are new: of series %s', async (_, pages, added) => {
    let at = 0;
    const { writer, own, run } = target(await exporter((_request, response) => void response.end(pages[at++])));
    for (const [i] of pages.entries()) await run(1000 * (i + 1));
    expect(writer.rows.map(({ samples }) => samples.get(own('scrape_series_added')))).toEqual(added);
  });

  it('counts all samples of the page, also those that stand twice or have a time of their own', async () => {
    const { writer, own, run } = target(await exporter(page('a 1\na 2\na 3\nb 4 1000\nc 5\n')));
    await run(1000);
    expect(writer.last?.samples.get(own('a'))).toBe(1);
    expect(writer.last?.samples.get(own('scrape_samples_scraped'))).toBe(5);
    expect(writer.last?.samples.get(own('scrape_samples_post_metric_relabeling'))).toBe(5);
  });

  it('asks for names as they are, and says how long it will wait', async () => {
    const asked: unknown[] = [];
    const port = await exporter(({ headers }, response) => {
      asked.push(headers['x-prometheus-scrape-timeout-seconds'], headers.accept);
      response.end('a 1\n');
    });
    await target(port, { timeoutMs: 1500 }).run(1);
    expect(asked).toEqual(['1.5', expect.stringContaining('escaping=allow-utf-8')]);
  });

  it('remembers what its last good page says of its families', async () => {
    let fails = false;
    const { made, run } = target(
      await exporter((_, response) => {
        if (fails) response.statusCode = 500;
        response.end('# TYPE a counter\n# HELP a Some.\na 1\n');
      }),
    );
    expect(made.template).toBeUndefined();
    await run(1000);
    fails = true;
    await run(2000);
    expect(made.state.health).toBe('down');
    expect(pageMetadata(made.template!)).toEqual([{ name: 'a', type: 'counter', help: 'Some.', unit: '' }]);
  });

  it('keeps what a page says under the names of target labels as exported_…', async () => {
    const { writer, run } = target(await exporter(page('a{cluster="theirs",exported_cluster="older"} 1\n')));
    await run(1000);
    const [series] = writer.last?.samples.keys() ?? [];
    expect(series).toContain('cluster="orders"');
    expect(series).toContain('exported_cluster="older"');
    expect(series).toContain('exported_exported_cluster="theirs"');
  });

  it.each<readonly [string, string, Readonly<Record<string, string>>, string]>([
    ['one that is free', 'a{env="theirs"}', { env: 'ours' }, 'env="ours", exported_env="theirs"'],
    ['one that the page has', 'a{env="1",exported_env="2"}', { env: 'ours' }, 'env="ours", exported_env="2", exported_exported_env="1"'],
    [
      'one that the target has',
      'a{env="1"}',
      { env: 'ours', exported_env: 'too' },
      'env="ours", exported_env="too", exported_exported_env="1"',
    ],
    [
      'two that would be the same',
      'a{env="1",exported_env="2"}',
      { env: 'ours', exported_env: 'too' },
      'env="ours", exported_env="too", exported_exported_env="1", exported_exported_exported_env="2"',
    ],
    ['none, of an empty value', 'a{env=""}', { env: 'ours' }, 'env="ours"'],
  ])('finds a name for what the target has, too: %s', async (_, series, labels, expected) => {
    const port = await exporter(page(`${series} 1\n`));
    const { writer, run } = target(port, { labels });
    await run(1000);
    const [kept] = writer.last?.samples.keys() ?? [];
    expect(kept).toBe(`a{${expected}, instance="127.0.0.1:${port}", job="jmx"}`);
  });

  it('writes rows of one layout object while the series stay', async () => {
    let n = 0;
    const { writer, run } = target(await exporter((_, response) => void response.end(`a ${n++}\n`)));
    await run(1000);
    await run(2000);
    expect(writer.rows[1]?.layout).toBe(writer.rows[0]?.layout);
    expect([...(writer.rows[1]?.samples.values() ?? [])][0]).toBe(1);
  });

  it('does not wait for the end of an answer that is an error: the next one goes through', async () => {
    let requests = 0;
    const port = await exporter((_, response) => {
      if (++requests > 1) return void response.end('a 1\n');
      response.writeHead(500);
      response.write('no end');
    });
    const { writer, own, run } = target(port);
    await run(1000);
    await run(2000, AbortSignal.timeout(60_000));
    expect(writer.last?.samples.get(own('a'))).toBe(1);
  });

  it('asks once more where a kept connection is closed as it is used again, and only then', async () => {
    const asked: string[] = [];
    const port = await exporter(({ socket }, response) => {
      asked.push(`${socket.bytesWritten > 0 ? 'kept' : 'new'}`);
      if (socket.bytesWritten > 0 || asked.length > 3) socket.destroy();
      else response.end('a 1\n');
    });
    const { writer, own, run } = target(port);
    await run(1000);
    await run(2000);
    expect([asked, writer.last?.samples.get(own('up'))]).toEqual([['new', 'kept', 'new'], 1]);
    await run(3000);
    expect([asked.slice(3), writer.last?.samples.get(own('up'))]).toEqual([['kept', 'new'], 0]);
  });

  it('unpacks gzip', async () => {
    const packed = gzipSync('a 1\n');
    const port = await exporter((_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed));
    const { writer, own, run } = target(port);
    await run(1000);
    expect(writer.last?.samples.get(own('a'))).toBe(1);
  });

  it('sends the credentials it was given', async () => {
    const seen: (string | undefined)[] = [];
    const port = await exporter((request, response) => {
      seen.push(request.headers.authorization);
      response.end('a 1\n');
    });
    const source = { scheme: 'http', host: '127.0.0.1', port, path: '/metrics', tls: undefined } as const;
    await target(port, { source: { ...source, basicAuth: { username: 'u', password: new Secret('p') }, bearerToken: undefined } }).run(1);
    await target(port, { source: { ...source, basicAuth: undefined, bearerToken: new Secret('t') } }).run(1);
    expect(seen).toEqual([`Basic ${Buffer.from('u:p').toString('base64')}`, 'Bearer t']);
  });

  it("writes samples with their own timestamps apart, and drops those far from now's", async () => {
    const now = 1_700_000_000_000;
    const { writer, run } = target(await exporter(page(`a 1 ${now - 5000}\nb 1 ${now + 86_400_000}\nc 1 5\n`)));
    await run(now);
    expect(writer.single.map(({ ts, series }) => [ts, series.split('{')[0]])).toEqual([[now - 5000, 'a']]);
  });

  it('takes samples as of now where their timestamps are not to be honored', async () => {
    const { writer, own, run } = target(await exporter(page('a 1 5\na 2 6\nb 3\n')), { honorTimestamps: false });
    await run(1000);
    expect([writer.single, writer.last?.samples.get(own('a')), writer.last?.samples.get(own('b'))]).toEqual([[], 1, 3]);
  });
});

/** All that is written of a scrape that failed. */
const failed = (own: (name: string) => string): Readonly<Record<string, unknown>> => ({
  [own('up')]: 0,
  [own('scrape_duration_seconds')]: expect.any(Number),
  [own('scrape_samples_scraped')]: 0,
  [own('scrape_samples_post_metric_relabeling')]: 0,
  [own('scrape_series_added')]: 0,
});

describe('a failed scrape writes up 0 and nothing else, so that the series go stale', () => {
  const endless: RequestListener = (_, response) => {
    const write = (): void => {
      while (!response.destroyed && response.write(`# ${'x'.repeat(65_536)}\n`));
      response.once('drain', write);
    };
    write();
  };

  it.each<[string, RequestListener]>([
    ['status 500', (_, response) => void response.writeHead(500).end('a 1\n')],
    ['a redirect', (_, response) => void response.writeHead(302, { location: '/other' }).end()],
    ['malformed text', page('<html>')],
    ['bytes that are not UTF-8', (_, response) => void response.end(Buffer.from([97, 0xff, 32, 49]))],
    ['a page without end', endless],
    ['gzip that is none', (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('a 1\n')],
    [
      'gzip that unpacks to more than allowed',
      (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('#'.repeat(4_000_000))),
    ],
    ['an unknown encoding', (_, response) => void response.writeHead(200, { 'content-encoding': 'br' }).end('a 1\n')],
    [
      'a connection cut off',
      (_, response) => void response.writeHead(200, { 'content-length': '100' }).write('a 1\n', () => response.destroy()),
    ],
  ])('%s', async (_, listener) => {
    const { writer, own, run } = target(await exporter(listener), { bodyBytesMax: 1_000_000 });
    await run(1000);
    expect(Object.fromEntries(writer.last?.samples ?? [])).toEqual(failed(own));
  });

  it('between good ones changes nothing of what the store knows of the target, for ten times', async () => {
    let fails = false;
    const { writer, own, run } = target(
      await exporter((_, response) => void (fails ? response.writeHead(500).end() : response.end('a 1\nb 2\n'))),
    );
    await run(1000);
    const good = writer.last?.layout;
    fails = true;
    for (let i = 2; i <= 11; i++) await run(1000 * i);
    expect(new Set(writer.rows.map(({ layout }) => layout))).toEqual(new Set([good]));
    expect(Object.fromEntries(writer.last?.samples ?? [])).toEqual(failed(own));
    await run(12_000);
    expect([writer.last?.layout.series.length, writer.last?.samples.size]).toEqual([5, 5]);
    fails = false;
    await run(13_000);
    expect(writer.last?.samples.get(own('b'))).toBe(2);
  });

  it('where the store has no room for the page, from the first one on, and its next one that fits is good', async () => {
    const writer = new RecordingWriter();
    const small = (id: string): TargetWriter => {
      const kept = writer.target(id);
      return {
        ...kept,
        append: (ts, layout, values, absent) => {
          if (layout.series.length > 6) throw new BelfryError('STORE_LIMIT', 'too many series');
          kept.append(ts, layout, values, absent);
        },
      };
    };
    let answer = 'a 1\nb 2\n';
    const port = await exporter((_, response) => void (answer === '' ? response.writeHead(500).end() : response.end(answer)));
    const { made, own, run } = target(port, { writer: { target: small, removeTarget: () => undefined } });
    const last = (): unknown => Object.fromEntries(writer.last?.samples ?? []);
    await run(1000);
    expect([writer.last?.ts, last(), made.state.health, made.state.lastError]).toEqual([1000, failed(own), 'down', 'too many series']);
    answer = 'a 1\n';
    await run(2000);
    expect([writer.last?.samples.get(own('a')), made.state.health, made.state.lastError]).toEqual([1, 'up', '']);
    for (const [i, page] of ['a 1\nb 2\n', '', 'a 1\nc 2\n'].entries()) {
      answer = page;
      await run(3000 + 1000 * i);
      expect([writer.last?.ts, last(), made.state.health]).toEqual([3000 + 1000 * i, failed(own), 'down']);
    }
  });

  it('nobody listening', async () => {
    const port = await exporter(page('a 1\n'));
    await rig.close();
    const { writer, own, run } = target(port);
    await run(1000);
    expect(writer.last?.samples.get(own('up'))).toBe(0);
  });

  it('no answer in time', async () => {
    const { writer, own, run } = target(await exporter(() => undefined));
    const abort = new AbortController();
    const done = run(1000, abort.signal);
    abort.abort(new Error('not done within 5000 ms'));
    await done;
    expect(writer.last?.samples.get(own('up'))).toBe(0);
  });
});
