import { describe, expect, it } from '@jest/globals';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { Shell } from '../cli/harness.ts';

describe('examples/executor.yaml', () => {
  it('is read without a mistake', async () => {
    const shell = new Shell();
    try {
      copyFileSync(join(import.meta.dirname, '../../examples/executor.yaml'), join(shell.folder, 'executor.yaml'));
      expect(await shell.run('executor', '--check')).toMatchObject({ err: '', out: 'executor.yaml: ok\n', exitCode: 0 });
    } finally {
      shell.close();
    }
  });
});
