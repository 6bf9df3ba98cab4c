import { BelfryError } from '../core/errors.ts';
import type { Position } from '../core/errors.ts';

export type TokenType =
  | 'text'
  | 'open'
  | 'close'
  | 'field'
  | 'variable'
  | 'word'
  | 'number'
  | 'char'
  | 'string'
  | 'dot'
  | '('
  | ')'
  | '|'
  | ':='
  | '='
  | ','
  | 'end';

/** One token of a template. `open` and `close` are the action delimiters; comments and trimmed space never show up. */
export interface Token {
  readonly type: TokenType;
  /** The text as written; for strings with its quotes, for fields with the dot. */
  readonly text: string;
  /** Index into the template. */
  readonly at: number;
  /** Whether white space stands before it; `.a .b` are two operands and `.a.b` is one. */
  readonly spaced: boolean;
}

const SPACE = /[ \t\r\n]/;
const WORD = /[\p{L}\p{Nd}_]/u;
const NUMBER = new RegExp(
  [
    '[+-]?(?:0[xX][0-9a-fA-F_]+(?:\\.[0-9a-fA-F_]*)?(?:[pP][+-]?\\d+)?',
    '0[bB][01_]+|0[oO][0-7_]+|(?:\\d[\\d_]*\\.?[\\d_]*|\\.\\d[\\d_]*)(?:[eE][+-]?\\d+)?)',
  ].join('|'),
  'y',
);
const MAX_TOKENS = 100_000;

/** The 1-based line and column of an index. */
export function positionAt(text: string, index: number): Position {
  const before = text.slice(0, index);
  const lineStart = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (const char of before) if (char === '\n') line++;
  return { line, column: index - lineStart + 1 };
}

/**
 * Cuts a template into tokens, as Go's text/template does: `{{-` and `-}}` trim white space, `{{/* … *\/}}` is a
 * comment. Throws `TEMPLATE_INVALID` with the position.
 */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimNext = false;
  while (at < text.length) {
    const open = text.indexOf('{{', at);
    let literal = text.slice(at, open < 0 ? text.length : open);
    if (trimNext) literal = literal.replace(/^[ \t\r\n]+/, '');
    trimNext = false;
    const trimBefore = open >= 0 && text[open + 2] === '-' && SPACE.test(text[open + 3] ?? '');
    if (trimBefore) literal = literal.replace(/[ \t\r\n]+$/, '');
    if (literal !== '') tokens.push({ type: 'text', text: literal, at, spaced: false });
    if (open < 0) break;
    const inside = open + (trimBefore ? 3 : 2);
    // As in Go, a comment stands right behind its delimiter: one space after `{{-`, none after `{{`.
    const commentAt = trimBefore ? inside + 1 : inside;
    if (text.startsWith('/*', commentAt)) {
      [at, trimNext] = skipComment(text, open, commentAt);
      continue;
    }
    tokens.push({ type: 'open', text: '{{', at: open, spaced: false });
    [at, trimNext] = new ActionLexer(text, inside, tokens).run(open);
  }
  tokens.push({ type: 'end', text: '', at: text.length, spaced: false });
  return tokens;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (SPACE.test(text[at] ?? '')) at++;
  return at;
}

function skipComment(text: string, open: number, from: number): [at: number, trim: boolean] {
  const end = text.indexOf('*/', from + 2);
  if (end < 0) throw invalid(text, open, 'unclosed comment');
  if (SPACE.test(text[end + 2] ?? '') && text.startsWith('-}}', end + 3)) return [end + 6, true];
  if (!text.startsWith('}}', end + 2)) throw invalid(text, open, 'comment ends before closing delimiter');
  return [end + 4, false];
}

export function invalid(text: string, index: number, message: string): BelfryError {
  return new BelfryError('TEMPLATE_INVALID', message, { position: positionAt(text, index) });
}

/** Reads what stands between `{{` and `}}`. */
class ActionLexer {
  readonly #text: string;
  readonly #tokens: Token[];
  #at: number;
  #spaced = false;
  #depth = 0;

  constructor(text: string, at: number, tokens: Token[]) {
    this.#text = text;
    this.#at = at;
    this.#tokens = tokens;
  }

