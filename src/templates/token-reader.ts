import { BelfryError } from '../core/errors.ts';
import { sprintf } from './go-fmt.ts';
import { positionAt, tokenize } from './lexer.ts';
import { quote } from './quote.ts';
import type { Position } from '../core/errors.ts';
import type { Token, TokenType } from './lexer.ts';

/** The tokens of a template one after the other, and the errors that are said of them. */
export class TokenReader {
  readonly #text: string;
  readonly #name: string;
  readonly #prologueLength: number;
  readonly #tokens: readonly Token[];
  /** Which token comes next; it may be set back. */
  index = 0;
  /** Where the action began that is being read. */
  action: Token | undefined;

  /** The first `prologueLength` characters are not counted by positions. Throws `LIMIT_EXCEEDED`. */
  constructor(text: string, name: string, prologueLength: number) {
    this.#text = text;
    this.#name = name;
    this.#prologueLength = prologueLength;
    this.#tokens = tokenize(text);
  }

  /** An error at a token. */
  fail(token: Token, message: string): BelfryError {
    return new BelfryError('TEMPLATE_INVALID', message, { position: this.#position(token) });
  }

  #position(token: Token): Position {
    return positionAt(this.#text.slice(this.#prologueLength), token.at - this.#prologueLength);
  }

  /** What is no token of the template has its own reason, and where its action began, if that was on a line before. */
  unexpected(token: Token, where: string): BelfryError {
    if (token.type !== 'error') return this.fail(token, `unexpected ${shown(token)} in ${where}`);
    // What was never closed is to be looked for where it was opened.
    const place = token.text === 'unclosed action' ? (this.action ?? token) : token;
    const startLine = this.action === undefined ? undefined : this.#position(this.action).line;
    if (startLine === undefined || startLine === this.#position(token).line) return this.fail(place, token.text);
    const started = `started at ${this.#name}:${startLine}`;
    return this.fail(place, `${token.text}${token.text.endsWith(' action') ? '' : ' in action'} ${started}`);
  }

  /** The next token, which is the last one for ever where there are no more. */
  peek(): Token {
    const token = this.#tokens[Math.min(this.index, this.#tokens.length - 1)];
    if (token === undefined) throw new BelfryError('INTERNAL', 'template without tokens');
    return token;
  }

  take(): Token {
    const token = this.peek();
    this.index++;
    return token;
  }

  /** The next token that is no space. */
  peekSolid(): Token {
    if (this.peek().type === 'space') this.index++;
    return this.peek();
  }

  takeSolid(): Token {
    this.peekSolid();
    return this.take();
  }

  expect(type: TokenType, where: string): Token {
    const token = this.takeSolid();
    if (token.type !== type) throw this.unexpected(token, where);
    return token;
  }
}

/** A token in an error: keywords in angle brackets, everything else quoted, of a long one the beginning. */
function shown(token: Token): string {
  if (token.type === 'end') return 'EOF';
  if (token.type === 'keyword') return `<${token.text}>`;
  return Buffer.byteLength(token.text) > 10 ? sprintf('%.10q...', [token.text]) : quote(token.text);
}
