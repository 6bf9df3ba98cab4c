import type { SyntaxNode, Tree } from '@lezer/common';
import { BelfryError, type ErrorCode, type Position } from '../core/errors.ts';
import { FUNCTIONS, nearest } from './functions.ts';

/** 1-based line and column of an offset. */
export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}

/** An error that points into the expression. */
export function errorAt(code: ErrorCode, text: string, offset: number, message: string): BelfryError {
  return new BelfryError(code, message, { position: positionAt(text, offset) });
}

/** What may stand where the parser gave up, by the node it was in. */
const EXPECTED: Readonly<Record<string, string>> = {
  LabelMatchers: 'in label matching, expected a label matcher, "," or "}"',
  UnquotedLabelMatcher: 'in label matching, expected a matching operator (=, !=, =~, !~) and a quoted string',
  QuotedLabelMatcher: 'in label matching, expected a matching operator (=, !=, =~, !~) and a quoted string',
  MatchOp: 'in label matching, expected a matching operator (=, !=, =~, !~)',
  QuotedLabelName: 'in label matching, expected a quoted string',
  FunctionCallBody: 'in arguments, expected an expression, "," or ")"',
  GroupingLabels: 'in grouping opts, expected a label, "," or ")"',
  AggregateModifier: 'in aggregation, expected "(" and grouping labels',
  AggregateExpr: 'in aggregation, expected "("',
  FunctionCall: 'in function call, expected "("',
  MatchingModifierClause: 'in vector matching, expected "(" and labels',
  MatrixSelector: 'in range selector, expected a duration or "]"',
  SubqueryExpr: 'in subquery selector, expected a duration or "]"',
  DurationExpr: 'in duration, expected a duration',
  OffsetExpr: 'in offset, expected a duration',
  OffsetDurationExpr: 'in offset, expected a duration',
  StepInvariantExpr: 'in @, expected a timestamp, start() or end()',
  ParenExpr: 'in parentheses, expected an operator or ")"',
};

const KEYWORDS = new Set('and or unless atan2 bool on ignoring group_left group_right offset by without'.split(' '));

/** The first syntax error of a tree as an error with a position and a sentence, or undefined where there is none. */
export function firstSyntaxError(text: string, tree: Tree): BelfryError | undefined {
  if (/^\s*(#[^\n]*\s*)*$/.test(text)) return errorAt('PROMQL_SYNTAX', text, 0, 'no expression found in input');
  const first = firstErrorNode(tree);
  if (first === undefined) return undefined;
  const token = tokenAt(text, first.from);
  const parent = first.parent;
  const call = unknownFunction(text, token, parent);
  if (call !== undefined) return call;
  if (token.kind === 'string' && !isClosed(token.text)) return errorAt('PROMQL_SYNTAX', text, token.from, 'unterminated quoted string');
  if (token.text === ')' && parent?.name !== 'FunctionCallBody' && !hasOpenParen(text, token.from))
    return errorAt('PROMQL_SYNTAX', text, token.from, `unexpected right parenthesis ')'`);
  const expected = expectation(first, parent, text);
  return errorAt('PROMQL_SYNTAX', text, token.from, `unexpected ${describe(token)} ${expected}`.trimEnd());
}

function firstErrorNode(tree: Tree): SyntaxNode | undefined {
  let first: SyntaxNode | undefined;
  tree.iterate({
    enter(node) {
      if (node.type.isError && (first === undefined || node.from < first.from)) first = node.node;
    },
  });
  return first;
}

function unknownFunction(text: string, token: Token, parent: SyntaxNode | null): BelfryError | undefined {
  if (token.text !== '(' || parent?.name !== 'VectorSelector') return undefined;
  const identifier = parent.firstChild;
  if (identifier?.name !== 'Identifier') return undefined;
  const name = text.slice(identifier.from, identifier.to);
  const near = nearest(name, FUNCTIONS.keys());
  const hint = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
  return errorAt('PROMQL_SYNTAX', text, identifier.from, `unknown function with name ${JSON.stringify(name)}${hint}`);
}

function expectation(node: SyntaxNode, parent: SyntaxNode | null, text: string): string {
  if (parent === null || parent.name === 'PromQL') {
    return node.prevSibling === null ? ', expected an expression' : ', expected an operator or the end of the expression';
  }
  if (parent.name === 'BinaryExpr' || parent.name === 'UnaryExpr') {
    const previous = node.prevSibling;
    const complete = previous !== null && /Expr|Selector|Literal|Call/.test(previous.name);
    return complete ? ', expected an operator or the end of the expression' : ', expected an expression';
  }
  if (parent.name === 'VectorSelector') return ', expected an operator or the end of the expression';
  if (parent.name === 'AggregateExpr' && node.prevSibling?.name === 'FunctionCallBody') return ', expected an operator';
  if (parent.name === 'FunctionCallBody' && node.from >= text.trimEnd().length && parent.firstChild?.type.isError !== true) {
    return 'in arguments: unclosed left parenthesis';
  }
  return EXPECTED[parent.name] ?? ', expected an operator or the end of the expression';
}

interface Token {
  readonly kind: 'end' | 'string' | 'number' | 'identifier' | 'symbol' | 'character';
  readonly text: string;
  readonly from: number;
}

const TOKEN =
  /(?<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`[^`]*`?)|(?<number>\.?\d[\w.]*)|(?<identifier>[a-zA-Z_:][\w:]*)|(?<symbol>==|!=|<=|>=|=~|!~|[-+*/%^<>=(){}[\],@:])/y;

function tokenAt(text: string, from: number): Token {
  const skipped = /^(?:\s|#[^\n]*)*/.exec(text.slice(from))?.[0].length ?? 0;
  const at = from + skipped;
  if (at >= text.length) return { kind: 'end', text: '', from: text.length };
  TOKEN.lastIndex = at;
  const match = TOKEN.exec(text);
  if (match === null) return { kind: 'character', text: String.fromCodePoint(text.codePointAt(at) ?? 0), from: at };
  const kind = (['string', 'number', 'identifier', 'symbol'] as const).find((name) => match.groups?.[name] !== undefined) ?? 'symbol';
  return { kind, text: match[0], from: at };
}

function isClosed(literal: string): boolean {
  return literal.length > 1 && literal.at(-1) === literal[0];
}

function hasOpenParen(text: string, until: number): boolean {
  let open = 0;
  for (let at = 0; at < until;) {
    const token = tokenAt(text, at);
    if (token.from >= until) break;
    if (token.text === '(') open++;
    if (token.text === ')') open--;
    at = token.from + Math.max(1, token.text.length);
  }
  return open > 0;
}

function describe(token: Token): string {
  switch (token.kind) {
    case 'end':
      return 'end of input';
    case 'string':
      return `string ${token.text}`;
    case 'number':
      return `number ${JSON.stringify(token.text)}`;
    case 'identifier':
      return `${KEYWORDS.has(token.text.toLowerCase()) ? 'keyword' : 'identifier'} ${JSON.stringify(token.text)}`;
    case 'symbol':
      return JSON.stringify(token.text);
    case 'character':
      return `character: ${JSON.stringify(token.text)}`;
  }
}
