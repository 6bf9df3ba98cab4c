import { describe, expect, it } from '@jest/globals';
import { parser as editorGrammar } from '@prometheus-io/lezer-promql';
import fc from 'fast-check';
import { BelfryError } from '../../src/core/errors.ts';
import { parse, type ParseOptions } from '../../src/promql/parse.ts';
import { prepare } from '../../src/promql/prepare.ts';
import { print } from '../../src/promql/printer.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

/** The text with every operation in parentheses, to show what binds to what. */
function grouped(text: string): string {
  const show = (expr: ReturnType<typeof parse>): string => {
    switch (expr.kind) {
      case 'binary':
        return `(${show(expr.left)} ${expr.op} ${show(expr.right)})`;
      case 'unary':
        return `(${expr.op}${show(expr.expr)})`;
      case 'subquery':
        return `{${show(expr.expr)}}${print({ ...expr, expr: { kind: 'number', value: 0, duration: false, from: 0, to: 0 } }).slice(1)}`;
      case 'paren':
        return show(expr.expr);
      case 'number':
      case 'string':
      case 'selector':
      case 'matrix':
      case 'aggregate':
      case 'call':
        return print(expr);
    }
  };
  return show(parse(text));
}

describe('what binds to what', () => {
  it.each([
    ['-1 ^ 2', '(-(1 ^ 2))'],
    ['2 ^ -1 ^ 2', '(2 ^ (-(1 ^ 2)))'],
    ['2 ^ 3 ^ 2', '(2 ^ (3 ^ 2))'],
    ['-1 * 2', '(-1 * 2)'],
    ['-a * b', '((-a) * b)'],
    ['1 -1', '(1 - 1)'],
    ['1 - -1', '(1 - -1)'],
    ['- - 1', '1'],
    ['a + b * c ^ d', '(a + (b * (c ^ d)))'],
    ['a - b - c', '((a - b) - c)'],
    ['a * b % c atan2 d', '(((a * b) % c) atan2 d)'],
    ['a == b + 1 and c or d unless e', '(((a == (b + 1)) and c) or (d unless e))'],
    ['a > b > c', '((a > b) > c)'],
    ['a offset 5m or b offset 4m', '(a offset 5m or b offset 4m)'],
    ['a + b offset 5m * c', '(a + (b offset 5m * c))'],
    ['-a @ 100', '(-a @ 100.000)'],
    ['a > b @ 5 and c', '((a > b @ 5.000) and c)'],
    ['a + b[5m:1m] offset 1m', '(a + {b}[5m:1m] offset 1m)'],
    ['x offset 5m * 2', '(x offset 5m * 2)'],
  ])('%s is %s', (text, expected) => {
    expect(grouped(text)).toBe(expected);
  });

  it("is not what the editor's grammar makes of it", () => {
    // The reason for a parser of our own: there `offset` takes the whole sum, so the product is grouped wrongly.
    const product = editorGrammar.parse('a + b offset 5m * c').topNode.firstChild;
    expect(product?.name).toBe('BinaryExpr');
    expect(product?.firstChild?.name).toBe('OffsetExpr');
    expect(product?.firstChild?.firstChild?.name).toBe('BinaryExpr');
  });
});

