import { errorText } from '../core/errors.ts';
import { METRIC_NAME } from '../core/labels.ts';
import { Matcher, type MatchOp } from '../core/matcher.ts';
import { nearestName } from '../core/nearest.ts';
import { formatFloat } from '../core/number-format.ts';
import type { AggregateOp, At, BinaryOp, Expr, Extended, MatrixSelector, Subquery, VectorSelector } from './ast.ts';
import { children, isSetOp } from './ast.ts';
import { DurationReader } from './durations.ts';
import { SWITCHES } from './features.ts';
import { FUNCTIONS } from './functions.ts';
import { describe, type Token } from './lexer.ts';
import { FILL_MODIFIERS, readLabels, readMatching } from './matching-reader.ts';
import { errorAt } from './syntax-error.ts';
import { TokenReader } from './token-reader.ts';

const MAX_LENGTH = 100_000;
const MAX_HEIGHT = 1500;

export interface ParseOptions {
  /** Accepts functions that are experimental in Prometheus 3.x, where Belfry has them: its `promql-experimental-functions`. */
  readonly experimentalFunctions?: boolean;
  /** Accepts arithmetic on durations, such as `[5m * 2]`: its `promql-duration-expr`. */
  readonly durationExpressions?: boolean;
  /** Accepts `anchored` and `smoothed` behind selectors: its `promql-extended-range-selectors`. */
  readonly extendedRangeSelectors?: boolean;
  /** Accepts `fill`, `fill_left` and `fill_right` behind operators: its `promql-binop-fill-modifiers`. */
  readonly binopFillModifiers?: boolean;
}

/**
 * Reads an expression. Types and arguments are not checked here (see check.ts). Throws `PROMQL_SYNTAX` with a
 * position, `PROMQL_UNSUPPORTED` for syntax that Belfry does not have, `PROMQL_LIMIT` for texts out of all proportion.
 */
export function parse(text: string, options: ParseOptions = {}): Expr {
  const reader = readerOf(text);
  if (reader.peek.kind === 'end') throw errorAt('PROMQL_SYNTAX', text, 0, 'no expression found in input');
  const expr = new Parser(reader, options).expr(LOWEST, 0);
  reader.expectEnd();
  return expr;
}

/** Reads a selector that stands alone, as in `match[]`: without operators, a range or a time. Throws as `parse` does. */
export function parseSelector(text: string): VectorSelector {
  const reader = readerOf(text);
  const selector = new Parser(reader, {}).selectorAlone();
  if (reader.peek.kind !== 'end') throw reader.error(reader.peek, `unexpected ${describe(reader.peek)}`);
  return selector;
}

function readerOf(text: string): TokenReader {
  if (text.length > MAX_LENGTH) throw errorAt('PROMQL_LIMIT', text, 0, `expression longer than ${MAX_LENGTH} characters`);
  return new TokenReader(text);
}

const LOWEST = 1;
const POWER = 6;

/** How tightly operators bind; all but `^` group to the left. A sign binds between `*` and `^`: -1 ^ 2 is -1. */
const PRECEDENCE: Readonly<Record<string, number>> = {
  or: 1,
  and: 2,
  unless: 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '<=': 3,
  '>': 3,
  '>=': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
  '%': 5,
  atan2: 5,
  '^': POWER,
};

const AGGREGATES_WITH_PARAMETER: ReadonlySet<string> = new Set(['topk', 'bottomk', 'quantile', 'count_values', 'limitk', 'limit_ratio']);
const EXTENDED: ReadonlyMap<string, Extended> = new Map([
  ['anchored', 'anchored'],
  ['smoothed', 'smoothed'],
]);
/** Keywords that name no metric. */
const RESERVED: ReadonlySet<string> = new Set(['bool', 'on', 'ignoring', 'group_left', 'group_right', 'atan2']);

/** Precedence climbing over the grammar of promql/parser/generated_parser.y. */
class Parser {
  readonly #reader: TokenReader;
  readonly #durations: DurationReader;
  readonly #options: ParseOptions;
  readonly #heights = new WeakMap<Expr, number>();

  constructor(reader: TokenReader, options: ParseOptions) {
    this.#reader = reader;
    this.#options = options;
    this.#durations = new DurationReader(reader, options.durationExpressions ?? false);
  }

