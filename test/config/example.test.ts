import { expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { configFileSchema } from '../../src/config/schema.ts';
import { problemText } from '../../src/config/problems.ts';
import { environmentOf } from './environment.ts';

const EXAMPLE = readFileSync(resolve('belfry.example.yaml'), 'utf8');

interface Definition {
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly [property: string]: unknown;
}

/** Every key that objects of the schema have, at whatever depth; the definitions of zod are plain objects that hold others. */
function keysOf(schema: unknown, keys = new Set<string>(), seen = new Set<unknown>()): ReadonlySet<string> {
  if (schema === null || typeof schema !== 'object' || seen.has(schema)) return keys;
  seen.add(schema);
  const def = ('_zod' in schema ? (schema._zod as { def: Definition }).def : schema) as Definition;
  for (const [key, value] of Object.entries(def.shape ?? {})) {
    // What is not in this version cannot be shown.
    if (!isLater(value)) keys.add(key);
    keysOf(value, keys, seen);
  }
  for (const name of ['in', 'innerType', 'element', 'valueType']) keysOf(def[name], keys, seen);
  if (Array.isArray(def['options'])) for (const option of def['options']) keysOf(option, keys, seen);
  return keys;
}

function isLater(schema: unknown): boolean {
  return (schema as { safeParse(value: unknown): { error?: Error } }).safeParse(1).error?.message.includes('not in this version') ?? false;
}

it('the example is a configuration without a mistake', () => {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-example-'));
  try {
    const path = join(folder, 'belfry.yaml');
    writeFileSync(path, EXAMPLE);
    writeFileSync(join(folder, 'rules.yaml'), 'groups: []\n');
    const lookup = (name: string): string =>
      name.endsWith('WEBHOOK') || name.endsWith('URL') ? 'https://example.com/x' : 'a-secret-of-the-example';
    const { problems } = loadConfig({
      path,
      environment: environmentOf(lookup),
      workingFolder: folder,
      defaultRules: path,
      readSecrets: true,
    });
    expect(problems.map(problemText)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('the example shows every key, a secret in one of its three forms', () => {
  const shown = new Set(EXAMPLE.match(/[a-z][a-z0-9_]*(?=:)/g));
  const keys = keysOf(configFileSchema);
  expect(keys.size).toBeGreaterThan(100);
  const forms = (key: string): readonly string[] => {
    const base = key.replace(/_(file|env)$/, '');
    return keys.has(`${base}_env`) ? [base, `${base}_file`, `${base}_env`] : [key];
  };
  expect([...keys].filter((key) => !forms(key).some((form) => shown.has(form)))).toEqual([]);
});
