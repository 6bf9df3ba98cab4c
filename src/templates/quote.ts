const SIMPLE: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\f': '\\f',
  '\b': '\\b',
  '\x07': '\\a',
};

/** Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the plain space. */
export function isPrintable(char: string): boolean {
  return char === ' ' || !/[\p{C}\p{Z}]/u.test(char);
}

/** Go's `strconv.Quote`, or `QuoteToASCII`. */
export function quote(text: string, ascii = false): string {
  return quotedWith('"', text, ascii);
}

/** Go's `strconv.QuoteRune`, or `QuoteRuneToASCII`. */
export function quoteChar(char: string, ascii = false): string {
  return quotedWith("'", char, ascii);
}

function quotedWith(mark: string, text: string, ascii: boolean): string {
  // Most texts have nothing in them to escape.
  if (/^[ !#-&(-[\]-~]*$/.test(text)) return mark + text + mark;
  let out = mark;
  for (const char of text) out += char === mark ? `\\${mark}` : escaped(char, ascii);
  return out + mark;
}

function escaped(char: string, ascii: boolean): string {
  const simple = SIMPLE[char];
  if (simple !== undefined) return simple;
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (isPrintable(char) && (code < 0x80 || !ascii)) return char;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
