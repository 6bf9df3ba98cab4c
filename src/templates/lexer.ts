import { BelfryError } from '../core/errors.ts';
import { sprintf } from './go-fmt.ts';
import { quote } from './quote.ts';
import type { Position } from '../core/errors.ts';

export type TokenType =
  | 'text'
  | 'open'
  | 'close'
  | 'field'
  | 'variable'
  | 'word'
  | 'keyword'
  | 'bool'
  | 'number'
  | 'character'
  | 'string'
  | 'space'
  | '('
  | ')'
  | '|'
  | ':='
  | '='
  | 'sign'
  | 'error'
  | 'end';

/** One token of a template. `open` and `close` are the action delimiters; comments and trimmed space never show up. */
export interface Token {
  readonly type: TokenType;
  /** The text as written: strings with their quotes, fields with the dot. Of an error, what is wrong in Go's words. */
  readonly text: string;
  /** Index into the template. */
  readonly at: number;
}

const SPACE = /[ \t\r\n]/;
const WORD = /[\p{L}\p{Nd}_]/u;
/** Words with a meaning of their own; the dot and nil are among them. */
const KEYWORDS: ReadonlySet<string> = new Set('block break continue define else end if nil range template with'.split(' '));
const NUMBER = new RegExp(
  [
    '[+-]?(?:0[xX][\\da-fA-F_]*\\.?[\\da-fA-F_]*(?:[pP][+-]?[\\d_]*)?',
    '0[oO][0-7_]*\\.?[0-7_]*|0[bB][01_]*\\.?[01_]*|[\\d_]*\\.?[\\d_]*(?:[eE][+-]?[\\d_]*)?)i?',
  ].join('|'),
  'y',
);
const MAX_TOKENS = 50_000;

/** The 1-based line and column of an index. */
export function positionAt(text: string, index: number): Position {
  const before = text.slice(0, index);
  const lineStart = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let at = before.indexOf('\n'); at >= 0; at = before.indexOf('\n', at + 1)) line++;
  return { line, column: index - lineStart + 1 };
}

/**
 * Cuts a template into tokens, as Go's text/template does: `{{-` and `-}}` trim white space, `{{/* … *\/}}` is a
 * comment. What cannot be read ends it with an `error` token, which is only an error when the parser gets there.
 * Throws `LIMIT_EXCEEDED`.
 */
export function tokenize(text: string): readonly Token[] {
  return new Lexer(text).run();
}

class Lexer {
  readonly #text: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #depth = 0;
  #failed = false;

  constructor(text: string) {
    this.#text = text;
  }

