import type { Aggregate, Binary, Call, Expr, Extended, ValueType, VectorSelector } from './ast.ts';
import { isComparison, isSetOp, unwrapParens } from './ast.ts';
import { SWITCHES } from './features.ts';
import { FUNCTIONS } from './functions.ts';
import type { ParseOptions } from './parse.ts';
import { errorAt } from './syntax-error.ts';
import type { BelfryError, ErrorCode } from '../core/errors.ts';

const EXTENDED_FUNCTIONS: Readonly<Record<Extended, readonly string[]>> = {
  anchored: ['changes', 'delta', 'increase', 'rate', 'resets'],
  smoothed: ['delta', 'increase', 'rate'],
};

const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  scalar: 'scalar',
  vector: 'instant vector',
  matrix: 'range vector',
  string: 'string',
};

/** The type's name in messages: `instant vector`, `range vector`. */
export function typeName(type: ValueType): string {
  return TYPE_NAMES[type];
}

/**
 * Checks types, arguments and everything else that can be refused before there is data, as Prometheus's parser does.
 * Returns the expression's type. Throws `PROMQL_TYPE`, or `PROMQL_UNSUPPORTED` for what is experimental or only makes
 * sense on native histograms.
 */
export function check(expr: Expr, text: string, options: ParseOptions = {}): ValueType {
  return new Checker(text, options.experimentalFunctions ?? false).check(expr);
}

class Checker {
  readonly #text: string;
  readonly #experimental: boolean;

  constructor(text: string, experimental: boolean) {
    this.#text = text;
    this.#experimental = experimental;
  }

