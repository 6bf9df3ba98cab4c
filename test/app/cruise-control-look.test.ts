import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CruiseControlLook } from '../../src/app/cruise-control-look.ts';
import { SystemClock } from '../../src/core/clock.ts';

describe('whether Cruise Control executes', () => {
  let server: Server;
  let answer = { status: 200, body: '' };
  let asked: string[] = [];

  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    server.close();
  });

  const looking = (): CruiseControlLook => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/kafkacruisecontrol`;
    return new CruiseControlLook({ urls: () => new Map([['orders', url]]), clock: new SystemClock() });
  };
  const state = (name: string): string => JSON.stringify({ ExecutorState: { state: name } });

  it.each([
    { name: 'is idle', status: 200, body: state('NO_TASK_IN_PROGRESS'), busy: undefined },
    { name: 'moves replicas', status: 200, body: state('INTER_BROKER_REPLICA_MOVEMENT_TASK_IN_PROGRESS'), busy: /^INTER_BROKER_REPLICA/ },
    { name: 'is out of order', status: 500, body: '{}', busy: /does not answer/ },
    { name: 'is another service', status: 200, body: '{"ok":true}', busy: /does not answer/ },
    { name: 'sends no JSON', status: 200, body: '<html>', busy: /does not answer/ },
  ])('it $name', async ({ status, body, busy }) => {
    answer = { status, body };
    const look = looking();
    expect(look.busy('orders')).toMatch(/has not been asked/);
    await look.ask('orders');
    if (busy === undefined) expect(look.busy('orders')).toBeUndefined();
    else expect(look.busy('orders')).toMatch(busy);
    expect(asked).toEqual(['/kafkacruisecontrol/state?substates=executor&json=true']);
  });

  it('is no question for a cluster that has none', async () => {
    const look = looking();
    await look.ask('payments');
    expect([look.busy('payments'), asked]).toEqual([undefined, []]);
  });
});
