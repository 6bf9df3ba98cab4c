import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LINTS } from '../../src/rules/lint.ts';
import { Shell } from './harness.ts';

const TEXT = readFileSync(join(import.meta.dirname, '../../docs/rules.md'), 'utf8');

let shell: Shell;
beforeEach(() => {
  shell = new Shell();
  for (const [, name = '', text = ''] of TEXT.matchAll(/^```yaml file=(\S+)\n([^]*?)^```$/gm))
    writeFileSync(join(shell.folder, name), text);
});
afterEach(() => shell.close());

describe('docs/rules.md', () => {
  it('has rules with which nothing is wrong, and a test that they pass', async () => {
    expect(await shell.run('check', 'rules.yaml')).toEqual({ out: 'rules.yaml: ok, 2 rules\n', err: '', exitCode: 0, failure: '' });
    expect(await shell.run('test', 'rules.test.yaml')).toEqual({ out: 'rules.test.yaml: ok, 1 test\n', err: '', exitCode: 0, failure: '' });
  });

  it('has a row for every lint, and so has the help', async () => {
    const [, lints = ''] = TEXT.split('**Lints**');
    const rows = [...lints.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);
    expect(rows).toEqual(LINTS);
    const { out } = await shell.run('check', '--help');
    expect(LINTS.filter((lint) => !new RegExp(`^  ${lint} `, 'm').test(out))).toEqual([]);
  });

  it('shows the keys that --json gives', async () => {
    const keysOf = (value: unknown): readonly string[] => (typeof value === 'object' && value !== null ? Object.keys(value) : []);
    const fileOf = (text: string): Record<string, unknown> => {
      const parsed: unknown = JSON.parse(text);
      if (typeof parsed !== 'object' || parsed === null || !('files' in parsed) || !Array.isArray(parsed.files))
        throw new Error('no files');
      return Object.fromEntries(Object.entries(parsed.files[0] ?? {}));
    };
    const shown = fileOf(/^```json\n([^]*?)^```$/m.exec(TEXT)?.[1] ?? '');
    const text = readFileSync(join(shell.folder, 'rules.test.yaml'), 'utf8');
    writeFileSync(join(shell.folder, 'rules.test.yaml'), text.replace('only 1 broker', 'no broker'));
    const given = fileOf((await shell.run('test', 'rules.test.yaml', '--json')).out);
    expect(keysOf(given)).toEqual(keysOf(shown));
    for (const key of ['tests', 'failures']) expect(keysOf([given[key]].flat()[0])).toEqual(keysOf([shown[key]].flat()[0]));
  });
});
