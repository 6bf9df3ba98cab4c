import { describe, expect, it } from '@jest/globals';
import { isLoopback } from '../../src/core/loopback.ts';
import { Access } from '../../src/http/auth.ts';
import { serverWith, TOKEN, WITH_TOKEN } from './harness.ts';

const READING = [
  ['GET', '/metrics'],
  ['GET', '/metrics/kafka'],
  ['GET', '/api/v1/query?query=1'],
  ['POST', '/api/v1/query?query=1'],
  ['GET', '/api/v1/rules'],
  ['GET', '/api/v1/alerts'],
  ['GET', '/api/v1/query_range?query=1&start=0&end=1&step=1'],
  ['GET', '/api/v1/series?match[]=up'],
  ['GET', '/api/v1/labels'],
  ['GET', '/api/v1/format_query?query=up'],
  ['POST', '/api/v1/parse_query?query=up'],
  ['GET', '/api/v1/label/job/values'],
  ['GET', '/api/v1/metadata'],
  ['GET', '/api/v1/targets'],
  ['GET', '/api/v1/scrape_pools'],
  ['GET', '/api/v1/status/buildinfo'],
  ['GET', '/api/v1/status/runtimeinfo'],
  ['GET', '/api/v1/status/flags'],
  ['GET', '/api/v1/status/config'],
  ['GET', '/api/v1/status/tsdb'],
  ['GET', '/api/belfry/v1/status'],
  ['GET', '/api/belfry/v1/incidents'],
  ['GET', '/api/belfry/v1/alerts/muted'],
  ['GET', '/docs/runbooks/BrokerCrashed.md'],
] as const;
const CHANGING = [
  ['POST', '/-/reload'],
  ['PUT', '/-/reload'],
  ['POST', '/api/belfry/v1/owners/orders/test'],
  ['DELETE', '/api/belfry/v1/clusters/orders/brokers/3'],
] as const;

describe('a token', () => {
  it.each(READING)('is not needed on loopback to read: %s %s', async (method, url) => {
    const { server } = serverWith();
    expect((await server.inject({ method, url })).statusCode).toBe(200);
  });

  it.each(READING)('is needed elsewhere to read: %s %s', async (method, url) => {
    const { server } = serverWith({ listen: '0.0.0.0' });
    const answer = await server.inject({ method, url, headers: { host: '10.0.0.1:9559' } });
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="Belfry"']);
    expect((await server.inject({ method, url, headers: { host: '10.0.0.1:9559', ...WITH_TOKEN } })).statusCode).toBe(200);
  });

  it.each(CHANGING)('is needed everywhere to change something: %s %s', async (method, url) => {
    const { server, rooms } = serverWith();
    const answer = await server.inject({ method, url });
    expect([answer.statusCode, answer.headers['www-authenticate'], rooms.calls]).toEqual([401, 'Bearer realm="Belfry"', []]);
    expect((await server.inject({ method, url, headers: WITH_TOKEN })).statusCode).toBeLessThan(300);
    expect(rooms.calls).toHaveLength(1);
  });

  it('is never needed to see whether Belfry lives, but to read why it is not ready', async () => {
    const { server, rooms } = serverWith({ listen: '0.0.0.0' });
    expect((await server.inject({ url: '/-/healthy', headers: { host: '10.0.0.1' } })).statusCode).toBe(200);
    expect((await server.inject({ url: '/-/ready', headers: { host: '10.0.0.1' } })).statusCode).toBe(200);
    rooms.notReady = ['not looked at yet: secret-cluster'];
    const answer = await server.inject({ url: '/-/ready', headers: { host: '10.0.0.1' } });
    expect([answer.statusCode, answer.body]).toEqual([503, 'Belfry is not ready\n']);
    const told = await server.inject({ url: '/-/ready', headers: { host: '10.0.0.1', ...WITH_TOKEN } });
    expect(told.body).toBe('Belfry is not ready: not looked at yet: secret-cluster\n');
  });

  it.each([
    ['another', 'Bearer nope', 'wrong token'],
    ['a part of it', `Bearer ${TOKEN.slice(0, -1)}`, 'wrong token'],
    ['more than it', `Bearer ${TOKEN}x`, 'wrong token'],
    ['it for another scheme', `Basic ${TOKEN}`, 'needs the header'],
    ['nothing', 'Bearer ', 'needs the header'],
    ['it without the scheme', TOKEN, 'needs the header'],
  ])('is refused where %s is given', async (_, authorization, text) => {
    const { server, rooms } = serverWith();
    const answer = await server.inject({ method: 'POST', url: '/-/reload', headers: { authorization } });
    expect([answer.statusCode, rooms.calls]).toEqual([401, []]);
    expect(answer.body).toContain(text);
    expect(answer.body).not.toContain(TOKEN.slice(0, 10));
  });

  it('is taken whatever the case of its scheme', async () => {
    const { server } = serverWith();
    const answer = await server.inject({ method: 'POST', url: '/-/reload', headers: { authorization: `bearer ${TOKEN}` } });
    expect(answer.statusCode).toBe(200);
  });
});

