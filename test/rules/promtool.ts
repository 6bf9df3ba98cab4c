import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether the real promtool is on this machine; required where BELFRY_REQUIRE_REAL is set. */
export const hasPromtool = ((): boolean => {
  const found = spawnSync('promtool', ['--version']).status === 0;
  if (!found && process.env['BELFRY_REQUIRE_REAL'] === '1') throw new Error('promtool is required and not there');
  if (!found) process.stderr.write('SKIPPED: promtool (Debian package prometheus) is not installed\n');
  return found;
})();

export interface Verdict {
  readonly ok: boolean;
  readonly output: string;
}

/** Runs promtool in a temporary folder that holds these files. */
export function promtool(args: readonly string[], files: Readonly<Record<string, string>>): Verdict {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-promtool-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const output = execFileSync('promtool', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe', timeout: 120_000, maxBuffer: 2 ** 28 });
    return { ok: true, output };
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return { ok: false, output: `${stdout}${stderr}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
