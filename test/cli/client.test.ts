import { describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BelfryClient } from '../../src/cli/client.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { SystemClock } from '../../src/core/clock.ts';

describe('the client of the running process', () => {
  it.each([
    { folder: 'relative to the working folder', data: () => 'state' },
    { folder: 'absolute', data: (dir: string) => join(dir, 'state') },
  ])('sends the token of the data folder, $folder', async ({ data }) => {
    const dir = mkdtempSync(join(tmpdir(), 'belfry-client-'));
    const seen: (string | undefined)[] = [];
    const server = http.createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end('{}');
    });
    try {
      mkdirSync(join(dir, 'state'));
      writeFileSync(join(dir, 'state', 'token'), 'of-the-folder\n');
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      await new BelfryClient({ url, data: data(dir) }, contextIn(dir)).request('GET', '/');
      expect(seen).toEqual(['Bearer of-the-folder']);
    } finally {
      server.closeAllConnections();
      server.close();
      rmSync(dir, { recursive: true });
    }
  });
});

function contextIn(workingFolder: string): CliContext {
  const nowhere = { isTerminal: false, write: () => undefined };
  return {
    environment: {
      kafkaBrokers: undefined,
      configPath: undefined,
      logLevel: undefined,
      url: undefined,
      token: undefined,
      lookup: () => undefined,
    },
    clock: new SystemClock(),
    workingFolder,
    installation: workingFolder,
    version: '0',
    out: nowhere,
    err: nowhere,
    signal: new AbortController().signal,
    onHangup: () => undefined,
    setExitCode: () => undefined,
  };
}