describe('the Host of a request', () => {
  it.each([
    ['127.0.0.1', 200],
    ['127.0.0.1:9559', 200],
    ['localhost:9559', 200],
    ['LOCALHOST', 200],
    ['localhost.', 200],
    ['[::1]:9559', 200],
    ['[::1]', 200],
    ['[fe80::1%25eth0]:9559', 200],
    ['10.1.2.3', 200],
    ['belfry.example.com', 200],
    ['Belfry.Example.com:443', 200],
    ['belfry-host', 200],
    ['evil.example.net', 403],
    ['localhost.evil.example.net', 403],
    ['127.0.0.1.evil.example.net', 403],
    ['evil.example.net:9559', 403],
    ['belfry.example.com.evil.net', 403],
    ['user@localhost', 403],
    ['localhost:9559:1', 403],
    ['2130706433', 403],
  ])('may be %j: %d', async (host, status) => {
    const { server } = serverWith({ listen: 'Belfry-Host', externalUrl: 'https://belfry.example.com/watch' });
    const answer = await server.inject({ url: '/-/healthy', headers: { host } });
    expect(answer.statusCode).toBe(status);
  });

  it('is checked before anything else, for pages that are not there too', async () => {
    const { server } = serverWith();
    const answer = await server.inject({ method: 'POST', url: '/nowhere', headers: { host: 'evil.example.net', ...WITH_TOKEN } });
    expect([answer.statusCode, answer.body]).toEqual([403, 'unknown Host "evil.example.net": use an address, or set http.external_url\n']);
  });
});

describe('a request without a Host', () => {
  const access = new Access({ listenHost: '127.0.0.1', externalUrl: undefined, token: TOKEN });

  it('is let in: no browser sends one, but some health checks do', () => {
    expect(() => access.checkOrigin({})).not.toThrow();
  });

  it('may have no Origin', () => {
    expect(() => access.checkOrigin({ origin: 'http://127.0.0.1' })).toThrow('not allowed');
  });

  it('is refused where the Host is there and empty', () => {
    expect(() => access.checkOrigin({ host: '' })).toThrow('unknown Host');
  });
});

describe('the Origin of a request', () => {
  it.each([
    ['the place that was asked', 'http://127.0.0.1:9559', '127.0.0.1:9559', 200],
    ['the same with a default port left out', 'http://localhost', 'localhost:80', 200],
    ['an IPv6 address', 'http://[::1]:9559', '[::1]:9559', 200],
    ['the external address, behind a proxy', 'https://belfry.example.com', '127.0.0.1:9559', 200],
    ['another port of this machine', 'http://127.0.0.1:8080', '127.0.0.1:9559', 403],
    ['a page at some address', 'http://203.0.113.9', '127.0.0.1:9559', 403],
    ['a page of the web', 'https://evil.example.net', '127.0.0.1:9559', 403],
    ['the external name without TLS', 'http://belfry.example.com', '127.0.0.1:9559', 403],
    ['a file or a sandbox', 'null', '127.0.0.1:9559', 403],
    ['no address', 'nonsense', '127.0.0.1:9559', 403],
    ['an extension', 'chrome-extension://abcdef', '127.0.0.1:9559', 403],
  ])('is %s', async (_, origin, host, status) => {
    const { server, rooms } = serverWith({ externalUrl: 'https://belfry.example.com' });
    const answer = await server.inject({ method: 'POST', url: '/-/reload', headers: { host, origin, ...WITH_TOKEN } });
    expect([answer.statusCode, rooms.calls.length]).toEqual([status, status === 200 ? 1 : 0]);
  });
});

describe('loopback', () => {
  it.each([
    ['localhost', true],
    ['Localhost', true],
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['0:0:0:0:0:0:0:1', true],
    ['::ffff:127.0.0.1', true],
    ['0.0.0.0', false],
    ['::', false],
    ['10.0.0.1', false],
    ['127.evil.example.net', false],
    ['128.0.0.1', false],
  ])('%s: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});
