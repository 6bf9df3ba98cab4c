import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { parseDuration } from './duration.ts';
import { errorText } from './errors.ts';

/** Prefix of the message by which a strict object tells the reader of its issues which keys it knows. */
export const KNOWN_KEYS = 'known keys: ';

/** An object whose unknown keys are errors. */
export function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = KNOWN_KEYS + Object.keys(shape).join(' ');
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined) });
}

/** A Prometheus duration (`30s`, `1h30m`), parsed to milliseconds. */
export function duration(options: { minMs?: number } = {}) {
  return z.string({ error: 'expected a duration such as 30s, 5m or 1h30m' }).transform((text, context) => {
    try {
      const durationMs = parseDuration(text);
      if (durationMs >= (options.minMs ?? 0)) return durationMs;
      context.addIssue({ code: 'custom', message: `must be at least ${options.minMs ?? 0} ms` });
    } catch (error) {
      context.addIssue({ code: 'custom', message: errorText(error) });
    }
    return z.NEVER;
  });
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
};

/** A size such as `512MB` or `2GiB`, parsed to bytes; units are powers of 1024, as Prometheus's flags mean them. */
export function byteSize() {
  return z.union([z.string(), z.number()], { error: 'expected a size such as 512MB' }).transform((given, context) => {
    const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?$/i.exec(String(given));
    const unit = BYTE_UNITS[(match?.[2] ?? 'B').toUpperCase()];
    if (match !== null && unit !== undefined) return Math.round(Number(match[1]) * unit);
    context.addIssue({ code: 'custom', message: `not a size: ${JSON.stringify(given)} (such as 512MB or 2GiB)` });
    return z.NEVER;
  });
}

/** A key that the design names and this version does not have: absent, or refused in one clear sentence. */
export function notInThisVersion() {
  return z.undefined({ error: 'not in this version of Belfry' }).optional();
}

/** The three ways to give a secret: `password`, `password_file`, `password_env`; none where it is optional. */
export function secretFields<Name extends string>(name: Name) {
  const text = z.string().min(1).optional();
  return { [name]: text, [`${name}_file`]: text, [`${name}_env`]: text } as Record<Name | `${Name}_file` | `${Name}_env`, typeof text>;
}

/** `host:port` to connect to, IPv6 hosts in brackets. */
export function hostPort(defaultPort?: number) {
  return address({ defaultPort, leastPort: 1 });
}

/** `host:port` to listen on; port 0 takes any that is free. */
export function listenAddress() {
  return address({ defaultPort: undefined, leastPort: 0 });
}

function address({ defaultPort, leastPort }: { defaultPort: number | undefined; leastPort: number }) {
  return z.string({ error: 'expected host:port' }).transform((text, context) => {
    const match = /^(?:\[([0-9a-fA-F:.]+(?:%[^\]\s]+)?)\]|([^:/\s@[\]]+))(?::(\d{1,5}))?$/.exec(text.trim());
    const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
    const sixth = match?.[1];
    if (match !== null && (sixth === undefined || isIPv6(sixth)) && port !== undefined && port >= leastPort && port <= 65_535)
      return { host: sixth ?? match[2] ?? '', port };
    // What stands before an @ may be a password.
    const shown = text.includes('@') ? 'it has user and password' : JSON.stringify(text);
    context.addIssue({ code: 'custom', message: `not an address: ${shown} (expected host:port, without a scheme)` });
    return z.NEVER;
  });
}

/** An address that holds no secret: it may be shown and logged. */
export function plainHttpUrl() {
  return z.string().refine(isPlainHttpUrl, 'expected an http or https address without user, query and fragment');
}

function isPlainHttpUrl(text: string): boolean {
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '' && !/[?#\s]/.test(text);
}
