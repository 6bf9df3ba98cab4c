import { BelfryError } from '../core/errors.ts';
import { charConstant, numberConstant, unquote } from './constants.ts';
import { invalid, tokenize } from './lexer.ts';
import type { Block, Command, Node, Operand, Pipeline } from './ast.ts';
import type { Token, TokenType } from './lexer.ts';

/** A parsed template: its body and the templates it defines. */
export interface ParsedTemplate {
  readonly body: Block;
  readonly defined: ReadonlyMap<string, Block>;
  /** Names of the functions it calls anywhere. */
  readonly functions: ReadonlySet<string>;
}

export interface ParseOptions {
  /** Names of the functions there are; another one is an error. */
  readonly functions: { has(name: string): boolean };
  /** Variables that are set before the template begins, with their `$`. */
  readonly variables: readonly string[];
}

const MAX_DEPTH = 200;
const KEYWORDS = new Set(['if', 'else', 'end', 'range', 'with', 'define', 'template', 'block', 'break', 'continue']);

/** How a block ended. */
type BlockEnd = 'end' | 'else' | 'eof';

/** Parses a template. Throws `TEMPLATE_INVALID` with the position. */
export function parse(text: string, options: ParseOptions): ParsedTemplate {
  return new Parser(text, options).parse();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly #options: ParseOptions;
  readonly #defined = new Map<string, Block>();
  readonly #functions = new Set<string>();
  #index = 0;
  #variables: string[];
  #rangeDepth = 0;
  #depth = 0;

  constructor(text: string, options: ParseOptions) {
    this.#text = text;
    this.#options = options;
    this.#tokens = tokenize(text);
    this.#variables = ['$', ...options.variables];
  }

  parse(): ParsedTemplate {
    const [body] = this.#block(true, 'eof');
    return { body, defined: this.#defined, functions: this.#functions };
  }

  #fail(token: Token, message: string): BelfryError {
    return invalid(this.#text, token.at, message);
  }

  get #token(): Token {
    const token = this.#tokens[this.#index];
    if (token === undefined) throw new BelfryError('INTERNAL', 'template parser ran past the end');
    return token;
  }

  #take(): Token {
    const token = this.#token;
    if (token.type !== 'end') this.#index++;
    return token;
  }

  #accept(type: TokenType, text?: string): boolean {
    if (this.#token.type !== type || (text !== undefined && this.#token.text !== text)) return false;
    this.#index++;
    return true;
  }

  #expect(type: TokenType, where: string): Token {
    const token = this.#take();
    if (token.type !== type) throw this.#fail(token, `unexpected ${shown(token)} in ${where}`);
    return token;
  }

  /** Nodes up to `{{end}}`, `{{else}}` or the end of the text, whichever `until` asks for. */
  #block(top: boolean, until: 'end' | 'else or end' | 'eof'): [Block, BlockEnd] {
    const nodes: Node[] = [];
    if (++this.#depth > MAX_DEPTH) throw this.#fail(this.#token, `templates nested more than ${MAX_DEPTH} deep`);
    for (;;) {
      const token = this.#take();
      if (token.type === 'end') {
        if (until !== 'eof') throw this.#fail(token, 'unexpected EOF');
        this.#depth--;
        return [nodes, 'eof'];
      }
      if (token.type === 'text') {
        nodes.push({ type: 'text', text: token.text });
        continue;
      }
      const keyword = this.#token;
      if (keyword.type === 'word' && (keyword.text === 'end' || keyword.text === 'else')) {
        this.#index++;
        if (until === 'eof' || (keyword.text === 'else' && until === 'end')) throw this.#fail(keyword, `unexpected {{${keyword.text}}}`);
        if (keyword.text === 'end') this.#expect('close', 'end');
        this.#depth--;
        return [nodes, keyword.text];
      }
      const node = this.#action(top);
      if (node !== undefined) nodes.push(node);
    }
  }

  #action(top: boolean): Node | undefined {
    const token = this.#token;
    if (token.type === 'word' && KEYWORDS.has(token.text)) {
      this.#index++;
      switch (token.text) {
        case 'if':
        case 'with':
        case 'range':
          return this.#control(token, token.text);
        case 'define':
          if (!top) throw this.#fail(token, 'unexpected {{define}}');
          this.#define();
          return undefined;
        case 'template':
          return this.#templateCall(token);
        case 'block':
          return this.#blockAction(token);
        default:
          return this.#breakOrContinue(token);
      }
    }
    const pipeline = this.#pipeline('command', 'close', 1);
    return { type: 'action', pipeline };
  }

  #breakOrContinue(token: Token): Node {
    const type = token.text === 'break' ? 'break' : 'continue';
    this.#expect('close', `{{${type}}}`);
    if (this.#rangeDepth === 0) throw this.#fail(token, `{{${type}}} outside {{range}}`);
    return { type };
  }

  #control(token: Token, type: 'if' | 'with' | 'range'): Node {
    const scope = this.#variables.length;
    const pipeline = this.#pipeline(type, 'close', type === 'range' ? 2 : 1);
    if (type === 'range') this.#rangeDepth++;
    const [body, end] = this.#block(false, 'else or end');
    if (type === 'range') this.#rangeDepth--;
    let otherwise: Block | undefined;
    if (end === 'else') {
      const next = this.#token;
      if (next.type === 'word' && next.text === type && type !== 'range') {
        // `else if` is an `if` inside the `else`, ended by the same `end`.
        if (++this.#depth > MAX_DEPTH) throw this.#fail(next, `templates nested more than ${MAX_DEPTH} deep`);
        this.#index++;
        otherwise = [this.#control(next, type)];
        this.#depth--;
      } else {
        this.#expect('close', 'else');
        [otherwise] = this.#block(false, 'end');
      }
    }
    this.#variables.length = scope;
    return { type, at: token.at, pipeline, body, otherwise };
  }

  #name(where: string): string {
    return unquote(this.#text, this.#expect('string', where));
  }

  #define(): void {
    const at = this.#token;
    const name = this.#name('define clause');
    this.#expect('close', 'define clause');
    this.#defineBody(name, at);
  }

  #defineBody(name: string, at: Token): void {
    const outer = { variables: this.#variables, rangeDepth: this.#rangeDepth };
    this.#variables = ['$'];
    this.#rangeDepth = 0;
    const [body] = this.#block(false, 'end');
    this.#variables = outer.variables;
    this.#rangeDepth = outer.rangeDepth;
    const known = this.#defined.get(name);
    if (known !== undefined && !isEmpty(known)) {
      if (isEmpty(body)) return;
      throw this.#fail(at, `multiple definition of template ${JSON.stringify(name)}`);
    }
    this.#defined.set(name, body);
  }

  #templateCall(token: Token): Node {
    const name = this.#name('template clause');
    const pipeline = this.#accept('close') ? undefined : this.#pipeline('template clause', 'close', 1);
    return { type: 'template', at: token.at, name, pipeline };
  }

  #blockAction(token: Token): Node {
    const at = this.#token;
    const name = this.#name('block clause');
    const pipeline = this.#pipeline('block clause', 'close', 1);
    this.#defineBody(name, at);
    return { type: 'template', at: token.at, name, pipeline };
  }

  #pipeline(where: string, end: 'close' | ')', maxVariables: number): Pipeline {
    const first = this.#token;
    const { variables, assigns } = this.#declarations(where, maxVariables);
    // Known from here on, also to its own value: that it has none yet is said when that is worked out, as in Go.
    this.#variables.push(...variables);
    const commands: Command[] = [];
    for (;;) {
      const token = this.#token;
      if (token.type === end) {
        this.#index++;
        break;
      }
      commands.push(this.#command(where));
      if (this.#token.type === end) continue;
      this.#expect('|', where);
    }
    if (commands.length === 0) throw this.#fail(first, `missing value for ${where}`);
    this.#checkStages(commands);
    return { at: first.at, variables, assigns, commands };
  }

  #declarations(where: string, max: number): { variables: readonly string[]; assigns: boolean } {
    const start = this.#index;
    const variables: string[] = [];
    while (this.#token.type === 'variable') {
      const token = this.#take();
      variables.push(token.text);
      if (this.#accept(':=')) return { variables: this.#declared(token, where, variables, max), assigns: false };
      // As in Go, that there is no such variable is said only when the assignment is carried out.
      if (this.#accept('=')) return { variables: this.#declared(token, where, variables, max), assigns: true };
      if (!this.#accept(',')) break;
      if (where !== 'range' || variables.length >= max) throw this.#fail(token, `too many declarations in ${where}`);
    }
    this.#index = start;
    return { variables: [], assigns: false };
  }

  #declared(token: Token, where: string, variables: readonly string[], max: number): readonly string[] {
    if (variables.length > max) throw this.#fail(token, `too many declarations in ${where}`);
    return variables;
  }

  #known(name: string, token: Token): void {
    if (!this.#variables.includes(name)) throw this.#fail(token, `undefined variable ${JSON.stringify(name)}`);
  }

  #checkStages(commands: readonly Command[]): void {
    for (const [index, command] of commands.entries()) {
      const first = command.operands[0];
      if (index > 0 && (first?.type === 'dot' || first?.type === 'nil' || first?.type === 'constant'))
        throw invalid(this.#text, first.at, `non executable command in pipeline stage ${index + 1}`);
    }
  }

  #command(where: string): Command {
    const at = this.#token.at;
    const operands: Operand[] = [];
    for (;;) {
      const operand = this.#operand();
      if (operand === undefined) break;
      operands.push(operand);
      const next = this.#token;
      if (next.type === '|' || next.type === ')' || next.type === 'close') break;
      if (!next.spaced) throw this.#fail(next, `unexpected ${shown(next)} in operand`);
    }
    if (operands.length === 0) {
      if (this.#token.type === '|') throw this.#fail(this.#token, `missing value for ${where}`);
      throw this.#fail(this.#token, `unexpected ${shown(this.#token)} in ${where}`);
    }
    return { at, operands };
  }

  #operand(): Operand | undefined {
    const term = this.#term();
    if (term === undefined) return undefined;
    const path: string[] = [];
    while (this.#token.type === 'field' && !this.#token.spaced) path.push(this.#take().text.slice(1));
    if (path.length === 0) return term;
    if (term.type === 'field' || term.type === 'variable') return { ...term, path: [...term.path, ...path] };
    if (term.type === 'constant' || term.type === 'nil' || term.type === 'dot')
      throw invalid(this.#text, term.at, 'unexpected . after term');
    return { type: 'chain', at: term.at, operand: term, path };
  }

  #term(): Operand | undefined {
    const token = this.#token;
    if (token.type === 'dot') return { type: 'dot', at: this.#take().at };
    if (token.type === 'field') return { type: 'field', at: token.at, path: [this.#take().text.slice(1)] };
    if (token.type === 'variable') {
      this.#known(token.text, token);
      return { type: 'variable', at: this.#take().at, name: token.text, path: [] };
    }
    if (token.type === 'number') return numberConstant(this.#text, this.#take());
    if (token.type === 'char') return charConstant(this.#text, this.#take());
    if (token.type === 'string') return { type: 'constant', at: token.at, value: unquote(this.#text, this.#take()) };
    if (token.type === 'word') return this.#word();
    return token.type === '(' ? this.#parenthesized() : undefined;
  }

  #parenthesized(): Operand {
    const token = this.#take();
    if (++this.#depth > MAX_DEPTH) throw this.#fail(token, `parentheses nested more than ${MAX_DEPTH} deep`);
    const pipeline = this.#pipeline('parenthesized pipeline', ')', 1);
    this.#depth--;
    return { type: 'pipeline', at: token.at, pipeline };
  }

  #word(): Operand {
    const token = this.#take();
    if (token.text === 'true' || token.text === 'false') return { type: 'constant', at: token.at, value: token.text === 'true' };
    if (token.text === 'nil') return { type: 'nil', at: token.at };
    if (KEYWORDS.has(token.text)) throw this.#fail(token, `unexpected <${token.text}> in operand`);
    if (!this.#options.functions.has(token.text)) throw this.#fail(token, `function ${JSON.stringify(token.text)} not defined`);
    this.#functions.add(token.text);
    return { type: 'function', at: token.at, name: token.text };
  }
}

function isEmpty(block: Block): boolean {
  return block.every((node) => node.type === 'text' && node.text.trim() === '');
}

function shown(token: Token): string {
  if (token.type === 'end') return 'EOF';
  return token.type === 'close' ? '"}}"' : JSON.stringify(token.text);
}
