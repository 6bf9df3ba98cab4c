import { charConstant, numberConstant, unquote } from './constants.ts';
import { quote } from './quote.ts';
import { spotText } from './spot-text.ts';
import { TokenReader } from './token-reader.ts';
import type { Block, Branch, Command, Node, Operand, Pipeline } from './ast.ts';
import type { Token, TokenType } from './lexer.ts';

/** A parsed template: its body and the templates it defines, itself among them. */
export interface ParsedTemplate {
  readonly body: Block;
  readonly defined: ReadonlyMap<string, Block>;
  /** Names of the functions it calls anywhere. */
  readonly functions: ReadonlySet<string>;
}

export interface ParseOptions {
  /** What errors call the template, and what it can call itself. */
  readonly name: string;
  /** How many characters of the text stand before what somebody wrote, from where positions are counted. */
  readonly prologueLength: number;
  /** Names of the functions there are; another one is an error. */
  readonly functions: { has(name: string): boolean };
}

const MAX_DEPTH = 200;

/** How a block ended, and the token that ended it. */
interface BlockEnd {
  readonly word: 'end' | 'else';
  readonly token: Token;
}

/** Parses a template. Throws `TEMPLATE_INVALID` with the position and Go's words, or `LIMIT_EXCEEDED`. */
export function parse(text: string, options: ParseOptions): ParsedTemplate {
  return new Parser(text, options).parse();
}

class Parser {
  readonly #reader: TokenReader;
  readonly #options: ParseOptions;
  readonly #defined = new Map<string, Block>();
  readonly #functions = new Set<string>();
  #variables: string[] = ['$'];
  #rangeDepth = 0;
  #depth = 0;

  constructor(text: string, options: ParseOptions) {
    this.#reader = new TokenReader(text, options.name, options.prologueLength);
    this.#options = options;
  }

  parse(): ParsedTemplate {
    const body: Node[] = [];
    while (this.#reader.peek().type !== 'end') {
      const open = this.#reader.index;
      if (this.#reader.take().type === 'open' && isKeyword(this.#reader.takeSolid(), 'define')) {
        this.#define();
        continue;
      }
      this.#reader.index = open;
      const node = this.#textOrAction();
      if (isEnd(node)) throw this.#reader.fail(node.token, `unexpected {{${node.word}}}`);
      body.push(node);
    }
    this.#add(this.#options.name, body, this.#reader.peek());
    return { body, defined: this.#defined, functions: this.#functions };
  }

  #deeper(token: Token): void {
    if (++this.#depth > MAX_DEPTH) throw this.#reader.fail(token, `templates nested more than ${MAX_DEPTH} deep`);
  }

  /** What the constants' errors say is an error at the token. */
  #read<T>(token: Token, read: () => T): T {
    try {
      return read();
    } catch (cause) {
      throw cause instanceof Error ? this.#reader.fail(token, cause.message) : cause;
    }
  }

