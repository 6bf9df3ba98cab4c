import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { problemText } from '../../src/config/problems.ts';
import { environmentOf } from './environment.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';

const PAGE = readFileSync('docs/security.md', 'utf8');
const blocks = (language: string): string[] =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);

describe('docs/security.md', () => {
  let dir: string;

  beforeAll(async () => {
    dir = await makeTempDir();
    writeFileSync(join(dir, 'rules.yaml'), 'groups: []\n');
    for (const file of ['ca.pem', 'belfry.pem', 'belfry.key', 'kafka-password', 'login-ca.pem']) writeFileSync(join(dir, file), 'a text\n');
  });

  afterAll(() => removeTempDir(dir));

  it('makes the certificate and the tokens by its commands', () => {
    for (const commands of blocks('sh')) execFileSync('sh', ['-ec', commands], { cwd: dir, stdio: 'ignore' });
    expect(readFileSync(join(dir, 'grafana-token'), 'utf8')).toHaveLength(44);
  });

  it.each(blocks('yaml').map((text) => [text.split('\n')[0] ?? '', text]))('shows a configuration that is good: %s', (_, text) => {
    const path = join(dir, 'belfry.yaml');
    writeFileSync(path, `rules: [rules.yaml]\n${text}`);
    const { problems } = loadConfig({
      path,
      environment: environmentOf((name) => (name === 'BELFRY_CLIENT_SECRET' ? 'a secret' : undefined)),
      workingFolder: dir,
      defaultRules: join(dir, 'rules.yaml'),
      readSecrets: true,
    });
    expect(problems.map(problemText)).toEqual([]);
  });
});
