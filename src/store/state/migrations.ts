import { existsSync, renameSync, rmSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { BelfryError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { INITIAL } from './migrations/0001-initial.ts';
import { AUTOPILOT } from './migrations/0002-autopilot.ts';
import { SILENCES } from './migrations/0003-silences.ts';
import { SILENCE_ANNOTATIONS } from './migrations/0004-silence-annotations.ts';

/** In the order they are applied, forward only; a migration that was released is never changed. */
export const MIGRATIONS: readonly string[] = [INITIAL, AUTOPILOT, SILENCES, SILENCE_ANNOTATIONS];

/** Written into the file's header: `BLFY`. Tells a state file from any other SQLite file. */
const APPLICATION_ID = 0x424c4659;

/** STORE_CORRUPT for a file that another program made. Reads only. */
export function refuseForeignFile(db: Database, path: string): void {
  const applicationId = Number(db.pragma('application_id', { simple: true }));
  const tables = Number(db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get());
  if (applicationId === APPLICATION_ID || tables === 0) return;
  throw new BelfryError('STORE_CORRUPT', `${path} is an SQLite file of another program; nothing was changed in it`);
}

/**
 * Brings the file to the newest version, each step with its version number in one transaction, after a copy beside it
 * (`state.db.before-v2`). Refuses a file that a newer Belfry wrote (STORE_NEWER).
 */
export function migrate(db: Database, path: string, log: Logger, migrations: readonly string[] = MIGRATIONS): void {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version > migrations.length) {
    throw new BelfryError(
      'STORE_NEWER',
      `${path} was written by a newer Belfry (version ${version} of the file, this one knows ${migrations.length}): start that one, ` +
        `or go back to the copy ${path}.before-v${migrations.length + 1}`,
    );
  }
  if (version === migrations.length) return;
  if (version > 0) copyBefore(db, `${path}.before-v${migrations.length}`);
  for (let next = version + 1; next <= migrations.length; next++) {
    db.transaction(() => {
      db.exec(migrations[next - 1] ?? '');
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.pragma(`user_version = ${next}`);
    })();
  }
  log.info('state_migrated', { from: version, to: migrations.length });
}

/** A whole copy, what is still in the write-ahead log included; it appears under its name only when it is complete. */
function copyBefore(db: Database, destination: string): void {
  const unfinished = `${destination}.unfinished`;
  if (existsSync(unfinished)) rmSync(unfinished);
  db.prepare('VACUUM INTO ?').run(unfinished);
  renameSync(unfinished, destination);
}
