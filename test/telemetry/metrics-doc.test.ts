import { globSync, readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';

it("docs/metrics.md has every metric of Belfry's own", () => {
  const documented = readFileSync('docs/metrics.md', 'utf8');
  const sources = globSync('src/**/*.ts').map((path) => readFileSync(path, 'utf8'));
  const made = sources.flatMap((text) =>
    [...text.matchAll(/(?:counter|gauge|histogram)\(\s*'(belfry_[a-z_]+)'/g)].map(([, name]) => name ?? ''),
  );
  expect(made.length).toBeGreaterThan(30);
  expect([...new Set(made)].filter((name) => !documented.includes(`\`${name}\``))).toEqual([]);
});
