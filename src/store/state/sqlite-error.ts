/**
 * SQLite's own name of an error, such as `SQLITE_FULL`; empty for any other. By its shape, not by its class: the addon
 * knows the class of the first module that loaded it, and a process may load the module more than once.
 */
export function sqliteCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error) || typeof error.code !== 'string') return '';
  return error.code.startsWith('SQLITE_') ? error.code : '';
}

/** The file is no SQLite file, or is damaged. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(sqliteCode(error));
}

/** Errors of the disk or of the file, not of what was to be written: the same write may work later. */
export function isDiskTrouble(error: unknown): boolean {
  return /^SQLITE_(FULL|IOERR|READONLY|BUSY|LOCKED|CANTOPEN|CORRUPT|NOTADB|NOMEM|PERM|AUTH)/.test(sqliteCode(error));
}
