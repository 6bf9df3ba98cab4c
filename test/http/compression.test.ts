import { describe, expect, it } from '@jest/globals';
import { gunzipSync } from 'node:zlib';
import { Labels } from '../../src/core/labels.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { NOW, serverWith } from './harness.ts';

function serverOf(series: number) {
  const made = serverWith();
  for (let i = 0; i < series; i++) {
    made.rooms.querier.series.push({
      labels: Labels.of({ __name__: 'up', instance: `host-${i}.example.org:9100` }),
      points: [{ ts: NOW - 1000, value: i }],
    });
  }
  return made;
}

async function ask(series: number, acceptEncoding: string | undefined, url = '/api/v1/query?query=up') {
  const { server } = serverOf(series);
  const headers = acceptEncoding === undefined ? {} : { 'accept-encoding': acceptEncoding };
  return server.inject({ url, headers });
}

describe('answers in JSON', () => {
  it.each([['gzip'], ['gzip, deflate, br'], ['br;q=1.0, gzip;q=0.8'], ['GZIP'], ['deflate, x-gzip']])(
    'are compressed for %j',
    async (accepted) => {
      const answer = await ask(100, accepted);
      expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
      expect(Number(answer.headers['content-length'])).toBe(answer.rawPayload.length);
      expect(JSON.parse(gunzipSync(answer.rawPayload).toString())).toMatchObject({ data: { result: { length: 100 } } });
    },
  );

  it.each([[undefined], [''], ['identity'], ['gzip;q=0'], ['gzip;q=0.0, br'], ['notgzip']])(
    'are sent as they are for %j',
    async (accepted) => {
      const answer = await ask(100, accepted);
      expect(answer.headers).not.toHaveProperty('content-encoding');
      expect(answer.json()).toMatchObject({ data: { result: { length: 100 } } });
    },
  );

  it('are sent as they are where they are small', async () => {
    expect((await ask(1, 'gzip')).headers).not.toHaveProperty('content-encoding');
  });

  it('are compressed as they are written where they are long', async () => {
    const answer = await ask(5000, 'gzip');
    expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip' });
    expect(answer.headers).not.toHaveProperty('content-length');
    expect(JSON.parse(gunzipSync(answer.rawPayload).toString())).toMatchObject({ data: { result: { length: 5000 } } });
  });

  it('are the same over a socket', async () => {
    const server = await startHttpServer(serverOf(5000).serverOptions);
    try {
      const answers = await Promise.all(
        ['gzip', 'identity'].map(async (encoding) => {
          const response = await fetch(`${server.url}/api/v1/query?query=up`, { headers: { 'accept-encoding': encoding } });
          return { encoding: response.headers.get('content-encoding'), text: await response.text() };
        }),
      );
      expect(answers.map(({ encoding }) => encoding)).toEqual(['gzip', null]);
      expect(answers[0]?.text).toBe(answers[1]?.text);
    } finally {
      await server.close();
    }
  });
});

describe('methods', () => {
  it('tells what a page of the API can be asked with', async () => {
    const answer = await serverWith().server.inject({ method: 'OPTIONS', url: '/api/v1/query' });
    expect([answer.statusCode, answer.payload]).toEqual([204, '']);
    expect(answer.headers).toMatchObject({ allow: 'GET, POST, OPTIONS', 'access-control-allow-methods': 'GET, POST, OPTIONS' });
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('refuses a page of another origin all the same', async () => {
    const headers = { host: '127.0.0.1', origin: 'http://evil.example' };
    expect((await serverWith().server.inject({ method: 'OPTIONS', url: '/api/v1/query', headers })).statusCode).toBe(403);
  });

  it.each([['POST'], ['PUT'], ['DELETE']] as const)('does not let the values of a label be asked for with %s', async (method) => {
    const answer = await serverWith().server.inject({ method, url: '/api/v1/label/job/values' });
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, 'GET']);
  });

  it('takes the name of a label of any length that one may have', async () => {
    const answer = await serverWith().server.inject({ url: `/api/v1/label/U__${'_1f600_'.repeat(500)}/values` });
    expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'success', data: [] }]);
  });
});
