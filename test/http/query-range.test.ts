import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { fastify } from 'fastify';
import { BelfryError } from '../../src/core/errors.ts';
import { Labels } from '../../src/core/labels.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { whileAwaited } from '../../src/http/routes/awaited.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { NOW, serverWith } from './harness.ts';

const T = NOW / 1000;

/** `up` of two brokers, every 15 seconds over the last two minutes. */
function serverWithSeries() {
  const made = serverWith();
  for (const [index, broker] of ['2', '1'].entries()) {
    const points = Array.from({ length: 9 }, (_, i) => ({ ts: NOW - 120_000 + i * 15_000, value: i + index * 100 }));
    made.rooms.querier.series.push({ labels: Labels.of({ __name__: 'up', broker }), points });
  }
  return made;
}

async function ask(parameters: Readonly<Record<string, string>>) {
  const { server } = serverWithSeries();
  const answer = await server.inject({ url: `/api/v1/query_range?${new URLSearchParams(parameters).toString()}` });
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
}

const RANGE = { start: String(T - 60), end: String(T), step: '30' };

describe('GET /api/v1/query_range', () => {
  it.each([
    [
      'a vector: its series by their labels, each with its steps',
      'up',
      [
        { metric: { __name__: 'up', broker: '1' }, values: [T - 60, T - 30, T].map((ts, i) => [ts, String(104 + 2 * i)]) },
        { metric: { __name__: 'up', broker: '2' }, values: [T - 60, T - 30, T].map((ts, i) => [ts, String(4 + 2 * i)]) },
      ],
    ],
    ['a scalar, as one series without labels', '1.5', [{ metric: {}, values: [T - 60, T - 30, T].map((ts) => [ts, '1.5']) }]],
    ['nothing', 'nowhere', []],
  ])('answers %s', async (_, query, result) => {
    expect(await ask({ ...RANGE, query })).toEqual({
      status: 200,
      body: { status: 'success', data: { resultType: 'matrix', result } },
    });
  });

  it.each([
    ['seconds', '30', 3],
    ['seconds with a fraction', '0.5', 121],
    ['a duration', '1m', 2],
    ['a step that overshoots the end', '45s', 2],
    ['a step longer than the range', '1h', 1],
  ])('takes the step as %s', async (_, step, count) => {
    const { body } = await ask({ ...RANGE, query: '1', step });
    expect(body).toMatchObject({ data: { result: [{ values: { length: count } }] } });
  });

  it('takes 11,000 steps, and the first one beside them', async () => {
    const { status, body } = await ask({ query: '1', start: '0', end: '11000', step: '1' });
    expect([status, body]).toMatchObject([200, { data: { result: [{ values: { length: 11_001 } }] } }]);
  });

  it.each([
    ['no start', { start: '' }, 'invalid parameter "start": cannot parse "" to a valid timestamp'],
    ['no end', { end: '' }, 'invalid parameter "end": cannot parse "" to a valid timestamp'],
    ['a start that is no time', { start: 'then' }, 'invalid parameter "start"'],
    ['an end before the start', { end: String(T - 61) }, 'end timestamp must not be before start time'],
    ['no step', { step: '' }, 'invalid parameter "step": cannot parse "" to a valid duration'],
    ['a step that is none', { step: 'wide' }, 'invalid parameter "step"'],
    ['no step at all', { step: '0' }, 'zero or negative query resolution step widths are not accepted. Try a positive integer'],
    ['a step back', { step: '-1' }, 'zero or negative query resolution step widths are not accepted'],
    ['a step that time cannot take', { step: '0.0001' }, 'below one millisecond'],
    ['more than 11,000 steps', { step: '0.005' }, 'exceeded maximum resolution of 11,000 points per timeseries'],
    ['no expression', { query: '' }, 'no expression'],
    ['a mistake in the expression', { query: 'up{' }, 'invalid parameter "query": 1:4: parse error: '],
    ['a range vector', { query: 'up[5m]' }, 'invalid expression type "range vector" for range query, must be Scalar or instant Vector'],
    ['a string', { query: '"x"' }, 'invalid expression type "string" for range query'],
    ['a time-out that is none', { timeout: 'long' }, 'invalid parameter "timeout"'],
    ['a limit that is none', { limit: '-1' }, 'invalid parameter "limit"'],
    ['no lookback', { lookback_delta: '0' }, 'invalid parameter "lookback_delta"'],
  ])('refuses %s', async (_, parameters, text) => {
    const { status, body } = await ask({ ...RANGE, query: 'up', ...parameters });
    expect([status, body]).toMatchObject([400, { status: 'error', errorType: 'bad_data' }]);
    expect(body['error']).toContain(text);
  });

  it('tells apart what only the data shows, and what took too long', async () => {
    expect(await ask({ ...RANGE, query: 'up * on() up' })).toMatchObject({ status: 422, body: { errorType: 'execution' } });
    expect(await ask({ ...RANGE, query: 'up', timeout: '0' })).toMatchObject({ status: 503, body: { errorType: 'timeout' } });
  });

  it('gives no more series than are wanted, and says so', async () => {
    const { body } = await ask({ ...RANGE, query: 'up', limit: '1' });
    expect(body).toMatchObject({ data: { result: { length: 1 } }, warnings: ['results truncated due to limit'] });
    expect((await ask({ ...RANGE, query: 'up', limit: '2' })).body).not.toHaveProperty('warnings');
  });

  it('says what is doubtful beside the answer', async () => {
    expect((await ask({ ...RANGE, query: 'quantile(2, up)' })).body).toMatchObject({ warnings: { length: 1 } });
  });
});

