import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { HEAP_FLAGS, MALLOC_ENVIRONMENT } from '../../bin/memory.mjs';
import { describeWhere } from '../../testbed/skip.ts';

const MEMORY = new URL('../../bin/memory.mjs', import.meta.url).href;
/** What glibc read as the process began, what its children would see, and how often it began. */
const SCRIPT = `
  import { readFileSync } from 'node:fs';
  import { tuneAllocator } from '${MEMORY}';
  process.stderr.write('begun\\n');
  tuneAllocator();
  const began = readFileSync('/proc/self/environ', 'utf8').split('\\0').filter((entry) => entry.includes('MALLOC'));
  const now = Object.keys(process.env).filter((name) => name.includes('MALLOC'));
  process.stdout.write(JSON.stringify({ pid: process.pid, argv: process.argv.slice(2), execArgv: process.execArgv, began, now }));
`;

async function run(env: Readonly<Record<string, string>> = {}) {
  const args = ['--no-warnings', '--input-type=module', '--eval', SCRIPT, '--', 'one', 'two'];
  const child = spawn(process.execPath, args, { env: { PATH: process.env['PATH'], ...env } });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  const told = JSON.parse(stdout) as { pid: number; execArgv: string[]; began: string[]; now: string[] };
  return { ...told, isSameProcess: told.pid === child.pid, begun: stderr.split('\n').length - 1 };
}

describeWhere(process.platform === 'linux' ? undefined : 'only Linux has /proc, and glibc', 'a process that is to run for long', () => {
  it('begins once more with the settings of the allocator, as the same process, and hands them to nobody', async () => {
    const { isSameProcess, execArgv, began, now, begun } = await run();
    const settings = Object.entries(MALLOC_ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
    expect(began.filter((entry) => entry.startsWith('MALLOC')).toSorted()).toEqual(settings.toSorted());
    expect(execArgv).toEqual(expect.arrayContaining([...HEAP_FLAGS]));
    expect({ isSameProcess, now, begun }).toEqual({ isSameProcess: true, now: [], begun: 2 });
  });

  it('goes on as it is where somebody has set one of them', async () => {
    const { began, now, begun } = await run({ MALLOC_ARENA_MAX: '4' });
    expect({ began, now, begun }).toEqual({ began: ['MALLOC_ARENA_MAX=4'], now: ['MALLOC_ARENA_MAX'], begun: 1 });
  });
});