describe('canonical text', () => {
  it.each([
    ['sum(x) by (a)', 'sum by (a) (x)'],
    ['SUM  BY(a,b)  (x)', 'sum by (a, b) (x)'],
    ['sum by () (x)', 'sum(x)'],
    ['sum without() (x)', 'sum without () (x)'],
    ['topk(5,x{a="b",c!="d",e=~"f",g!~"h"})', 'topk(5, x{a="b",c!="d",e=~"f",g!~"h"})'],
    ["count_values('v', x)", 'count_values("v", x)'],
    ['x{}', 'x'],
    ['{__name__="x"}', '{__name__="x"}'],
    ['{"a.b", "c.d"="e"}', '{"c.d"="e",__name__="a.b"}'],
    ['a+on(b)group_left(c)d', 'a + on (b) group_left (c) d'],
    ['a/ignoring(b,)group_right d', 'a / ignoring (b) group_right () d'],
    ['a == bool on() b', 'a == bool on () b'],
    ['rate(x[90s])', 'rate(x[1m30s])'],
    ['rate(x[300])', 'rate(x[5m])'],
    ['x offset -1h30m', 'x offset -1h30m'],
    ['x offset 5m @ 10', 'x @ 10.000 offset 5m'],
    ['x[5m] @ start()', 'x[5m] @ start()'],
    ['x[5m:] @ end() offset 1d', 'x[5m:] @ end() offset 1d'],
    ['x @ -1.5', 'x @ -1.500'],
    ['1h30m', '1h30m'],
    ['-5m', '-5m'],
    ['0x1F', '31'],
    ['1e3', '1000'],
    ['1_000', '1000'],
    ['.5 + 2.', '0.5 + 2'],
    ['+Inf - iNf', '+Inf - +Inf'],
    ['nan', 'NaN'],
    ['((a))', '((a))'],
    ['-a', '-a'],
    ['"a\\x41\\u00e9\\n\\\\"', '"aAé\\n\\\\"'],
    ["'it\\'s'", `"it's"`],
    ['`raw\\n`', '"raw\\\\n"'],
    ['"\\xc3\\xa9"', '"é"'],
    ['# a comment\n  a # another\n  + b', 'a + b'],
    ['sum + by + offset{a="b"}', 'sum + by + offset{a="b"}'],
    ['x{on="1",by="2",inf="3"}', 'x{by="2",inf="3",on="1"}'],
    ['sum by (on, offset, "a.b") (x)', 'sum by (on, offset, "a.b") (x)'],
    ['job:rate:5m{a="b"}', 'job:rate:5m{a="b"}'],
    ['time()', 'time()'],
    ['label_replace(x, "a", "$1", "b", "(.*)")', 'label_replace(x, "a", "$1", "b", "(.*)")'],
  ])('%s prints %s', (text, expected) => {
    const printed = print(parse(text));
    expect(printed).toBe(expected);
    expect(print(parse(printed))).toBe(expected);
  });
});

function refusal(text: string, options: ParseOptions = {}): string {
  try {
    prepare(text, options);
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error;
    return `${error.code} ${error.position?.line}:${error.position?.column} ${error.message}`;
  }
  return 'accepted';
}

