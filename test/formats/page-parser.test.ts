import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PageLayouts } from '../../src/formats/page-layout.ts';
import { PAGE_LIMITS, PageParser, parsePage } from '../../src/formats/page-parser.ts';
import type { ExpositionFormat } from '../../src/formats/exposition.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

function read(text: string, format: ExpositionFormat = 'text') {
  const page = parsePage(Buffer.from(text), format);
  return {
    samples: page.layout.series.map((series, i) => [series.toString(), page.values[i]]),
    timestamped: page.timestamped.map(({ labels, value, ts }) => [labels.toString(), value, ts]),
    duplicates: page.duplicates,
  };
}

describe('a page in text format', () => {
  it.each([
    ['a name and a value', 'up 1\n', [['up', 1]]],
    ['no line end at the end', 'up 1', [['up', 1]]],
    ['labels, spaces and a trailing comma', 'a { b = "c" , d="e", } 2\n', [['a{b="c", d="e"}', 2]]],
    ['escapes in a value', String.raw`a{b="\\ \" \n \t"} 1`, [[String.raw`a{b="\\ \" \n \\t"}`, 1]]],
    ['an empty label value, which is no label', 'a{b=""} 1\n', [['a', 1]]],
    ['comments and blank lines', '# HELP a x\n# TYPE a gauge\n\n  \n# anything\na 1\n', [['a', 1]]],
    [
      'special values',
      'a NaN\nb +Inf\nc -Inf\nd 1e3\ne 1e-400\nf .5\n',
      [
        ['a', Number.NaN],
        ['b', Infinity],
        ['c', -Infinity],
        ['d', 1000],
        ['e', 0],
        ['f', 0.5],
      ],
    ],
    ['names in quotes', '{"my.metric", "a b"="c"} 1\n', [['{"my.metric", "a b"="c"}', 1]]],
    ['UTF-8 values', 'a{b="ü€😀"} 1\n', [['a{b="ü€😀"}', 1]]],
    ['a NUL in a value', 'a{b="c\u0000"} 1\n', [[String.raw`a{b="c\u0000"}`, 1]]],
    ['labels without a comma between', 'a{b="c" d="e"} 1\n', [['a{b="c", d="e"}', 1]]],
    ['tabs between parts', 'a\t{b="c"}\t1\n', [['a{b="c"}', 1]]],
  ] as const)('may have %s', (_, text, samples) => {
    expect(read(text).samples).toEqual(samples);
  });

  it('keeps samples with their own timestamp apart, in milliseconds', () => {
    expect(read('a 1 1395066363000\nb 2\n')).toEqual({ samples: [['b', 2]], timestamped: [['a', 1, 1395066363000]], duplicates: 0 });
  });

  it('takes the first of a series that stands twice, and counts the other', () => {
    expect(read('a{b="c"} 1\na{b="c"} 2\n')).toEqual({ samples: [['a{b="c"}', 1]], timestamped: [], duplicates: 1 });
  });

  it.each([
    ['no value', 'up\n', 'line 1: expected a value'],
    ['a value that is no number', 'ok 1\nup one\n', 'line 2: expected a value, found "one"'],
    ['a label without quotes', 'a{b=c} 1\n', 'line 1: expected a quoted label value'],
    ['a text that does not end', 'a{b="c} 1\n', 'line 1: a quoted text does not end'],
    ['a label twice', 'a{b="c",b="d"} 1\n', 'line 1: label "b" twice'],
    ['a timestamp with a fraction', 'a 1 1.5\n', 'line 1: expected a timestamp, found "1.5"'],
    ['something after the timestamp', 'a 1 1 1\n', 'line 1: unexpected "1" at the end'],
    ['an HTML page', '<html>\n', 'line 1: expected a metric name'],
    ['a carriage return', 'a 1\r\n', 'line 1: expected a value'],
    ['an exemplar', 'a 1 # {b="c"} 1\n', 'line 1: unexpected'],
    ['a byte order mark', '\ufeffa 1\n', 'line 1: expected a metric name'],
    ['a timestamp before 1970', 'a 1 -5\n', 'line 1: expected a timestamp, found "-5"'],
    ['a timestamp of more than 64 bits', 'a 1 9223372036854775808\n', 'line 1: expected a timestamp'],
    ['a value in hexadecimal digits', 'a 0x10p2\n', 'line 1: expected a value, found "0x10p2"'],
    ['a value with underscores', 'a 1_000\n', 'line 1: expected a value'],
    ['a value that no double holds', 'a 1e309\n', 'line 1: expected a value, found "1e309"'],
    ['the name of the metric as a label', '{__name__="a"} 1\n', 'line 1: the name of a metric is no label'],
    ['a type that there is not', 'a 1\n# TYPE b speed\n', 'line 2: "speed" is no type of metrics'],
    ['a type with a blank behind', '# TYPE b gauge \n', 'line 1: "gauge " is no type of metrics'],
    ['a type of OpenMetrics', '# TYPE b unknown\n', 'line 1: "unknown" is no type of metrics'],
    ['a help text of no name', '# HELP 7 x\n', 'line 1: expected a metric name after HELP'],
  ])('is refused for %s', (_, text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it('is refused where it is not UTF-8', () => {
    expect(() => parsePage(Buffer.from([97, 123, 98, 61, 34, 0xff, 34, 125, 32, 49]), 'text')).toThrow('line 1: not UTF-8');
  });

  it.each([
    ['more series than allowed', 'a 1\nb 1\nc 1\n', 'SCRAPE_TOO_MANY_SERIES'],
    ['a label value that is too long', `a{b="${'x'.repeat(11)}"} 1\n`, 'SCRAPE_LABEL_TOO_LONG'],
    ['a name that is too long', `${'x'.repeat(31)} 1\n`, 'SCRAPE_LABEL_TOO_LONG'],
  ])('is refused for %s', (_, text, code) => {
    const limits = { seriesMax: 2, labelValueBytes: 10, labelNameBytes: 30, labelsPerSeries: 3 };
    expect(() => parsePage(Buffer.from(text), 'text', limits)).toThrow(expect.objectContaining({ code }));
  });
});

describe('a page in OpenMetrics', () => {
  it('counts timestamps in seconds, skips exemplars, and ends with # EOF', () => {
    const text = '# TYPE a counter\na_total{b="c"} 5 # {trace="x"} 0.5 1.2\nb 1 1395066363.5\n# EOF\n';
    expect(read(text, 'openmetrics')).toEqual({ samples: [['a_total{b="c"}', 5]], timestamped: [['b', 1, 1395066363500]], duplicates: 0 });
  });

  it.each([
    ['cut off', 'a 1\n', 'does not end with # EOF'],
    ['going on after its end', 'a 1\n# EOF\nb 1\n', 'line 3: something after # EOF'],
    ['followed by a blank line', 'a 1\n# EOF\n\n', 'line 3: something after # EOF'],
    ['having a blank line', 'a 1\n\n# EOF\n', 'line 2: expected HELP, TYPE, UNIT or EOF'],
    ['having another comment', '# about a\na 1\n# EOF\n', 'line 1: expected HELP, TYPE, UNIT or EOF'],
    ['having blanks before a name', ' a 1\n# EOF\n', 'line 1: expected a name'],
    ['having blanks between labels', 'a{b="c", d="e"} 1\n# EOF\n', 'line 1: expected a name, its labels without blanks'],
    ['having no comma between labels', 'a{b="c"d="e"} 1\n# EOF\n', 'line 1: expected "," or "}"'],
    ['having a blank before the labels', 'a {b="c"} 1\n# EOF\n', 'line 1: expected a value after one blank'],
    ['having no blank before the value', 'a{b="c"}1\n# EOF\n', 'line 1: expected a name'],
    ['having two blanks', 'a  1\n# EOF\n', 'line 1: expected a value after one blank'],
    ['having a blank at the end of a line', 'a 1 2 \n# EOF\n', 'line 1: expected the line to end'],
    ['having tabs', 'a 1\t2\n# EOF\n', 'line 1: expected the line to end'],
    ['having a type of the text format', '# TYPE a untyped\n# EOF\n', 'line 1: "untyped" is no type'],
    ['having a help without text', '# HELP a\n# EOF\n', 'line 1: expected HELP, TYPE, UNIT or EOF'],
    ['having a unit that its name lacks', '# UNIT wait seconds\n# EOF\n', 'line 1: the name wait does not end in its unit'],
    ['having a time that is none', 'a 1 NaN\n# EOF\n', 'line 1: expected a timestamp'],
    ['having an exemplar without a value', 'a 1 # {b="c"}\n# EOF\n', 'line 1: expected the line to end, or an exemplar'],
    ['having an exemplar with a word for a value', 'a 1 # {b="c"} much\n# EOF\n', 'line 1: expected the value of an exemplar'],
    ['having an exemplar with no finite time', 'a 1 # {b="c"} 1 +Inf\n# EOF\n', 'line 1: expected the time of an exemplar'],
    ['having a name in an exemplar', 'a 1 # {"b"} 1\n# EOF\n', 'line 1: expected the line to end, or an exemplar'],
  ])('is refused when %s', (_, text, message) => {
    expect(() => read(text, 'openmetrics')).toThrow(message);
  });
});

describe('the bounds of a histogram and of a summary', () => {
  const bounds = (type: string, label: string, ...values: readonly string[]): readonly (string | undefined)[] => {
    const lines = values.map((value) => `a{${label}="${value}"} 1\n`);
    return parsePage(Buffer.from(`# TYPE a ${type}\n${lines.join('')}`), 'text').layout.series.map((series) => series.get(label));
  };

  it('are written as Prometheus writes them since 3.0', () => {
    const asWritten = ['1', '0', '-0', '5.0', '.5', '1e3', '100000', '1000000', '2.5e7', '0.0001', '0.00001', '+Inf', 'inf', '-3', 'x', ''];
    const written = [
      '1.0',
      '0.0',
      '0.0',
      '5.0',
      '0.5',
      '1000.0',
      '100000.0',
      '1e+06',
      '2.5e+07',
      '0.0001',
      '1e-05',
      '+Inf',
      '+Inf',
      '-3.0',
      'x',
      '',
    ];
    for (const [i, text] of asWritten.entries()) expect([text, ...bounds('histogram', 'le', text)]).toEqual([text, written[i]]);
    expect(bounds('summary', 'quantile', '0', '1', '0.99')).toEqual(['0.0', '1.0', '0.99']);
  });

  it.each([
    ['of other types', 'gauge', 'le'],
    ['of a summary that is named le', 'summary', 'le'],
    ['of a histogram that is named quantile', 'histogram', 'quantile'],
  ])('stay where a label is %s', (_, type, label) => {
    expect(bounds(type, label, '1')).toEqual(['1']);
  });

  it('are those of the type that was named last, also in a page that is read after another one, and in labels that are made anew', () => {
    const parser = new PageParser();
    const pages = [
      '# TYPE a histogram\na{le="1"} 1\n# TYPE b gauge\nb{le="1"} 2\n',
      '# TYPE b gauge\nb{le="1"} 3\n# TYPE a histogram\na{le="1"} 4\nc{le="7"} 5\n',
      '# TYPE b histogram\nb{le="1"} 3\n# TYPE a gauge\na{le="1"} 4\n# HELP a x\n',
      '# TYPE b histogram\n# HELP a x\nb{le="1"} 3\n# TYPE a gauge\na{le="1"} 4\n',
    ];
    for (const page of pages) {
      const { layout } = parser.parse(Buffer.from(page), 'text');
      layout.forgetSeries();
      expect(layout.series.map(String)).toEqual(parsePage(Buffer.from(page), 'text').layout.series.map(String));
    }
    expect(parsePage(Buffer.from(pages[1]!), 'text').layout.series.map(String)).toEqual(['b{le="1"}', 'a{le="1.0"}', 'c{le="7.0"}']);
  });

  it('that are the same make the same series', () => {
    const page = '# TYPE a histogram\na{le="1"} 1\na{le="1.0"} 2\n';
    expect(read(page)).toEqual({ samples: [['a{le="1.0"}', 1]], timestamped: [], duplicates: 1 });
  });
});

describe('the next page of a target', () => {
  const page = (a: string, b: string): Buffer => Buffer.from(`# HELP a x\na{l="1"} ${a}\nb ${b}\n`);

  it('keeps the layout object while only values change', () => {
    const parser = new PageParser();
    const first = parser.parse(page('1', '2'), 'text').layout;
    const second = parser.parse(page('17', '0.25'), 'text');
    expect(second.layout).toBe(first);
    expect([...second.values]).toEqual([17, 0.25]);
  });

  it.each([
    ['a new series', '# HELP a x\na{l="1"} 1\nb 2\nc 3\n', 3],
    ['a series gone', '# HELP a x\na{l="1"} 1\n', 1],
    ['another label', '# HELP a x\na{l="2"} 1\nb 2\n', 2],
    ['another comment', '# HELP a y\na{l="1"} 1\nb 2\n', 2],
    ['a timestamp', '# HELP a x\na{l="1"} 1\nb 2 1000\n', 1],
  ])('has a new layout with %s', (_, text, count) => {
    const parser = new PageParser();
    const first = parser.parse(page('1', '2'), 'text').layout;
    const second = parser.parse(Buffer.from(text), 'text');
    expect(second.layout).not.toBe(first);
    expect(second.layout.series).toHaveLength(count);
  });

  it('gives the same values as parsing each page afresh, whatever the numbers', () => {
    const parser = new PageParser();
    const number = fc.oneof(
      fc.double().map((value) => (Number.isNaN(value) ? 'NaN' : Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf')),
      fc.integer().map(String),
      fc.tuple(fc.integer(), fc.integer({ min: 0, max: 999 })).map(([whole, part]) => `${whole}.${part}`),
      fc.constantFrom('0', '-0', '1e-5', '1E+22', '123456789012345', '0.000000000000001', 'nan', 'Inf', '+1'),
    );
    fc.assert(
      fc.property(number, number, (a, b) => {
        const again = parser.parse(page(a, b), 'text');
        const fresh = parsePage(page(a, b), 'text');
        expect([...again.values]).toEqual([...fresh.values]);
        expect([...fresh.values]).toEqual([a, b].map((text) => Number(text.replace(/^\+?(-?)inf$/i, '$1Infinity'))));
      }),
    );
  });

  it.each([
    ['a line more', 'a 1\nx{b="c"} 5\nb 2\nc{d="e"} 3\n', [0, -1, 1, 2], ['x{b="c"}']],
    ['a line less', 'a 1\nc{d="e"} 3\n', [0, 2], []],
    ['lines in another order', 'c{d="e"} 3\na 1\nb 2\n', [2, 0, 1], []],
    ['another label in one line', 'a 1\nb 2\nc{d="f"} 3\n', [0, 1, -1], ['c{d="f"}']],
    ['another comment', '# about a\na 1\nb 2\nc{d="e"} 3\n', [0, 1, 2], []],
  ] as const)('tells what it has of the last one: %s', (_, text, columns, born) => {
    const parser = new PageParser();
    const first = parser.parse(Buffer.from('a 1\nb 2\nc{d="e"} 3\n'), 'text');
    const second = parser.parse(Buffer.from(text), 'text');
    expect(second.change?.before).toBe(first.layout);
    expect([...(second.change?.columns ?? [])]).toEqual(columns);
    expect(Array.from(second.change?.born.values() ?? [], String)).toEqual(born);
    expect(second.layout.series.map(String)).toEqual(parsePage(Buffer.from(text), 'text').layout.series.map(String));
  });

  it('is read whole each time where a value follows its name without a space', () => {
    const parser = new PageParser();
    parser.parse(Buffer.from('a 1\nb1-2\n'), 'text').layout.forgetSeries();
    const { layout, values } = parser.parse(Buffer.from('a 1\nb1-3\n'), 'text');
    expect([layout.series.map(String), [...values]]).toEqual([
      ['a', 'b1'],
      [1, -3],
    ]);
    expect(() => parser.parse(Buffer.from('a 1\nb123\n'), 'text')).toThrow(expect.objectContaining({ code: 'EXPOSITION_MALFORMED' }));
  });

  it('is read whole where the same labels are written another way', () => {
    const parser = new PageParser();
    parser.parse(Buffer.from('a{b="c",d="e"} 1\nf 2\n'), 'text');
    const page = parser.parse(Buffer.from('f 1\na{d="e",b="c"} 3\na{b="c",d="e"} 4\n'), 'text');
    expect(page.change).toBeUndefined();
    expect(page.duplicates).toBe(1);
    expect([...page.values]).toEqual([1, 3]);
  });

  it('is the same as parsed afresh, whatever lines come, go and move', () => {
    const line = fc.oneof(
      fc
        .tuple(fc.constantFrom('a', 'b', 'c{x="1"}', 'c{x="2"}', 'c{x="2",y="3"}', 'c{y="3",x="2"}', 'd '), fc.integer({ min: 0, max: 9 }))
        .map(([series, value]) => `${series} ${value}`),
      fc.constantFrom('# HELP a x', '', '# a', 'e 1 1000', 'f NaN', '# TYPE c histogram', '# TYPE c gauge', 'c{le="1"} 1', 'c{le="1.0"} 1'),
    );
    const pages = fc.array(fc.array(line, { maxLength: 8 }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(pages, (all) => {
        const parser = new PageParser();
        for (const lines of all) {
          const body = Buffer.from(lines.join('\n'));
          const again = parser.parse(body, 'text');
          const values = [...again.values];
          const fresh = parsePage(body, 'text');
          expect(again.layout.series.map(String)).toEqual(fresh.layout.series.map(String));
          expect(values).toEqual([...fresh.values]);
          expect(again.duplicates).toBe(fresh.duplicates);
          expect(again.timestamped).toEqual(fresh.timestamped);
          again.layout.forgetSeries();
        }
      }),
    );
  });

  it('never hangs or fails otherwise than with a named error on mutated pages', () => {
    const parser = new PageParser();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), fc.uint8Array({ maxLength: 4 }), fc.boolean(), (at, bytes, openMetrics) => {
        const base = page('1', '2');
        const mutated = Buffer.concat([base.subarray(0, at % base.length), bytes, base.subarray((at % base.length) + bytes.length)]);
        try {
          parser.parse(mutated, openMetrics ? 'openmetrics' : 'text');
        } catch (error) {
          expect(error).toMatchObject({ name: 'BelfryError', message: expect.stringMatching(/^(line \d+: |the page does not end)/) });
        }
      }),
    );
  });
});

describe('the pages of several targets', () => {
  it('share what is remembered of them while they have the same lines', () => {
    const layouts = new PageLayouts();
    const [one, other] = [new PageParser(PAGE_LIMITS, layouts), new PageParser(PAGE_LIMITS, layouts)];
    const first = one.parse(Buffer.from('a{b="c"} 1\n'), 'text').layout;
    first.forgetSeries();
    expect(other.parse(Buffer.from('a{b="c"} 2\n'), 'text').layout).toBe(first);
    expect(other.parse(Buffer.from('a{b="d"} 2\n'), 'text').layout).not.toBe(first);
    expect(first.series.map(String)).toEqual(['a{b="c"}']);
  });
});

describe('a page read in slices', () => {
  const text = Array.from({ length: 20_000 }, (_, i) => `a{b="${i}"} ${i}\n`).join('');

  it('is the same page, and others had their turn meanwhile', async () => {
    let pauses = 0;
    const page = await new PageParser().parseInSlices(Buffer.from(text), 'text', async () => void pauses++);
    const whole = parsePage(Buffer.from(text), 'text');
    expect(page.values).toEqual(whole.values);
    expect(page.layout.series.map(({ key }) => key).join()).toBe(whole.layout.series.map(({ key }) => key).join());
    expect(pauses).toBe(Math.ceil(text.length / 65_536) - 1);
  });

  it('of the layout that is known takes one', async () => {
    const parser = new PageParser();
    await parser.parseInSlices(Buffer.from(text), 'text', async () => undefined);
    const pause = async (): Promise<void> => Promise.reject(new Error('a pause'));
    expect((await parser.parseInSlices(Buffer.from(text), 'text', pause)).values[7]).toBe(7);
    await expect(new PageParser().parseInSlices(Buffer.from(text), 'text', pause)).rejects.toThrow('a pause');
  });
});
