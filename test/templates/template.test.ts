import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BelfryError, errorText } from '../../src/core/errors.ts';
import { Labels } from '../../src/core/labels.ts';
import { SampleTemplates, TEMPLATE_PROLOGUE } from '../../src/rules/expand.ts';
import { parseTemplate } from '../../src/templates/template.ts';
import { FunctionValue, ListValue, MapValue, StructValue, textOf } from '../../src/templates/value.ts';
import { INVALID_TEMPLATES, TEMPLATE_CASES } from './cases.ts';
import { FAILURE_START, FAILURES, PARSE_FAILURES } from './failures.ts';
import type { RuleTemplateHost } from '../../src/templates/prometheus-functions.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

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

function render(text: string, host = HOST): string {
  return parseTemplate(text, { name: 'test', prologue: TEMPLATE_PROLOGUE }).execute(DATA, host);
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
  it.each([...INVALID_TEMPLATES, ...PARSE_FAILURES])('%s', (template, reason) => {
    const error = failure(() => render(template));
    expect([error.code, error.message]).toEqual(['TEMPLATE_INVALID', reason]);
    expect(error.position).toBeDefined();
  });

  it('says where', () => {
    expect(failure(() => render('line one\n  {{ nosuch }}')).position).toEqual({ line: 2, column: 6 });
  });
});

describe('templates that fail when they run', () => {
  const sample = Labels.of({ __name__: 'metric', instance: 'kafka1.example.com:9092', job: 'node', path: '/a b&<c>' });
  const templates = new SampleTemplates(sample, 1_234_567.891, Labels.of({ region: 'eu' }), HOST);

  it.each(FAILURES)('%s', (text, expected) => {
    const template = parseTemplate(text, { name: '__alert_A', prologue: TEMPLATE_PROLOGUE });
    const errors: unknown[] = [];
    const [expanded] = templates.expand([{ name: 'summary', template }], (_, error) => errors.push(error));
    expect(expanded).toEqual(['summary', `${FAILURE_START}${expected}`]);
    expect(errors).toEqual([expect.objectContaining({ code: 'TEMPLATE_INVALID' })]);
  });

  it('name the place in the text as it was written, whatever Prometheus puts before it', () => {
    const error = failure(() => render('line é\n  {{ "é" | toUpper | humanize }}'));
    expect(error.message).toContain('test:2:22: executing "test" at <humanize>');
    expect(error.position).toEqual({ line: 2, column: 22 });
    expect(failure(() => render('{{ .Nope }}')).position).toEqual({ line: 1, column: 4 });
  });

  it('say what is wrong with a query, and where in it', () => {
    const query = (): never => {
      throw new BelfryError('PROMQL_SYNTAX', 'unexpected end of input', { position: { line: 1, column: 4 } });
    };
    const { message } = failure(() => render('{{ query "up{" }}', { ...HOST, query }));
    expect(message).toMatch(/at <query "up\{">: error calling query: 1:4: parse error: unexpected end of input$/);
  });
});

describe('templates that would take too long', () => {
  const long = '{{ $x := printf "%10000d" 1 }}{{ $x = print $x $x $x $x $x $x }}';

  it.each([
    ['turns', '{{ range $i := 1000000000 }}{{ end }}'],
    ['loops in loops', '{{ range 100000 }}{{ range 100000 }}{{ eq 1 1 }}{{ end }}{{ end }}'],
    ['output', `{{ range $i := 20000 }}${'0123456789'.repeat(20)}{{ end }}`],
    ['a template that calls itself', '{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}'],
    ['the whole template calling itself', '{{ template "test" . }}'],
    [
      'templates that call themselves twice',
      '{{ define "x" }}{{ if lt (len .) 90 }}{{ template "x" (print . 1) }}{{ template "x" (print . 2) }}{{ end }}{{ end }}{{ template "x" "" }}',
    ],
    ['a wide field', '{{ printf "%1000000d" 1 }}'],
    ['a wide field that is an argument', '{{ printf "%*d" 1000000 1 }}'],
    ['many wide fields', `{{ printf "${'%9999d'.repeat(2000)}" ${'1 '.repeat(2000)} }}`],
    ['a text that doubles', '{{ $x := "ab" }}{{ range 1000 }}{{ $x = print $x $x }}{{ end }}'],
    ['a map that doubles', '{{ $x := args 1 }}{{ range 1000 }}{{ $x = args $x $x }}{{ end }}'],
    ['one long text looked at again and again', `${long}{{ range 100000 }}{{ $y := index $x 5 }}{{ end }}`],
    ['one long text escaped again and again', `${long}{{ range 100000 }}{{ $y := js $x }}{{ end }}`],
    ['expressions', '{{ range $i := 100000 }}{{ match (print "(a|b|1)*x{1,900}" $i) "aaaa" }}{{ end }}'],
    ['an expression over a long text', `${long}{{ range 100 }}{{ $y := match "(a+b*|c{1,50})+x" $x }}{{ end }}`],
    ['a replacement that grows', '{{ $x := printf "%3000d" 1 }}{{ reReplaceAll " " $x $x }}'],
    ['queries', '{{ range 100000 }}{{ $y := query "other" }}{{ end }}'],
    ['arguments', `{{ range 100000 }}{{ if eq 1 ${'2 '.repeat(5000)}}}{{ end }}{{ end }}`],
    [
      'variables that stand far away',
      `{{ $x := 1 }}${'{{ $y := 1 }}'.repeat(9000)}{{ range 100000 }}{{ if and ${'$x '.repeat(1000)}}}{{ end }}{{ end }}`,
    ],
    ['lists', '{{ $q := query "other" }}{{ range 100000 }}{{ $y := sortByLabel "zone" $q }}{{ end }}'],
  ])('end with an error: %s', (_, template) => {
    const before = process.cpuUsage();
    expect(failure(() => render(template)).code).toBe('LIMIT_EXCEEDED');
    const { user, system } = process.cpuUsage(before);
    // Milliseconds each; the margin is for a machine that does other things and has compiled nothing yet.
    expect((user + system) / 1000).toBeLessThan(5000);
  });

  it('has a limit on nesting', () => {
    expect(errorText(failure(() => render(`{{ ${'('.repeat(10_000)}1${')'.repeat(10_000)} }}`)))).toContain('nested');
    expect(errorText(failure(() => render('{{ if 1 }}'.repeat(1000))))).toContain('nested');
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
