import { describe, expect, it } from '@jest/globals';
import { lastLine, tableText } from '../../bench/report.ts';

describe('the report of a bench', () => {
  it('ends with one line of figures', () => {
    const figures = [
      { name: 'webhook p50', value: 84.4, unit: 'ms' },
      { name: 'disk', value: 0.84, unit: 'bytes a sample' },
      { name: 'email p50', value: Infinity, unit: 'ms' },
      { name: 'misses', value: 1, unit: '' },
    ];
    expect(lastLine('detect', figures)).toBe('detect: webhook p50 84 ms, disk 0.8 bytes a sample, email p50 miss, misses 1');
  });

  it('has tables whose figures stand under their names', () => {
    const table = tableText({
      title: 'kills',
      columns: ['', 'p50', 'misses'],
      rows: [
        ['webhook', '84 ms', '0 of 5'],
        ['email', '191 ms', '1 of 5'],
      ],
    });
    expect(table).toBe(
      ['kills', '            p50  misses', '───────  ──────  ──────', 'webhook   84 ms  0 of 5', 'email    191 ms  1 of 5'].join('\n'),
    );
  });
});
