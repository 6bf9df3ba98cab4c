import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Secret } from '../core/secret.ts';
import { readOrMakeSecretFile } from './token.ts';

/**
 * The key that signs intents and acks, where the configuration names none: the file `autopilot-key` in the data folder,
 * made at the first start and readable by its owner only. Executors get a copy.
 */
export function readOrMakeSigningKey(folder: string): Secret {
  return new Secret(readOrMakeSecretFile(join(folder, 'autopilot-key'), () => randomBytes(32).toString('base64url')));
}
