import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { SystemClock } from '../../src/core/clock.ts';
import { getOnce } from '../../src/watchdog/get-once.ts';

const servers: (Server | TcpServer)[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen<T extends Server | TcpServer>(server: T): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Takes all and says nothing. */
const silence = (socket: Socket): void => void socket.on('error', () => socket.destroy()).resume();
const serve = (listener: RequestListener): Promise<string> => listen(createServer(listener));
const get = (url: string, more: { timeoutMs?: number; ca?: string; signal?: AbortSignal } = {}) =>
  getOnce({ url, timeoutMs: 60_000, signal: new AbortController().signal, clock: new SystemClock(), ...more });

describe('one GET', () => {
  it.each([200, 204, 404, 503])('takes HTTP status %d for an answer', async (status) => {
    const url = await serve((request, response) =>
      response.writeHead(status).end(status === 204 ? '' : `${request.method} ${request.url}`),
    );
    expect(await get(`${url}/a?b=c`)).toEqual({ kind: 'answer', status, body: status === 204 ? '' : 'GET /a?b=c' });
  });

  it('follows no redirect', async () => {
    const paths: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      paths.push(request.url);
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await get(`${url}/ping`)).toMatchObject({ kind: 'answer', status: 302 });
    expect(paths).toEqual(['/ping']);
  });

  it('reads no more than 16 KiB of a body without end', async () => {
    const url = await serve((_, response) => {
      const more = (): void => {
        while (response.write('x'.repeat(1024)));
        response.once('drain', more);
      };
      response.writeHead(200);
      more();
    });
    const answer = await get(url);
    expect(answer).toMatchObject({ kind: 'answer', status: 200 });
    expect(answer.kind === 'answer' && answer.body.length).toBe(16 * 1024);
  });

  it('ends in time when nobody answers, or answers without end', async () => {
    const silent = await listen(createTcpServer(silence));
    expect(await get(silent, { timeoutMs: 100 })).toEqual({ kind: 'none', reason: 'timeout', text: 'no whole answer within 100 ms' });
    const slow = await serve((_, response) => void response.writeHead(200).write('one byte'));
    expect(await get(slow, { timeoutMs: 100 })).toMatchObject({ kind: 'none', reason: 'timeout' });
  });

  it('says why there was no answer, and never what stands behind the host', async () => {
    const resets = await listen(createTcpServer((socket) => void socket.destroy()));
    const found = await Promise.all([
      get('http://127.0.0.1:1/secret-path'),
      get(`${resets}/secret-path`),
      get(`${resets.replace('http', 'https')}/secret-path`),
      get(`${resets.replace('http', 'https')}/secret-path`, { ca: 'no certificate' }),
      get('http://no-such-host.invalid/secret-path'),
    ]);
    expect(found.map((answer) => (answer.kind === 'none' ? answer.reason : answer.status))).toEqual([
      'refused',
      'connection',
      'connection',
      expect.stringMatching(/tls|connection/),
      'dns',
    ]);
    expect(JSON.stringify(found)).not.toContain('secret-path');
  });

  it('ends when it is aborted', async () => {
    const silent = await listen(createTcpServer(silence));
    const abort = new AbortController();
    const asked = get(silent, { signal: abort.signal });
    abort.abort();
    expect(await asked).toMatchObject({ kind: 'none' });
  });
});
