import { isAlias, LineCounter, parseDocument, visit } from 'yaml';
import { errorText } from '../core/errors.ts';
import type { ConfigProblem, PlacedDocument } from './problems.ts';

/** After this many mistakes of YAML the rest follows from the first ones. */
const MAX_YAML_PROBLEMS = 100;

/** Reads YAML 1.2 with merge keys and string keys only. Undefined, and problems with their places, where it is none. */
export function parsePlaced(file: string, text: string, problems: ConfigProblem[]): PlacedDocument | undefined {
  const lines = new LineCounter();
  const at = (offset: number): ConfigProblem['position'] => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, stringKeys: true });
  for (const { code, pos, message } of [...document.errors, ...document.warnings].slice(0, MAX_YAML_PROBLEMS)) {
    problems.push({ file, position: at(pos[0]), path: [], message: problemOf(code, message) });
  }
  return problems.length > 0 ? undefined : { file, text, document, lines };
}

/** The document's value. What cannot be given one, such as an alias of its own inside, is a problem. */
export function valueOf({ file, document, lines }: PlacedDocument, problems: ConfigProblem[]): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    // A value that holds itself has no end for whoever walks it.
    JSON.stringify(value);
    return value;
  } catch (error) {
    const { line, col } = lines.linePos(firstAlias(document));
    const position = { line: Math.max(1, line), column: Math.max(1, col) };
    problems.push({ file, position, path: [], message: `has no value: ${firstLine(errorText(error))}` });
    return undefined;
  }
}

/** Where the first alias stands, which is to blame for most values that there are not. */
function firstAlias(document: PlacedDocument['document']): number {
  let offset = 0;
  visit(document, (_, node) => {
    if (!isAlias(node)) return undefined;
    offset = node.range?.[0] ?? 0;
    return visit.BREAK;
  });
  return offset;
}

/** What follows, such as the path of a circle, names what the file says, which may be a secret. */
function firstLine(text: string): string {
  return (
    /^(Excessive alias count|Converting circular structure|Maximum call stack)/.exec(text)?.[0] ??
    'an alias cannot be resolved (a text that begins with * must stand in quotes)'
  );
}

/** YAML's own words name what it cannot read, which may be a secret that should have quotes: `password: *hunter2`. */
function problemOf(code: string, message: string): string {
  switch (code) {
    case 'TAG_RESOLVE_FAILED':
      return 'unknown tag: a text that begins with ! must stand in quotes';
    case 'BAD_DQ_ESCAPE':
      return 'invalid escape sequence: between single quotes a backslash stands for itself';
    default:
      return message.replace(/(extra characters|but found|token): .*$/s, '$1');
  }
}
