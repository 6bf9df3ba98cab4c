import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BelfryError, errorText } from '../../src/core/errors.ts';
import { Labels } from '../../src/core/labels.ts';
import { TEMPLATE_PROLOGUE } from '../../src/rules/expand.ts';
import { parseTemplate } from '../../src/templates/template.ts';
import { FunctionValue, ListValue, MapValue, StructValue, textOf } from '../../src/templates/value.ts';
import { INVALID_TEMPLATES, TEMPLATE_CASES } from './cases.ts';
import type { RuleTemplateHost } from '../../src/templates/prometheus-functions.ts';

const LABELS = MapValue.ofStrings([
  ['__name__', 'metric'],
  ['instance', 'kafka1.example.com:9092'],
  ['job', 'node'],
  ['path', '/a b&<c>'],
]);
const DATA = new StructValue('data', {
  Labels: LABELS,
  ExternalLabels: MapValue.ofStrings([['region', 'eu']]),
  ExternalURL: 'http://example.com/pre',
  Value: 1_234_567.891,
});
const HOST: RuleTemplateHost = {
  externalUrl: 'http://example.com/pre',
  now: 1_700_000_000_000,
  query: (expression) => {
    if (expression === 'sum(other)') return [{ labels: Labels.empty, value: 9.5 }];
    if (expression !== 'other') return [];
    return [
      { labels: Labels.of({ __name__: 'other', zone: 'b' }), value: 2.5 },
      { labels: Labels.of({ __name__: 'other', zone: 'a' }), value: 7 },
    ];
  },
};

function render(text: string, limits = {}): string {
  return parseTemplate(text, { name: 'test', prologue: TEMPLATE_PROLOGUE, limits }).execute(DATA, HOST);
}

