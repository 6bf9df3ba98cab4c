import { expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reservePort } from '../../testbed/free-port.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { delay, SystemClock } from '../../src/core/clock.ts';
import { errorText } from '../../src/core/errors.ts';
import { Labels } from '../../src/core/labels.ts';

const missing =
  spawnSync('prometheus-alertmanager', ['--version']).status === 0
    ? undefined
    : 'prometheus-alertmanager (Debian package of that name) is not installed';
/** Another process offers no event to wait for. */
const [ATTEMPTS, PAUSE_MS] = [2000, 30];

const SETS: readonly Readonly<Record<string, string>>[] = [
  { alertname: 'A' },
  { alertname: 'BrokerCrashed', cluster: 'orders-dal', broker: '2', severity: 'critical' },
  { alertname: 'Ünïcode 💥', text: 'a\nb\t"c"\\', long: 'x'.repeat(5000) },
  { alertname: '\uff5e', Z: '1', a: '2', _a: '3' },
];

async function ready(url: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      if ((await fetch(`${url}/-/ready`)).ok) return;
    } catch (error) {
      if (!errorText(error).includes('ECONN')) throw error;
    }
    await delay(new SystemClock(), PAUSE_MS);
  }
  throw new Error('alertmanager does not become ready');
}

describeWhere(missing, 'beside a real Alertmanager', () => {
  it('a label set has the same fingerprint', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'belfry-alertmanager-'));
    const port = await reservePort();
    const url = `http://127.0.0.1:${port.port}`;
    writeFileSync(join(folder, 'am.yml'), 'route: {receiver: none}\nreceivers: [{name: none}]\n');
    const args = [`--config.file=${join(folder, 'am.yml')}`, `--storage.path=${folder}`, `--web.listen-address=127.0.0.1:${port.port}`];
    const peer = spawn('prometheus-alertmanager', [...args, '--cluster.listen-address='], { stdio: 'ignore' });
    const ended = once(peer, 'exit');
    try {
      await ready(url);
      const body = JSON.stringify(SETS.map((labels) => ({ labels })));
      const posted = await fetch(`${url}/api/v2/alerts`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      expect(posted.status).toBe(200);
      const alerts = (await (await fetch(`${url}/api/v2/alerts`)).json()) as { fingerprint: string; labels: Record<string, string> }[];
      expect(alerts).toHaveLength(SETS.length);
      for (const { fingerprint, labels } of alerts) expect([labels, Labels.of(labels).fingerprint]).toEqual([labels, fingerprint]);
    } finally {
      peer.kill('SIGKILL');
      await ended;
      await port.release();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
