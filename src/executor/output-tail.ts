import { stripVTControlCharacters } from 'node:util';

/** Characters an acknowledgement may hold. */
export const MAX_ACK_TEXT = 4096;

/** The end of a command's output, bounded while it grows. */
export class OutputTail {
  #text = '';
  #cut = false;

  add(text: string): void {
    const joined = this.#text + text;
    if (joined.length > 2 * MAX_ACK_TEXT) {
      this.#text = joined.slice(-MAX_ACK_TEXT);
      this.#cut = true;
    } else this.#text = joined;
  }

  /** The last lines, as far as they fit; an ellipsis where there was more. */
  get text(): string {
    return boundedTail(this.#text, this.#cut);
  }

  /** The last line that is not empty. */
  get lastLine(): string {
    return printable(this.#text).trimEnd().split('\n').at(-1)?.trim() ?? '';
  }
}

/** The end of a text, at most 4,096 characters, without control characters other than line ends and tabs. */
export function boundedTail(text: string, wasCut = false): string {
  const clean = printable(text).trim();
  if (!wasCut && clean.length <= MAX_ACK_TEXT) return clean;
  return `…${clean.slice(-(MAX_ACK_TEXT - 1))}`.toWellFormed();
}

function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(/[^\P{Cc}\n\t]/gu, '')
    .toWellFormed();
}
