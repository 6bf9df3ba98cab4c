import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { errorText } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import type { Environment } from './env.ts';
import type { ConfigPath } from './problems.ts';

const MAX_SECRET_FILE_BYTES = 1024 * 1024;

/** The text of a file. Throws where it is none (a folder, a device), too large, or no UTF-8. */
export function readTextFile(path: string, maxBytes: number): string {
  const stat = statSync(path);
  if (!stat.isFile() && !stat.isFIFO()) throw new Error('not a file');
  if (stat.size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
  const bytes = readFileSync(path);
  if (!isUtf8(bytes)) throw new Error('not in UTF-8');
  return bytes.toString('utf8');
}

/** Reads the files and variables a configuration names. Every failure is reported with its path, none is thrown. */
export class FileSource {
  /** Where relative paths start. */
  readonly folder: string;
  readonly #environment: Environment;
  readonly #report: (path: ConfigPath, message: string) => void;
  readonly #readSecrets: boolean;
  /** What was read, for the configuration's hash and for noticing that a file changed. */
  readonly read = new Map<string, string>();

  constructor(options: {
    folder: string;
    environment: Environment;
    report: (path: ConfigPath, message: string) => void;
    /** False for an offline check, which goes on as if every secret were there. */
    readSecrets: boolean;
  }) {
    this.folder = options.folder;
    this.#environment = options.environment;
    this.#report = options.report;
    this.#readSecrets = options.readSecrets;
  }

  absolute(path: string): string {
    return isAbsolute(path) ? path : join(this.folder, path);
  }

  /** The text of a file; undefined, and a problem, where it cannot be read. */
  text(file: string | undefined, path: ConfigPath): string | undefined {
    if (file === undefined) return undefined;
    const absolute = this.absolute(file);
    try {
      const text = readTextFile(absolute, MAX_SECRET_FILE_BYTES);
      this.read.set(absolute, text);
      return text;
    } catch (error) {
      if (this.#readSecrets) this.#report(path, `cannot read ${file}: ${errorText(error)}`);
      return undefined;
    }
  }

  /**
   * The secret given as `name`, `name_file` or `name_env` among the fields. Undefined where none of them is there; a
   * problem where more than one is, or where what it names cannot be read.
   */
  secret(fields: object, name: string, path: ConfigPath, options: { required?: boolean } = {}): Secret | undefined {
    const lookup = (key: string): string | undefined => {
      const value = Object.getOwnPropertyDescriptor(fields, key)?.value as unknown;
      return typeof value === 'string' ? value : undefined;
    };
    const given = [name, `${name}_file`, `${name}_env`].filter((key) => lookup(key) !== undefined);
    const [only] = given;
    if (only === undefined) {
      if (options.required === true) this.#report(path, `needs one of ${name}, ${name}_file and ${name}_env`);
      return undefined;
    }
    if (given.length > 1) {
      this.#report([...path, given[1] ?? name], `only one of ${given.join(' and ')} may be given`);
      return undefined;
    }
    const value = lookup(only) ?? '';
    if (only === name) return new Secret(value);
    if (!this.#readSecrets) return new Secret('');
    if (only.endsWith('_file')) return this.#secretOfFile(value, [...path, only]);
    const variable = this.#environment.lookup(value);
    if (variable !== undefined) return new Secret(variable);
    this.#report([...path, only], `the environment variable ${value} is not set`);
    return undefined;
  }

  #secretOfFile(file: string, path: ConfigPath): Secret | undefined {
    const text = this.text(file, path)?.replace(/\r?\n$/, '');
    if (text === '') this.#report(path, `${file} is empty`);
    return text === undefined || text === '' ? undefined : new Secret(text);
  }
}
