import { describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { missingTool } from '../../testbed/kafka-dist.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { missingSmallDisk } from '../../testbed/small-disk.ts';
import { isAlive, makeTempDir, removeTempDir, sweepTempDirs } from '../../testbed/temp-dir.ts';

jest.setTimeout(300_000);

const CLUSTER = path.resolve(import.meta.dirname, '../../testbed/cluster.ts');

/** Runs a script in a Node of its own until it prints one line of JSON; the process stays. */
async function spawnScript(source: string): Promise<{ child: ReturnType<typeof spawn>; said: { pids: number[]; dir: string } }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) resolve(text);
    });
    child.once('exit', (code) => reject(new Error(`the script ended with ${String(code)}`)));
  });
  return { child, said: JSON.parse(line) as { pids: number[]; dir: string } };
}

describeWhere(missingTool() ?? missingSmallDisk(), 'when the process that started a cluster is killed', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('%s: the brokers are gone at once, their folder at the next start', async (signal) => {
    const { child, said } = await spawnScript(`
      const { startCluster } = await import(${JSON.stringify(CLUSTER)});
      const cluster = await startCluster({ brokers: 2, smallDisk: { id: 2, sizeBytes: 64 * 1024 * 1024 } });
      console.log(JSON.stringify({ pids: cluster.pids, dir: cluster.dir }));
      setInterval(() => {}, 1000);`);
    expect(said.pids).toHaveLength(3);
    expect(said.pids.every((pid) => isAlive(pid))).toBe(true);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
    const deadline = performance.now() + 60_000;
    while (said.pids.some((pid) => isAlive(pid)) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(said.pids.filter((pid) => isAlive(pid))).toEqual([]);
    expect(existsSync(said.dir)).toBe(true);
    expect(await sweepTempDirs()).toContain(said.dir);
    expect(existsSync(said.dir)).toBe(false);
  });
});

describe('temporary folders', () => {
  it('are swept only when their owner is gone', async () => {
    const dir = await makeTempDir();
    await sweepTempDirs();
    expect(existsSync(dir)).toBe(true);
    await removeTempDir(dir);
    expect(existsSync(dir)).toBe(false);
  });
});
