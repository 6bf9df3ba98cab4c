import { BelfryError } from './errors.ts';
import { Matcher, type MatchOp } from './matcher.ts';

const MAX_LENGTH = 65_536;
/** What Go's expressions take for a space, which is less than JavaScript's do. */
const SPACE = '[\\t\\n\\f\\r ]*';
/** Words and what is between them, so that each space has one place only: a search for the last ones would be quadratic. */
const VALUE = `(?:${SPACE}[^\\t\\n\\f\\r ]+)*`;
const FORM = new RegExp(`^${SPACE}([a-zA-Z_:][a-zA-Z0-9_:]*)${SPACE}(=~|=|!=|!~)${SPACE}(${VALUE})${SPACE}$`);
/** A word in double quotes, or one without the characters that Alertmanager's newer grammar reserves. */
const WORD = '("(?:[^"\\\\\\n]|\\\\.)*"|[^\\s{}!=~,\\\\"\'`]+)';
const UTF8_FORM = new RegExp(`^\\s*${WORD}\\s*(=~|=|!=|!~)\\s*${WORD}\\s*(?:,\\s*)?$`, 'u');
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/**
 * A matcher as Alertmanager's files, filters and amtool write it: `severity="critical"`, `cluster=~orders-.*`. The value
 * may stand in double quotes; `\"`, `\\` and `\n` are read in either form. What this classic grammar does not take is read
 * as since Alertmanager 0.27, where a label may have any name: `"my label"="x"`, `k8s.pod=x`; quoted words are then Go's,
 * and a comma may follow.
 * Throws `BAD_REQUEST` with Alertmanager's words.
 */
export function parseMatcher(text: string): Matcher {
  const isTooLong = text.length > MAX_LENGTH;
  // Of a set only its end; in a bare expression both braces may stand.
  if (text.endsWith('}') && !text.includes('{'))
    throw new BelfryError('BAD_REQUEST', `unexpected open or close brace: ${text.slice(0, 200)}`);
  const parts = isTooLong ? null : FORM.exec(text);
  if (parts !== null) {
    const [, name = '', op = '=', raw = ''] = parts;
    return new Matcher(name, op as MatchOp, unquoted(raw), 'alertmanager');
  }
  const [name = '', op = '=', value = ''] = (isTooLong ? null : UTF8_FORM.exec(text))?.slice(1, 4).map(goText) ?? [];
  if (name === '' || !text.isWellFormed()) throw new BelfryError('BAD_REQUEST', `bad matcher format: ${text.slice(0, 200)}`);
  return new Matcher(name, op as MatchOp, value, 'alertmanager');
}

/** What a word in double quotes stands for (Go's `strconv.Unquote`): escaped bytes together must be UTF-8. */
function goText(word: string): string {
  if (!word.startsWith('"')) return word;
  return word
    .slice(1, -1)
    .replaceAll(/((?:\\x[0-9a-fA-F]{2}|\\[0-7]{3})+)|\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/gsu, (all, ...found: string[]) => {
      const [bytes, short, long, simple] = found;
      if (bytes !== undefined) return textOfBytes(bytes);
      const read = simple === undefined ? codePoint(short ?? long ?? '') : /["\\]/.test(simple) ? simple : SIMPLE_ESCAPES[simple];
      if (read === undefined) throw new BelfryError('BAD_REQUEST', `bad matcher format: unknown escape ${all}`);
      return read;
    });
}

/** `\xf0\x9f…` and `\360\237…`. */
function textOfBytes(escapes: string): string {
  const bytes = [...escapes.matchAll(/x(..)|\\(\d{3})/g)].map(([, hex, octal]) =>
    Number.parseInt(hex ?? octal ?? '', hex === undefined ? 8 : 16),
  );
  const text = bytes.every((byte) => byte < 256) ? Buffer.from(bytes).toString('utf8') : '\ufffd';
  if (!Buffer.from(text).equals(Buffer.from(bytes)))
    throw new BelfryError('BAD_REQUEST', `bad matcher format: the bytes ${escapes.slice(0, 200)} are no text`);
  return text;
}

function codePoint(digits: string): string | undefined {
  const code = Number.parseInt(digits, 16);
  return code > 0x10_ffff || (code >= 0xd800 && code < 0xe000) ? undefined : String.fromCodePoint(code);
}

/** A quote inside must be escaped, in the bare form too; what is no escape stays as it is written. */
function unquoted(raw: string): string {
  const isQuoted = raw.startsWith('"');
  const isBroken = isQuoted ? !/^"(?:[^"\\]|\\.)*"$/s.test(raw) : !/^(?:[^"\\]|\\.|\\$)*$/s.test(raw);
  if (isBroken) throw new BelfryError('BAD_REQUEST', `matcher value contains unescaped double quote: ${raw.slice(0, 200)}`);
  const inner = isQuoted ? raw.slice(1, -1) : raw;
  return inner.replaceAll(/\\([n"\\])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}
