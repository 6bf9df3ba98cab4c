import { BelfryError } from './errors.ts';
import { Matcher, type MatchOp } from './matcher.ts';

const MAX_LENGTH = 65_536;
const FORM = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*$/s;

/**
 * A matcher as Alertmanager's files, filters and amtool write it: `severity="critical"`, `cluster=~orders-.*`. The value
 * may stand in double quotes; `\"`, `\\` and `\n` are read in either form. Throws `BAD_REQUEST` with Alertmanager's words.
 */
export function parseMatcher(text: string): Matcher {
  const parts = text.length > MAX_LENGTH ? null : FORM.exec(text);
  if (parts === null) throw new BelfryError('BAD_REQUEST', `bad matcher format: ${text.slice(0, 200)}`);
  const [, name = '', op = '=', raw = ''] = parts;
  return new Matcher(name, op as MatchOp, unquoted(raw));
}

/** A quote inside must be escaped, in the bare form too; what is no escape stays as it is written. */
function unquoted(raw: string): string {
  const isQuoted = raw.startsWith('"');
  const isBroken = isQuoted ? !/^"(?:[^"\\]|\\.)*"$/s.test(raw) : !/^(?:[^"\\]|\\.|\\$)*$/s.test(raw);
  if (isBroken) throw new BelfryError('BAD_REQUEST', `matcher value contains unescaped double quote: ${raw.slice(0, 200)}`);
  const inner = isQuoted ? raw.slice(1, -1) : raw;
  return inner.replaceAll(/\\([n"\\])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}
