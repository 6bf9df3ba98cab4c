import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';
import type { BelfryError, ErrorCode } from '../core/errors.ts';
import { errorText } from '../core/errors.ts';
import { METRIC_NAME } from '../core/labels.ts';
import { Matcher, type MatchOp } from '../core/matcher.ts';
import type { AggregateOp, At, Binary, BinaryOp, Expr, Matching, MatrixSelector, Subquery, VectorSelector } from './ast.ts';
import { isSetOp } from './ast.ts';
import { LiteralError, readNumber, unquote } from './literals.ts';
import { errorAt, firstSyntaxError } from './syntax-error.ts';

/** Longer expressions, or deeper ones, are refused: nobody writes them by hand, and recursion must end. */
const MAX_LENGTH = 1_000_000;
const MAX_DEPTH = 1000;

export interface ParseOptions {
  /** Accepts what is experimental in Prometheus 3.x where Belfry has it. */
  readonly enableExperimental?: boolean;
}

/**
 * Reads an expression. Types and arguments are not checked here (see check.ts). Throws `PROMQL_SYNTAX` with a
 * position, `PROMQL_UNSUPPORTED` for syntax that Belfry does not have, `PROMQL_LIMIT` for texts out of all proportion.
 */
export function parse(text: string, options: ParseOptions = {}): Expr {
  if (text.length > MAX_LENGTH) throw errorAt('PROMQL_LIMIT', text, 0, `expression longer than ${MAX_LENGTH} characters`);
  const tree = parser.parse(text);
  const error = firstSyntaxError(text, tree);
  if (error !== undefined) throw error;
  const root = parts(tree.topNode)[0];
  if (root === undefined) throw errorAt('PROMQL_SYNTAX', text, 0, 'no expression found in input');
  return new Builder(text, options.enableExperimental ?? false).expr(root, 0);
}

/** The parts of a node that carry meaning. */
function parts(node: SyntaxNode): readonly SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) if (child.name !== 'LineComment') found.push(child);
  return found;
}

const BINARY_NODES: Readonly<Record<string, BinaryOp>> = {
  Pow: '^',
  Mul: '*',
  Div: '/',
  Mod: '%',
  Add: '+',
  Sub: '-',
  Eql: '==',
  Neq: '!=',
  Gtr: '>',
  Lss: '<',
  Gte: '>=',
  Lte: '<=',
  Atan2: 'atan2',
  And: 'and',
  Or: 'or',
  Unless: 'unless',
};

/** Turns lezer's tree, which is only a grammar's, into the AST that the rest of the room works on. */
class Builder {
  readonly #text: string;
  readonly #experimental: boolean;

  constructor(text: string, experimental: boolean) {
    this.#text = text;
    this.#experimental = experimental;
  }

  expr(node: SyntaxNode, depth: number): Expr {
    if (depth > MAX_DEPTH) throw this.#error(node, `expression nested more than ${MAX_DEPTH} levels deep`, 'PROMQL_LIMIT');
    const span = { from: node.from, to: node.to };
    switch (node.name) {
      case 'NumberDurationLiteral':
        return this.#signedNumber(node);
      case 'StringLiteral':
        return { kind: 'string', value: this.#string(node), ...span };
      case 'VectorSelector':
        return this.#selector(node);
      case 'ParenExpr':
        return { kind: 'paren', expr: this.#only(node, depth), ...span };
      case 'UnaryExpr':
        return this.#unary(node, depth);
      case 'BinaryExpr':
        return this.#binary(node, depth);
      case 'AggregateExpr':
        return this.#aggregate(node, depth);
      case 'FunctionCall': {
        const [name, body] = parts(node);
        const args = body === undefined ? [] : parts(body).map((argument) => this.expr(argument, depth + 1));
        return { kind: 'call', func: this.#slice(name ?? node), args, ...span };
      }
      case 'MatrixSelector':
        return this.#matrix(node, depth);
      case 'SubqueryExpr':
        return this.#subquery(node, depth);
      case 'OffsetExpr':
        return this.#offset(node, depth);
      case 'StepInvariantExpr':
        return this.#at(node, depth);
      case 'AnchoredExpr':
      case 'SmoothedExpr':
        throw this.#error(node, 'the modifiers "anchored" and "smoothed" are experimental and not supported', 'PROMQL_UNSUPPORTED');
      default:
        throw this.#error(node, `unexpected ${node.name}`);
    }
  }

  #slice(node: SyntaxNode): string {
    return this.#text.slice(node.from, node.to);
  }

  #error(at: { readonly from: number }, message: string, code: ErrorCode = 'PROMQL_SYNTAX'): BelfryError {
    return errorAt(code, this.#text, at.from, message);
  }

  #only(node: SyntaxNode, depth: number): Expr {
    const inner = parts(node)[0];
    if (inner === undefined) throw this.#error(node, 'expected an expression');
    return this.expr(inner, depth + 1);
  }

  #string(node: SyntaxNode): string {
    try {
      return unquote(this.#slice(node));
    } catch (error) {
      const at = error instanceof LiteralError ? error.at : 0;
      throw this.#error({ from: node.from + at }, `error unquoting string ${this.#slice(node)}: ${errorText(error)}`);
    }
  }

  #number(node: SyntaxNode, text: string): { value: number; duration: boolean } {
    try {
      return readNumber(text);
    } catch (error) {
      throw this.#error(node, `error parsing number: ${errorText(error)}`);
    }
  }