  /** Nodes up to `{{end}}` or `{{else}}`. */
  #block(): [Block, BlockEnd] {
    const nodes: Node[] = [];
    this.#deeper(this.#reader.peek());
    while (this.#reader.peekSolid().type !== 'end') {
      const node = this.#textOrAction();
      if (isEnd(node)) {
        this.#depth--;
        return [nodes, node];
      }
      nodes.push(node);
    }
    throw this.#reader.fail(this.#reader.peek(), 'unexpected EOF');
  }

  #textOrAction(): Node | BlockEnd {
    const token = this.#reader.takeSolid();
    if (token.type === 'text') return { type: 'text', at: token.at, text: token.text };
    if (token.type !== 'open') throw this.#reader.unexpected(token, 'input');
    this.#reader.action = token;
    const node = this.#actionNode();
    this.#reader.action = undefined;
    return node;
  }

  #actionNode(): Node | BlockEnd {
    const token = this.#reader.peekSolid();
    if (token.type === 'keyword') {
      this.#reader.index++;
      switch (token.text) {
        case 'if':
        case 'with':
        case 'range':
          return this.#control(token.text);
        case 'template':
          return this.#templateCall();
        case 'block':
          return this.#blockAction();
        case 'break':
        case 'continue':
          return this.#breakOrContinue(token, token.text);
        case 'end':
          return { word: 'end', token: this.#reader.expect('close', 'end') };
        case 'else':
          return this.#elseAction();
        default:
          this.#reader.index--;
      }
    }
    return { type: 'action', at: token.at, pipeline: this.#pipeline('command', 'close') };
  }

  /** `else if` and `else with` are left to be read as what follows the `else`. */
  #elseAction(): BlockEnd {
    const next = this.#reader.peekSolid();
    if (isKeyword(next, 'if') || isKeyword(next, 'with')) return { word: 'else', token: next };
    return { word: 'else', token: this.#reader.expect('close', 'else') };
  }

  #breakOrContinue(token: Token, type: 'break' | 'continue'): Node {
    const close = this.#reader.expect('close', `{{${type}}}`);
    if (this.#rangeDepth === 0) throw this.#reader.fail(close, `{{${type}}} outside {{range}}`);
    return { type, at: token.at };
  }

  #control(type: Branch['type']): Node {
    const scope = this.#variables.length;
    const pipeline = this.#pipeline(type, 'close');
    if (type === 'range') this.#rangeDepth++;
    const [body, end] = this.#block();
    if (type === 'range') this.#rangeDepth--;
    let otherwise: Block | undefined;
    if (end.word === 'else') {
      const next = this.#reader.peek();
      if (isKeyword(next, type) && type !== 'range') {
        // `else if` is an `if` inside the `else`, ended by the same `end`.
        this.#deeper(next);
        this.#reader.index++;
        otherwise = [this.#control(type)];
        this.#depth--;
      } else {
        const [block, last] = this.#block();
        if (last.word !== 'end') throw this.#reader.fail(last.token, 'expected end; found {{else}}');
        otherwise = block;
      }
    }
    this.#variables.length = scope;
    return { type, at: pipeline.at, pipeline, body, otherwise };
  }

  #name(token: Token, where: string): string {
    if (token.type !== 'string') throw this.#reader.unexpected(token, where);
    return this.#read(token, () => unquote(token.text));
  }

  #define(): void {
    const name = this.#name(this.#reader.takeSolid(), 'define clause');
    this.#reader.expect('close', 'define clause');
    this.#defineBody(name, 'define clause');
  }

  #defineBody(name: string, where: string): void {
    const outer = { variables: this.#variables, rangeDepth: this.#rangeDepth, action: this.#reader.action };
    this.#variables = ['$'];
    this.#rangeDepth = 0;
    this.#reader.action = undefined;
    const [body, end] = this.#block();
    if (end.word !== 'end') throw this.#reader.fail(end.token, `unexpected {{else}} in ${where}`);
    this.#variables = outer.variables;
    this.#rangeDepth = outer.rangeDepth;
    this.#reader.action = outer.action;
    this.#add(name, body, end.token);
  }

  #add(name: string, body: Block, token: Token): void {
    const known = this.#defined.get(name);
    if (known === undefined || isEmpty(known)) this.#defined.set(name, body);
    else if (!isEmpty(body)) throw this.#reader.fail(token, `template: multiple definition of template ${quote(name)}`);
  }

  #templateCall(): Node {
    const token = this.#reader.takeSolid();
    const name = this.#name(token, 'template clause');
    if (this.#reader.peekSolid().type !== 'close')
      return { type: 'template', at: token.at, name, pipeline: this.#pipeline('template clause', 'close') };
    this.#reader.index++;
    return { type: 'template', at: token.at, name, pipeline: undefined };
  }

  #blockAction(): Node {
    const token = this.#reader.takeSolid();
    const name = this.#name(token, 'block clause');
    const pipeline = this.#pipeline('block clause', 'close');
    this.#defineBody(name, 'block clause');
    return { type: 'template', at: token.at, name, pipeline };
  }

  #pipeline(where: string, end: 'close' | ')'): Pipeline {
    const { at } = this.#reader.peekSolid();
    const { variables, assigns } = this.#declarations(where);
    const commands: Command[] = [];
    while (this.#reader.peekSolid().type !== end) {
      if (!startsOperand(this.#reader.peek())) throw this.#reader.unexpected(this.#reader.peek(), where);
      commands.push(this.#command());
    }
    const close = this.#reader.take();
    if (commands.length === 0) throw this.#reader.fail(close, `missing value for ${where}`);
    for (const [index, { first }] of commands.entries())
      if (index > 0 && CONSTANTS.has(first.type)) throw this.#reader.fail(close, `non executable command in pipeline stage ${index + 1}`);
    return { type: 'pipeline', at, variables, assigns, commands };
  }

  /** Variables are known from here on, also to their own value: that they have none yet is said when that is worked out. */
  #declarations(where: string): { variables: readonly string[]; assigns: boolean } {
    const variables: string[] = [];
    for (;;) {
      const start = this.#reader.index;
      const token = this.#reader.peekSolid();
      if (token.type !== 'variable') break;
      this.#reader.index++;
      const next = this.#reader.peekSolid();
      const isComma = next.type === 'sign' && next.text === ',';
      if (next.type !== ':=' && next.type !== '=' && !isComma) {
        this.#reader.index = start;
        break;
      }
      this.#reader.index++;
      variables.push(token.text);
      this.#variables.push(token.text);
      // As in Go, that there is no such variable is said only when the assignment is carried out.
      if (!isComma) return { variables, assigns: next.type === '=' };
      if (where !== 'range' || variables.length > 1) throw this.#reader.fail(next, `too many declarations in ${where}`);
      const { type } = this.#reader.peekSolid();
      if (type !== 'variable' && type !== 'close' && type !== ')') throw this.#reader.fail(next, 'range can only initialize variables');
    }
    return { variables, assigns: false };
  }

  #command(): Command {
    const { at } = this.#reader.peekSolid();
    const operands: Operand[] = [];
    for (;;) {
      const operand = this.#operand();
      if (operand !== undefined) operands.push(operand);
      const next = this.#reader.take();
      if (next.type === 'space') continue;
      if (next.type === '|') break;
      this.#reader.index--;
      if (next.type === 'close' || next.type === ')') break;
      throw this.#reader.unexpected(next, 'operand');
    }
    const [first, ...args] = operands;
    if (first === undefined) throw this.#reader.fail(this.#reader.peek(), 'empty command');
    return { type: 'command', at, first, args };
  }

  #operand(): Operand | undefined {
    const term = this.#term();
    const { at, type } = this.#reader.peek();
    if (term === undefined || type !== 'field') return term;
    const path: string[] = [];
    while (this.#reader.peek().type === 'field') path.push(this.#reader.take().text.slice(1));
    // Where fields follow fields, Go takes the place of the second.
    if (term.type === 'field' || term.type === 'variable') return { ...term, at, path: [...term.path, ...path] };
    if (CONSTANTS.has(term.type)) throw this.#reader.fail(this.#reader.peek(), `unexpected . after term ${quote(spotText(term))}`);
    return { type: 'chain', at, operand: term, path };
  }

  #term(): Operand | undefined {
    const token = this.#reader.takeSolid();
    const { at, text } = token;
    switch (token.type) {
      case 'word':
        if (!this.#options.functions.has(text)) throw this.#reader.fail(token, `function ${quote(text)} not defined`);
        this.#functions.add(text);
        return { type: 'function', at, name: text };
      case 'keyword':
        if (text === '.') return { type: 'dot', at };
        if (text === 'nil') return { type: 'nil', at };
        break;
      case 'variable':
        if (!this.#variables.includes(text)) throw this.#reader.fail(token, `undefined variable ${quote(text)}`);
        return { type: 'variable', at, name: text, path: [] };
      case 'field':
        return { type: 'field', at, path: [text.slice(1)] };
      case 'bool':
        return { type: 'bool', at, value: text === 'true' };
      case 'character':
        return this.#read(token, () => charConstant(token));
      case 'number':
        return this.#read(token, () => numberConstant(token));
      case 'string':
        return { type: 'text constant', at, text, value: this.#read(token, () => unquote(text)) };
      case '(': {
        this.#deeper(token);
        const pipeline = this.#pipeline('parenthesized pipeline', ')');
        this.#depth--;
        return pipeline;
      }
      case ')':
      case '|':
      case ':=':
      case '=':
      case 'sign':
      case 'space':
      case 'open':
      case 'close':
      case 'text':
      case 'error':
      case 'end':
        break;
    }
    this.#reader.index--;
    return undefined;
  }
}

const CONSTANTS: ReadonlySet<Operand['type']> = new Set(['bool', 'dot', 'nil', 'number', 'text constant'] as const);
const OPERAND_STARTS: ReadonlySet<TokenType> = new Set([
  'bool',
  'character',
  'field',
  'word',
  'number',
  'string',
  'variable',
  '(',
] as const);

function startsOperand(token: Token): boolean {
  return OPERAND_STARTS.has(token.type) || isKeyword(token, '.') || isKeyword(token, 'nil');
}

function isKeyword(token: Token, word: string): boolean {
  return token.type === 'keyword' && token.text === word;
}

function isEnd(node: Node | BlockEnd): node is BlockEnd {
  return 'word' in node;
}

function isEmpty(block: Block): boolean {
  return block.every((node) => node.type === 'text' && node.text.trim() === '');
}
