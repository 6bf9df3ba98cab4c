import { type Document, isMap, isPair, isScalar, type LineCounter, type Node } from 'yaml';
import type { z } from 'zod';
import { nearestName } from '../core/nearest.ts';
import { KNOWN_KEYS } from '../core/schema-parts.ts';
import type { Position } from '../core/errors.ts';

export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong in a configuration file. */
export interface ConfigProblem {
  readonly file: string;
  readonly position: Position;
  readonly path: ConfigPath;
  readonly message: string;
}

/** `belfry.yaml:12:5 clusters[0].sasl.mechanism: …` */
export function problemText(problem: ConfigProblem): string {
  const where = problem.path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
  const place = `${problem.file}:${problem.position.line}:${problem.position.column}`;
  return where === '' ? `${place} ${problem.message}` : `${place} ${where}: ${problem.message}`;
}

/** A YAML file with the places of its parts. */
export interface PlacedDocument {
  readonly file: string;
  readonly text: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** Where a path stands in the file: its value, its key where `ofKey`, or the nearest part above that is there. */
export function positionOf(placed: PlacedDocument, path: ConfigPath, ofKey = false): Position {
  for (let length = path.length; length >= 0; length--) {
    const at = path.slice(0, length);
    const node =
      ofKey || length < path.length || length === 0
        ? (keyNode(placed.document, at) ?? valueNode(placed.document, at))
        : valueNode(placed.document, at);
    const offset = node?.range?.[0];
    if (offset !== undefined) {
      const { line, col } = placed.lines.linePos(offset);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    }
  }
  return { line: 1, column: 1 };
}

function valueNode(document: Document, path: ConfigPath): Node | undefined {
  if (path.length === 0) return undefined;
  const node = document.getIn(path, true);
  return isScalar(node) || isMap(node) || (node !== null && typeof node === 'object' && 'range' in node) ? (node as Node) : undefined;
}

function keyNode(document: Document, path: ConfigPath): Node | undefined {
  const parent = path.length < 2 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1));
  return isScalar(pair?.key) ? pair.key : undefined;
}

/** Every issue zod found, as problems with places; one for each unknown key. */
export function problemsOf(placed: PlacedDocument, issues: readonly z.core.$ZodIssue[]): readonly ConfigProblem[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    if (issue.code !== 'unrecognized_keys')
      return [{ file: placed.file, position: positionOf(placed, path), path, message: issueText(issue) }];
    const known = issue.message.startsWith(KNOWN_KEYS) ? issue.message.slice(KNOWN_KEYS.length).split(' ') : [];
    return issue.keys.map((key) => ({
      file: placed.file,
      position: positionOf(placed, [...path, key], true),
      path: [...path, key],
      message: unknownKeyText(key, known),
    }));
  });
}

function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.message.endsWith(' received undefined')) return 'is required';
  const text = issue.message.replace(/^Invalid input: /, '').replace(/^Invalid option: /, '');
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function unknownKeyText(key: string, known: readonly string[]): string {
  const near = nearestName(key, known);
  if (near !== undefined) return `unknown key: did you mean ${JSON.stringify(near)}?`;
  return known.length === 0 ? 'unknown key' : `unknown key: known here are ${known.join(', ')}`;
}
