import { SWITCHES } from './features.ts';
import { describe, type Token } from './lexer.ts';
import type { TokenReader } from './token-reader.ts';

const PRECEDENCE: Readonly<Record<string, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2, '^': 3 };
const POWER = 3;
const DURATION_FUNCTIONS: ReadonlySet<string> = new Set(['step', 'range', 'min_of', 'max_of']);

/**
 * Reads durations: `5m`, `300` (seconds), and, where that is enabled, arithmetic on them, which is
 * folded. Results are whole milliseconds.
 */
export class DurationReader {
  readonly #reader: TokenReader;
  readonly #arithmetic: boolean;

  constructor(reader: TokenReader, arithmetic: boolean) {
    this.#reader = reader;
    this.#arithmetic = arithmetic;
  }

  /** A range or step in brackets: more than zero. */
  positiveMs(): number {
    const start = this.#reader.peek;
    const durationMs = this.#milliseconds(start, this.#binary(1, 0));
    if (durationMs <= 0) throw this.#reader.error(start, 'duration must be greater than 0');
    return durationMs;
  }

  /** What follows `offset`: a signed duration, or arithmetic in parentheses. */
  offsetMs(): number {
    const start = this.#reader.peek;
    return this.#milliseconds(start, this.#unary(0, false));
  }

  #milliseconds(at: Token, seconds: number): number {
    if (!Number.isFinite(seconds) || Math.abs(seconds) > 9_223_372_036) throw this.#reader.error(at, 'duration out of range');
    return Math.trunc(Math.round(seconds * 1e9) / 1e6);
  }

  #binary(least: number, depth: number): number {
    let left = this.#unary(depth, true);
    for (;;) {
      const token = this.#reader.peek;
      const precedence = token.kind === 'operator' ? (PRECEDENCE[token.word] ?? 0) : 0;
      if (precedence < least || precedence === 0) return left;
      this.#requireArithmetic(token);
      this.#reader.next();
      const right = this.#binary(token.word === '^' ? precedence : precedence + 1, depth + 1);
      left = this.#fold(token, left, right);
    }
  }

  /** `powers`: whether `^` may follow, which binds more tightly than the sign. */
  #unary(depth: number, powers: boolean): number {
    const token = this.#reader.peek;
    this.#reader.checkDepth(depth, token);
    if (token.word === '-' || token.word === '+') {
      this.#reader.next();
      const value = powers ? this.#binary(POWER, depth + 1) : this.#unary(depth + 1, false);
      return token.word === '-' ? -value : value;
    }
    if (token.text === '(') {
      this.#requireArithmetic(token);
      this.#reader.next();
      const value = this.#binary(1, depth + 1);
      this.#reader.expect(')', 'in duration');
      return value;
    }
    if (token.kind === 'identifier' && DURATION_FUNCTIONS.has(token.word))
      throw this.#reader.error(token, `${token.word}() in durations is experimental in Prometheus and not supported`, 'PROMQL_UNSUPPORTED');
    if (token.kind !== 'number')
      throw this.#reader.error(token, `unexpected ${describe(token)} in duration, expected a number or duration`);
    this.#reader.next();
    return this.#reader.number(token).value;
  }

  #requireArithmetic(token: Token): void {
    if (this.#arithmetic) return;
    const text = `duration expressions are experimental in Prometheus and not enabled: ${SWITCHES.durationExpressions}`;
    throw this.#reader.error(token, text, 'PROMQL_UNSUPPORTED');
  }

  #fold(op: Token, left: number, right: number): number {
    switch (op.word) {
      case '+':
        return left + right;
      case '-':
        return left - right;
      case '*':
        return left * right;
      case '^':
        return left ** right;
      default:
        if (right === 0) throw this.#reader.error(op, op.word === '/' ? 'division by zero' : 'modulo by zero');
        return op.word === '/' ? left / right : left % right;
    }
  }
}
