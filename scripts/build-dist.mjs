// Makes dist/ for the package: Node refuses TypeScript under node_modules, so an installed Belfry runs JavaScript.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}tsconfig.dist.json`], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
