import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BelfryError, errorText } from '../core/errors.ts';
import { newToken } from '../http/auth.ts';

/** The API token in the data folder, made at the first start and readable by its owner only. */
export function readOrMakeToken(folder: string): string {
  return readOrMakeSecretFile(join(folder, 'token'), newToken);
}

/** The secret in the file, which is made with mode 0600 where there is none. Throws `SECRET_UNREADABLE`. */
export function readOrMakeSecretFile(path: string, make: () => string): string {
  try {
    writeFileSync(path, `${make()}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!isThere(error)) throw new BelfryError('SECRET_UNREADABLE', `cannot write ${path}: ${errorText(error)}`, { cause: error });
  }
  const secret = readFileSync(path, 'utf8').trim();
  if (secret.length < 20) throw new BelfryError('SECRET_UNREADABLE', `${path} does not hold a secret: remove it, and a new one is made`);
  return secret;
}

function isThere(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EEXIST';
}
