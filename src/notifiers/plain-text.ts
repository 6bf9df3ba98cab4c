/** Longest piece of a text from outside that is looked at; what comes after it never reaches a message. */
const MAX_INPUT = 8000;

/**
 * Controls, line ends, and the marks that turn the direction of the text around them: they could make a message show
 * something else than it says. Joiners stay, emoji are made with them.
 */
const HIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\u00AD\u061C\u200B\u200E\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF\uFFF9-\uFFFC]+/gu;

/** A text from outside as one line: no controls, no broken characters, single spaces, bounded. */
export function oneLine(text: string): string {
  return text.slice(0, MAX_INPUT).toWellFormed().replaceAll(HIDDEN, ' ').replaceAll(/\s+/g, ' ').trim();
}

/** One line without the full stop at its end, to stand beside other clauses. */
export function clause(text: string): string {
  return oneLine(text).replace(/[\s.;,]+$/, '');
}

/** At most `max` UTF-16 units, cut at a word where one ends near, with an ellipsis; never half a character. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  if (max <= 1) return max === 1 ? '…' : '';
  let end = max - 1;
  const space = text.lastIndexOf(' ', end);
  if (space > end * 0.7) end = space;
  const last = text.charCodeAt(end - 1);
  if (last >= 0xd800 && last <= 0xdbff) end--;
  return `${text.slice(0, end).replace(/[\s,;:.–-]+$/, '')}…`;
}

/** As many whole lines as fit into `max` with their line ends, and how many are left over. */
export function fittingLines(lines: readonly string[], max: number): { kept: readonly string[]; left: number } {
  let used = 0;
  let count = 0;
  for (const line of lines) {
    if (used + line.length + 1 > max) break;
    used += line.length + 1;
    count++;
  }
  return { kept: lines.slice(0, count), left: lines.length - count };
}

/** `1 alert`, `3 alerts`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The address where it is a plain web address that can be put into a message; undefined where it is not. */
export function webAddress(text: string): string | undefined {
  if (text.length > 2000 || !/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return undefined;
  // URL has percent-encoded what is not ASCII; these are left as they are, and close a link in some medium.
  return url.href.replaceAll(/["'<>|`\\ ]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** With a capital letter where it begins with a plain word (`topic-1` is a name and stays), and a full stop. */
export function asSentence(text: string): string {
  const first = capitalised(text);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}

export function capitalised(text: string): string {
  return /^[a-z]+(?=[\s,;:.]|$)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
