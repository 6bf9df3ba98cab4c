import type { Fill, Matching } from './ast.ts';
import { SWITCHES } from './features.ts';
import type { TokenReader } from './token-reader.ts';

/** Of operators: they look like a function where an operand is expected. */
export const FILL_MODIFIERS: ReadonlySet<string> = new Set(['fill', 'fill_left', 'fill_right']);

/** What stands behind an operator, but for `bool`: how series match, and what is filled in. */
export function readMatching(reader: TokenReader, setOp: boolean, fillEnabled: boolean): Matching {
  const matching = matchingLabels(reader, setOp);
  const fill = readFill(reader, fillEnabled);
  return fill === undefined ? matching : { ...matching, fill };
}

function matchingLabels(reader: TokenReader, setOp: boolean): Matching {
  const none: Matching = { card: setOp ? 'many-to-many' : 'one-to-one', on: false, labels: [], include: [] };
  const on = reader.keyword('on');
  if (!on && !reader.keyword('ignoring')) return none;
  const labels = readLabels(reader);
  const left = reader.keyword('group_left');
  if (!left && !reader.keyword('group_right')) return { ...none, on, labels };
  const include = reader.peek.text === '(' ? readLabels(reader) : [];
  return { card: left ? 'many-to-one' : 'one-to-many', on, labels, include };
}

/** `(a, "b.c",)`. */
export function readLabels(reader: TokenReader): readonly string[] {
  reader.expect('(', 'in grouping opts');
  const labels: string[] = [];
  while (!reader.accept(')')) {
    const token = reader.peek;
    if (token.kind === 'string') labels.push(reader.string(token));
    else if (token.kind !== 'number' && /^[a-zA-Z_]\w*$/.test(token.text)) labels.push(token.text);
    else throw reader.unexpected('in grouping opts', 'label');
    reader.next();
    if (reader.accept(',')) continue;
    if (!reader.accept(')')) throw reader.unexpected('in grouping opts', '"," or ")"');
    break;
  }
  return labels;
}

/** `fill (0)`, or `fill_left (0)` and `fill_right (0)` in any order. */
function readFill(reader: TokenReader, enabled: boolean): Fill | undefined {
  let fill: Fill | undefined;
  for (;;) {
    const token = reader.peek;
    const word = token.text.toLowerCase();
    if (token.kind !== 'identifier' || !FILL_MODIFIERS.has(word) || reader.lookAhead(1).text !== '(') return fill;
    if (!enabled) {
      const text = `${word}() is experimental in Prometheus and such modifiers are not enabled: ${SWITCHES.binopFillModifiers}`;
      throw reader.error(token, text, 'PROMQL_UNSUPPORTED');
    }
    const again = fill !== undefined && (word === 'fill' || (word === 'fill_left' ? fill.left : fill.right) !== undefined);
    if (again) throw reader.unexpected('', 'an expression');
    reader.next();
    reader.expect('(', `in ${word}`);
    const value = reader.signedNumber(`in ${word}`, 'a number');
    reader.expect(')', `in ${word}`);
    fill = word === 'fill' ? { left: value, right: value } : word === 'fill_left' ? { ...fill, left: value } : { ...fill, right: value };
  }
}
