import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, it } from '@jest/globals';
import { describeWhere } from '../../testbed/skip.ts';
import { Stage } from '../../testbed/stage.ts';
import { NO_KAFKA, told, until } from '../acceptance/harness.ts';

const FILES_MAX = 60;

const rulesFiring = (...names: readonly string[]): string => `groups:
  - name: fast
    interval: 1s
    rules:
${names.map((name) => `      - {alert: ${name}, expr: 'vector(1)', labels: {severity: warning}}`).join('\n')}
`;

/** Milliseconds of processor time, from /proc (utime and stime, in hundredths of a second). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

describeWhere(process.platform === 'linux' ? undefined : 'needs prlimit and /proc', 'a Belfry that may open no more files', () => {
  it('names EMFILE, goes on evaluating without a busy loop, and recovers by itself when they are free again', async () => {
    const clusters = [NO_KAFKA];
    await using stage = await Stage.start({ clusters, rules: rulesFiring('Before'), openFilesMax: FILES_MAX });
    await told(stage, { alertname: 'Before', status: 'firing' });
    const { belfry } = stage;
    const evaluations = async (): Promise<number> => (await belfry.query('vector(time())'))[0]?.value ?? 0;
    const before = await evaluations();
    const sockets = new Set<Socket>();
    let isOver = false;
    /** Whoever is turned away comes again, so that no file that is given back stays free. */
    const press = (): void => {
      if (isOver) return;
      const socket = connect(Number(new URL(belfry.url).port), '127.0.0.1').on('error', () => undefined);
      sockets.add(socket.on('close', () => void (sockets.delete(socket) && setTimeout(press, 250))));
    };
    for (let i = 0; i < 100; i++) press();
    await until(() => readdirSync(`/proc/${belfry.pid}/fd`).length >= FILES_MAX, 'no more files');
    stage.configure({ clusters, rules: rulesFiring('Before', 'During') });
    await belfry.logged('config_reload_failed', (line) => JSON.stringify(line).includes('EMFILE'));
    const cpuBefore = cpuMs(belfry.pid);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    // A loop that spins would have taken all of them.
    expect(cpuMs(belfry.pid) - cpuBefore).toBeLessThan(1500);
    isOver = true;
    for (const socket of sockets) socket.destroy();
    await told(stage, { alertname: 'During', status: 'firing' }, { timeoutMs: 60_000 });
    expect(await evaluations()).toBeGreaterThan(before);
    expect(belfry.running).toBe(true);
  }, 180_000);
});
