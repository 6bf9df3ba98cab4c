import type { Random } from '../promql/expression-generator.ts';

/** What a generated expression is meant to give; now and then it gives something else, on purpose. */
type Wanted = 'any' | 'text' | 'number' | 'int' | 'bool' | 'list' | 'sample' | 'labels';

const WANTED: readonly Wanted[] = ['any', 'text', 'number', 'int', 'bool', 'list', 'sample', 'labels'];
/** A list of samples prints as their addresses in Go, which is no use here. */
const PRINTABLE: readonly Wanted[] = WANTED.filter((wanted) => wanted !== 'list');
const FLAGS = ['', '', '', '-', '+', ' ', '0', '#', '-0', '+0', '#0', '+ ', '0-'];
const WIDTHS = ['', '', '', '1', '5', '8', '12', '*', '020'];
const PRECISIONS = ['', '', '', '.', '.0', '.1', '.3', '.10', '.*'];
const VERBS = 'vvvdddsssqqqxXeEfFgGtbocUTOpyz%'.split('');
const TEXTS = [
  '"a"',
  '"node"',
  '""',
  '`raw "x"`',
  '"é€😀"',
  '"a\\tb\\n"',
  '"kafka1:9092"',
  '"10.0.0.1:80"',
  '"[::1]:9"',
  '"a.b.c"',
  '"1.5"',
  '"x y-z_w"',
];
const ODD_TEXTS = [
  '"12345678.9"',
  '"-0.00012"',
  '"Inf"',
  '"NaN"',
  '"0x1p4"',
  '"1h30m"',
  '"<a href=\\"x\\">&\'</a>"',
  '"\\x00\\u200b\\U0001F600"',
  '"a=b+c"',
  '"1e400"',
];
const FLOATS = [
  '0.0',
  '1.5',
  '-2.75',
  '1e6',
  '1e21',
  '1e-7',
  '123456.789',
  '0.1',
  '-0.0',
  '2.5',
  '1e100',
  '999999.5',
  '1023.999',
  '59.9999',
  '1435065584.128',
];
const INTS = ['0', '1', '2', '-3', '42', '1000000', '0x1f', '0b101', '0o17', '017', "'x'", '1_000', '-1', '65', '8364'];
const LAYOUTS = [
  '"2006-01-02 15:04:05"',
  '"Jan _2 06 03:04PM"',
  '"Mon Monday January 1 2 3 4 5"',
  '"15h04.000 Z07:00 -0700 MST"',
  '"002 __2 .999"',
];
const PATTERNS = ['"a+"', '"(\\\\w)(\\\\d*)"', '"[^a-z]"', '"(?P<n>[a-z])"', '""', '"^.*$"', '"("'];
const REPLACEMENTS = ['"<$1>"', '"${1}_$n"', '"$1x"', '"$$"', '""', '"-"', '"${n}"', '"$0"'];
const ONE_NUMBER = ['humanize', 'humanize1024', 'humanizeDuration', 'humanizePercentage', 'humanizeTimestamp', 'toTime'];
const ONE_TEXT = ['title', 'toUpper', 'toLower', 'stripPort', 'stripDomain', 'safeHtml', 'graphLink', 'tableLink', 'parseDuration'];
const QUERIES = [
  '"other"',
  '"nothing"',
  '"sum(other)"',
  '"other > 5"',
  '"vector(1)"',
  '"1 / 0"',
  '"other{zone=\\"a\\"}"',
  '"other"',
  '"other"',
  '"("',
];

