import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { z } from 'zod';
import { BelfryError, errorText } from '../../core/errors.ts';
import { fileSystemType, incomingPath, refuseNetworkFileSystem } from './file-system.ts';
import { acquireLock } from './lock.ts';
import { MIGRATIONS, refuseForeignFile } from './migrations.ts';
import { isDamage, isDiskTrouble } from './sqlite-error.ts';

const STATE = 'state.db';
const MANIFEST = 'backup.json';
/** Small files of the data folder without which a restored Belfry would be a stranger to its executors and clients. */
const SIDE_FILES: readonly string[] = ['token', 'autopilot-key'];
const HALT = 'HALT';
const MANIFEST_BYTES_MAX = 1024 * 1024;
/** Leases given after the backup was taken used up tokens that it does not know of: a restored file goes on far beyond them. */
const FENCING_LEAP = 1_000_000;

const manifestSchema = z.object({
  v: z.literal(1),
  takenAt: z.number().int(),
  belfry: z.string(),
  schema: z.number().int(),
  files: z.array(z.object({ name: z.enum([STATE, ...SIDE_FILES]), sha256: z.string(), sizeBytes: z.number().int() })),
});

/** What a backup holds. `takenAt` in milliseconds of the wall clock, `schema` the version of the state file. */
export type BackupManifest = z.output<typeof manifestSchema>;

/**
 * Copies the state in `dataFolder` into the new folder `to`, also while a Belfry runs on it: what a single moment's
 * transactions had written, no more and no less. The folder appears under its name when it is complete and on disk.
 * Samples are not in it: they may be lost. Throws NOT_FOUND, CONFLICT where `to` is there, STORE_CORRUPT.
 */
export function backupState(dataFolder: string, to: string, about: { readonly version: string; readonly wall: number }): BackupManifest {
  const source = join(dataFolder, STATE);
  if (!existsSync(source)) throw new BelfryError('NOT_FOUND', `there is no ${source}: name the data folder with --data`);
  if (existsSync(to)) throw new BelfryError('CONFLICT', `${to} is there already: every backup gets a folder of its own`);
  const unfinished = `${to}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  try {
    const manifest = copyInto(unfinished, dataFolder, about);
    renameSync(unfinished, to);
    syncFolder(dirname(to));
    return manifest;
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
}

function copyInto(unfinished: string, dataFolder: string, about: { readonly version: string; readonly wall: number }): BackupManifest {
  const copy = join(unfinished, STATE);
  vacuumInto(join(dataFolder, STATE), copy);
  const schema = inspectState(copy);
  const sides = SIDE_FILES.filter((name) => existsSync(join(dataFolder, name)));
  for (const name of sides) copyFileSync(join(dataFolder, name), join(unfinished, name));
  const files = [STATE, ...sides].map((name) => ({ name, ...digestOf(join(unfinished, name)) }));
  const manifest: BackupManifest = { v: 1, takenAt: about.wall, belfry: about.version, schema, files };
  writeFileSync(join(unfinished, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const name of readdirSync(unfinished)) settle(join(unfinished, name));
  return manifest;
}

/** One read transaction: writers go on meanwhile and are not in it. */
function vacuumInto(source: string, copy: string): void {
  const from = new Sqlite(source, { readonly: true, timeout: 10_000 });
  try {
    refuseForeignFile(from, source);
    from.prepare('VACUUM INTO ?').run(copy);
  } catch (error) {
    if (error instanceof BelfryError) throw error;
    const code = isDiskTrouble(error) && !isDamage(error) ? 'STATE_NOT_DURABLE' : 'STORE_CORRUPT';
    throw new BelfryError(code, `${source} could not be copied to ${copy}: ${errorText(error)}`, { cause: error });
  } finally {
    from.close();
  }
}

/**
 * Puts a backup into a data folder that no Belfry runs on. What is there already is put aside with `replace`, else it is
 * CONFLICT. The auto-pilot comes back halted: what was done since the backup is known to nobody. Nothing is changed where
 * the backup is damaged (STORE_CORRUPT) or of a newer Belfry (STORE_NEWER). Returns what the backup was, and where the old
 * files went.
 */
export function restoreState(
  from: string,
  dataFolder: string,
  options: { readonly replace: boolean; readonly wall: number },
): { readonly manifest: BackupManifest; readonly putAside: string | undefined } {
  const manifest = readManifest(from);
  for (const { name, sha256 } of manifest.files) {
    if (!existsSync(join(from, name)) || digestOf(join(from, name)).sha256 !== sha256)
      throw new BelfryError('STORE_CORRUPT', `${join(from, name)} is not what ${MANIFEST} says: the backup is damaged`);
  }
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  refuseNetworkFileSystem(dataFolder, fileSystemType);
  const unlock = acquireLock(join(dataFolder, 'belfry.lock'));
  const incoming = incomingPath(join(dataFolder, STATE));
  try {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${incoming}${suffix}`, { force: true });
    copyFileSync(join(from, STATE), incoming);
    inspectState(incoming);
    goBeyondUsedTokens(incoming);
    settle(incoming);
    const putAside = putOldAside(dataFolder, options);
    for (const { name } of manifest.files) {
      if (name === STATE) continue;
      copyFileSync(join(from, name), join(dataFolder, name));
      settle(join(dataFolder, name));
    }
    const at = new Date(manifest.takenAt).toISOString();
    writeFileSync(join(dataFolder, HALT), `restored from a backup of ${at}: what was done since then is not known\n`);
    settle(join(dataFolder, HALT));
    // The state comes last: a restore that was cut off before is no restore.
    renameSync(incoming, join(dataFolder, STATE));
    syncFolder(dataFolder);
    return { manifest, putAside };
  } catch (error) {
    // Where nothing has been put aside yet all is as it was.
    if (existsSync(join(dataFolder, STATE))) rmSync(incoming, { force: true });
    throw error;
  } finally {
    unlock();
  }
}

