import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { errorCodes } from '../../src/core/errors.ts';

const page = readFileSync('docs/faults.md', 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| fault '));
const named = (pattern: RegExp): string[] => [...new Set([...page.matchAll(pattern)].map(([, name = '']) => name))];

describe('docs/faults.md', () => {
  it('has for each fault what is done, what is seen, and a test that is there', () => {
    expect(rows.length).toBeGreaterThan(20);
    for (const row of rows) {
      const cells = row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      expect([row, cells.length, cells.every((cell) => cell !== '')]).toEqual([row, 4, true]);
      expect([row, /`test\/[^`]+\.test\.ts`/.test(cells[3] ?? '')]).toEqual([row, true]);
    }
    expect(named(/`(test\/[^`]+)`/g).filter((path) => !existsSync(path))).toEqual([]);
  });

  it('names no alert that the default rules do not have', () => {
    const rules = readFileSync('rules.yaml', 'utf8');
    const alerts = named(/`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`/g);
    expect(alerts.length).toBeGreaterThan(10);
    expect(alerts.filter((name) => !rules.includes(`alert: ${name}\n`))).toEqual([]);
  });

  it('names no metric, no event of the log and no error that there is not', () => {
    const [metrics, logs] = ['docs/metrics.md', 'docs/logs.md'].map((path) => readFileSync(path, 'utf8'));
    const names = named(/`([a-z]+(?:_[a-z0-9]+)+)`/g);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => metrics?.includes(`\`${name}\``) !== true && logs?.includes(`\`${name}\``) !== true)).toEqual([]);
    expect(named(/`([A-Z]+(?:_[A-Z]+)+)`/g).filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([]);
  });
});
