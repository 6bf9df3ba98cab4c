import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { ManualClock } from '../../src/core/clock.ts';
import { BelfryError, errorText } from '../../src/core/errors.ts';
import { HttpPoster } from '../../src/notifiers/http-post.ts';
import { DEFAULT_TLS } from '../../src/notifiers/schema.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { makeCa, makeCert } from '../../testbed/tls.ts';
import { HttpPeer } from './http-peer.ts';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:https';
import type { ClientTlsOptions } from '../../src/notifiers/schema.ts';

const never = new AbortController().signal;
const posters: HttpPoster[] = [];

function posterOf(tls: Partial<ClientTlsOptions> = {}, answerBytesMax = 1000): HttpPoster {
  const poster = new HttpPoster({ clock: new ManualClock(), tls: { ...DEFAULT_TLS, ...tls }, answerBytesMax });
  posters.push(poster);
  return poster;
}

function post(poster: HttpPoster, url: string) {
  return poster.post({ url: new URL(url), headers: {}, body: 'hello', signal: never, timeoutMs: 10_000 });
}

afterEach(() => {
  for (const poster of posters.splice(0)) poster.close();
});

describe('a post over TLS', () => {
  let folder: string;
  let server: Server;
  let url: string;
  let ca: string;

  beforeAll(async () => {
    folder = await makeTempDir();
    const { caPath } = await makeCa(folder, { client: 'client', admin: 'admin' });
    const { certPath, keyPath } = await makeCert(folder, { name: 'server', commonName: 'server' });
    const [cert, key] = await Promise.all([readFile(certPath), readFile(keyPath)]);
    ca = await readFile(caPath, 'utf8');
    server = createServer({ cert, key }, (_request, response) => response.end('ok'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await removeTempDir(folder);
  });

  it('trusts the authority that it is given', async () => {
    expect((await post(posterOf({ ca }), url)).status).toBe(200);
  });

  it('refuses one that it does not know, and says so', async () => {
    const error: unknown = await post(posterOf(), url).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BelfryError);
    expect(errorText(error)).toMatch(/^request failed: .*certificate/);
  });

  it('does as it is told where it must not look', async () => {
    expect((await post(posterOf({ rejectUnauthorized: false }), url)).status).toBe(200);
  });
});

describe('a post', () => {
  it.each(['nothing', 'head'] as const)('ends in time when the answer stops after %s', async (hangs) => {
    const peer = await HttpPeer.start(() => ({ status: 200, hangs }));
    const clock = new ManualClock();
    const poster = new HttpPoster({ clock, tls: DEFAULT_TLS });
    posters.push(poster);
    const reached = peer.nextRequest();
    const outcome = post(poster, peer.url).then(String, errorText);
    await reached;
    await clock.advance(10_000);
    expect(await outcome).toMatch(/^no whole answer within 10000 ms|^the answer was cut off: no whole answer within 10000 ms/);
    await peer.close();
  });

  it('reads no more of an answer than it may', async () => {
    const peer = await HttpPeer.start(() => ({ status: 500, body: 'x'.repeat(100_000) }));
    expect((await post(posterOf(), peer.url)).body).toHaveLength(1000);
    await peer.close();
  });

  it.each([
    [301, 1],
    [302, 1],
    [303, 1],
    [307, 4],
    [308, 4],
  ])('through redirects with %d it is sent %d times at most', async (status, times) => {
    const peer = await HttpPeer.start(() => ({ status, headers: { location: '/again' } }));
    expect((await post(posterOf(), peer.url)).status).toBe(status);
    expect(peer.requests).toHaveLength(times);
    await peer.close();
  });

  it('fails with the name of the trouble and no part of the path', async () => {
    const peer = await HttpPeer.start();
    const { url } = peer;
    await peer.close();
    const error: unknown = await post(posterOf(), `${url}/secret-path`).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'DELIVERY_FAILED' });
    expect(errorText(error)).toContain('ECONNREFUSED');
    expect(errorText(error)).not.toContain('secret');
  });
});
