import { errorText, type BelfryError, type ErrorCode } from '../core/errors.ts';
import { describe, tokenize, type Token } from './lexer.ts';
import { LiteralError, readNumber, unquote } from './literals.ts';
import { errorAt } from './syntax-error.ts';

/** Deeper expressions are refused: nobody writes them by hand, and recursion must end. */
const MAX_DEPTH = 500;

/** Walks over the tokens of an expression and makes its errors. */
export class TokenReader {
  readonly text: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.text = text;
    this.#tokens = tokenize(text);
  }

  /** The next token. Throws where the text could not be read any further. */
  get peek(): Token {
    const token = this.lookAhead(0);
    if (token.error !== undefined) throw token.error;
    return token;
  }

  /** Where the last token taken ends. */
  get end(): number {
    return this.#tokens[this.#at - 1]?.to ?? 0;
  }

  lookAhead(by: number): Token {
    const token = this.#tokens[Math.min(this.#at + by, this.#tokens.length - 1)];
    if (token === undefined) throw new TypeError('an expression has at least its end');
    return token;
  }

  next(): Token {
    const token = this.peek;
    this.#at = Math.min(this.#at + 1, this.#tokens.length - 1);
    return token;
  }

  /** Takes a symbol if it comes next. */
  accept(symbol: string): boolean {
    const token = this.peek;
    if (token.kind !== 'symbol' || token.text !== symbol) return false;
    this.next();
    return true;
  }

  /** Takes a keyword if it comes next. */
  keyword(word: string): boolean {
    const token = this.peek;
    if (token.kind !== 'keyword' || token.word !== word) return false;
    this.next();
    return true;
  }

  /** Takes a number, perhaps with a sign. */
  signedNumber(where: string, expected: string): number {
    const sign = this.peek.word === '-' ? -1 : 1;
    if (this.peek.word === '-' || this.peek.word === '+') this.next();
    const number = this.peek;
    if (number.kind !== 'number') throw this.unexpected(where, expected);
    this.next();
    return this.number(number).value * sign;
  }

  expect(symbol: string, where: string): void {
    if (!this.accept(symbol)) throw this.unexpected(where, JSON.stringify(symbol));
  }

  expectEnd(): void {
    if (this.peek.kind !== 'end') throw this.unexpected('', 'an operator or the end of the expression');
  }

  error(at: { readonly from: number }, message: string, code: ErrorCode = 'PROMQL_SYNTAX'): BelfryError {
    return errorAt(code, this.text, at.from, message);
  }

  /** `unexpected X in label matching, expected Y`, about the next token. */
  unexpected(where: string, expected: string): BelfryError {
    const place = where === '' ? '' : ` ${where}`;
    return this.error(this.peek, `unexpected ${describe(this.peek)}${place}, expected ${expected}`);
  }

  checkDepth(depth: number, at: Token): void {
    if (depth > MAX_DEPTH) throw this.error(at, `expression nested more than ${MAX_DEPTH} levels deep`, 'PROMQL_LIMIT');
  }

  number(token: Token): { value: number; duration: boolean } {
    try {
      return readNumber(token.text);
    } catch (error) {
      throw this.error(token, `error parsing number: ${errorText(error)}`);
    }
  }

  string(token: Token): string {
    try {
      return unquote(token.text);
    } catch (error) {
      const at = error instanceof LiteralError ? error.at : 0;
      throw this.error({ from: token.from + at }, `error unquoting string ${token.text}: ${errorText(error)}`);
    }
  }
}