  /** Bounds the tree's height: a chain of operators is read in a loop, but walked by recursion later. */
  #bounded<T extends Expr>(expr: T): T {
    let height = 0;
    for (const child of children(expr)) height = Math.max(height, this.#heights.get(child) ?? 0);
    if (height >= MAX_HEIGHT)
      throw this.#reader.error(expr, `expression of more than ${MAX_HEIGHT} operations upon each other`, 'PROMQL_LIMIT');
    this.#heights.set(expr, height + 1);
    return expr;
  }

  expr(least: number, depth: number): Expr {
    this.#reader.checkDepth(depth, this.#reader.peek);
    let left = this.#operand(depth);
    for (;;) {
      const token = this.#reader.peek;
      const precedence = token.kind === 'operator' ? (PRECEDENCE[token.word] ?? 0) : 0;
      if (precedence < least || precedence === 0) return left;
      left = this.#bounded(this.#binary(left, token, precedence, depth));
    }
  }

  #operand(depth: number): Expr {
    const token = this.#reader.peek;
    if (token.kind === 'operator' && (token.word === '-' || token.word === '+')) {
      this.#reader.next();
      const inner = this.expr(POWER, depth + 1);
      const from = token.from;
      // A sign before a literal belongs to the literal.
      if (inner.kind === 'number') return { ...inner, value: token.word === '-' ? -inner.value : inner.value, from };
      return this.#bounded({ kind: 'unary', op: token.word, expr: inner, from, to: inner.to });
    }
    return this.#postfix(this.#bounded(this.#primary(token, depth)), depth);
  }

  #binary(left: Expr, token: Token, precedence: number, depth: number): Expr {
    const op = token.word as BinaryOp;
    this.#reader.next();
    const bool = this.#reader.keyword('bool');
    const matching = readMatching(this.#reader, isSetOp(op), this.#options.binopFillModifiers ?? false);
    const right = this.expr(op === '^' ? precedence : precedence + 1, depth + 1);
    return { kind: 'binary', op, left, right, bool, matching, opSpan: { from: token.from, to: token.to }, from: left.from, to: right.to };
  }

  #primary(token: Token, depth: number): Expr {
    const reader = this.#reader;
    switch (token.kind) {
      case 'number':
        reader.next();
        return { kind: 'number', ...reader.number(token), from: token.from, to: token.to };
      case 'string':
        reader.next();
        return { kind: 'string', value: reader.string(token), from: token.from, to: token.to };
      case 'aggregate':
        return this.#startsAggregate() ? this.#aggregate(token, depth) : this.#selector();
      case 'identifier':
        return reader.lookAhead(1).text === '(' ? this.#call(token, depth) : this.#selector();
      case 'keyword':
      case 'operator':
        if (isNameToo(token)) return this.#selector();
        break;
      case 'symbol':
        if (token.text === '{') return this.#selector();
        if (token.text === '(') {
          reader.next();
          const expr = this.expr(LOWEST, depth + 1);
          reader.expect(')', 'in parentheses');
          return { kind: 'paren', expr, from: token.from, to: reader.end };
        }
        break;
      case 'end':
        break;
    }
    throw reader.unexpected('', 'an expression');
  }

  #startsAggregate(): boolean {
    const { text, word } = this.#reader.lookAhead(1);
    return text === '(' || word === 'by' || word === 'without';
  }

  #call(name: Token, depth: number): Expr {
    if (FILL_MODIFIERS.has(name.text.toLowerCase())) throw this.#reader.unexpected('', 'an expression');
    if (!FUNCTIONS.has(name.text)) {
      const near = nearestName(name.text, FUNCTIONS.keys());
      const hint = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
      throw this.#reader.error(name, `unknown function with name ${JSON.stringify(name.text)}${hint}`);
    }
    this.#reader.next();
    const args = this.#arguments(depth, `in call to function ${JSON.stringify(name.text)}`);
    return { kind: 'call', func: name.text, args, from: name.from, to: this.#reader.end };
  }

  #arguments(depth: number, where: string): readonly Expr[] {
    const reader = this.#reader;
    reader.expect('(', where);
    if (reader.accept(')')) return [];
    const args: Expr[] = [];
    for (;;) {
      args.push(this.expr(LOWEST, depth + 1));
      if (reader.accept(')')) return args;
      const comma = reader.peek;
      if (!reader.accept(',')) throw reader.unexpected(where, '"," or ")"');
      if (reader.peek.text === ')') throw reader.error(comma, 'trailing commas not allowed in function call args');
    }
  }

  #aggregate(name: Token, depth: number): Expr {
    const reader = this.#reader;
    reader.next();
    let grouping = this.#grouping();
    const args = this.#arguments(depth, 'in aggregation');
    grouping ??= this.#grouping();
    const wanted = AGGREGATES_WITH_PARAMETER.has(name.word) ? 2 : 1;
    const expr = args.at(-1);
    if (expr === undefined) throw reader.error(name, 'no arguments for aggregate expression provided');
    if (args.length !== wanted)
      throw reader.error(name, `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`);
    const { without, labels } = grouping ?? { without: false, labels: [] };
    const span = { from: name.from, to: reader.end };
    const base = { kind: 'aggregate', op: name.word as AggregateOp, expr, without, grouping: labels, ...span } as const;
    return wanted === 2 && args[0] !== undefined ? { ...base, param: args[0] } : base;
  }

  #grouping(): { readonly without: boolean; readonly labels: readonly string[] } | undefined {
    if (this.#reader.keyword('by')) return { without: false, labels: readLabels(this.#reader) };
    if (this.#reader.keyword('without')) return { without: true, labels: readLabels(this.#reader) };
    return undefined;
  }

  selectorAlone(): VectorSelector {
    const token = this.#reader.peek;
    if (token.kind === 'identifier' || token.kind === 'aggregate' || token.text === '{' || isNameToo(token)) return this.#selector();
    throw this.#reader.error(token, `unexpected ${describe(token)}`);
  }

  #selector(): VectorSelector {
    const reader = this.#reader;
    const { from } = reader.peek;
    const name = reader.peek.text === '{' ? undefined : reader.next().text;
    const matchers = reader.peek.text === '{' ? this.#matchers() : [];
    const span = { from, to: reader.end };
    if (name === undefined) return { kind: 'selector', matchers, offsetMs: 0, ...span };
    return { kind: 'selector', name, matchers: [...matchers, new Matcher(METRIC_NAME, '=', name)], offsetMs: 0, ...span };
  }

  #matchers(): readonly Matcher[] {
    const reader = this.#reader;
    const matchers: Matcher[] = [];
    reader.expect('{', 'in label matching');
    while (!reader.accept('}')) {
      matchers.push(this.#matcher());
      if (reader.accept(',')) continue;
      if (!reader.accept('}')) throw reader.unexpected('in label matching', '"," or "}"');
      break;
    }
    return matchers;
  }

  #matcher(): Matcher {
    const reader = this.#reader;
    const name = reader.peek;
    if (name.kind !== 'identifier' && name.kind !== 'string') throw reader.unexpected('in label matching', 'identifier or "}"');
    reader.next();
    const label = name.kind === 'string' ? reader.string(name) : name.text;
    const op = reader.peek.text;
    if (name.kind === 'string' && (op === ',' || op === '}')) return new Matcher(METRIC_NAME, '=', label);
    if (!['=', '!=', '=~', '!~'].includes(op)) throw reader.unexpected('in label matching', 'label matching operator');
    reader.next();
    const value = reader.peek;
    if (value.kind !== 'string') throw reader.unexpected('in label matching', 'string');
    reader.next();
    const text = reader.string(value);
    try {
      return new Matcher(label, op as MatchOp, text);
    } catch (error) {
      throw reader.error(value, errorText(error));
    }
  }

  /** Ranges, subqueries, `offset` and `@` bind to the operand just read, more tightly than any operator. */
  #postfix(operand: Expr, depth: number): Expr {
    const reader = this.#reader;
    let expr = operand;
    for (let count = depth; ; count++) {
      reader.checkDepth(count, reader.peek);
      const token = reader.peek;
      if (reader.accept('[')) expr = this.#bounded(this.#range(expr, token));
      else if (this.#reader.keyword('offset')) {
        const modified = this.#modifiable(expr, 'offset');
        if (modified.offsetMs !== 0 || modified.offsetExpr !== undefined) throw reader.error(token, 'offset may not be set multiple times');
        const { ms: offsetMs, expr: offsetExpr } = this.#durations.offset();
        expr = this.#bounded({ ...modified, offsetMs, ...(offsetExpr && { offsetExpr }), to: reader.end });
      } else if (reader.accept('@')) {
        const modified = this.#modifiable(expr, '@');
        if (modified.at !== undefined) throw reader.error(token, '@ <timestamp> may not be set multiple times');
        expr = this.#bounded({ ...modified, at: this.#timestamp(), to: reader.end });
      } else {
        const extended = token.kind === 'identifier' ? EXTENDED.get(token.text.toLowerCase()) : undefined;
        if (extended === undefined) return expr;
        expr = this.#bounded(this.#extend(expr, extended));
      }
    }
  }

  #extend(expr: Expr, extended: Extended): Expr {
    const reader = this.#reader;
    const token = reader.next();
    if (this.#options.extendedRangeSelectors !== true) {
      const text = `${extended} is experimental in Prometheus and such modifiers are not enabled: ${SWITCHES.extendedRangeSelectors}`;
      throw reader.error(token, text, 'PROMQL_UNSUPPORTED');
    }
    if (expr.kind === 'subquery') throw reader.error(expr, `${extended} modifier is not supported for subqueries`);
    if (expr.kind !== 'selector' && expr.kind !== 'matrix')
      throw reader.error(expr, `${extended} modifier must be preceded by an instant vector selector or range vector selector`);
    if (expr.extended !== undefined && expr.extended !== extended)
      throw reader.error(expr, 'anchored and smoothed modifiers cannot be used together');
    return { ...expr, extended, to: reader.end };
  }

  #modifiable(expr: Expr, modifier: string): VectorSelector | MatrixSelector | Subquery {
    if (expr.kind === 'selector' || expr.kind === 'matrix' || expr.kind === 'subquery') return expr;
    const sentence = `${modifier} modifier must be preceded by an instant vector selector or range vector selector or a subquery`;
    throw this.#reader.error(expr, sentence);
  }

  #range(expr: Expr, bracket: Token): Expr {
    const reader = this.#reader;
    const { ms: rangeMs, expr: rangeExpr } = this.#durations.positive();
    const range = rangeExpr === undefined ? { rangeMs } : { rangeMs, rangeExpr };
    if (reader.accept(':')) {
      const step = reader.peek.text === ']' ? undefined : this.#durations.positive();
      reader.expect(']', 'in subquery selector');
      const base = { kind: 'subquery', expr, ...range, offsetMs: 0, from: expr.from, to: reader.end } as const;
      return step === undefined ? base : { ...base, stepMs: step.ms, ...(step.expr && { stepExpr: step.expr }) };
    }
    reader.expect(']', 'in range selector');
    if (expr.kind !== 'selector') throw reader.error(bracket, 'ranges only allowed for vector selectors');
    if (expr.offsetMs !== 0 || expr.offsetExpr !== undefined) throw reader.error(bracket, 'no offset modifiers allowed before range');
    if (expr.at !== undefined) throw reader.error(bracket, 'no @ modifiers allowed before range');
    return { kind: 'matrix', selector: expr, ...range, offsetMs: 0, from: expr.from, to: reader.end };
  }

  #timestamp(): At {
    const reader = this.#reader;
    const at = reader.peek;
    const word = at.text.toLowerCase();
    if (at.kind === 'identifier' && (word === 'start' || word === 'end')) {
      reader.next();
      reader.expect('(', 'in @');
      reader.expect(')', 'in @');
      return word;
    }
    const seconds = reader.signedNumber('in @', 'a timestamp, start() or end()');
    if (!Number.isFinite(seconds) || Math.abs(seconds) >= 2 ** 63 / 1000)
      throw reader.error(at, `timestamp out of bounds for @ modifier: ${formatFloat(seconds)}`);
    return Math.round(seconds * 1000);
  }
}

/** Whether a word with a meaning of its own may be a metric's name as well. */
function isNameToo({ kind, word }: Token): boolean {
  return (kind === 'keyword' || kind === 'operator') && /^[a-z]/.test(word) && !RESERVED.has(word);
}
