import Sqlite from 'better-sqlite3';
import { BelfryError, errorText } from '../../core/errors.ts';
import { isDamage, sqliteCode } from './sqlite-error.ts';

/**
 * Holds the folder for this process: an exclusive transaction on an empty SQLite file, which is a lock of the operating
 * system. It ends with the process however that ends, so that a kill -9 leaves nothing to clean up. STORE_LOCKED when
 * another process, or another part of this one, has it. Returns the release.
 */
export function acquireLock(path: string): () => void {
  const lock = new Sqlite(path, { timeout: 0 });
  try {
    // Nothing is ever written to it: it must also work where the disk has no room for a journal.
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (sqliteCode(error).startsWith('SQLITE_BUSY')) {
      throw new BelfryError(
        'STORE_LOCKED',
        `another Belfry is running on this folder (${path} is locked): stop it, or use another storage.path`,
      );
    }
    if (isDamage(error)) {
      throw new BelfryError('STORE_CORRUPT', `cannot lock ${path} (${errorText(error)}): remove that file, it holds no data`, {
        cause: error,
      });
    }
    throw error;
  }
  return () => {
    lock.close();
  };
}
