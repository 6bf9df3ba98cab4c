import { expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { LIMITS } from '../../src/core/limits.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { serverWith } from './harness.ts';

it('serves so many connections and no more; one that ends makes room for another', async () => {
  const server = await startHttpServer(serverWith().serverOptions);
  const { port } = new URL(server.url);
  const open = async (): Promise<Socket> => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    return socket;
  };
  const held: Socket[] = [];
  try {
    for (let i = 0; i < LIMITS.httpConnections; i++) held.push(await open());
    const refused = await open();
    await new Promise((resolve) => refused.once('close', resolve));
    await expect(fetch(`${server.url}/-/healthy`)).rejects.toThrow('fetch failed');
    const gone = new Promise((resolve) => held[0]?.once('close', resolve));
    held[0]?.end();
    await gone;
    // The server may hear of it a moment later.
    let status = 0;
    for (let i = 0; i < 100 && status === 0; i++)
      status = await fetch(`${server.url}/-/healthy`).then(
        ({ status: answered }) => answered,
        () => 0,
      );
    expect(status).toBe(200);
  } finally {
    for (const socket of held) socket.destroy();
    await server.close();
  }
});

it.each([
  ['40 KB', 40, 200],
  ['80 KB', 80, 431],
])('answers a GET whose address has %s', async (_, kilobytes, status) => {
  const server = await startHttpServer(serverWith().serverOptions);
  try {
    const query = `vector(${'1+'.repeat(200)}1) # ${'x'.repeat(kilobytes * 1000)}`;
    const answer = await fetch(`${server.url}/api/v1/query?query=${encodeURIComponent(query)}`);
    await answer.arrayBuffer();
    expect(answer.status).toBe(status);
  } finally {
    await server.close();
  }
});
