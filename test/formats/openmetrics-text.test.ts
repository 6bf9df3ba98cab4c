import { describe, expect, it } from '@jest/globals';
import { TimedTextReader } from '../../src/formats/openmetrics-text.ts';

function seriesOf(...lines: readonly string[]): readonly string[] {
  const reader = new TimedTextReader(Buffer.from(lines.join('\n')));
  while (reader.read());
  return reader.series().map(({ labels, ts, values }) => `${labels.toString()} ${values.map((value, i) => `${value}@${ts[i]}`).join(' ')}`);
}

describe('OpenMetrics text with times', () => {
  it('is read series by series', () => {
    expect(seriesOf('up{a="b"} 1 1', 'up{a="b"} 2 2.5', 'up 3 1', '# EOF')).toEqual(['up{a="b"} 1@1000 2@2500', 'up 3@1000']);
  });

  it.each([
    ['up-1 5', 'up2 5'],
    ['up+1 5', 'upNaN 5'],
  ])('takes a longer name for no other value: %s, %s', (first, second) => {
    const value = first.slice(2, 4);
    expect(() => seriesOf(first, second)).toThrow('line 2');
    expect(seriesOf(first, `${second.split(' ')[0]} 7 6`)).toEqual([`up ${Number(value)}@5000`, `${second.split(' ')[0]} 7@6000`]);
  });

  it('follows a series whose value stands right behind its labels', () => {
    expect(seriesOf('up{a="b"}1 5', 'up{a="b"}2 6')).toEqual(['up{a="b"} 1@5000 2@6000']);
  });
});
