import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, LineCounter, parseAllDocuments, visit } from 'yaml';
import { documentsOf } from '../../src/rules/yaml-documents.ts';
import { inOneGo } from '../../src/rules/yaml-reader.ts';
import { Random } from '../promql/expression-generator.ts';
import { mutated } from './rule-file-mutator.ts';

const BASE = readFileSync(join(import.meta.dirname, 'testdata', 'everything.good.rules'), 'utf8');

/** Many groups with many rules, anchors, merges and comments among them. */
function long(groups: number, rules: number): string {
  const rule = (g: number, r: number): string =>
    [
      `  - &a${g}-${r}`,
      `    alert: A${r} # the ${r}th`,
      `    expr: |`,
      `      up{job="${g}"} == 0`,
      `    labels: ${r === 0 ? '&labels {severity: page}' : '*labels'}`,
      `  - {<<: *a${g}-${r}, for: ${r}m, annotations: {n: '${g}'}}`,
    ].join('\n');
  const group = (g: number): string =>
    `- name: g${g}\n  rules:\n${Array.from({ length: rules }, (_, r) => rule(g, r)).join('\n')}\n  limit: ${g}\n`;
  return `# All of them.\ngroups:\n${Array.from({ length: groups }, (_, g) => group(g)).join('\n')}`;
}

/** What a text is read as with the place of each part, and what is wrong with it. */
function shown(documents: readonly Document[]): unknown {
  return documents.map((document) => [
    document.errors.map(({ pos, message }) => `${pos[0]} ${message}`).toSorted(),
    document.errors.length > 0 ? undefined : [valueOf(document), placesOf(document)],
  ]);
}

function valueOf(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: -1 });
  } catch (error) {
    return String(error);
  }
}

function placesOf(document: Document): readonly (number | undefined)[] {
  const places: (number | undefined)[] = [];
  visit(document, { Node: (_, node) => void places.push(node.range?.[0]) });
  return places;
}

const OPTIONS = { merge: true, uniqueKeys: true, prettyErrors: false, stringKeys: true };

function expectAsAtOnce(text: string): void {
  const atOnce = parseAllDocuments(text, OPTIONS);
  expect({ text, read: shown(inOneGo(documentsOf(text, new LineCounter()))) }).toEqual({ text, read: shown(Array.from(atOnce)) });
}

describe('the documents of a YAML text', () => {
  it.each([
    ['long lists', long(9, 9)],
    ['a list as long as a step', long(4, 2)],
    ['one more', long(5, 3)],
    ['several documents', `${long(5, 1)}\n---\n${long(5, 5)}\n--- [a]\n`],
    ['a directive', `%YAML 1.1\n---\n${long(5, 2)}`],
    ['a key that is there twice, far down', long(9, 9).replace('limit: 8', 'name: g8')],
    ['a rule that is no YAML, far down', long(9, 9).replace("annotations: {n: '8'}", "annotations: {n: '8'")],
    ['something before the first document', `}\n${long(5, 3)}`],
    ['something behind the last document', `${long(5, 3)}}\n`],
    ["something behind a document's end", `${long(5, 3)}... x\n`],
    ['a second document that is no YAML', `${long(5, 3)}---\n}\n`],
    ['comments and the end of a document', `${long(5, 3)}# the end\n... # of it\n...\n`],
    ['lists that are further left than their key', `groups:\n${'  - name: x\n    rules:\n  - y\n'.repeat(20)}`],
    ['nothing', ''],
  ])('are those that are composed at once: %s', (_, text) => expectAsAtOnce(text));

  it('are those that are composed at once, whatever is wrong with them', () => {
    const random = new Random(3);
    for (let i = 0; i < 25; i++)
      expectAsAtOnce(mutated(BASE + '  - name: more\n    rules:\n' + '    - {record: r, expr: up}\n'.repeat(20), random));
  });

  it('of a file that is long come in steps, of which each composes a few rules', () => {
    const steps = (text: string): number => {
      let count = 0;
      for (const _ of { [Symbol.iterator]: () => documentsOf(text, new LineCounter()) }) count++;
      return count;
    };
    expect(steps(long(12, 8)) - steps(long(4, 2))).toBeGreaterThan(12 * 3);
  });
});