  run(): readonly Token[] {
    const text = this.#text;
    let trimmed = false;
    while (this.#at < text.length && !this.#failed) {
      if (trimmed) this.#at = skipSpace(text, this.#at);
      const open = text.indexOf('{{', this.#at);
      const end = open < 0 ? text.length : open;
      const trims = open >= 0 && text[open + 2] === '-' && SPACE.test(text[open + 3] ?? '');
      const literal = trims ? text.slice(this.#at, end).replace(/[ \t\r\n]+$/, '') : text.slice(this.#at, end);
      if (literal !== '') this.#tokens.push({ type: 'text', text: literal, at: this.#at });
      this.#at = end;
      if (open < 0) break;
      trimmed = this.#delimited(open + (trims ? 4 : 2));
    }
    if (!this.#failed) this.#tokens.push({ type: 'end', text: 'EOF', at: text.length });
    return this.#tokens;
  }

  /** A comment or an action, which begins `inside`; says whether the white space behind it is trimmed. */
  #delimited(inside: number): boolean {
    const comment = this.#text.startsWith('/*', inside);
    if (!comment) this.#tokens.push({ type: 'open', text: '{{', at: this.#at });
    this.#at = inside;
    return comment ? this.#comment() : this.#action();
  }

  #comment(): boolean {
    const end = this.#text.indexOf('*/', this.#at + 2);
    if (end < 0) return this.#fail('unclosed comment');
    const closing = closingAt(this.#text, end + 2);
    if (closing === undefined) return this.#fail('comment ends before closing delimiter');
    this.#at = end + 2 + closing.length;
    return closing.trims;
  }

  #action(): boolean {
    this.#depth = 0;
    for (;;) {
      const closing = closingAt(this.#text, this.#at);
      if (closing !== undefined) {
        if (this.#depth > 0) return this.#fail('unclosed left paren');
        const marker = closing.trims ? 2 : 0;
        this.#tokens.push({ type: 'close', text: '}}', at: this.#at + marker });
        this.#at += closing.length;
        return closing.trims;
      }
      if (this.#tokens.length > MAX_TOKENS) throw new BelfryError('LIMIT_EXCEEDED', `template of more than ${MAX_TOKENS} tokens`);
      this.#next();
      if (this.#failed) return false;
    }
  }

  /** Ends the tokens with what is wrong. */
  #fail(message: string, at = this.#at): false {
    this.#tokens.push({ type: 'error', text: message, at });
    this.#failed = true;
    return false;
  }

  #push(type: TokenType, length: number): void {
    this.#tokens.push({ type, text: this.#text.slice(this.#at, this.#at + length), at: this.#at });
    this.#at += length;
  }

  #next(): unknown {
    const char = this.#charAt(this.#at);
    const following = this.#text[this.#at + 1];
    if (char === '') return this.#fail('unclosed action');
    if (SPACE.test(char)) return this.#space();
    if (char === '=' || char === '|') return this.#push(char, 1);
    if (char === ':') return following === '=' ? this.#push(':=', 2) : this.#fail('expected :=');
    if (char === '"') return this.#quoted('"', 'string', 'unterminated quoted string');
    if (char === "'") return this.#quoted("'", 'character', 'unterminated character constant');
    if (char === '`') return this.#raw();
    if (char === '$') return this.#named('variable');
    if (char === '.' && following !== undefined && !/\d/.test(following)) return this.#named('field');
    if (/[\d+.-]/.test(char)) return this.#number();
    if (WORD.test(char)) return this.#word();
    if (char === '(' || char === ')') return this.#paren(char);
    if (/[!-~]/.test(char)) return this.#push('sign', 1);
    return this.#fail(`unrecognized character in action: ${shownChar(char)}`);
  }

  #charAt(at: number): string {
    const code = this.#text.codePointAt(at);
    return code === undefined ? '' : String.fromCodePoint(code);
  }

  /** A run of space, without the one that belongs to ` -}}`. */
  #space(): void {
    let end = skipSpace(this.#text, this.#at);
    if (closingAt(this.#text, end - 1)?.trims === true) end--;
    this.#push('space', end - this.#at);
  }

  #wordEnd(from: number): number {
    let at = from;
    for (let char = this.#charAt(at); char !== '' && WORD.test(char); char = this.#charAt(at)) at += char.length;
    return at;
  }

  /** After a name comes a space, the end of the action, or one of the signs that may follow: `$x= 1` is refused. */
  #endsAt(at: number): boolean {
    return /^(?:$|[ \t\r\n.,|:()]|\}\})/.test(this.#text.slice(at, at + 2));
  }

  #named(type: 'field' | 'variable'): unknown {
    const end = this.#wordEnd(this.#at + 1);
    if (!this.#endsAt(end)) return this.#fail(`bad character ${shownChar(this.#charAt(end))}`);
    return this.#push(type === 'field' && end === this.#at + 1 ? 'keyword' : type, end - this.#at);
  }

  #word(): unknown {
    const end = this.#wordEnd(this.#at);
    if (!this.#endsAt(end)) return this.#fail(`bad character ${shownChar(this.#charAt(end))}`);
    const word = this.#text.slice(this.#at, end);
    const type = KEYWORDS.has(word) ? 'keyword' : word === 'true' || word === 'false' ? 'bool' : 'word';
    return this.#push(type, word.length);
  }

  #paren(char: '(' | ')'): unknown {
    this.#depth += char === '(' ? 1 : -1;
    if (this.#depth < 0) return this.#fail('unexpected right paren');
    return this.#push(char, 1);
  }

  #quoted(mark: string, type: TokenType, unterminated: string): unknown {
    for (let at = this.#at + 1; ; at++) {
      if (this.#text[at] === mark) return this.#push(type, at + 1 - this.#at);
      if (this.#text[at] === '\\') at++;
      if (this.#text[at] === undefined || this.#text[at] === '\n') return this.#fail(unterminated);
    }
  }

  #raw(): unknown {
    const end = this.#text.indexOf('`', this.#at + 1);
    return end < 0 ? this.#fail('unterminated raw quoted string') : this.#push('string', end + 1 - this.#at);
  }

  /** Anything that may be a number; whether it is one is for the parser to say. */
  #number(): unknown {
    let end = this.#numberEnd(this.#at);
    const isPair = /[+-]/.test(this.#charAt(end));
    if (isPair) end = this.#numberEnd(end);
    const after = this.#charAt(end);
    const isWord = after !== '' && WORD.test(after);
    if (isPair || isWord) return this.#fail(`bad number syntax: ${quote(this.#text.slice(this.#at, isWord ? end + after.length : end))}`);
    return this.#push('number', end - this.#at);
  }

  #numberEnd(from: number): number {
    NUMBER.lastIndex = from;
    return from + (NUMBER.exec(this.#text)?.[0].length ?? 0);
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (SPACE.test(text[at] ?? '')) at++;
  return at;
}

/** The right delimiter at an index, with its trim marker. */
function closingAt(text: string, at: number): { readonly length: number; readonly trims: boolean } | undefined {
  if (text.startsWith('}}', at)) return { length: 2, trims: false };
  return SPACE.test(text[at] ?? '') && text.startsWith('-}}', at + 1) ? { length: 4, trims: true } : undefined;
}

/** A character as Go's `%#U` shows it: `U+0021 '!'`. */
function shownChar(char: string): string {
  return sprintf('%#U', [BigInt(char.codePointAt(0) ?? 0)]);
}