  /** Returns where the text goes on, and whether its leading white space is to be trimmed. */
  run(open: number): [at: number, trim: boolean] {
    const text = this.#text;
    for (;;) {
      const char = text[this.#at];
      if (char === undefined) throw invalid(text, open, 'unclosed action');
      if (this.#tokens.length > MAX_TOKENS) throw new BelfryError('LIMIT_EXCEEDED', `template of more than ${MAX_TOKENS} tokens`);
      if (SPACE.test(char)) {
        this.#at = skipSpace(text, this.#at);
        this.#spaced = true;
        if (text.startsWith('-}}', this.#at)) return [this.#close(3), true];
      } else if (text.startsWith('}}', this.#at)) {
        return [this.#close(2), false];
      } else {
        this.#next(char);
        this.#spaced = false;
      }
    }
  }

  #close(length: number): number {
    if (this.#depth > 0) throw invalid(this.#text, this.#at, 'unclosed left paren');
    this.#push('close', length);
    return this.#at;
  }

  #push(type: TokenType, length: number): void {
    this.#tokens.push({ type, text: this.#text.slice(this.#at, this.#at + length), at: this.#at, spaced: this.#spaced });
    this.#at += length;
  }

  #next(char: string): void {
    const text = this.#text;
    const following = text[this.#at + 1] ?? '';
    if (char === '"') this.#quoted('"', 'string', 'unterminated quoted string');
    else if (char === "'") this.#quoted("'", 'char', 'unterminated character constant');
    else if (char === '`') this.#raw();
    else if (char === '(' || char === ')') this.#paren(char);
    else if (char === '|' || char === ',') this.#push(char, 1);
    else if (char === ':' && following === '=') this.#push(':=', 2);
    else if (char === '=') this.#push('=', 1);
    else if (char === '$') this.#named('variable', 1 + this.#wordLength(this.#at + 1));
    else if (char === '.' && !/\d/.test(following)) {
      const length = this.#wordLength(this.#at + 1);
      this.#named(length === 0 ? 'dot' : 'field', 1 + length);
    } else if (/[\d+.-]/.test(char)) this.#number();
    else if (WORD.test(char)) this.#named('word', this.#wordLength(this.#at));
    else throw invalid(text, this.#at, `unexpected ${JSON.stringify(char)} in an action`);
  }

  /** After a name a space, the end of the action, or one of the signs that may follow: `$x= 1` is refused, as Go does. */
  #named(type: TokenType, length: number): void {
    const after = this.#at + length;
    const next = this.#text[after] ?? ' ';
    if (!/[\s.,|:()]/.test(next) && !this.#text.startsWith('}}', after))
      throw invalid(this.#text, after, `unexpected ${JSON.stringify(next)} right after a name`);
    this.#push(type, length);
  }

  #wordLength(from: number): number {
    let at = from;
    while (at < this.#text.length && WORD.test(this.#text[at] ?? '')) at++;
    return at - from;
  }

  #paren(char: '(' | ')'): void {
    this.#depth += char === '(' ? 1 : -1;
    if (this.#depth < 0) throw invalid(this.#text, this.#at, 'unexpected right paren');
    this.#push(char, 1);
  }

  #quoted(quote: string, type: TokenType, unterminated: string): void {
    for (let at = this.#at + 1; ; at++) {
      const char = this.#text[at];
      if (char === undefined || char === '\n') throw invalid(this.#text, this.#at, unterminated);
      if (char === '\\') at++;
      else if (char === quote) return this.#push(type, at + 1 - this.#at);
    }
  }

  #raw(): void {
    const end = this.#text.indexOf('`', this.#at + 1);
    if (end < 0) throw invalid(this.#text, this.#at, 'unterminated raw quoted string');
    this.#push('string', end + 1 - this.#at);
  }

  #number(): void {
    NUMBER.lastIndex = this.#at;
    const length = NUMBER.exec(this.#text)?.[0].length ?? 0;
    if (length === 0 || WORD.test(this.#text[this.#at + length] ?? ''))
      throw invalid(this.#text, this.#at, `bad number syntax: ${JSON.stringify(this.#text.slice(this.#at, this.#at + length + 1))}`);
    this.#push('number', length);
  }
}
