import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { delay, SystemClock } from '../../src/core/clock.ts';
import { errorText } from '../../src/core/errors.ts';
import { reservePort } from '../../testbed/free-port.ts';

/** Why there is none; undefined where both are installed. */
export const missingAlertmanager = ['prometheus-alertmanager', 'amtool'].every((name) => spawnSync(name, ['--version']).status === 0)
  ? undefined
  : 'prometheus-alertmanager and amtool (Debian package prometheus-alertmanager) are not installed';

/** Another process offers no event to wait for. */
const [ATTEMPTS, PAUSE_MS] = [2000, 30];

/** A real Alertmanager with this configuration, which it reads again from `configFile` when it is told to. */
export async function startAlertmanager(
  configuration: string,
): Promise<{ readonly url: string; readonly configFile: string; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-alertmanager-'));
  const port = await reservePort();
  const url = `http://127.0.0.1:${port.port}`;
  const configFile = join(folder, 'am.yml');
  writeFileSync(configFile, configuration);
  const args = [`--config.file=${configFile}`, `--storage.path=${folder}`, `--web.listen-address=127.0.0.1:${port.port}`];
  const peer = spawn('prometheus-alertmanager', [...args, '--cluster.listen-address='], { stdio: 'ignore' });
  const ended = once(peer, 'exit');
  const close = async (): Promise<void> => {
    peer.kill('SIGKILL');
    await ended;
    await port.release();
    rmSync(folder, { recursive: true, force: true });
  };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      if ((await fetch(`${url}/-/ready`)).ok) return { url, configFile, close };
    } catch (error) {
      if (!errorText(error).includes('ECONN')) throw error;
    }
    await delay(new SystemClock(), PAUSE_MS);
  }
  await close();
  throw new Error('alertmanager does not become ready');
}
