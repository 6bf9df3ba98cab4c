import type { Random } from '../promql/expression-generator.ts';

const VALUES = [
  '[]',
  '{}',
  '',
  '~',
  'null',
  '5',
  '-3',
  '1.5',
  '1.0',
  '1e3',
  'true',
  'yes',
  'off',
  'x',
  "''",
  '""',
  '0x10',
  '0o17',
  '017',
  '0b11',
  '1_000',
  '.inf',
  '.nan',
  '2001-01-01',
  '!!str 5',
  '!!int "3"',
  '!!float 3',
  '!!bool true',
  '!custom x',
  '&a x',
  '*nowhere',
  '*expr',
  '[a, b]',
  '[x]',
  '{a: b}',
  '{a: 1, a: 2}',
  '"\\u00e9\\t"',
  "'it''s'",
  '"\\q"',
  '@x',
  '`x`',
  '%x',
  '- x',
  'a: b',
  'x # c',
  '#c',
  '"x" y',
  'up',
  'up == 0',
  'up ==',
  'sum(up',
  'up{',
  'up{a="b"}',
  'rate(up[5m])',
  '5m',
  '1h30m',
  '30m1h',
  '5',
  '0',
  '0s',
  '1d2h',
  '-5m',
  '5x',
  '1.5m',
  '5m ',
  '" 5m"',
  '99999999y',
  '1y',
  '1ms',
  '1s1s',
  'a b',
  '{{ $labels.x }}',
  '"{{ $labels.x }}"',
  "'{{ $x }}'",
  "'{{ nope 1 }}'",
  "'{{ if }}'",
  "'{{ $value | humanize }}'",
  "'{{ end }}'",
  '"é"',
  '"a:b"',
  'a-b',
  'job:up:sum',
  '"1a"',
  '9223372036854775807',
  '9223372036854775808',
  '1e19',
  '"5"',
];
const KEYS = [
  'groups',
  'name',
  'interval',
  'limit',
  'rules',
  'alert',
  'record',
  'expr',
  'for',
  'keep_firing_for',
  'labels',
  'annotations',
  'summary',
  'severity',
  'nothing',
  'Name',
  'exprs',
  '__name__',
  'a-b',
  '"a b"',
  '1',
  '~',
  'true',
  '"é"',
  '""',
  'foo',
];
const LINES = [
  '---',
  '...',
  '# comment',
  '\t',
  '  ',
  '-',
  '- a',
  'x: 1',
  '%YAML 1.1',
  '? a',
  ': b',
  '    rules: []',
  '  - name: extra',
  '  - name: anchors',
  '\u{feff}# bom',
  '      - record: a:b\n        expr: up',
  '      - alert: A\n        expr: up',
  '      - alert: A\n        record: a',
  '      - {}',
  '      -',
];
const TEXTS = [
  ' ',
  '  ',
  '-',
  ':',
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  '#',
  '|',
  '>',
  '&',
  '*',
  '!',
  '%',
  ',',
  'é',
  '\t',
  '\\',
  '\u0000',
  '\u0007',
  '\u200b',
  '\n',
  '\r',
  'a',
  '0',
  '(',
  ')',
  '=',
];

function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

type Mutation = (lines: string[], random: Random) => void;

const atLine = (lines: readonly string[], random: Random): number => random.below(lines.length);

/** One thing is wrong, or only odd, in an otherwise good file. */
const MUTATIONS: readonly Mutation[] = [
  (lines, random) => void lines.splice(atLine(lines, random), 1),
  (lines, random) => {
    const at = atLine(lines, random);
    lines.splice(at, 0, lines[at] ?? '');
  },
  (lines, random) => void lines.splice(atLine(lines, random), 0, pick(random, LINES)),
  (lines, random) => {
    const at = atLine(lines, random);
    lines[at] = pick(random, [' ', '  ', '    ']) + (lines[at] ?? '');
  },
  (lines, random) => {
    const at = atLine(lines, random);
    lines[at] = (lines[at] ?? '').replace(/^ {1,2}/, '');
  },
  (lines, random) => {
    const at = atLine(lines, random);
    lines[at] = (lines[at] ?? '').replace(/^([ -]*)[\w"]+:/, (_, indent: string) => `${indent}${pick(random, KEYS)}:`);
  },
  (lines, random) => {
    const at = atLine(lines, random);
    lines.splice(at, 0, `${/^[ -]*/.exec(lines[at] ?? '')?.[0].replaceAll('-', ' ') ?? ''}${pick(random, KEYS)}: ${pick(random, VALUES)}`);
  },
  ...Array.from({ length: 5 }, (): Mutation => (lines, random) => {
    const at = atLine(lines, random);
    lines[at] = (lines[at] ?? '').replace(/^([ -]*[\w"]+:).*/, (_, key: string) => `${key} ${pick(random, VALUES)}`);
  }),
  (lines, random) => {
    const at = atLine(lines, random);
    const line = lines[at] ?? '';
    const index = random.below(line.length + 1);
    lines[at] = line.slice(0, index) + pick(random, TEXTS) + line.slice(index + random.below(3));
  },
];

/** A rule file that may have stopped being one. */
export function mutated(text: string, random: Random): string {
  const lines = text.split('\n');
  for (let i = 1 + (random.chance(0.25) ? random.below(2) : 0); i > 0; i--) pick(random, MUTATIONS)(lines, random);
  return lines.join('\n');
}
