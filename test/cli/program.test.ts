import { afterAll, describe, expect, it } from '@jest/globals';
import { Shell } from './harness.ts';

const shell = new Shell();
afterAll(() => shell.close());

/** As help tells them. */
async function commands(): Promise<readonly string[]> {
  const { out } = await shell.run('--help');
  const list = out.slice(out.indexOf('Commands:'), out.indexOf('Start here:'));
  return [...list.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name = '']) => name);
}

describe('the command line', () => {
  it('knows each command that help tells of by its name alone', async () => {
    const names = await commands();
    expect(names.length).toBeGreaterThan(20);
    for (const name of names.filter((each) => each !== 'help')) {
      expect(await shell.run(name, '--help')).toMatchObject({ out: expect.stringMatching(`^Usage: belfry ${name} `), exitCode: 0 });
      expect((await shell.run('help', name)).out).toBe((await shell.run(name, '--help')).out);
    }
  });

  it('says what is near a name that is none', async () => {
    expect(await shell.run('alrets')).toMatchObject({
      exitCode: 2,
      err: expect.stringMatching(/unknown command 'alrets'.*Did you mean alerts/s),
    });
  });
});
