/** Signs that stay within a word where one of them stands between letters: `don't`, `a.b`, `a:b`. */
const MID_WORD = /['’‘.:·\u0387\u055f\u05f4\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e]/;
/** What never ends a word; scripts that are written without spaces do. */
const WITHIN_WORD = /[\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\p{Cf}\u202f]/u;
const WORD_OF_ITS_OWN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u200b]/u;
const CASED = /\p{Cased}/u;

/**
 * The first letter of every word as a capital, the others as they are, as Go's `cases.Title` with `NoLower` does, which
 * Prometheus 3 uses. Words end as in Unicode's rules.
 */
export function title(text: string): string {
  if (/^[\w ]*$/.test(text)) return text.replaceAll(/(?<![A-Za-z]\w*)[a-z]/g, (letter) => letter.toUpperCase());
  let out = '';
  let inWord = false;
  let wasMid = false;
  for (const char of text) {
    const isMid = MID_WORD.test(char);
    if (isMid && wasMid) inWord = false;
    wasMid = isMid;
    const isCased = CASED.test(char);
    out += isCased && !inWord ? titleCase(char) : char;
    if (isCased) inWord = true;
    else if (!isMid && (!WITHIN_WORD.test(char) || WORD_OF_ITS_OWN.test(char))) inWord = false;
  }
  return out;
}

/** Letters of two, which have a form of their own at the beginning of a word. */
const TITLE_FORMS: Readonly<Record<string, string>> = { ǆ: 'ǅ', Ǆ: 'ǅ', ǉ: 'ǈ', Ǉ: 'ǈ', ǌ: 'ǋ', Ǌ: 'ǋ', ǳ: 'ǲ', Ǳ: 'ǲ' };

/** Of a letter that becomes several, only the first is a capital. */
function titleCase(char: string): string {
  const own = TITLE_FORMS[char];
  if (own !== undefined) return own;
  const [first = '', ...rest] = char.toUpperCase();
  return first + rest.join('').toLowerCase();
}

/** Go's `strings.ToUpper`: letter by letter, one for one. */
export function upperCase(text: string): string {
  return oneForOne(text, text.toUpperCase(), (char) => char.toUpperCase());
}

/** Go's `strings.ToLower`. */
export function lowerCase(text: string): string {
  return oneForOne(text, text.toLowerCase(), (char) => (char === 'İ' ? 'i' : char.toLowerCase()));
}

/** `whole` where the text is plain, else the letters one by one, without those that would become several. */
function oneForOne(text: string, whole: string, change: (char: string) => string): string {
  // Only ASCII is sure to have no letter that depends on its neighbours or becomes several.
  if (/^[\0-\x7f]*$/.test(text)) return whole;
  return Array.from(text, (char) => {
    const changed = change(char);
    return Array.from(changed).length === 1 ? changed : char;
  }).join('');
}
