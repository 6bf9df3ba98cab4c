import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const source = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join(ROOT, 'src', path), 'utf8'))
  .join('\n');
const documented = new Map<string, string>();
for (const [, names = '', levels = ''] of readFileSync(join(ROOT, 'docs/logs.md'), 'utf8').matchAll(/^\| (`.*?`) \| ([a-z, ]+) \|/gm)) {
  for (const [, name = ''] of names.matchAll(/`([a-z_]+)`/g)) documented.set(name, levels);
}

describe('docs/logs.md', () => {
  it('names every event that is logged at a level above debug, with its level', () => {
    const missing: string[] = [];
    for (const [, level = '', event = ''] of source.matchAll(/\.(info|warn|error)\(\s*'([a-z][a-z0-9_]*)'[,)]/g)) {
      if (documented.get(event)?.split(', ').includes(level) !== true) missing.push(`${event} ${level}`);
    }
    expect([...new Set(missing)].toSorted()).toEqual([]);
  });

  it('names none that the code does not know', () => {
    expect([...documented.keys()].filter((event) => !source.includes(`'${event}'`))).toEqual([]);
  });

  it('has events in snake_case', () => {
    const odd = [...source.matchAll(/\blog\.(?:debug|info|warn|error)\(\s*'([^']*)'/g)].filter(
      ([, event = '']) => !/^[a-z][a-z0-9_]*$/.test(event),
    );
    expect(odd.map(([, event]) => event)).toEqual([]);
  });
});
