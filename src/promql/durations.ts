import { formatDuration } from '../core/duration.ts';
import { formatFloat } from '../core/number-format.ts';
import type { ArithmeticOp, DurationExpr, QueryDurations } from './ast.ts';
import { executionError } from './exec.ts';
import { SWITCHES } from './features.ts';
import { describe, type Token } from './lexer.ts';
import { arithmetic, greatest, least } from './operators.ts';
import type { TokenReader } from './token-reader.ts';

const PRECEDENCE: Readonly<Record<string, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2, '^': 3 };
const POWER = 3;
const OF_QUERY: Readonly<Record<string, (query: QueryDurations) => number>> = {
  step: ({ stepMs }) => stepMs / 1000,
  range: ({ rangeMs }) => rangeMs / 1000,
};
/** `min` and `max` as before 3.13. */
const OF_TWO: Readonly<Record<string, 'min_of' | 'max_of'>> = { min_of: 'min_of', max_of: 'max_of', min: 'min_of', max: 'max_of' };
const NO_QUERY: QueryDurations = { stepMs: 0, rangeMs: 0 };

/** A duration as it is written: whole milliseconds, and what it was worked out from where that was arithmetic. */
export interface Duration {
  /** 0 where it depends on the query. */
  readonly ms: number;
  readonly expr?: DurationExpr;
}

/** A part of a duration, in seconds. `literal`: it is no more than a number, perhaps with a sign. */
interface Part {
  readonly text: string;
  readonly literal: boolean;
  readonly constant: boolean;
  readonly seconds: (query: QueryDurations) => number;
}

/**
 * Reads durations: `5m`, `300` (seconds), and, where that is enabled, arithmetic on them, also with `step()` and `range()` of
 * the query, which are not known before it is evaluated.
 */
export class DurationReader {
  readonly #reader: TokenReader;
  readonly #arithmetic: boolean;

  constructor(reader: TokenReader, arithmetic: boolean) {
    this.#reader = reader;
    this.#arithmetic = arithmetic;
  }

  /** A range or step in brackets: more than zero. */
  positive(): Duration {
    return this.#finish(this.#reader.peek, this.#binary(1, 0), false);
  }

  /** What follows `offset`: a signed duration, or arithmetic in parentheses. */
  offset(): Duration {
    return this.#finish(this.#reader.peek, this.#unary(0, false), true);
  }

  #finish(at: Token, { text, literal, constant, seconds }: Part, mayBeNegative: boolean): Duration {
    const resolve = (query: QueryDurations, fail: (message: string) => Error): number => {
      const ms = milliseconds(seconds(query), fail);
      if (ms <= 0 && !mayBeNegative) throw fail('duration must be greater than 0');
      return ms;
    };
    if (!constant) return { ms: 0, expr: { text, resolve: (query) => resolve(query, executionError) } };
    const ms = resolve(NO_QUERY, (message) => this.#reader.error(at, message));
    return literal ? { ms } : { ms, expr: { text } };
  }

  #binary(least: number, depth: number): Part {
    let left = this.#unary(depth, true);
    for (;;) {
      const token = this.#reader.peek;
      const precedence = token.kind === 'operator' ? (PRECEDENCE[token.word] ?? 0) : 0;
      if (precedence < least || precedence === 0) return left;
      this.#requireArithmetic(token);
      this.#reader.next();
      left = this.#fold(token, left, this.#binary(token.word === '^' ? precedence : precedence + 1, depth + 1));
    }
  }

  /** `powers`: whether `^` may follow, which binds more tightly than the sign. */
  #unary(depth: number, powers: boolean): Part {
    const token = this.#reader.peek;
    this.#reader.checkDepth(depth, token);
    if (token.word === '-' || token.word === '+') {
      this.#reader.next();
      const part = powers ? this.#binary(POWER, depth + 1) : this.#unary(depth + 1, false);
      return token.word === '+' ? part : { ...part, text: `-${part.text}`, seconds: (query) => -part.seconds(query) };
    }
    if (token.text === '(') {
      this.#requireArithmetic(token);
      this.#reader.next();
      const part = this.#binary(1, depth + 1);
      this.#reader.expect(')', 'in duration');
      return { ...part, text: `(${part.text})`, literal: false };
    }
    if (token.kind === 'identifier' || token.kind === 'aggregate') return this.#call(token, depth);
    if (token.kind !== 'number')
      throw this.#reader.error(token, `unexpected ${describe(token)} in duration, expected a number or duration`);
    this.#reader.next();
    const { value, duration } = this.#reader.number(token);
    return { text: duration ? formatDuration(value * 1000) : formatFloat(value), literal: true, constant: true, seconds: () => value };
  }

  #call(name: Token, depth: number): Part {
    const reader = this.#reader;
    const word = name.text.toLowerCase();
    const ofQuery = Object.hasOwn(OF_QUERY, word) ? OF_QUERY[word] : undefined;
    const ofTwo = Object.hasOwn(OF_TWO, word) ? OF_TWO[word] : undefined;
    if (ofQuery === undefined && ofTwo === undefined)
      throw reader.error(name, `unexpected ${describe(name)} in duration, expected a number or duration`);
    this.#requireArithmetic(name);
    reader.next();
    reader.expect('(', 'in duration');
    if (ofTwo === undefined) {
      reader.expect(')', 'in duration');
      return { text: `${word}()`, literal: false, constant: false, seconds: ofQuery ?? (() => 0) };
    }
    const a = this.#binary(1, depth + 1);
    reader.expect(',', 'in duration');
    const b = this.#binary(1, depth + 1);
    reader.expect(')', 'in duration');
    const choose = ofTwo === 'min_of' ? least : greatest;
    const seconds = (query: QueryDurations): number => choose(a.seconds(query), b.seconds(query));
    return { text: `${ofTwo}(${a.text}, ${b.text})`, literal: false, constant: a.constant && b.constant, seconds };
  }

  #requireArithmetic(token: Token): void {
    if (this.#arithmetic) return;
    const text = `duration expressions are experimental in Prometheus and not enabled: ${SWITCHES.durationExpressions}`;
    throw this.#reader.error(token, text, 'PROMQL_UNSUPPORTED');
  }

  #fold(op: Token, left: Part, right: Part): Part {
    const divides = op.word === '/' || op.word === '%';
    const zero = op.word === '/' ? 'division by zero' : 'modulo by zero';
    if (divides && right.constant && right.seconds(NO_QUERY) === 0) throw this.#reader.error(op, zero);
    const seconds = (query: QueryDurations): number => {
      const [a, b] = [left.seconds(query), right.seconds(query)];
      if (divides && b === 0) throw executionError(zero);
      return arithmetic(op.word as ArithmeticOp, a, b);
    };
    const text = `${left.text} ${op.word} ${right.text}`;
    return { text, literal: false, constant: left.constant && right.constant, seconds };
  }
}

function milliseconds(seconds: number, fail: (message: string) => Error): number {
  if (!Number.isFinite(seconds) || Math.abs(seconds) > 9_223_372_036) throw fail('duration out of range');
  return Math.trunc(Math.round(seconds * 1e9) / 1e6);
}
