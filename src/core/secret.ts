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

/** Shorter ones would blot out ordinary words; a real secret is longer. */
const MIN_SECRET = 4;

/** Takes secrets out of what peers say, however they echo them. */
export class SecretMask {
  readonly #texts: readonly string[];

  constructor(secrets: readonly (Secret | undefined)[]) {
    const texts = secrets.flatMap((secret) => (secret === undefined ? [] : formsOf(secret.reveal())));
    this.#texts = [...new Set(texts)].filter((text) => text.length >= MIN_SECRET).toSorted((a, b) => b.length - a.length);
  }

  /** The text with `[secret]` in their place. */
  over(text: string): string {
    let shown = text;
    for (const secret of this.#texts) shown = shown.replaceAll(secret, '[secret]');
    return shown;
  }
}

/** The ways in which a secret may be echoed: as it is, its part behind the host, percent-encoded, in base64. */
function formsOf(secret: string): readonly string[] {
  const forms = [secret, encodeURIComponent(secret.toWellFormed()), Buffer.from(secret).toString('base64')];
  if (!URL.canParse(secret)) return forms;
  const { pathname, search, username, password } = new URL(secret);
  for (const part of [pathname + search, username, password, ...pathname.split('/')]) if (part.length >= 8) forms.push(part);
  return forms;
}
