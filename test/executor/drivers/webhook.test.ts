import { describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../../src/core/clock.ts';
import { Secret } from '../../../src/core/secret.ts';
import { WebhookStep } from '../../../src/executor/drivers/webhook.ts';
import { verifyBody } from '../../../src/formats/intent-signature.ts';
import { type ApiAnswer, ApiStandIn, stepRun } from '../api-stand-in.ts';

const clock = new SystemClock();
const SECRET = 'a secret of the tests';

async function run(
  answers: readonly ApiAnswer[],
  task: Parameters<typeof stepRun>[0] = {},
): Promise<{ api: ApiStandIn; run: ReturnType<typeof stepRun> }> {
  const left = [...answers];
  const api = await ApiStandIn.start(() => left.shift() ?? { status: 500 });
  const surroundings = stepRun(task);
  try {
    await new WebhookStep(1000, { url: `${api.url}/act`, secret: () => SECRET, clock, pollMs: 5 }).run(surroundings);
    return { api, run: surroundings };
  } finally {
    await api.close();
  }
}

describe('a webhook', () => {
  it('is signed, and asked for its status until it is done', async () => {
    const answers = [
      { status: 202, body: { status: 'accepted', statusUrl: '/status/1' } },
      { body: { status: 'running', text: 'copying' } },
      { status: 503 },
      { body: { status: 'succeeded', broker: 4 } },
    ];
    const { api, run: seen } = await run(answers, { action: 'replace' });
    const [post] = api.requests;
    const given = { timestamp: String(post?.headers['x-belfry-timestamp']), signature: String(post?.headers['x-belfry-signature']) };
    expect(verifyBody(new Secret(SECRET), post?.text ?? '', given, clock.wall())).toBe('genuine');
    expect(JSON.parse(post?.text ?? '')).toMatchObject({ action: 'replace', broker: 2, fencingToken: 7 });
    expect(api.requests.slice(1).map(({ path }) => path)).toEqual(['/status/1', '/status/1', '/status/1']);
    expect(seen.told).toEqual(['accepted', 'copying']);
    expect([...seen.task.added]).toEqual([4]);
  });

  it.each<[string, ApiAnswer]>([
    ['204', { status: 204 }],
    ['200 with JSON of its own', { body: { ticket: 7 } }],
  ])('has done it when it answers %s', async (_, answer) => {
    expect((await run([answer])).api.requests).toHaveLength(1);
  });

  it.each<[string, readonly ApiAnswer[], string]>([
    ['a refusal', [{ status: 403, body: { error: 'not you' } }], 'not you'],
    ['a failure', [{ body: { status: 'failed', text: 'no machine left' } }], 'no machine left'],
    [
      'a status address elsewhere',
      [{ status: 202, body: { status: 'accepted', statusUrl: 'http://127.0.0.1:1/x' } }],
      'not on its own origin',
    ],
    ['no status address', [{ status: 202, body: { status: 'accepted' } }], 'named no statusUrl'],
    ['another language', [{ status: 202, body: 'yes' }], 'not in words that are known'],
    ['a status of another language', [{ body: { status: 'queued' } }], 'not in words that are known'],
    ['words without a meaning', [{ body: 'come back later' }], 'not in words that are known'],
    ['an address that moved', [{ status: 302, headers: { location: '/elsewhere' } }], 'status 302'],
    [
      'a status address that says nothing',
      [{ status: 202, body: { status: 'accepted', statusUrl: '/status/1' } }, ...Array.from({ length: 10 }, () => ({ body: {} }))],
      'not in words that are known',
    ],
  ])('fails on %s', async (_, answers, text) => {
    await expect(run(answers)).rejects.toThrow(text);
  });
});
