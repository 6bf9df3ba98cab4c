import { Document, isAlias, isCollection, isMap, isScalar, isSeq, LineCounter, visit } from 'yaml';
import type { Node, Scalar } from 'yaml';
import { parseDuration } from '../core/duration.ts';
import { errorText } from '../core/errors.ts';
import { nearestName } from '../core/nearest.ts';
import { documentsOf, type Steps } from './yaml-documents.ts';
import type { Position } from '../core/errors.ts';

/** A mistake in a rule file. */
export interface RuleProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export function formatProblem(problem: RuleProblem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`;
}

/** A node with aliases followed; undefined where the field is left out. */
export type YamlNode = Node | null | undefined;
export type YamlFields = ReadonlyMap<string, YamlNode>;

/** All steps at once. */
export function inOneGo<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

/** An asterisk with something behind it, as in `*name`; a product in an expression mostly has a space there. */
const MAY_HAVE_ALIASES = /\*[^\s*]/;

/** Nothing but comments, and then the end of a document: to the library an empty one, to Go's reader a mistake. */
const EARLY_END = /^\ufeff?(?:[ \t]*(?:#[^\n]*)?\r?\n)*\.\.\.(?=\s|$)/;

/** Reads one YAML file strictly and gathers every mistake with its place. */
export class YamlReader {
  readonly file: string;
  readonly problems: RuleProblem[] = [];
  /** What is legal and yet should be known. */
  readonly warnings: RuleProblem[] = [];
  readonly #ignoresUnknown: boolean;
  readonly #text: string;
  readonly #lines: LineCounter;
  readonly #document: Document;

  /** With `ignoreUnknownFields` keys that are not known are left out without a word. */
  static *read(file: string, source: string, ignoreUnknownFields = false): Steps<YamlReader> {
    const lines = new LineCounter();
    // A carriage return alone ends a line too; the library does not know that.
    const text = source.replace(/\r(?!\n)/g, '\n');
    return new YamlReader(file, text, lines, yield* documentsOf(text, lines), ignoreUnknownFields);
  }

  private constructor(file: string, text: string, lines: LineCounter, [first, ...others]: readonly Document[], ignoresUnknown: boolean) {
    this.file = file;
    this.#ignoresUnknown = ignoresUnknown;
    this.#text = text;
    this.#lines = lines;
    this.#document = first ?? new Document(null);
    for (const error of this.#document.errors) this.#problemAtOffset(error.pos[0], error.message);
    const early = EARLY_END.exec(text);
    if (early !== null) this.#problemAtOffset(early[0].length - 3, 'a document ends before it has begun');
    this.#lookAtOtherDocuments(others);
    if (MAY_HAVE_ALIASES.test(text)) this.#checkAliases();
    if (this.problems.length === 0) this.#checkCharacters();
  }

  #checkAliases(): void {
    visit(this.#document, {
      Alias: (_, alias) => {
        if (alias.resolve(this.#document) === undefined)
          this.#problemAtOffset(alias.range?.[0] ?? 0, `unknown anchor ${JSON.stringify(alias.source)}`);
      },
    });
  }

  #problemAtOffset(offset: number, message: string): void {
    this.problems.push(this.#at(offset, message));
  }

  #at(offset: number, message: string): RuleProblem {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line, column: col, message };
  }

  /** Prometheus reads the first document and says of the rest that it leaves it out. */
  #lookAtOtherDocuments(others: readonly Document[]): void {
    for (const { contents, range, errors } of others) {
      if (errors.length === 0 && (contents === null || (isScalar(contents) && contents.value === null))) continue;
      const offset = contents?.range?.[0] ?? range?.[0] ?? 0;
      this.warnings.push(this.#at(offset, 'a second YAML document: only the first one of a file is read'));
      return;
    }
  }

  /** What the YAML of Prometheus refuses and ours would let through: control characters, and tabs that indent. */
  #checkCharacters(): void {
    for (const { index } of this.#text.matchAll(/(?![\t\n\x85]|\r\n)[\p{Cc}\ufffe\uffff]/gu))
      this.#problemAtOffset(index, 'control characters are not allowed');
    const odd = [...this.#text.matchAll(/^ *(?:\t|(?<=.|\n)\ufeff)/gm)];
    if (odd.length === 0) return;
    const inside: (readonly [from: number, to: number])[] = [];
    visit(this.#document, {
      Node: (_, node) => {
        if (node.range && (isScalar(node) || (isCollection(node) && node.flow === true))) inside.push([node.range[0], node.range[1]]);
      },
    });
    for (const { index, 0: indent } of odd) {
      const at = index + indent.length - 1;
      const message = indent.endsWith('\t') ? 'a tab cannot indent' : 'a byte order mark must be the first of the file';
      if (!inside.some(([from, to]) => at > from && at < to)) this.#problemAtOffset(at, message);
    }
  }

  get root(): YamlNode {
    return this.#resolve(this.#document.contents);
  }

  positionOf(node: YamlNode): Position {
    const { line, col } = this.#lines.linePos(node?.range?.[0] ?? 0);
    return { line, column: col };
  }

  problem(node: YamlNode, context: string, cause: string): void {
    this.problemAt(this.positionOf(node), context, cause);
  }

  problemAt(position: Position, context: string, cause: string): void {
    this.problems.push({ file: this.file, ...position, message: context === '' ? cause : `${context}: ${cause}` });
  }

  #resolve(node: unknown): YamlNode {
    if (isAlias(node)) return node.resolve(this.#document) ?? null;
    return node as YamlNode;
  }

  /** The items of a list; a missing or null one has none. */
  list(node: YamlNode, context: string): readonly YamlNode[] {
    if (this.isNull(node)) return [];
    if (!isSeq(node)) {
      this.problem(node, context, 'must be a list');
      return [];
    }
    return node.items.map((item) => this.#resolve(item));
  }

  /** The values of a mapping by key, with the keys' nodes. Undefined where it is no mapping. */
  entries(node: YamlNode, context: string): readonly { key: string; keyNode: YamlNode; value: YamlNode }[] | undefined {
    if (this.isNull(node)) return [];
    if (!isMap(node)) {
      this.problem(node, context, 'must be a mapping');
      return undefined;
    }
    const found: { key: string; keyNode: YamlNode; value: YamlNode }[] = [];
    for (const pair of node.items) {
      const keyNode = this.#resolve(pair.key);
      const value = this.#resolve(pair.value);
      const key = isScalar(keyNode) ? scalarText(keyNode) : '';
      if (key === '<<' && isMap(value)) {
        const own = new Set(node.items.map((item) => (isScalar(item.key) ? scalarText(item.key) : '')));
        found.push(...(this.entries(value, context) ?? []).filter((entry) => !own.has(entry.key)));
      } else found.push({ key, keyNode, value });
    }
    return found;
  }

  /** A mapping with known keys; an unknown one is a problem that names the nearest known, unless those are to be ignored. */
  fields(node: YamlNode, context: string, known: readonly string[]): YamlFields {
    const fields = new Map<string, YamlNode>();
    for (const { key, keyNode, value } of this.entries(node, context) ?? []) {
      if (known.includes(key)) fields.set(key, value);
      else if (!this.#ignoresUnknown) this.problem(keyNode, context, `unknown field ${JSON.stringify(key)}${hint(key, known)}`);
    }
    return fields;
  }

  isNull(node: YamlNode): boolean {
    return node === undefined || node === null || (isScalar(node) && node.value === null);
  }

  /** A scalar's text as it is written, whatever YAML takes it for; empty for null. Undefined where it is no scalar. */
  text(node: YamlNode, context: string): string | undefined {
    if (this.isNull(node)) return '';
    if (!isScalar(node)) {
      this.problem(node, context, 'must be a single value');
      return undefined;
    }
    return scalarText(node);
  }

  /** A whole number; 0 where it is left out. A text that only looks like one is none. */
  integer(fields: YamlFields, name: string, context: string): number {
    const node = fields.get(name);
    if (this.isNull(node)) return 0;
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    this.problem(node, context, `${name} must be a whole number`);
    return 0;
  }

  /** A truth in any of the words that YAML 1.1 has for it, as Go's reader takes them; false where it is left out. */
  boolean(fields: YamlFields, name: string, context: string): boolean {
    const node = fields.get(name);
    if (this.isNull(node)) return false;
    const text = isScalar(node) && node.type === 'PLAIN' ? scalarText(node) : '';
    if (/^(y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE)$/.test(text)) return true;
    if (!/^(n|N|no|No|NO|off|Off|OFF|false|False|FALSE)$/.test(text)) this.problem(node, context, `${name} must be true or false`);
    return false;
  }

  /** Milliseconds of a duration field; 0 where it is left out. */
  duration(fields: YamlFields, name: string, context: string): number {
    const node = fields.get(name);
    const text = this.text(node, context);
    if (text === undefined || this.isNull(node)) return 0;
    try {
      return parseDuration(text);
    } catch (error) {
      this.problem(node, context, `${name}: ${errorText(error)}`);
      return 0;
    }
  }

  /** Where a place in a scalar's text stands in the file; the scalar's own place where that cannot be told. */
  within(node: YamlNode, inner: Position | undefined): Position {
    const start = this.positionOf(node);
    if (inner === undefined || !isScalar(node)) return start;
    const offset = node.range?.[0] ?? 0;
    if (node.type === 'BLOCK_LITERAL') {
      const lines = this.#text.slice(offset).split('\n').slice(1);
      const indent = /^ */.exec(lines.find((line) => line.trim() !== '') ?? '')?.[0].length ?? 0;
      return { line: start.line + inner.line, column: indent + inner.column };
    }
    if (inner.line > 1 || node.type === 'BLOCK_FOLDED') return start;
    return { line: start.line, column: start.column + inner.column - 1 + (node.type === 'PLAIN' ? 0 : 1) };
  }
}

function scalarText(node: Scalar): string {
  if (typeof node.value === 'string') return node.value;
  // A number or a bool keeps the spelling of the file: `0.10` stays `0.10`.
  return node.source ?? String(node.value);
}

/** What a misspelt name most likely means, or all there are. */
export function hint(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? ` (known: ${known.join(', ')})` : `, did you mean ${nearest}?`;
}
