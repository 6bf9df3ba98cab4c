import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const PREFIX = 'belfry-testbed-';

/**
 * Makes a temporary folder that names its owner, `belfry-testbed-PID-STARTTIME-XXXXXX`, and removes those of owners that
 * are gone: a test process that was killed could not clean up after itself.
 */
export async function makeTempDir(): Promise<string> {
  await sweepTempDirs();
  return await mkdtemp(path.join(os.tmpdir(), `${PREFIX}${process.pid}-${startTime(process.pid) ?? 0}-`));
}

/** Removes a folder of `makeTempDir`; tries again where a dying process still writes into it. */
export async function removeTempDir(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Removes the folders of processes that are gone. Returns the removed paths. */
export async function sweepTempDirs(): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(os.tmpdir())) {
    const owner = /^belfry-testbed-(\d+)-(\d+)-/.exec(name);
    if (owner === null) continue;
    const started = startTime(Number(owner[1]));
    if (started === undefined ? isAlive(Number(owner[1])) : started === owner[2]) continue;
    const dir = path.join(os.tmpdir(), name);
    await removeTempDir(dir);
    removed.push(dir);
  }
  return removed;
}

/** Whether a process with this id exists (a zombie counts as gone). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return state(pid)?.state !== 'Z';
}

/** The start time of a process in clock ticks since boot (field 22 of /proc/PID/stat): with the pid it names one process for good. */
function startTime(pid: number): string | undefined {
  return state(pid)?.started;
}

function state(pid: number): { state: string; started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}