  #signedNumber(node: SyntaxNode): Expr {
    const { sign, text } = splitSign(this.#slice(node));
    const { value, duration } = this.#number(node, text);
    return { kind: 'number', value: sign === '-' ? -value : value, duration, from: node.from, to: node.to };
  }

  /** A sign before a literal belongs to the literal; before anything else it is an operator. */
  #unary(node: SyntaxNode, depth: number): Expr {
    const [op, operand] = parts(node);
    if (op === undefined || operand === undefined) throw this.#error(node, 'expected an expression');
    return signed(this.#slice(op) === '-' ? '-' : '+', this.expr(operand, depth + 1), node.from);
  }

  #binary(node: SyntaxNode, depth: number): Expr {
    const [leftNode, ...rest] = parts(node);
    const rightNode = rest.at(-1);
    const opNode = rest[0];
    if (leftNode === undefined || rightNode === undefined || opNode === undefined) throw this.#error(node, 'expected an expression');
    const op = BINARY_NODES[opNode.name];
    if (op === undefined)
      throw this.#error(
        opNode,
        `operator ${JSON.stringify(this.#slice(opNode))} is for native histograms, which are not supported`,
        'PROMQL_UNSUPPORTED',
      );
    let matching: Matching = { card: isSetOp(op) ? 'many-to-many' : 'one-to-one', on: false, labels: [], include: [] };
    let bool = false;
    for (const part of rest.slice(1, -1)) {
      if (part.name === 'BoolModifier') bool = true;
      else if (part.name === 'MatchingModifierClause') matching = this.#matching(part, matching);
      else throw this.#error(part, 'fill modifiers are experimental and not supported', 'PROMQL_UNSUPPORTED');
    }
    const right = this.expr(rightNode, depth + 1);
    const opSpan = { from: opNode.from, to: opNode.to };
    const make = (left: Expr): Binary => ({ kind: 'binary', op, left, right, bool, matching, opSpan, from: left.from, to: node.to });
    // The grammar takes `-1 ^ 2` for `(-1) ^ 2`; the power binds tighter than the sign.
    if (op === '^' && leftNode.name === 'NumberDurationLiteral') {
      const { sign, text } = splitSign(this.#slice(leftNode));
      if (sign !== '') {
        const from = leftNode.to - text.length;
        const left: Expr = { kind: 'number', ...this.#number(leftNode, text), from, to: leftNode.to };
        return { kind: 'unary', op: sign, expr: make(left), from: node.from, to: node.to };
      }
    }
    return make(this.expr(leftNode, depth + 1));
  }

  #matching(node: SyntaxNode, initial: Matching): Matching {
    let { card } = initial;
    let on = false;
    let grouped = false;
    const lists: (readonly string[])[] = [];
    for (const part of parts(node)) {
      if (part.name === 'On') on = true;
      else if (part.name === 'GroupingLabels') lists.push(this.#labels(part));
      else if (part.name === 'GroupLeft' || part.name === 'GroupRight') {
        card = part.name === 'GroupLeft' ? 'many-to-one' : 'one-to-many';
        grouped = true;
      }
    }
    return { card, on, labels: lists[0] ?? [], include: grouped ? (lists[1] ?? []) : [] };
  }

  #labels(node: SyntaxNode): readonly string[] {
    return parts(node).map((part) => (part.name === 'QuotedLabelName' ? this.#string(parts(part)[0] ?? part) : this.#slice(part)));
  }

  #aggregate(node: SyntaxNode, depth: number): Expr {
    let op = '';
    let without = false;
    let grouping: readonly string[] = [];
    let args: readonly Expr[] = [];
    for (const part of parts(node)) {
      if (part.name === 'AggregateOp') op = this.#slice(part).toLowerCase();
      else if (part.name === 'FunctionCallBody') args = parts(part).map((argument) => this.expr(argument, depth + 1));
      else if (part.name === 'AggregateModifier') {
        const [keyword, labels] = parts(part);
        without = keyword?.name === 'Without';
        grouping = labels === undefined ? [] : this.#labels(labels);
      }
    }
    const wanted = AGGREGATES_WITH_PARAMETER.has(op) ? 2 : 1;
    if (args.length === 0) throw this.#error(node, 'no arguments for aggregate expression provided');
    const expr = args.at(-1);
    if (args.length !== wanted || expr === undefined)
      throw this.#error(node, `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`);
    const param = wanted === 2 ? args[0] : undefined;
    const base = { kind: 'aggregate', op: op as AggregateOp, expr, without, grouping, from: node.from, to: node.to } as const;
    return param === undefined ? base : { ...base, param };
  }

  #selector(node: SyntaxNode): VectorSelector {
    let name: string | undefined;
    const matchers: Matcher[] = [];
    for (const part of parts(node)) {
      if (part.name === 'Identifier') name = this.#slice(part);
      else for (const matcher of parts(part)) matchers.push(this.#matcher(matcher));
    }
    const span = { from: node.from, to: node.to };
    if (name === undefined) return { kind: 'selector', matchers, offsetMs: 0, ...span };
    return { kind: 'selector', name, matchers: [...matchers, new Matcher(METRIC_NAME, '=', name)], offsetMs: 0, ...span };
  }

  #matcher(node: SyntaxNode): Matcher {
    if (node.name === 'QuotedLabelName') return new Matcher(METRIC_NAME, '=', this.#string(parts(node)[0] ?? node));
    const [name, op, value] = parts(node);
    if (name === undefined || op === undefined || value === undefined) throw this.#error(node, 'expected a label matcher');
    const label = name.name === 'QuotedLabelName' ? this.#string(parts(name)[0] ?? name) : this.#slice(name);
    const text = this.#string(value);
    try {
      return new Matcher(label, this.#slice(op) as MatchOp, text);
    } catch (error) {
      throw this.#error(value, errorText(error));
    }
  }

  #matrix(node: SyntaxNode, depth: number): MatrixSelector {
    const [inner, range] = parts(node);
    if (inner === undefined || range === undefined) throw this.#error(node, 'expected a duration');
    const selector = this.expr(inner, depth + 1);
    if (selector.kind !== 'selector') throw this.#error(node, 'ranges only allowed for vector selectors');
    if (selector.offsetMs !== 0) throw this.#error(node, 'no offset modifiers allowed before range');
    if (selector.at !== undefined) throw this.#error(node, 'no @ modifiers allowed before range');
    return { kind: 'matrix', selector, rangeMs: this.#positiveMs(range), offsetMs: 0, from: node.from, to: node.to };
  }

  #subquery(node: SyntaxNode, depth: number): Subquery {
    const [inner, range, step] = parts(node);
    if (inner === undefined || range === undefined) throw this.#error(node, 'expected a duration');
    const base = { kind: 'subquery', expr: this.expr(inner, depth + 1), rangeMs: this.#positiveMs(range), offsetMs: 0 } as const;
    const span = { from: node.from, to: node.to };
    return step === undefined ? { ...base, ...span } : { ...base, stepMs: this.#positiveMs(step), ...span };
  }

  #offset(node: SyntaxNode, depth: number): Expr {
    const [inner, , duration] = parts(node);
    if (inner === undefined || duration === undefined) throw this.#error(node, 'expected a duration');
    const expr = this.#modifiable(inner, 'offset', depth);
    if (expr.offsetMs !== 0) throw this.#error(node, 'offset may not be set multiple times');
    return { ...expr, offsetMs: this.#milliseconds(duration), to: node.to };
  }

  #at(node: SyntaxNode, depth: number): Expr {
    const [inner, , at] = parts(node);
    if (inner === undefined || at === undefined) throw this.#error(node, 'expected a timestamp');
    const expr = this.#modifiable(inner, '@', depth);
    if (expr.at !== undefined) throw this.#error(node, '@ <timestamp> may not be set multiple times');
    return { ...expr, at: this.#timestamp(at), to: node.to };
  }

  #modifiable(node: SyntaxNode, modifier: string, depth: number): VectorSelector | MatrixSelector | Subquery {
    const expr = this.expr(node, depth + 1);
    if (expr.kind === 'selector' || expr.kind === 'matrix' || expr.kind === 'subquery') return expr;
    throw this.#error(node, `${modifier} modifier must be preceded by an instant vector selector or range vector selector or a subquery`);
  }

  #timestamp(node: SyntaxNode): At {
    if (node.name === 'AtModifierPreprocessors') return this.#slice(node).toLowerCase().startsWith('start') ? 'start' : 'end';
    const { sign, text } = splitSign(this.#slice(node));
    const seconds = this.#number(node, text).value * (sign === '-' ? -1 : 1);
    if (!Number.isFinite(seconds) || Math.abs(seconds) >= 2 ** 63 / 1000)
      throw this.#error(node, `timestamp out of bounds for @ modifier: ${seconds}`);
    return Math.round(seconds * 1000);
  }

  #positiveMs(node: SyntaxNode): number {
    const durationMs = this.#milliseconds(node);
    if (durationMs <= 0) throw this.#error(node, 'duration must be greater than 0');
    return durationMs;
  }

  #milliseconds(node: SyntaxNode): number {
    const seconds = this.#seconds(node);
    if (!Number.isFinite(seconds) || Math.abs(seconds) > 9_223_372_036) throw this.#error(node, 'duration out of range');
    return Math.trunc(Math.round(seconds * 1e9) / 1e6);
  }

  /** A duration in seconds; arithmetic on durations is experimental in Prometheus and folded here. */
  #seconds(node: SyntaxNode): number {
    if (node.name === 'NumberDurationLiteralInDurationContext') return this.#number(node, this.#slice(node)).value;
    const inner = parts(node);
    const [first, second, third] = inner;
    if (first === undefined) throw this.#error(node, 'expected a duration');
    if (first.name.startsWith('DurationStep') || first.name.startsWith('DurationRange') || first.name.startsWith('DurationM'))
      throw this.#error(first, `${this.#slice(first)}() in durations is experimental and not supported`, 'PROMQL_UNSUPPORTED');
    if (first.name === 'UnaryOp' && second !== undefined) return this.#seconds(second) * (this.#slice(first) === '-' ? -1 : 1);
    const nested = first.name === 'DurationExpr';
    if (nested && !this.#experimental)
      throw this.#error(node, 'duration expressions are experimental in Prometheus and not enabled', 'PROMQL_UNSUPPORTED');
    if (second === undefined || third === undefined) return this.#seconds(first);
    return this.#fold(node, this.#slice(second), this.#seconds(first), this.#seconds(third));
  }

  #fold(node: SyntaxNode, op: string, left: number, right: number): number {
    if ((op === '/' || op === '%') && right === 0) throw this.#error(node, op === '/' ? 'division by zero' : 'modulo by zero');
    switch (op) {
      case '+':
        return left + right;
      case '-':
        return left - right;
      case '*':
        return left * right;
      case '/':
        return left / right;
      case '%':
        return left % right;
      default:
        return left ** right;
    }
  }
}

const AGGREGATES_WITH_PARAMETER: ReadonlySet<string> = new Set(['topk', 'bottomk', 'quantile', 'count_values', 'limitk', 'limit_ratio']);

function splitSign(text: string): { sign: '' | '+' | '-'; text: string } {
  const match = /^([-+])\s*/.exec(text);
  return match === null ? { sign: '', text } : { sign: match[1] === '-' ? '-' : '+', text: text.slice(match[0].length) };
}

function signed(op: '+' | '-', expr: Expr, from: number): Expr {
  if (expr.kind !== 'number') return { kind: 'unary', op, expr, from, to: expr.to };
  return { ...expr, value: op === '-' ? -expr.value : expr.value, from };
}
