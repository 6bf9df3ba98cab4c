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

  it.each<readonly [string, readonly string[], readonly string[]]>([
    [
      'a counter with when it was created and an exemplar',
      [
        '# TYPE paid counter',
        '# UNIT paid euros',
        'paid_total{by="card"} 17 1.5 # {order="a#b"} 0.5 1.25',
        'paid_created{by="card"} 1e9 1.5',
      ],
      ['paid_total{by="card"} 17@1500', 'paid_created{by="card"} 1000000000@1500'],
    ],
    [
      'a histogram',
      ['# TYPE wait histogram', 'wait_bucket{le="0.5"} 3 2 # {} 0.1', 'wait_bucket{le="+Inf"} 4 2e0', 'wait_count 4 2', 'wait_sum 1e-1 2'],
      ['wait_bucket{le="0.5"} 3@2000', 'wait_bucket{le="+Inf"} 4@2000', 'wait_count 4@2000', 'wait_sum 0.1@2000'],
    ],
    [
      'a gauge histogram and a summary',
      [
        '# TYPE age gaugehistogram',
        'age_bucket{le="+Inf"} 3 2',
        'age_gcount 3 2',
        'age_gsum -2 2',
        '# TYPE s summary',
        's{quantile="0.5"} NaN 2',
      ],
      ['age_bucket{le="+Inf"} 3@2000', 'age_gcount 3@2000', 'age_gsum -2@2000', 's{quantile="0.5"} NaN@2000'],
    ],
    [
      'an info and a state set',
      [
        '# TYPE build info',
        'build_info{text="a\\n\\"b\\"\\\\c"} 1 2',
        '# TYPE mode stateset',
        'mode{mode="on"} 1 2',
        'mode{mode="off"} 0 2',
      ],
      ['build_info{text="a\\n\\"b\\"\\\\c"} 1@2000', 'mode{mode="on"} 1@2000', 'mode{mode="off"} 0@2000'],
    ],
    [
      'times in whole seconds, with a fraction, before 1970 and beyond a millisecond',
      ['x 1 1699990000', 'x 2 1699990000.123', 'x 3 1.6999900005e9', 'y 1 -5.5', 'y 2 0.0004'],
      ['x 1@1699990000000 2@1699990000123 3@1699990000500', 'y 1@-5500 2@0'],
    ],
    [
      'names that only quotes can hold',
      ['{"disk.used","mount point"="/"} 5 1', '{"disk.used"} 6 1'],
      ['{"disk.used", "mount point"="/"} 5@1000', '{"disk.used"} 6@1000'],
    ],
  ])('may be %s', (_, lines, expected) => {
    expect(seriesOf(...lines, '# EOF')).toEqual(expected);
  });
});