function readManifest(folder: string): BackupManifest {
  const path = join(folder, MANIFEST);
  if (!existsSync(path)) throw new BelfryError('NOT_FOUND', `${folder} is no backup: there is no ${MANIFEST} in it`);
  if (statSync(path).size > MANIFEST_BYTES_MAX) throw new BelfryError('STORE_CORRUPT', `${path} is too large to be ours`);
  const parsed = manifestSchema.safeParse(jsonOf(path));
  if (parsed.success && parsed.data.files.some(({ name }) => name === STATE)) return parsed.data;
  throw new BelfryError('STORE_CORRUPT', `${path} is not what belfry backup writes`);
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new BelfryError('STORE_CORRUPT', `${path} is no JSON: ${errorText(error)}`, { cause: error });
  }
}

/** The file's version, after a look at every page of it. */
function inspectState(path: string): number {
  const db = new Sqlite(path, { readonly: true });
  try {
    refuseForeignFile(db, path);
    const found = String(db.pragma('integrity_check(1)', { simple: true }));
    if (found !== 'ok') throw new BelfryError('STORE_CORRUPT', `${path} is damaged: ${found}`);
    const schema = Number(db.pragma('user_version', { simple: true }));
    if (schema < 1) throw new BelfryError('STORE_CORRUPT', `${path} is empty`);
    if (schema <= MIGRATIONS.length) return schema;
    throw new BelfryError('STORE_NEWER', `${path} was written by a newer Belfry (version ${schema}; this one knows ${MIGRATIONS.length})`);
  } finally {
    db.close();
  }
}

function goBeyondUsedTokens(path: string): void {
  const db = new Sqlite(path);
  try {
    db.prepare(
      `INSERT INTO setting (key, shard, epoch, value) VALUES ('autopilot.fencing_token', '', 0, ?)
       ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + excluded.value`,
    ).run(String(FENCING_LEAP));
  } finally {
    db.close();
  }
}

function putOldAside(dataFolder: string, { replace, wall }: { readonly replace: boolean; readonly wall: number }): string | undefined {
  const old = readdirSync(dataFolder).filter((name) => [STATE, `${STATE}-wal`, `${STATE}-shm`].includes(name));
  if (old.length === 0) return undefined;
  if (!replace && old.includes(STATE))
    throw new BelfryError(
      'CONFLICT',
      `${join(dataFolder, STATE)} is there: with --replace it is put aside, or restore into another folder`,
    );
  const aside = join(dataFolder, `replaced-${new Date(wall).toISOString().replaceAll(':', '')}`);
  mkdirSync(aside, { mode: 0o700 });
  // Whole under its new name before any of it goes; then the file before its log, without which it would be an older state.
  for (const name of old) linkSync(join(dataFolder, name), join(aside, name));
  syncFolder(aside);
  for (const name of old.toSorted()) rmSync(join(dataFolder, name));
  return aside;
}

function digestOf(path: string): { readonly sha256: string; readonly sizeBytes: number } {
  const bytes = readFileSync(path);
  return { sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length };
}

/** Readable by its owner only, and on disk. */
function settle(path: string): void {
  chmodSync(path, 0o600);
  const file = openSync(path, 'r+');
  fsyncSync(file);
  closeSync(file);
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
}
