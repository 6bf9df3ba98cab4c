import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import https, { type RequestOptions } from 'node:https';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { type CertFiles, makeCa, makeCert } from '../../testbed/tls.ts';
import { serverWith, TOKEN } from './harness.ts';

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly version: string | null;
  readonly certificate: PeerCertificate;
}

describe('https', () => {
  let dir: string;
  let ca: string;
  let first: CertFiles;
  let server: HttpServer;

  beforeAll(async () => {
    dir = await makeTempDir();
    ca = readFileSync((await makeCa(dir, { client: 'belfry', admin: 'admin' })).caPath, 'utf8');
    first = await makeCert(dir, { name: 'first', commonName: 'first' });
    server = await startHttpServer({ ...serverWith().serverOptions, tls: pair(first) });
  });

  afterAll(async () => {
    await server.close();
    await removeTempDir(dir);
  });

  const ask = (options: RequestOptions = {}): Promise<Answer> => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = https.request(`${server.url}/metrics`, { agent: false, ca, ...options }, (response) => {
      const { socket } = response;
      if (!(socket instanceof TLSSocket)) throw new Error('no TLS');
      const [version, certificate] = [socket.getProtocol(), socket.getPeerCertificate()];
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.once('end', () => resolve({ status: response.statusCode, body, version, certificate }));
    });
    request.once('error', reject).end();
    return promise;
  };

  it('is spoken to who trusts its authority', async () => {
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await ask()).toMatchObject({ status: 200, version: 'TLSv1.3', body: expect.stringContaining('belfry_up 1') });
    expect(await ask({ maxVersion: 'TLSv1.2' })).toMatchObject({ status: 200, version: 'TLSv1.2' });
  });

  it('takes an address as long as without TLS', async () => {
    expect(await ask({ path: `/metrics?${'x'.repeat(40_000)}` })).toMatchObject({ status: 200 });
  });

  it.each<readonly [string, RequestOptions, RegExp]>([
    ['who does not', { ca: undefined }, /self.signed|unable to/],
    ['who wants another host', { servername: 'belfry.example.com' }, /altnames/],
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, /protocol version/i],
  ])('is not spoken with %s', async (_, options, reason) => {
    await expect(ask(options)).rejects.toThrow(reason);
  });

  it('is all it speaks: a request without TLS has no answer, and a token sent so is not looked at', async () => {
    const url = server.url.replace('https:', 'http:');
    await expect(fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).rejects.toThrow('fetch failed');
  });

  it('uses a new certificate for connections made from then on', async () => {
    expect((await ask()).certificate.subject.CN).toBe('first');
    server.renewTls(pair(await makeCert(dir, { name: 'second', commonName: 'second' })));
    expect((await ask()).certificate.subject.CN).toBe('second');
    await expect(ask({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow(/protocol version/i);
  });
});

function pair({ certPath, keyPath }: CertFiles): { cert: string; key: string } {
  return { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
}