function failure(run: () => unknown): BelfryError {
  try {
    run();
  } catch (error) {
    if (error instanceof BelfryError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('templates', () => {
  it.each(TEMPLATE_CASES)('%s', (template, output) => {
    expect(render(template)).toBe(output);
  });

  it('has what Prometheus 3 added', () => {
    expect(render('{{ toDuration 5400.5 }} {{ toDuration 0.0015 }} {{ toDuration 0 }} {{ (toDuration "90").Minutes }}')).toBe(
      '1h30m0.5s 1.5ms 0s 1.5',
    );
    expect(render('{{ now | toTime }}')).toBe('2023-11-14 22:13:20 +0000 UTC');
    expect(render('{{ ((toTime now).Add (toDuration 60)).Unix }}')).toBe('1700000060');
    expect(render('{{ urlQueryEscape "a b&" }}')).toBe('a+b%26');
    expect(render('{{ title "don\'t a.b.c 1h30m x--y" }} {{ title "a..b straße ﬁn" }}')).toBe("Don't A.b.c 1H30m X--Y A..B Straße Fin");
    expect(render('{{ parseDuration "-1m" }} {{ stripDomain "fe80::1%eth0" }}')).toBe('-60 fe80::1%eth0');
    expect(render('{{ range $i := 3 }}{{ $i }}{{ end }}')).toBe('012');
    expect(render('{{ with $labels.none }}a{{ else with $labels.job }}{{ . }}{{ end }}')).toBe('node');
  });

  it('calls functions and methods that the data carries', () => {
    const double = new FunctionValue('double', { params: ['int'], call: ([n]) => (typeof n === 'bigint' ? n * 2n : n) });
    const list = new ListValue(['a', 'b'], 'List', { Joined: { params: ['string'], call: ([by]) => `a${textOf(by)}b` } });
    const data = new StructValue('data', { Double: double, List: list });
    const run = (text: string): string => parseTemplate(text, { name: 'test' }).execute(data, HOST);
    expect(run('{{ call .Double 21 }} {{ .List.Joined "-" }} {{ "+" | .List.Joined }}')).toBe('42 a-b a+b');
  });
});

describe('templates that cannot be parsed', () => {
  it.each(INVALID_TEMPLATES)('%s', (template, reason) => {
    const error = failure(() => render(template));
    expect([error.code, error.message]).toEqual(['TEMPLATE_INVALID', reason]);
    expect(error.position).toBeDefined();
  });

  it('says where', () => {
    expect(failure(() => render('line one\n  {{ nosuch }}')).position).toEqual({ line: 2, column: 6 });
  });
});

describe('templates that fail when they run', () => {
  it.each([
    ['{{ .Nope }}', "at <.Nope>: can't evaluate field Nope in type data"],
    ['{{ $labels.job.x }}', "can't evaluate field x in type string"],
    ['{{ gt $value 1 }}', 'error calling gt: incompatible types for comparison: float64 and int'],
    ['{{ lt true false }}', 'error calling lt: invalid type for comparison'],
    ['{{ toUpper 1 }}', 'at <1>: expected string; found 1'],
    ['{{ first (query "nothing") }}', 'error calling first: first() called on vector with no elements'],
    ['{{ index $labels 1 }}', 'error calling index: value has type int; should be string'],
    ['{{ index (args) "x" | len }}', 'error calling len: reflect: call of reflect.Value.Type on zero Value'],
    ['{{ template "none" }}', 'template "none" not defined'],
    ['{{ match "(" "x" }}', 'error calling match: error parsing regexp: missing closing ): `(`'],
    ['{{ humanize "x" }}', 'error calling humanize: strconv.ParseFloat: parsing "x": invalid syntax'],
    ['{{ humanizeTimestamp 1e300 }}', 'cannot be represented as a nanoseconds timestamp since it overflows int64'],
    ['{{ printf }}', 'wrong number of args for printf: want at least 1 got 0'],
    ['{{ toUpper "a" "b" }}', 'wrong number of args for toUpper: want 1 got 2'],
    ['{{ range 1.5 }}{{ end }}', "range can't iterate over 1.5"],
    ['{{ nil }}', 'nil is not a command'],
    ['{{ parseDuration "1x" }}', 'unknown unit "x" in duration "1x"'],
  ])('%s', (template, reason) => {
    const error = failure(() => render(template));
    expect(error.code).toBe('TEMPLATE_INVALID');
    expect(error.message).toContain(reason);
    expect(error.message).toMatch(/^error executing template test: template: test:1:\d+: executing "test" at </);
  });

  it.each([
    ['output', '{{ range $i := 100 }}0123456789{{ end }}', { outputLength: 500 }],
    ['loops', '{{ range $i := 1000000 }}{{ range $j := 1000000 }}{{ end }}{{ end }}', {}],
    ['calls', '{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}', {}],
    ['printf', '{{ printf "%1000000d" 1 }}', {}],
  ])('has a limit on %s', (_, template, limits) => {
    expect(failure(() => render(template, limits)).code).toBe('LIMIT_EXCEEDED');
  });

  it('has a limit on nesting', () => {
    expect(errorText(failure(() => render(`{{ ${'('.repeat(10_000)}1${')'.repeat(10_000)} }}`)))).toContain('nested');
    expect(errorText(failure(() => render('{{ if 1 }}'.repeat(10_000))))).toContain('nested');
  });
});

describe('any text', () => {
  const pieces = [
    '{{',
    '}}',
    '{{-',
    '-}}',
    ' ',
    '.',
    '$x',
    ':=',
    '=',
    '"a"',
    '`',
    "'",
    '(',
    ')',
    '|',
    'if',
    'else',
    'end',
    'range',
    'with',
  ];
  const more = [
    'define',
    'template',
    'block',
    'break',
    '.Labels',
    '1',
    '-',
    'printf',
    'and',
    '/*',
    '*/',
    'query',
    '\n',
    ',',
    'nil',
    'é',
    '\\',
  ];

  it('renders or is refused with a code, and never hangs', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces, ...more), fc.string()), { maxLength: 30 }), (parts) => {
        try {
          expect(typeof render(parts.join(''))).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(BelfryError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