describe('refusals of syntax', () => {
  it.each([
    ['', '1:1 no expression found in input'],
    ['# only a comment', '1:1 no expression found in input'],
    ['1 +', '1:4 unexpected end of input, expected an expression'],
    ['*1', '1:1 unexpected <op:*>, expected an expression'],
    ['a b', '1:3 unexpected identifier "b", expected an operator or the end of the expression'],
    ['a +\n  * b', '2:3 unexpected <op:*>, expected an expression'],
    ['(1', '1:1 unclosed left parenthesis, expected ")"'],
    ['1)', `1:2 unexpected right parenthesis ')'`],
    ['x[5m', '1:5 unexpected end of input in range, expected "]"'],
    ['x{', '1:3 unexpected end of input inside braces, expected "}"'],
    ['x{a}', '1:4 unexpected "}" in label matching, expected label matching operator'],
    ['x{a=b}', '1:5 unexpected identifier "b" in label matching, expected string'],
    ['x{a="b" c="d"}', '1:9 unexpected identifier "c" in label matching, expected "," or "}"'],
    ['x{,}', '1:3 unexpected "," in label matching, expected identifier or "}"'],
    ['x{a>"b"}', `1:4 unexpected character inside braces: '>', expected a label matcher or "}"`],
    ['x{a="b', '1:5 unterminated quoted string, expected a closing quote'],
    ['x{a=~"("}', '1:6'],
    ['"a\\q"', '1:3 error unquoting string "a\\q": unknown escape sequence \\q'],
    ['sum by (1) (x)', '1:9 unexpected number "1" in grouping opts, expected label'],
    ['sum(x,)', '1:6 trailing commas not allowed in function call args'],
    ['sum()', '1:1 no arguments for aggregate expression provided'],
    ['sum(1, x)', '1:1 wrong number of arguments for aggregate expression provided, expected 1, got 2'],
    ['topk(x)', '1:1 wrong number of arguments for aggregate expression provided, expected 2, got 1'],
    ['rte(x[5m])', '1:1 unknown function with name "rte"; did you mean "rate"?'],
    ['unheard_of_entirely(x)', '1:1 unknown function with name "unheard_of_entirely"'],
    ['x[0]', '1:3 duration must be greater than 0'],
    ['x[-5m]', '1:3 duration must be greater than 0'],
    ['x[5m:0s]', '1:6 duration must be greater than 0'],
    ['x[]', '1:3 unexpected "]" in duration, expected a number or duration'],
    ['x offset', '1:9 unexpected end of input in duration, expected a number or duration'],
    ['x offset 5m offset 5m', '1:13 offset may not be set multiple times'],
    ['x @ 5 @ 6', '1:7 @ <timestamp> may not be set multiple times'],
    ['x @ foo', '1:5 unexpected identifier "foo" in @, expected a timestamp, start() or end()'],
    ['x @ Inf', '1:5 timestamp out of bounds for @ modifier: +Inf'],
    ['x @ -Inf', '1:5 timestamp out of bounds for @ modifier: -Inf'],
    ['1 offset 5m', '1:1 offset modifier must be preceded by an instant vector selector or range vector selector or a subquery'],
    ['(a) @ 5', '1:1 @ modifier must be preceded by an instant vector selector or range vector selector or a subquery'],
    ['(a)[5m]', '1:4 ranges only allowed for vector selectors'],
    ['a offset 5m [5m]', '1:13 no offset modifiers allowed before range'],
    ['a @ 5 [5m]', '1:7 no @ modifiers allowed before range'],
    ['1x', '1:1 bad number or duration syntax: "1x", expected a number'],
    ['7.5.', '1:1 bad number or duration syntax: "7.5.", expected a number'],
    ['a > 20..3', '1:5 bad number or duration syntax: "20..3", expected a number'],
    ['x{y == "z"}', '1:6 unexpected "=" in label matching, expected string'],
    ['x[5m1h]', '1:3 error parsing number'],
    ['a ! b', `1:3 unexpected character: '!', expected an expression or an operator`],
    ['a on(b) + c', '1:3 unexpected <on>, expected an operator or the end of the expression'],
  ])('%s', (text, expected) => {
    expect(refusal(text)).toContain(`PROMQL_SYNTAX ${expected}`);
  });

  it('ends on an expression nested beyond all measure', () => {
    expect(refusal('('.repeat(5000) + '1' + ')'.repeat(5000))).toContain('PROMQL_LIMIT');
    expect(refusal('-'.repeat(5000) + 'x')).toContain('PROMQL_LIMIT');
    expect(refusal(`a${' + a'.repeat(5000)}`)).toContain('PROMQL_LIMIT');
    expect(refusal(`a${' + a'.repeat(1000)}`)).toBe('accepted');
    expect(refusal(`x${'[5m:1m]'.repeat(5000)}`)).toMatch(/PROMQL_(LIMIT|TYPE)/);
  });
});

describe('refusals of types', () => {
  it.each([
    ['{}', '1:1 vector selector must contain at least one non-empty matcher'],
    ['{a=~".*"}', '1:1 vector selector must contain at least one non-empty matcher'],
    ['{a=""}', '1:1 vector selector must contain at least one non-empty matcher'],
    ['x{__name__="y"}', '1:1 metric name must not be set twice: "x" or "y"'],
    ['x{"y"}', '1:1 metric name must not be set twice: "x" or "y"'],
    ['rate(x)', '1:6 expected type range vector in call to function "rate", got instant vector'],
    ['abs(x[5m])', '1:5 expected type instant vector in call to function "abs", got range vector'],
    ['sum(1)', '1:5 expected type instant vector in aggregation expression, got scalar'],
    ['topk("a", x)', '1:6 expected type scalar in aggregation parameter, got string'],
    ['count_values(1, x)', '1:14 expected type string in aggregation parameter, got scalar'],
    ['rate(x[5m], 1)', '1:1 expected 1 argument(s) in call to "rate", got 2'],
    ['round()', '1:1 expected at least 1 argument(s) in call to "round", got 0'],
    ['round(x, 1, 2)', '1:1 expected at most 2 argument(s) in call to "round", got 3'],
    ['label_join(x, "a")', '1:1 expected at least 3 argument(s) in call to "label_join", got 2'],
    ['1 and 2', '1:1 set operator "and" not allowed in binary scalar expression'],
    ['a or 1', '1:1 set operator "or" not allowed in binary scalar expression'],
    ['1 > 2', '1:3 comparisons between scalars must use BOOL modifier'],
    ['a + bool b', '1:3 bool modifier can only be used on comparison operators'],
    ['a + on(b) 1', '1:1 vector matching only allowed between instant vectors'],
    ['a and on(b) group_left c', '1:1 no grouping allowed for "and" operation'],
    ['a + on(b) group_left(b) c', '1:3 label "b" must not occur in ON and GROUP clause at once'],
    ['"a" + 1', '1:1 binary expression must contain only scalar and instant vector types'],
    ['a[5m] + 1', '1:1 binary expression must contain only scalar and instant vector types'],
    ['-"a"', '1:1 unary expression only allowed on expressions of type scalar or instant vector, got "string"'],
    ['1[5m:1m]', '1:1 subquery is only allowed on instant vector, got scalar instead'],
    ['a[5m:][5m:]', '1:1 subquery is only allowed on instant vector, got matrix instead'],
  ])('%s', (text, expected) => {
    expect(refusal(text)).toBe(`PROMQL_TYPE ${expected}`);
  });
});