  check(expr: Expr): ValueType {
    switch (expr.kind) {
      case 'number':
        return 'scalar';
      case 'string':
        return 'string';
      case 'selector':
        this.#selector(expr);
        return 'vector';
      case 'matrix':
        this.#selector(expr.selector);
        return 'matrix';
      case 'subquery': {
        const type = this.check(expr.expr);
        if (type !== 'vector') throw this.#error(expr.from, `subquery is only allowed on instant vector, got ${type} instead`);
        return 'matrix';
      }
      case 'paren':
        return this.check(expr.expr);
      case 'unary': {
        const type = this.check(expr.expr);
        if (type === 'scalar' || type === 'vector') return type;
        throw this.#error(
          expr.from,
          `unary expression only allowed on expressions of type scalar or instant vector, got "${typeName(type)}"`,
        );
      }
      case 'binary':
        return this.#binary(expr);
      case 'aggregate':
        return this.#aggregate(expr);
      case 'call':
        return this.#call(expr);
    }
  }

  #error(from: number, message: string, code: ErrorCode = 'PROMQL_TYPE'): BelfryError {
    return errorAt(code, this.#text, from, message);
  }

  #expect(expr: Expr, wanted: ValueType, context: string): void {
    const type = this.check(expr);
    if (type !== wanted) throw this.#error(expr.from, `expected type ${typeName(wanted)} in ${context}, got ${typeName(type)}`);
  }

  #selector(selector: VectorSelector): void {
    const { name, matchers } = selector;
    if (name !== undefined) {
      const second = matchers.slice(0, -1).find((matcher) => matcher.name === '__name__');
      if (second !== undefined)
        throw this.#error(selector.from, `metric name must not be set twice: ${JSON.stringify(name)} or ${JSON.stringify(second.value)}`);
      return;
    }
    if (matchers.every((matcher) => matcher.matchesEmpty)) {
      throw this.#error(selector.from, 'vector selector must contain at least one non-empty matcher');
    }
  }

  #binary(expr: Binary): ValueType {
    const left = this.check(expr.left);
    const right = this.check(expr.right);
    const { op, matching } = expr;
    const at = expr.opSpan.from;
    if (expr.bool && !isComparison(op)) throw this.#error(at, 'bool modifier can only be used on comparison operators');
    if (isComparison(op) && !expr.bool && left === 'scalar' && right === 'scalar')
      throw this.#error(at, 'comparisons between scalars must use BOOL modifier');
    for (const label of matching.on ? matching.labels : []) {
      if (matching.include.includes(label))
        throw this.#error(at, `label ${JSON.stringify(label)} must not occur in ON and GROUP clause at once`);
    }
    for (const [side, type] of [
      [expr.left, left],
      [expr.right, right],
    ] as const) {
      if (type !== 'scalar' && type !== 'vector')
        throw this.#error(side.from, 'binary expression must contain only scalar and instant vector types');
    }
    if (left === 'vector' && right === 'vector') {
      if (isSetOp(op) && matching.fill !== undefined)
        throw this.#error(expr.from, 'filling in missing series not allowed for set operators');
      if (isSetOp(op) && matching.card !== 'many-to-many') throw this.#error(expr.from, `no grouping allowed for "${op}" operation`);
      return 'vector';
    }
    if (matching.labels.length > 0) throw this.#error(expr.from, 'vector matching only allowed between instant vectors');
    if (matching.fill !== undefined) throw this.#error(expr.from, 'filling in missing series only allowed between instant vectors');
    if (isSetOp(op)) throw this.#error(expr.from, `set operator "${op}" not allowed in binary scalar expression`);
    return left === 'vector' || right === 'vector' ? 'vector' : 'scalar';
  }

  #aggregate(expr: Aggregate): ValueType {
    if ((expr.op === 'limitk' || expr.op === 'limit_ratio') && !this.#experimental) throw this.#notEnabled(expr, `${expr.op}()`);
    this.#expect(expr.expr, 'vector', 'aggregation expression');
    if (expr.param !== undefined) this.#expect(expr.param, expr.op === 'count_values' ? 'string' : 'scalar', 'aggregation parameter');
    return 'vector';
  }

  #notEnabled({ from }: Expr, what: string): BelfryError {
    const text = `${what} is experimental in Prometheus and such functions are not enabled: ${SWITCHES.experimentalFunctions}`;
    return this.#error(from, text, 'PROMQL_UNSUPPORTED');
  }

  /** The second argument is no more than matchers; what is left to check. */
  #infoBase(args: readonly Expr[]): readonly Expr[] {
    const selector = args[1];
    if (selector === undefined) return args;
    if (selector.kind !== 'selector') throw this.#error(selector.from, 'expected label selectors only');
    if (selector.name !== undefined) throw this.#error(selector.from, 'expected label selectors only, got vector selector instead');
    return args.slice(0, 1);
  }

  /** Only some functions know what to make of samples beside the range. */
  #extended(func: string, argument: Expr): void {
    const inner = unwrapParens(argument);
    if (inner.kind !== 'matrix' || inner.extended === undefined || EXTENDED_FUNCTIONS[inner.extended].includes(func)) return;
    const functions = EXTENDED_FUNCTIONS[inner.extended].join(', ');
    throw this.#error(inner.from, `${inner.extended} modifier can only be used with: ${functions} - not with ${func}`);
  }

  #call(expr: Call): ValueType {
    const { func, args } = expr;
    const signature = FUNCTIONS.get(func);
    const quoted = JSON.stringify(func);
    if (signature === undefined) throw this.#error(expr.from, `unknown function with name ${quoted}`);
    if (signature.refused !== undefined)
      throw this.#error(expr.from, `function ${quoted} is not supported: ${signature.refused}`, 'PROMQL_UNSUPPORTED');
    if (signature.experimental === true && !this.#experimental) throw this.#notEnabled(expr, `function ${quoted}`);
    const count = signature.args.length;
    const least = signature.variadic === 0 ? count : count - 1;
    const most = signature.variadic < 0 ? Number.POSITIVE_INFINITY : least + signature.variadic;
    if (signature.variadic === 0 && args.length !== count)
      throw this.#error(expr.from, `expected ${count} argument(s) in call to ${quoted}, got ${args.length}`);
    if (args.length < least)
      throw this.#error(expr.from, `expected at least ${least} argument(s) in call to ${quoted}, got ${args.length}`);
    if (args.length > most && signature.variadic !== 0)
      throw this.#error(expr.from, `expected at most ${most} argument(s) in call to ${quoted}, got ${args.length}`);
    for (const argument of args) this.#extended(func, argument);
    const checked = func === 'info' ? this.#infoBase(args) : args;
    for (const [index, argument] of checked.entries())
      this.#expect(argument, signature.args[Math.min(index, count - 1)] ?? 'vector', `call to function ${quoted}`);
    return signature.returns;
  }
}
