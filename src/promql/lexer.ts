import { BelfryError } from '../core/errors.ts';
import { errorAt } from './syntax-error.ts';

export type TokenKind = 'end' | 'identifier' | 'keyword' | 'aggregate' | 'number' | 'string' | 'operator' | 'symbol';

export interface Token {
  readonly kind: TokenKind;
  /** As it is written. */
  readonly text: string;
  /** What it means: keywords, aggregations and operators in lower case, everything else as written. */
  readonly word: string;
  readonly from: number;
  readonly to: number;
  /** What is wrong here; for whoever gets this far. */
  readonly error?: BelfryError;
}

const AGGREGATES = new Set('sum avg min max count group stddev stdvar topk bottomk quantile count_values limitk limit_ratio'.split(' '));
const WORD_OPERATORS = new Set(['and', 'or', 'unless', 'atan2']);
const KEYWORDS = new Set('bool on ignoring group_left group_right offset by without'.split(' '));
const NUMBER_WORDS = new Set(['inf', 'nan']);

const BLANK = /(?:[ \t\r\n]|#[^\n]*)*/y;
const STRING = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`/y;
const DURATION = /(?:\d+(?:ms|[smhdwy]))+(?![\w])/y;
const NUMBER = /0[xX][\da-fA-F_]+(?!\w)|(?:\d(?:_?\d)*(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?(?![\w.])/y;
const NAME = /[a-zA-Z_:][\w:]*/y;
const NAME_IN_BRACES = /[a-zA-Z_]\w*/y;
const SYMBOL = /==|!=|<=|>=|=~|!~|[-+*/%^<>=(){}[\],@:]/y;
const OPERATORS = new Set(['==', '!=', '<=', '>=', '<', '>', '+', '-', '*', '/', '%', '^']);

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/**
 * Splits an expression into tokens, the last one of kind `end`. What cannot be read, or is left open, makes that last
 * token carry an error, so that a reader comes upon faults in the order of the text.
 */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const open: Token[] = [];
  const finish = (from: number, error?: BelfryError): readonly Token[] => {
    const end = { kind: 'end', text: '', word: '', from, to: from } as const;
    return [...tokens, error === undefined ? end : { ...end, error }];
  };
  for (let at = 0; ;) {
    at += match(BLANK, text, at)?.length ?? 0;
    if (at >= text.length) return finish(text.length, unclosed(text, open.at(-1)));
    try {
      const token = nextToken(text, at, open.at(-1)?.text);
      if (token.kind === 'symbol' && '([{'.includes(token.text)) open.push(token);
      else if (token.kind === 'symbol' && ')]}'.includes(token.text)) close(text, token, open);
      tokens.push(token);
      at = token.to;
    } catch (error) {
      if (error instanceof BelfryError) return finish(at, error);
      throw error;
    }
  }
}

function unclosed(text: string, open: Token | undefined): BelfryError | undefined {
  if (open === undefined) return undefined;
  if (open.text === '(') return errorAt('PROMQL_SYNTAX', text, open.from, `unclosed left parenthesis, expected ")"`);
  const place = open.text === '[' ? 'in range, expected "]"' : 'inside braces, expected "}"';
  return errorAt('PROMQL_SYNTAX', text, text.length, `unexpected end of input ${place}`);
}

const OPENING: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
const CLOSING_NAMES: Readonly<Record<string, string>> = { ')': 'parenthesis', ']': 'bracket', '}': 'brace' };

function close(text: string, token: Token, open: Token[]): void {
  if (open.at(-1)?.text !== OPENING[token.text])
    throw errorAt('PROMQL_SYNTAX', text, token.from, `unexpected right ${CLOSING_NAMES[token.text] ?? ''} '${token.text}'`);
  open.pop();
}

function nextToken(text: string, from: number, inside: string | undefined): Token {
  const make = (kind: TokenKind, found: string, word = found): Token => ({ kind, text: found, word, from, to: from + found.length });
  const char = text[from] ?? '';
  if (`"'\``.includes(char)) {
    const string = match(STRING, text, from);
    if (string === undefined) throw errorAt('PROMQL_SYNTAX', text, from, 'unterminated quoted string, expected a closing quote');
    return make('string', string);
  }
  if (inside === '{') return tokenInBraces(text, from, make);
  if (/[\d.]/.test(char)) {
    const number = match(DURATION, text, from) ?? match(NUMBER, text, from);
    if (number !== undefined) return make('number', number);
    const bad = /^[\w.]+/.exec(text.slice(from, from + 40))?.[0] ?? char;
    throw errorAt('PROMQL_SYNTAX', text, from, `bad number or duration syntax: ${JSON.stringify(bad)}, expected a number`);
  }
  // In brackets a colon divides range and step.
  const name = match(inside === '[' ? NAME_IN_BRACES : NAME, text, from);
  if (name !== undefined) return wordToken(name, make);
  const symbol = match(SYMBOL, text, from);
  if (symbol === undefined || symbol === '=~' || symbol === '!~') {
    const found = symbol ?? String.fromCodePoint(text.codePointAt(from) ?? 0);
    throw errorAt('PROMQL_SYNTAX', text, from, `unexpected character: '${found}', expected an expression or an operator`);
  }
  return make(OPERATORS.has(symbol) ? 'operator' : 'symbol', symbol);
}

type Make = (kind: TokenKind, text: string, word?: string) => Token;

function wordToken(name: string, make: Make): Token {
  const word = name.toLowerCase();
  if (AGGREGATES.has(word)) return make('aggregate', name, word);
  if (WORD_OPERATORS.has(word)) return make('operator', name, word);
  if (KEYWORDS.has(word)) return make('keyword', name, word);
  if (NUMBER_WORDS.has(word)) return make('number', name, word);
  return make('identifier', name);
}

function tokenInBraces(text: string, from: number, make: Make): Token {
  const name = match(NAME_IN_BRACES, text, from);
  if (name !== undefined) return make('identifier', name);
  const found = match(SYMBOL, text, from);
  const symbol = found === '==' ? '=' : found;
  if (symbol !== undefined && ['=', '!=', '=~', '!~', ',', '}'].includes(symbol)) return make('symbol', symbol);
  const char = String.fromCodePoint(text.codePointAt(from) ?? 0);
  throw errorAt('PROMQL_SYNTAX', text, from, `unexpected character inside braces: '${char}', expected a label matcher or "}"`);
}

/** The token as messages name it: `identifier "x"`, `<op:*>`, `end of input`. */
export function describe(token: Token): string {
  switch (token.kind) {
    case 'end':
      return 'end of input';
    case 'identifier':
      return `${token.text.includes(':') ? 'metric identifier' : 'identifier'} ${JSON.stringify(token.text)}`;
    case 'keyword':
      return `<${token.word}>`;
    case 'aggregate':
      return `<aggr:${token.word}>`;
    case 'operator':
      return `<op:${token.word}>`;
    case 'number':
      return `number ${JSON.stringify(token.text)}`;
    case 'string':
      return `string ${token.text}`;
    case 'symbol':
      return JSON.stringify(token.text);
  }
}
