import { expect, it, describe } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import { NOW, serverWith, WITH_TOKEN } from './harness.ts';

function serverWithSeries() {
  const made = serverWith();
  const add = (labels: Readonly<Record<string, string>>, ...points: readonly (readonly [agoMs: number, value: number | 'stale'])[]) =>
    made.rooms.querier.series.push({ labels: Labels.of(labels), points: points.map(([ago, value]) => ({ ts: NOW - ago, value })) });
  add({ __name__: 'up', job: 'node', instance: 'b:9100' }, [9000, 0], [1000, 1]);
  add({ __name__: 'up', Job: 'node', instance: 'a:9100' }, [2000, 0.5]);
  add({ __name__: 'up', instance: 'over' }, [2000, 1], [1000, 'stale']);
  add({ __name__: 'up', instance: 'long over' }, [301_000, 1]);
  add({ __name__: 'job:up:sum', why: 'a "b"\n\\' }, [0, Number.NaN]);
  add({ __name__: 'http.requests', 'a.b': 'x', '0': 'y' }, [500, 1e21]);
  return made.server;
}

const server = serverWithSeries();
const [UP_A, UP_B] = [`up{Job="node",instance="a:9100"} 0.5 ${NOW - 2000}`, `up{instance="b:9100",job="node"} 1 ${NOW - 1000}`];

describe('GET /federate', () => {
  it.each([
    ['match[]=up', ['# TYPE up untyped', UP_A, UP_B]],
    ['match[]=up{job="node"}%23+all&match[]=up', ['# TYPE up untyped', UP_A, UP_B]],
    [
      'match[]=up{job="node"}&match[]={__name__=~"job:.*"}',
      ['# TYPE job:up:sum untyped', `job:up:sum{why="a \\"b\\"\\n\\\\",instance=""} NaN ${NOW}`, '# TYPE up untyped', UP_B],
    ],
    [
      'match[]={"http.requests"}',
      ['# TYPE http_requests untyped', `http_requests{_0="y",a_b="x",instance=""} 1000000000000000000000 ${NOW - 500}`],
    ],
    ['match[]=nowhere', []],
    ['', []],
  ])('tells the newest sample of each series: %s', async (parameters, lines) => {
    const answer = await server.inject(`/federate?${parameters}`);
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.body).toBe(lines.map((line) => `${line}\n`).join(''));
  });

  it.each([
    ['match[]=up{', '1:4: parse error: '],
    ['match[]={}', 'match[] must contain at least one non-empty matcher'],
    ['match[]=rate(up[5m])', '1:5: parse error: unexpected "("\n'],
    ['match[]=up&match[]=up[5m]', '1:3: parse error: unexpected "["\n'],
  ])('refuses %s', async (parameters, text) => {
    const answer = await server.inject(`/federate?${parameters}`);
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([400, 'text/plain; charset=utf-8']);
    expect(answer.body).toContain(text);
  });

  it('is for those who may read', async () => {
    const far = serverWith({ listen: '0.0.0.0' }).server;
    expect((await far.inject('/federate')).statusCode).toBe(401);
    expect((await far.inject({ url: '/federate', headers: WITH_TOKEN })).statusCode).toBe(200);
  });
});
