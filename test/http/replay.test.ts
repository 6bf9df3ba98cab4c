import { describe, expect, it } from '@jest/globals';
import { serverWith, WITH_TOKEN } from './harness.ts';

const URL = '/api/belfry/v1/replay';

describe('POST /api/belfry/v1/replay', () => {
  it('passes the lines on as they come, and ends the replay with the answer', async () => {
    const { server, rooms } = serverWith();
    const payload = { rules: 'current', since: '7d', start: '2026-11-16T00:00:00Z', step: 30, alert: 'DiskLow' };
    const answer = await server.inject({ method: 'POST', url: URL, headers: WITH_TOKEN, payload });
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    expect(
      answer.body
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { type: 'started', id: 'X' },
      { type: 'result', answer: {} },
    ]);
    expect(rooms.calls).toEqual([
      'replay {"rules":"current","startTs":1794787200000,"sinceMs":604800000,"stepMs":30000,"alert":"DiskLow"}',
      'replay over',
    ]);
    await server.close();
  });

  it("takes a file's text as it is, or several files with their names", async () => {
    const { server, rooms } = serverWith();
    for (const rules of ['groups: []', [{ name: 'a.yaml', text: 'groups: []' }]])
      await server.inject({ method: 'POST', url: URL, headers: WITH_TOKEN, payload: { rules, compare: 'current' } });
    expect(rooms.calls.filter((call) => call.startsWith('replay {'))).toEqual([
      'replay {"rules":[{"name":"rules.yaml","text":"groups: []"}],"compare":"current"}',
      'replay {"rules":[{"name":"a.yaml","text":"groups: []"}],"compare":"current"}',
    ]);
    await server.close();
  });

  it.each([
    [{}, 'rules'],
    [{ rules: [] }, 'rules'],
    [{ rules: 'current', since: 'yesterday' }, 'since'],
    [{ rules: 'current', since: -1 }, 'since'],
    [{ rules: 'current', step: 0.5 }, 'step'],
    [{ rules: 'current', start: 'noon' }, 'start'],
    [{ rules: 'current', sinec: '7d' }, 'sinec'],
  ])('refuses %j, naming %s', async (payload, name) => {
    const { server, rooms } = serverWith();
    const answer = await server.inject({ method: 'POST', url: URL, headers: WITH_TOKEN, payload });
    expect(answer.statusCode).toBe(400);
    expect(answer.body).toContain(name);
    expect(rooms.calls).toEqual([]);
    await server.close();
  });

  it('refuses a body that no rule file has', async () => {
    const { server } = serverWith();
    const payload = { rules: ' '.repeat(2_200_000) };
    expect((await server.inject({ method: 'POST', url: URL, headers: WITH_TOKEN, payload })).statusCode).toBe(413);
    await server.close();
  });

  it('ends a replay early at its id', async () => {
    const { server, rooms } = serverWith();
    expect((await server.inject({ method: 'DELETE', url: `${URL}/01ABC`, headers: WITH_TOKEN })).statusCode).toBe(204);
    expect(rooms.calls).toEqual(['stop replay 01ABC']);
    await server.close();
  });
});
