import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { loadUnitTest, runUnitTest } from '../../src/rules/unit-test.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { defaultRules, LONG_TEST_PATHS, RULES_PATH, RULES_TEST_PATH } from './default-rules.ts';

const TIMEOUT_MS = 300_000;
const missing =
  spawnSync('promtool', ['--version']).status === 0 ? undefined : 'promtool is not there (on Debian: apt-get install prometheus)';

describeWhere(missing, 'the real promtool', () => {
  it('accepts the rules', () => {
    const { status, stdout } = promtool('check', 'rules', RULES_PATH);
    expect([status, stdout]).toEqual([0, expect.stringContaining(`SUCCESS: ${defaultRules.length} rules found`)]);
  });

  it(
    'sees all their tests pass',
    () => {
      expect(promtool('test', 'rules', RULES_TEST_PATH, ...LONG_TEST_PATHS)).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('SUCCESS'),
      });
    },
    TIMEOUT_MS,
  );
});

describe('our own engine', () => {
  it.each([
    [RULES_TEST_PATH, 'the same cases, though it follows the directives that promtool does not know'],
    ...LONG_TEST_PATHS.map((path): [string, string] => [path, 'the same']),
    ['test/rules-default/directives.test.yaml', 'what these directives add'],
  ])(
    'sees all tests of %s pass: %s',
    async (path) => {
      const { file, ruleFiles } = await loadUnitTest(path);
      const { failures, passed } = runUnitTest(file, ruleFiles, { obeyDirectives: true });
      expect(failures).toEqual([]);
      expect(passed).toBe(file.tests.length);
    },
    TIMEOUT_MS,
  );
});

function promtool(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8', timeout: TIMEOUT_MS });
  return { status, stdout, stderr };
}
