import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { BelfryError, errorText } from '../core/errors.ts';

const MAX_FILE_BYTES = 1024 * 1024;

/** Gives out a secret as it is now: a file is read at each call, since tokens of service accounts change. */
export type SecretReader = () => string;

/** Where the executor finds what its configuration names. */
export interface Surroundings {
  /** Where relative paths start: the folder of executor.yaml. */
  readonly folder: string;
  lookup(variable: string): string | undefined;
}

export function absolutePath(path: string, { folder }: Surroundings): string {
  return isAbsolute(path) ? path : join(folder, path);
}

/** The text of a file, read at each call. Throws `SECRET_UNREADABLE`, which names the path and nothing of its content. */
export function fileReader(path: string, surroundings: Surroundings): SecretReader {
  const absolute = absolutePath(path, surroundings);
  return () => {
    let text: string;
    try {
      if (statSync(absolute).size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
      text = readFileSync(absolute, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      throw new BelfryError('SECRET_UNREADABLE', `cannot read ${path}: ${errorText(error)}`);
    }
    if (text === '') throw new BelfryError('SECRET_UNREADABLE', `${path} is empty`);
    return text;
  };
}

/**
 * The secret that `fields` gives as `name`, `name_file` or `name_env`; undefined where it gives none. Throws
 * `CONFIG_INVALID` where it gives more than one.
 */
export function secretReader(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  surroundings: Surroundings,
): SecretReader | undefined {
  const given = [name, `${name}_file`, `${name}_env`].filter((key) => typeof fields[key] === 'string');
  const [only] = given;
  if (only === undefined) return undefined;
  if (given.length > 1) throw new BelfryError('CONFIG_INVALID', `only one of ${given.join(' and ')} may be given`);
  const value = String(fields[only]);
  if (only === name) return () => value;
  if (only.endsWith('_file')) return fileReader(value, surroundings);
  return () => {
    const variable = surroundings.lookup(value);
    if (variable === undefined) throw new BelfryError('SECRET_UNREADABLE', `the environment variable ${value} is not set`);
    return variable;
  };
}

/** The same where it must be there. */
export function requiredSecret(fields: Readonly<Record<string, unknown>>, name: string, surroundings: Surroundings): SecretReader {
  const reader = secretReader(fields, name, surroundings);
  if (reader === undefined) throw new BelfryError('CONFIG_INVALID', `needs one of ${name}_file, ${name}_env and ${name}`);
  return reader;
}
