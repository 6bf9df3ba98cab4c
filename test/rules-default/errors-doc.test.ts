import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { errorCodes } from '../../src/core/errors.ts';

describe('docs/errors.md', () => {
  const rows = [...readFileSync('docs/errors.md', 'utf8').matchAll(/^\| `([A-Z_]+)` \| (yes|no) \| (\d{3}) \| (.+) \| (.+) \|$/gm)];

  it('has a row for every code, in their order, with what the code says of itself', () => {
    const told = rows.map(([, code, retryable, status]) => ({ code, retryable: retryable === 'yes', status: Number(status) }));
    expect(told).toEqual(Object.entries(errorCodes).map(([code, facts]) => ({ code, ...facts })));
  });

  it('says of each what it means and what to do', () => {
    for (const [, , , , meaning = '', todo = ''] of rows) expect([meaning.trim(), todo.trim()]).not.toContain('');
  });
});
