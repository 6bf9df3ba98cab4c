import { RE2JS } from 're2js';
import { BelfryError, errorText } from './errors.ts';

/**
 * RE2 patterns as Prometheus, Alertmanager and Go templates mean them, in linear time whatever the input: patterns
 * come from operators' files, the texts they run over from anywhere.
 */
export interface CompiledRegex {
  readonly source: string;
  /** Instructions of the compiled expression: what a character of a text may take, at worst. */
  readonly size: number;
  /** The whole text must match. */
  matches(text: string): boolean;
  /** A part of the text may match (Go's `MatchString`). */
  find(text: string): boolean;
  /** Go's `ReplaceAllString`: `$1`, `${1}`, `$name`, `${name}`, `$$`. */
  replaceAll(text: string, template: string): string;
  /** When the whole text matches: the template expanded with its groups (Go's `Expand`); undefined when it does not. */
  expandWhole(text: string, template: string): string | undefined;
}

const MAX_SOURCE_LENGTH = 32_768;

/** Whose expression it is. In Prometheus a dot matches a line break too, in Alertmanager it does not. */
export type RegexDialect = 'prometheus' | 'alertmanager';

/** Compiles a pattern. Throws `BAD_REQUEST` with RE2's own sentence where it is not one; Alertmanager's is about the anchored pattern. */
export function compileRegex(source: string, dialect: RegexDialect = 'prometheus'): CompiledRegex {
  if (source.length > MAX_SOURCE_LENGTH)
    throw new BelfryError('BAD_REQUEST', `regular expression longer than ${MAX_SOURCE_LENGTH} characters`);
  let whole: RE2JS;
  let part: RE2JS;
  try {
    if (dialect === 'alertmanager') RE2JS.compile(`^(?:${source})$`);
    part = RE2JS.compile(source);
    whole = RE2JS.compile(dialect === 'alertmanager' ? `^(?:${source})$` : `^(?s:${source})$`);
  } catch (error) {
    throw new BelfryError('BAD_REQUEST', `invalid regular expression ${JSON.stringify(source)}: ${errorText(error)}`, { cause: error });
  }
  const fast = dialect === 'alertmanager' ? inOneLine(fastMatcher(source), (text) => whole.test(text)) : fastMatcher(source);
  return {
    source,
    size: part.programSize(),
    matches: fast ?? remembering(literalPrefix(source), (text) => whole.test(text)),
    find: (text) => part.matcher(text).find(),
    replaceAll: (text, template) => replaceAll(part, text, template),
    expandWhole: (text, template) => {
      const matcher = whole.matcher(text);
      return matcher.find() ? expand(template, matcher, part.namedGroups()) : undefined;
    },
  };
}

type Matcher = ReturnType<RE2JS['matcher']>;

function replaceAll(pattern: RE2JS, text: string, template: string): string {
  const matcher = pattern.matcher(text);
  const names = pattern.namedGroups();
  let out = '';
  let from = 0;
  while (matcher.find()) {
    // As in Go, nothing is found right behind what was found.
    if (matcher.end() === from && from > 0) continue;
    out += text.slice(from, matcher.start()) + expand(template, matcher, names);
    from = matcher.end();
  }
  return out + text.slice(from);
}

/** Go's `Regexp.Expand`: `$name` takes the longest run of letters, digits and `_`; an unknown name is empty. */
function expand(template: string, matcher: Matcher, names: Readonly<Record<string, number>>): string {
  return template.replaceAll(/\$(?:(\$)|(\w+)|\{(\w+)\})/g, (_, dollar?: string, bare?: string, braced?: string) => {
    if (dollar !== undefined) return '$';
    const name = bare ?? braced ?? '';
    const index = /^\d+$/.test(name) ? Number(name) : names[name];
    if (index === undefined || index > matcher.groupCount()) return '';
    return matcher.group(index) ?? '';
  });
}

/** Literals, sets of literals, `prefix.*`, `.*` and `.+` need no engine; undefined for anything else. */
function fastMatcher(source: string): ((text: string) => boolean) | undefined {
  if (source === '.*') return () => true;
  if (source === '.+') return (text) => text !== '';
  const literals = literalSet(source);
  if (literals !== undefined) {
    const [only] = literals;
    if (literals.length === 1) return (text) => text === only;
    const set = new Set(literals);
    return (text) => set.has(text);
  }
  const tail = /^([^\\.+*?()|[\]{}^$]+)\.([*+])$/.exec(source);
  if (tail === null) return undefined;
  const prefix = tail[1] ?? '';
  const least = prefix.length + (tail[2] === '+' ? 1 : 0);
  return (text) => text.length >= least && text.startsWith(prefix);
}

/** What knows nothing of line breaks leaves texts with some to the engine. */
function inOneLine(
  fast: ((text: string) => boolean) | undefined,
  test: (text: string) => boolean,
): ((text: string) => boolean) | undefined {
  return fast && ((text) => (text.includes('\n') ? test(text) : fast(text)));
}

/** Answers that an expression remembers, to texts that are no longer than this. */
const REMEMBERED_MAX = 256;
const REMEMBERED_LENGTH_MAX = 200;

/** The engine takes microseconds, and the values of a label are few: each is looked at once, if it begins right at all. */
function remembering(prefix: string, test: (text: string) => boolean): (text: string) => boolean {
  const known = new Map<string, boolean>();
  return (text) => {
    if (!text.startsWith(prefix)) return false;
    if (text.length > REMEMBERED_LENGTH_MAX) return test(text);
    let answer = known.get(text);
    if (answer === undefined) {
      answer = test(text);
      if (known.size >= REMEMBERED_MAX) known.clear();
      known.set(text, answer);
    }
    return answer;
  };
}

/** What every text begins with that the whole pattern matches; may be empty. */
function literalPrefix(source: string): string {
  if (source.includes('|')) return '';
  const [run = ''] = /^[^\\.+*?()[\]{}^$]*/.exec(source) ?? [];
  // What is repeated may be missing, but for `+`.
  return /^[*?{]/.test(source.slice(run.length)) ? run.replace(/.$/su, '') : run;
}

/** The texts that `a|b|c` (or `(a|b)`) matches when it is nothing but literals; undefined otherwise. */
export function literalSet(source: string): readonly string[] | undefined {
  const inner = /^\(([^()]*)\)$/.exec(source)?.[1] ?? source;
  if (/[\\.+*?()[\]{}^$]/.test(inner)) return undefined;
  return inner.split('|');
}
