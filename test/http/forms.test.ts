import { describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { once } from 'node:events';
import { readForm, readMultipart } from '../../src/http/forms.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { serverWith } from './harness.ts';

const URLENCODED = 'application/x-www-form-urlencoded';
const MULTIPART = 'multipart/form-data; boundary=cut';

/** `name=value` of each field, a file with its name in angle brackets. */
function parts(...fields: readonly string[]): string {
  const shown = fields.map((field) => {
    const [name = '', ...value] = field.split('=');
    const isFile = name.startsWith('<');
    const disposition = `form-data; name="${name.replaceAll(/[<>]/g, '')}"${isFile ? '; filename="f"' : ''}`;
    return `--cut\r\nContent-Disposition: ${disposition}\r\n\r\n${value.join('=')}\r\n`;
  });
  return `${shown.join('')}--cut--\r\n`;
}

const { server } = serverWith();

async function post(url: string, type: string | undefined, payload: string) {
  const headers = type === undefined ? {} : { 'content-type': type };
  const answer = await server.inject({ method: 'POST', url, headers, payload });
  return [answer.statusCode, answer.json<{ data?: { result?: unknown }; error?: string }>()] as const;
}

describe('the fields of a form', () => {
  it.each([
    ['a=1&b=2', ['a=1', 'b=2']],
    ['a=1&a=2', ['a=1', 'a=2']],
    ['a+b=c+d', ['a b=c d']],
    ['a%5B%5D=%C3%BC', ['a[]=ü']],
    ['match[]=up{a="b"}', ['match[]=up{a="b"}']],
    ['a&b=&=c', ['a=', 'b=', '=c']],
    ['a=b=c', ['a=b=c']],
    ['', []],
    ['&&', []],
    // As Go has it, these are not there.
    ['a=%zz&b=1', ['b=1']],
    ['a=1;b=2&c=3', ['c=3']],
    ['a=%&b=%1', []],
  ])('%j', (text, expected) => {
    expect(Array.from(readForm(text), ([name, value]) => `${name}=${value}`)).toEqual(expected);
  });

  it.each(['a=%ff', '%c3=1', 'a=%ed%a0%80'])('are UTF-8: %s is refused', (text) => {
    expect(() => readForm(text)).toThrow('is no UTF-8');
  });

  it.each(['a=1&', '&', 'a;&', '%&'])('are not more than anybody needs, whatever they are: %s', (text) => {
    expect(() => readForm(text.repeat(10_001))).toThrow('more than 10000 parameters');
  });
});

describe('the fields of a form of several parts', () => {
  it.each([
    [parts('a=1', 'b=2', 'a=3'), ['a=1', 'b=2', 'a=3']],
    [parts('q=up{a="ü"} == 1\r\n--cu'), ['q=up{a="ü"} == 1\r\n--cu']],
    [parts('a=', '<file>=x'), ['a=']],
    ['--cut--', []],
    [`before it${'\r\n'}${parts('a=1')}after it`, ['a=1']],
    ['--cut\r\ncontent-disposition: form-data; name="a"\r\nContent-Type: text/plain\r\n\r\n1\r\n--cut--', ['a=1']],
  ])('%j', (text, expected) => {
    expect(Array.from(readMultipart(Buffer.from(text), MULTIPART), ([name, value]) => `${name}=${value}`)).toEqual(expected);
  });

  it.each([
    [MULTIPART, '--cut\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', 'has no end'],
    [MULTIPART, '', 'has no end'],
    [MULTIPART, '--cut\r\nContent-Disposition: form-data\r\n\r\n1\r\n--cut--', 'has no name'],
    [MULTIPART, '--cut\r\n\r\n1\r\n--cut--', 'has no name'],
    ['multipart/form-data', parts('a=1'), 'has to name their boundary'],
    [`multipart/form-data; boundary="${'x'.repeat(71)}"`, parts('a=1'), 'has to name their boundary'],
  ])('%j %j is refused: %j', (type, text, problem) => {
    expect(() => readMultipart(Buffer.from(text), type)).toThrow(problem);
  });

  it('are not more than anybody needs', () => {
    expect(() => readMultipart(Buffer.from(parts(...Array<string>(10_000).fill('a=1'))), MULTIPART)).toThrow('more than 10000 parts');
  });

  it('are UTF-8', () => {
    expect(() => readMultipart(Buffer.from(parts('a=ÿ'), 'latin1'), MULTIPART)).toThrow('is no UTF-8');
  });
});

describe('what is posted to the Prometheus API', () => {
  it.each([
    ['a form', URLENCODED, 'query=1%2B1&time=7', 200, [7, '2']],
    ['a form with a charset', `${URLENCODED}; charset=utf-8`, 'query=1%2B1&time=7', 200, [7, '2']],
    ['a form of several parts', MULTIPART, parts('query=1+1', 'time=7'), 200, [7, '2']],
    ['a form of several parts, quoted', 'Multipart/Form-Data; boundary="cut"', parts('query=1+1', 'time=7'), 200, [7, '2']],
    // A body of any other kind is none.
    ['JSON', 'application/json', '{"query":"1"}', 200, [5, '3']],
    ['what is no JSON', 'application/json', '{', 200, [5, '3']],
    ['no JSON at all', 'application/json', '', 200, [5, '3']],
    ['plain text', 'text/plain', 'query=1', 200, [5, '3']],
    ['bytes', 'application/octet-stream', 'query=1', 200, [5, '3']],
    ['what has no type', undefined, 'query=1', 200, [5, '3']],
  ] as const)('%s, beside an address with parameters', async (_, type, payload, status, result) => {
    expect(await post('/api/v1/query?query=3&time=5', type, payload)).toMatchObject([status, { data: { result } }]);
  });

  it.each([
    ['no UTF-8', URLENCODED, 'query=%ff'],
    ['no end', MULTIPART, '--cut\r\n'],
    ['no boundary', 'multipart/form-data', parts('query=1')],
  ])('is refused where the form has %s', async (_, type, payload) => {
    expect(await post('/api/v1/query', type, payload)).toMatchObject([400, { status: 'error', errorType: 'bad_data' }]);
  });

  it('is read in every page that takes a form', async () => {
    const range = parts('query=1', 'start=1', 'end=2', 'step=1', 'match[]=up');
    for (const page of ['query_range', 'query_exemplars', 'format_query', 'parse_query', 'series', 'labels'])
      expect([page, (await post(`/api/v1/${page}`, MULTIPART, range))[0]]).toEqual([page, 200]);
  });
});

describe('a request that is none', () => {
  it.each([
    ['bytes of something else', 'garbage\r\n\r\n', '400 Bad Request', 'no HTTP request'],
    ['an address beyond all measure', `GET /${'x'.repeat(70_000)} HTTP/1.1\r\n`, '431 Request Header Fields Too Large', 'ask by POST'],
  ])('is told so in the same envelope: %s', async (_, bytes, status, why) => {
    const listening = await startHttpServer(serverWith().serverOptions);
    const socket = connect(Number(new URL(listening.url).port), '127.0.0.1');
    socket.write(bytes);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain(`HTTP/1.1 ${status}\r\n`);
    expect(JSON.parse(answer.toString().split('\r\n\r\n')[1] ?? '')).toMatchObject({
      status: 'error',
      errorType: 'bad_data',
      error: expect.stringContaining(why),
    });
    socket.destroy();
    await listening.close();
  });
});

describe('a page that does not have a method', () => {
  it.each([
    ['POST', '/api/v1/label/job/values', 'GET'],
    ['PUT', '/api/v1/label/U__a_2e_b/values?x=1', 'GET'],
    ['DELETE', '/api/v1/series', 'GET, POST'],
    ['GET', '/api/v1/write', 'POST'],
    ['POST', '/docs/runbooks/BrokerCrashed.md', 'GET'],
    ['GET', '/api/belfry/v1/owners/orders/test', 'POST'],
    ['DELETE', '//api//v1/query', 'GET, POST'],
  ] as const)('says which it has: %s %s', async (method, url, allow) => {
    const answer = await server.inject({ method, url });
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, allow]);
  });

  it.each(['/api/v1/label//values', '/api/v1/label/job', '/api/v1/label/job/values/more', '/nowhere'])('%s is no page', async (url) => {
    expect((await server.inject({ method: 'POST', url })).statusCode).toBe(404);
  });
});

it('an address may have a slash more than it needs at its beginning', async () => {
  expect((await server.inject('//api/v1/query?query=1')).statusCode).toBe(200);
  expect((await server.inject('//api/v1/query?query=(')).json()).toMatchObject({ status: 'error', errorType: 'bad_data' });
  expect((await server.inject('//api/v1/nowhere')).json()).toMatchObject({ status: 'error', errorType: 'not_found' });
  expect((await server.inject({ method: 'OPTIONS', url: '//api/v1/query' })).statusCode).toBe(204);
});