it.each(['{__name__="a", __name__="b"}', '{"a", __name__="b"}', '{__name__="a", __name__=~"b.*"}'])(
  'a name may be matched several times within the braces alone: %s',
  (text) => {
    expect(refusal(text)).toBe('accepted');
  },
);

describe('what Belfry does not have', () => {
  it.each([
    ['histogram_count(x)', 'function "histogram_count" is not supported: it works on native histograms only'],
    ['integral(x[5m])', 'function "integral" is not supported: it is experimental in Prometheus'],
    ['info(x)', 'function "info" is experimental in Prometheus and such functions are not enabled: promql.experimental_functions'],
    [
      'mad_over_time(x[5m])',
      'function "mad_over_time" is experimental in Prometheus and such functions are not enabled: promql.experimental_functions',
    ],
    [
      'first_over_time(x[5m])',
      'function "first_over_time" is experimental in Prometheus and such functions are not enabled: promql.experimental_functions',
    ],
    ['limitk(2, x)', 'limitk() is experimental in Prometheus and such functions are not enabled: promql.experimental_functions'],
    ['x[5m * 2]', 'duration expressions are experimental in Prometheus and not enabled: promql.duration_expressions'],
    ['x[step()]', 'duration expressions are experimental in Prometheus and not enabled: promql.duration_expressions'],
    ['x offset max_of(1s, 2s)', 'duration expressions are experimental in Prometheus and not enabled'],
    ['x + fill(0) y', 'fill() is experimental in Prometheus and such modifiers are not enabled: promql.binop_fill_modifiers'],
    ['x + on(a) fill_left(0) y', 'fill_left() is experimental in Prometheus and such modifiers are not enabled'],
    ['rate(x[5m] anchored)', 'anchored is experimental in Prometheus and such modifiers are not enabled: promql.extended_range_selectors'],
    ['x SMOOTHED', 'smoothed is experimental in Prometheus and such modifiers are not enabled: promql.extended_range_selectors'],
  ])('%s is refused by name', (text, expected) => {
    expect(refusal(text)).toMatch(/^PROMQL_UNSUPPORTED 1:\d+ /);
    expect(refusal(text)).toContain(expected);
  });

  it.each(['mad_over_time(x[5m])', 'limitk(2, x)', 'sort_by_label(x, "a")', 'x[5m * 2]', 'x offset (1h - 5m)'])(
    '%s is accepted where experimental syntax is enabled',
    (text) => {
      expect(refusal(text, { experimentalFunctions: true, durationExpressions: true })).toBe('accepted');
    },
  );
});

describe('garbage', () => {
  const pieces = [
    'sum',
    'rate',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    'a',
    '"b"',
    '=',
    '!=',
    '5m',
    '1',
    '-',
    '^',
    '@',
    'offset',
    'by',
    ',',
    ':',
    '\\',
    '`',
    "'",
    '#',
  ];

  it('never crashes or hangs, and always gets a position', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), { maxLength: 25 }), (parts) => {
        expect(refusal(parts.join(' '))).toMatch(/^(accepted|PROMQL_\w+ \d+:\d+ )/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('selectors of an expression', () => {
  it('are listed with their metric names', () => {
    const { selectors } = prepare('sum(rate(a{x="y"}[5m])) / {__name__="b"} + max_over_time({c=~"d.+"}[5m:1m])');
    expect(selectors.map(({ metricName, matchers }) => [metricName, matchers.map(String)])).toEqual([
      ['a', ['x="y"', '__name__="a"']],
      ['b', ['__name__="b"']],
      [undefined, ['c=~"d.+"']],
    ]);
  });
});