describe('POST /api/v1/query_range', () => {
  it('reads a form, as Grafana sends it', async () => {
    const { server } = serverWithSeries();
    const answer = await server.inject({
      method: 'POST',
      url: '/api/v1/query_range',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({ ...RANGE, query: 'sum(up)' }).toString(),
    });
    expect(answer.json()).toMatchObject({
      data: {
        resultType: 'matrix',
        result: [
          {
            values: [
              [T - 60, '108'],
              [T - 30, '112'],
              [T, '116'],
            ],
          },
        ],
      },
    });
  });
});

describe('an answer of many points', () => {
  it('comes in pieces and is whole', async () => {
    const { server } = serverWithSeries();
    const range = { query: 'time() * 1.000001', start: '0', end: '10999', step: '1' };
    const answer = await server.inject({ url: `/api/v1/query_range?${new URLSearchParams(range).toString()}` });
    expect(answer.headers['content-type']).toBe('application/json');
    const { data } = answer.json<{ data: { result: { values: [number, string][] }[] } }>();
    const values = data.result[0]?.values ?? [];
    expect([values.length, values[0], values.at(-1)]).toEqual([11_000, [0, '0'], [10_999, String(10_999 * 1.000001)]]);
  });

  it('is not worked out for one who has gone', async () => {
    const made = serverWithSeries();
    let signal: AbortSignal | undefined;
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<string>();
    const real = made.serverOptions.ports.query;
    const query: typeof real = {
      ...real,
      instantInSlices: async (expression, ts, options) => {
        signal = options.signal;
        begun.resolve();
        await new Promise<void>((resolve) => options.signal?.addEventListener('abort', () => resolve()));
        try {
          return await real.instantInSlices(expression, ts, options);
        } catch (error) {
          ended.resolve(error instanceof BelfryError ? error.code : 'another');
          throw error;
        }
      },
    };
    const server = await startHttpServer({ ...made.serverOptions, ports: { ...made.serverOptions.ports, query } });
    const leaving = new AbortController();
    const asking = fetch(`${server.url}/api/v1/query?query=up`, { signal: leaving.signal });
    await begun.promise;
    leaving.abort();
    await expect(asking).rejects.toThrow();
    expect([await ended.promise, signal?.aborted]).toEqual(['PROMQL_CANCELED', true]);
    await server.close();
  });

  it('is not worked out for one who has gone before it begins', async () => {
    const server = fastify();
    const begun = Promise.withResolvers<boolean>();
    server.get('/', async (request) => {
      const closed = once(request.raw.socket, 'close');
      request.raw.socket.destroy();
      await closed;
      await whileAwaited(request, async ({ aborted }) => begun.resolve(aborted));
      return '';
    });
    const url = await server.listen({ host: '127.0.0.1', port: 0 });
    await expect(fetch(url)).rejects.toThrow();
    expect(await begun.promise).toBe(true);
    await server.close();
  });
});

describe('a query that stands for very many series', () => {
  it.each(['query?query=up', 'query_range?query=sum(up)&start=0&end=60&step=60'])('is refused: %s', async (path) => {
    const { server, rooms } = serverWithSeries();
    const ofSize = (n: number): void => {
      const none = rooms.querier.select([]);
      rooms.querier.select = () => ({
        n,
        labels: () => Labels.empty,
        instant: (ts, lookbackMs, out) => none.instant(ts, lookbackMs, out),
        window: () => 0,
      });
    };
    const selected = rooms.querier.series.splice(0);
    expect(selected).toHaveLength(2);
    ofSize(LIMITS.querySeries);
    expect((await server.inject({ url: `/api/v1/${path}` })).statusCode).toBe(200);
    ofSize(LIMITS.querySeries + 1);
    const answer = await server.inject({ url: `/api/v1/${path}` });
    expect([answer.statusCode, answer.json()]).toMatchObject([
      422,
      { status: 'error', errorType: 'execution', error: 'selector resolves to 1000001 series, more than the 1000000 allowed' },
    ]);
  });
});
