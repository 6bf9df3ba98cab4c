import { Composer, isMap, isSeq, Lexer, Parser } from 'yaml';
import type { CST, Document, LineCounter, YAMLSeq } from 'yaml';

/** A long piece of work in steps that are short; returns what it makes. */
export type Steps<T> = Generator<undefined, T>;

const LEXEMES_A_STEP = 500;
/** Items of a list that are composed in a step. */
const ITEMS_A_STEP = 4;
/** The lists that make a rule file long. */
const LONG_LISTS = ['groups', 'rules'];

const OPTIONS = { merge: true, uniqueKeys: true, prettyErrors: false, stringKeys: true } as const;

/** The documents of a YAML text, as the library makes them of it at once. */
export function* documentsOf(text: string, lines: LineCounter): Steps<readonly Document[]> {
  const composer = new Composer(OPTIONS);
  const parser = new Parser(lines.addNewLine);
  const documents: Document[] = [];
  const tokens: CST.Token[] = [];
  const rests: (readonly Rest[])[] = [];
  let isPlain = true;
  const take = (token: CST.Token): void => {
    tokens.push(token);
    // A directive may change how scalars are read.
    if (token.type === 'directive') isPlain = false;
    const [first, rest] = token.type === 'document' && isPlain ? split(token) : [token, []];
    if (token.type === 'document') rests.push(rest);
    documents.push(...composer.next(first));
  };
  let lexemes = 0;
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) take(token);
    if (++lexemes % LEXEMES_A_STEP === 0) yield;
  }
  for (const token of parser.end()) take(token);
  documents.push(...composer.end());
  for (const [i, document] of documents.entries()) {
    const rest = rests[i] ?? [];
    // Of what is wrong every mistake is to be told, also what stands beside the documents.
    if (rest.length > 0 && !(yield* isJoined(document, rest))) return composed(tokens);
  }
  yield;
  return documents;
}

/** Some items of a list that a document was composed without; `path` leads to the list. */
interface Rest {
  readonly path: readonly (string | number)[];
  readonly token: CST.Document;
}

/** A document whose long lists end early, and what they are to be continued with. */
function split(document: CST.Document): readonly [CST.Document, readonly Rest[]] {
  const rests: Rest[] = [];
  const wrap = (value: CST.BlockMap): CST.Document => ({ type: 'document', offset: document.offset, start: document.start, value });
  const value = document.value?.type === 'block-map' ? shortened(document.value, [], wrap, rests) : undefined;
  return [value === undefined ? document : { ...document, value }, rests];
}

type Wrap = (value: CST.BlockMap) => CST.Document;

/** The mapping with its long lists cut off, and those of its items' mappings. */
function shortened(map: CST.BlockMap, path: Rest['path'], wrap: Wrap, rests: Rest[]): CST.BlockMap {
  const items = map.items.map((pair) => {
    const name = pair.key?.type === 'scalar' ? pair.key.source : '';
    const list = pair.value;
    if (!LONG_LISTS.includes(name) || list?.type !== 'block-seq' || path.length > 3) return pair;
    const withItems = (some: CST.BlockSequence['items']): CST.BlockMap => ({
      ...map,
      items: [{ ...pair, value: { ...list, items: some } } as CST.BlockMap['items'][number]],
    });
    const place = [...path, name];
    const shorter = list.items.map((item, i) => {
      if (item.value?.type !== 'block-map') return item;
      // Whatever of an item comes later is composed as the only one of its list.
      const wrapItem: Wrap = (value) => wrap(withItems([{ ...item, value }]));
      return { ...item, value: shortened(item.value, [...place, i], wrapItem, rests) };
    });
    for (let from = ITEMS_A_STEP; from < shorter.length; from += ITEMS_A_STEP)
      rests.push({ path: place, token: wrap(withItems(shorter.slice(from, from + ITEMS_A_STEP))) });
    return { ...pair, value: { ...list, items: shorter.slice(0, ITEMS_A_STEP) } } as CST.BlockMap['items'][number];
  });
  return { ...map, items };
}

function composed(tokens: readonly CST.Token[]): readonly Document[] {
  const composer = new Composer(OPTIONS);
  return [...tokens.flatMap((token) => [...composer.next(token)]), ...composer.end()];
}

/** Composes what is left of a document's lists and puts it behind what there is; false where something is wrong. */
function* isJoined(document: Document, rests: readonly Rest[]): Steps<boolean> {
  // The shorter path first: items of a list before what is left of their own lists.
  for (const { path, token } of rests.toSorted((a, b) => a.path.length - b.path.length)) {
    if (document.errors.length > 0) return false;
    yield;
    const [part] = composed([token]);
    for (const error of part?.errors ?? []) document.errors.push(error);
    listAt(document, path)?.items.push(
      ...(listAt(
        part,
        path.map((step) => (typeof step === 'number' ? 0 : step)),
      )?.items ?? []),
    );
  }
  return document.errors.length === 0;
}

function listAt(document: Document | undefined, path: Rest['path']): YAMLSeq | undefined {
  let node: unknown = document?.contents;
  for (const step of path) node = isMap(node) || isSeq(node) ? node.get(step, true) : undefined;
  return isSeq(node) ? node : undefined;
}