function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** Makes templates that parse, mostly of fitting types; what they give, or fail with, is for the oracle to say. */
export class TemplateGenerator {
  readonly #random: Random;
  #variables: string[] = [];
  #inRange = 0;
  #defined: string[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  template(): string {
    this.#variables = [];
    this.#inRange = 0;
    this.#defined = [];
    let out = '';
    if (this.#random.chance(0.1)) {
      out += `{{ define "t" }}${this.#block(1)}{{ end }}`;
      this.#variables = [];
      this.#defined.push('"t"');
    }
    return out + this.#block(pick(this.#random, [0, 0, 0, 1, 1, 2, 3]));
  }

  /** A template of which something is cut out, doubled or put in, so that it may be none. */
  broken(): string {
    const text = this.template();
    const at = this.#random.below(text.length);
    const cut = this.#random.below(4);
    const put = pick(this.#random, [
      '',
      '}',
      '{{',
      '}}',
      ' ',
      '(',
      ')',
      '"',
      '.',
      '$x',
      '|',
      'end',
      '{{ end }}',
      '{{else}}',
      '-',
      '0',
      '/*',
      '{{-',
      ':=',
      ',',
      '`',
      "'",
      '\\',
    ]);
    return text.slice(0, at) + put + text.slice(at + cut);
  }

  #block(depth: number): string {
    let out = '';
    for (let i = 1 + this.#random.below(2); i > 0; i--) out += this.#node(depth);
    return out;
  }

  #open(): string {
    return pick(this.#random, ['{{', '{{ ', '{{ ', '{{ ', '{{- ', '{{-  ']);
  }

  #close(): string {
    return pick(this.#random, ['}}', ' }}', ' }}', ' }}', ' -}}', '  -}}']);
  }

  #action(inner: string): string {
    return this.#open() + inner + this.#close();
  }

  #node(depth: number): string {
    const random = this.#random;
    const kind = random.below(depth > 0 ? 16 : 8);
    if (kind === 0) return pick(random, ['text', ' a ', '\n', ' <b> ', '}} ', '{ ', 'é', '"q"', '  \n ']);
    if (kind === 1) return this.#assignment();
    if (kind < 9) return this.#action(this.#pipeline(pick(random, WANTED), pick(random, [0, 1, 1, 2, 3])));
    if (kind < 12) return this.#conditional(depth);
    if (kind < 14) return this.#range(depth);
    if (kind === 14) return this.#action(pick(random, ['/* c */', `with ${this.#pipeline('any', 2)}`]).replace(/^with.*/, '/* w */'));
    if (this.#inRange > 0) return this.#action(pick(random, ['break', 'continue']));
    return this.#action(`template ${this.#defined[0] ?? '"none"'}${random.chance(0.7) ? ` ${this.#pipeline('any', 1)}` : ''}`);
  }

  #assignment(): string {
    const random = this.#random;
    if (this.#variables.length > 0 && random.chance(0.4))
      return this.#action(`${pick(random, this.#variables)} = ${this.#pipeline(pick(random, WANTED), 2)}`);
    const value = this.#pipeline(pick(random, WANTED), 2);
    const name = pick(random, ['$x', '$y', '$zz']);
    this.#variables.push(name);
    return this.#action(`${name} := ${value}`);
  }

  #scoped(make: () => string): string {
    const before = [...this.#variables];
    const text = make();
    this.#variables = before;
    return text;
  }

  #conditional(depth: number): string {
    const random = this.#random;
    return this.#scoped(() => {
      const word = pick(random, ['if', 'if', 'with']);
      const declares = random.chance(0.25) ? '$c' : '';
      let out = this.#action(`${word} ${declares === '' ? '' : '$c := '}${this.#pipeline(pick(random, WANTED), 2)}`);
      if (declares !== '') this.#variables.push(declares);
      out += this.#scoped(() => this.#block(depth - 1));
      if (word === 'if' && random.chance(0.3))
        out += this.#action(`else if ${this.#pipeline('bool', 2)}`) + this.#scoped(() => this.#block(depth - 1));
      if (random.chance(0.5)) out += this.#action('else') + this.#scoped(() => this.#block(depth - 1));
      return out + this.#action('end');
    });
  }

  #range(depth: number): string {
    const random = this.#random;
    return this.#scoped(() => {
      const declared = pick(random, ['', '', '$i', '$i, $s']);
      const over = this.#pipeline(pick(random, ['list', 'list', 'labels', 'any'] as const), 2);
      let out = this.#action(`range ${declared === '' ? '' : `${declared} := `}${over}`);
      if (declared !== '') this.#variables.push(...declared.split(', '));
      this.#inRange++;
      out += this.#scoped(() => this.#block(depth - 1));
      this.#inRange--;
      if (random.chance(0.3)) out += this.#action('else') + this.#scoped(() => this.#block(depth - 1));
      return out + this.#action('end');
    });
  }

  #pipeline(wanted: Wanted, depth: number): string {
    const random = this.#random;
    const kind = random.below(5);
    if (kind === 0)
      return `${this.#operand('text', depth)} | ${pick(random, [...ONE_TEXT, 'len', 'html', 'js', 'urlquery', 'print', 'not', 'printf "%s"'])}`;
    if (kind === 1) return `${this.#operand('number', depth)} | ${pick(random, [...ONE_NUMBER, 'printf "%.2f"', 'print', 'eq 1.5'])}`;
    return this.#call(wanted, depth);
  }

  /** Something that may be an argument. */
  #operand(wanted: Wanted, depth: number): string {
    if (depth > 0 && this.#random.chance(0.4)) return `(${this.#pipeline(wanted, depth - 1)})${this.#field()}`;
    return this.#leaf(this.#random.chance(0.04) ? pick(this.#random, WANTED) : wanted);
  }

  #field(): string {
    return this.#random.chance(0.03) ? pick(this.#random, ['.Labels', '.Value', '.Labels.zone', '.x', '.Year', '.Unix']) : '';
  }

  #leaf(wanted: Wanted): string {
    const random = this.#random;
    if (this.#variables.length > 0 && random.chance(0.2)) return pick(random, this.#variables);
    switch (wanted) {
      case 'text':
        return pick(random, [
          ...TEXTS,
          ...ODD_TEXTS,
          '$labels.instance',
          '.Labels.job',
          '$labels.none',
          '$externalLabels.region',
          '$labels.path',
        ]);
      case 'number':
        return pick(random, [...FLOATS, ...FLOATS, '$value', '.Value', '$value', ...INTS, ...ODD_TEXTS.slice(0, 5)]);
      case 'int':
        return pick(random, INTS);
      case 'bool':
        return pick(random, ['true', 'false', '(eq $value 1.5)']);
      case 'list':
        return `(query ${pick(random, QUERIES)} | sortByLabel "zone")`;
      case 'sample':
        return '(query "other" | sortByLabel "zone" | first)';
      case 'labels':
        return pick(random, ['$labels', '.Labels', '$externalLabels', '(args 1 "b" 2.5)']);
      case 'any':
        return pick(random, ['.', 'nil', '$', '$value', '$labels', '1', '"s"', 'true', '.Nope', '$labels.job', 'args']);
    }
  }

  #call(wanted: Wanted, depth: number): string {
    const random = this.#random;
    const of = (type: Wanted): string => this.#operand(type, depth);
    const same = pick(random, ['text', 'number', 'int', 'any', 'bool'] as const);
    switch (wanted) {
      case 'text':
        return pick(random, [
          () => this.#printf(depth),
          () => this.#printf(depth),
          () => `${pick(random, ONE_TEXT)} ${of('text')}`,
          () => `${pick(random, ONE_NUMBER)} ${of('number')}`,
          () =>
            `${pick(random, ['print', 'println', 'html', 'js', 'urlquery'])} ${of(pick(random, PRINTABLE))} ${of(pick(random, PRINTABLE))}`,
          () => `slice ${of('text')} ${of('int')} ${of('int')}`,
          () => `reReplaceAll ${pick(random, PATTERNS)} ${pick(random, REPLACEMENTS)} ${of('text')}`,
          () => `label "zone" ${of('sample')}`,
          () => `(toTime ${of('number')}).Format ${pick(random, LAYOUTS)}`,
          () => `index ${of('labels')} ${of('text')}`,
          () => this.#leaf('text'),
        ])();
      case 'number':
        return pick(random, [
          () => `value ${of('sample')}`,
          () => `parseDuration ${pick(random, ['"1h"', '"5m30s"', '"1.5h"', '"0"', '"-1m"', '"1y2w"'])}`,
          () => this.#leaf('number'),
          () => `(${of('sample')}).Value`,
        ])();
      case 'int':
        return pick(random, [
          () => `len ${of(pick(random, ['text', 'list', 'labels', 'int'] as const))}`,
          () => this.#leaf('int'),
          () => `index ${of('text')} ${of('int')}`,
        ])();
      case 'bool':
        return pick(random, [
          () => `${pick(random, ['eq', 'ne', 'lt', 'le', 'gt', 'ge'])} ${of(same)} ${of(same)}`,
          () => `${pick(random, ['eq', 'and', 'or'])} ${of(same)} ${of(same)} ${of(same)}`,
          () => `${pick(random, ['and', 'or'])} ${of('any')} ${of('bool')}`,
          () => `not ${of('any')}`,
          () => `match ${pick(random, PATTERNS)} ${of('text')}`,
        ])();
      case 'list':
        return pick(random, [
          () => `query ${pick(random, QUERIES)} | sortByLabel "zone"`,
          () => `slice ${of('list')} ${of('int')}`,
          () => `sortByLabel "zone" ${of('list')}`,
        ])();
      case 'sample':
        return pick(random, [() => `first ${of('list')}`, () => `index ${of('list')} ${of('int')}`])();
      case 'labels':
        return pick(random, [() => this.#leaf('labels'), () => `args ${of('any')} ${of('any')}`, () => `(${of('sample')}).Labels`])();
      case 'any':
        return pick(random, [() => this.#leaf('any'), () => this.#call(pick(random, WANTED), depth)])();
    }
  }

  #printf(depth: number): string {
    const random = this.#random;
    let format = '';
    let args = '';
    for (let i = 1 + random.below(2); i > 0; i--) {
      const width = pick(random, WIDTHS);
      const precision = pick(random, PRECISIONS);
      const verb = pick(random, VERBS);
      const index = random.chance(0.05) ? pick(random, ['[1]', '[2]', '[5]', '[0]', '[x]']) : '';
      format += `${pick(random, ['', ' ', 'a', '|'])}%${pick(random, FLAGS)}${width}${precision}${index}${verb}`;
      if (width === '*') args += ` ${this.#operand('int', 0)}`;
      if (precision === '.*') args += ` ${this.#operand('int', 0)}`;
      const wanted: Wanted = 'dxXbocUO'.includes(verb) ? 'int' : 'eEfFgG'.includes(verb) ? 'number' : pick(random, PRINTABLE);
      if (!random.chance(0.04)) args += ` ${this.#operand(random.chance(0.8) ? wanted : pick(random, PRINTABLE), depth - 1)}`;
    }
    return `printf "${format}"${args}`;
  }
}
