import { inspect } from 'node:util';

/** A text that must not be seen: it prints, serialises and inspects as `[secret]`. Only `reveal` gives it out. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/** What may be shown of an address that may hold a secret: scheme and host. `[invalid address]` where it is none. */
export function shownUrl(address: string): string {
  if (!URL.canParse(address)) return '[invalid address]';
  const { protocol, host } = new URL(address);
  return `${protocol}//${host}`;
}
