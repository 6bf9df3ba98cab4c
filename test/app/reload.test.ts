import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadRules } from '../../src/app/load-rules.ts';
import { refuseWhatNeedsARestart, tryReload } from '../../src/app/reload.ts';
import type { BelfryConfig } from '../../src/config/config.ts';
import { loadConfigOrThrow } from '../../src/config/load.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { silentLogger, type Logger } from '../../src/core/log.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-reload-'));
  writeFileSync(join(folder, 'rules.yaml'), 'groups: []\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function configOf(text: string): BelfryConfig {
  const path = join(folder, 'belfry.yaml');
  writeFileSync(path, `clusters: []\n${text}`);
  const named = { kafkaBrokers: undefined, configPath: undefined, logLevel: undefined, url: undefined, token: undefined };
  const environment = { ...named, lookup: () => undefined };
  return loadConfigOrThrow({ path, environment, workingFolder: folder, defaultRules: join(folder, 'rules.yaml') }).config;
}

/** Reloads from an empty configuration to this one: the problems, and what was logged. */
async function reloadTo(text: string): Promise<{ problems: readonly string[]; logged: readonly unknown[] }> {
  const before = configOf('');
  const config = configOf(text);
  const logged: unknown[] = [];
  const note = (event: string, fields?: object): void => void logged.push([event, fields]);
  const log: Logger = { ...silentLogger, info: note, warn: note, error: note };
  const swap = async (next: BelfryConfig): Promise<void> => refuseWhatNeedsARestart(before, next);
  const problems = await tryReload({ readConfig: () => ({ config, problems: [] }), log }, () => before, swap);
  return { problems, logged };
}

describe('a reload', () => {
  it.each(['storage: {retention: 3d}', 'http: {listen: "127.0.0.1:9000"}', 'host: {interval: 20s}'])(
    'that changes what only a start can is refused: %s',
    async (text) => {
      const { problems, logged } = await reloadTo(text);
      expect(problems).toEqual(['storage, http and host change with a restart only']);
      expect(logged).toEqual([['config_reload_failed', { problems }]]);
    },
  );

  it('says what of it counts from the next start on', async () => {
    const { problems, logged } = await reloadTo('watch: {start_grace: 1m, inhibition_hold: 1m}');
    expect(problems).toEqual([]);
    expect(logged).toEqual([
      ['config_reloaded', { hash: expect.any(String) }],
      ['config_needs_restart', { keys: ['watch.start_grace'] }],
    ]);
  });

  it('says nothing more where all of it counts from now on', async () => {
    const { logged } = await reloadTo('watch: {inhibition_hold: 1m}');
    expect(logged).toEqual([['config_reloaded', { hash: expect.any(String) }]]);
  });

  it('that enables experimental functions takes rules with them, one that does not refuses them', async () => {
    const rule = 'groups: [{name: g, rules: [{record: "a:b", expr: "limitk(1, up)"}]}]';
    writeFileSync(join(folder, 'rules.yaml'), rule);
    const load = (text: string) => loadRules(configOf(`rules: [rules.yaml]\n${text}`), new SystemClock(), silentLogger);
    await expect(load('')).rejects.toThrow('promql.experimental_functions in belfry.yaml enables them');
    expect(await load('promql: {experimental_functions: true}')).toMatchObject({ groups: [{ name: 'g' }] });
    expect((await reloadTo('promql: {experimental_functions: true}')).problems).toEqual([]);
  });
});
