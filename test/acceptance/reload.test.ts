import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BelfryProcess } from '../../testbed/belfry-process.ts';
import { FixtureExporter } from '../../testbed/fixture-exporter.ts';
import { Stage } from '../../testbed/stage.ts';
import type { ClusterEntry, StageOptions } from '../../testbed/stage.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { evaluatedOnce, ledger, NO_KAFKA, ownMetric, told } from './harness.ts';

jest.setTimeout(300_000);

/** One that fires from the beginning and must not notice any reload, and the shipped one about reloads. */
const RULES = JSON.stringify({
  groups: [
    {
      name: 'steady',
      interval: '1s',
      rules: [
        // Its data may go missing without an end of it: only what it is about can leave.
        { alert: 'Steady', expr: 'fixture_steady == 1', labels: { severity: 'critical' }, annotations: { belfry_no_data: 'keep' } },
      ],
    },
    ...(JSON.parse(shippedRules({ only: ['BelfryConfigReloadFailed'], for: {} })) as { groups: object[] }).groups.map((group) => ({
      ...group,
      interval: '1s',
    })),
  ],
});

describe('a changed configuration', () => {
  let exporter: FixtureExporter;
  let stage: Stage;
  let steady: string;

  beforeAll(async () => {
    exporter = await FixtureExporter.start('fixture_steady 1\n');
    stage = await Stage.start(options([fixture('fixture')]));
    steady = (await told(stage, { status: 'firing', alertname: 'Steady' })).startsAt;
  });

  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
    await exporter[Symbol.asyncDispose]();
  });

  function fixture(name: string, extra: Readonly<Record<string, unknown>> = {}): ClusterEntry {
    return { ...NO_KAFKA, name, exporters: [{ job: 'fixture', targets: [exporter.target], interval: '1s' }], ...extra };
  }

  function options(clusters: readonly ClusterEntry[]): StageOptions {
    return { clusters, rules: RULES };
  }

  const diskThreshold = async (value: number): Promise<void> => {
    await stage.belfry.queryUntil('belfry_threshold{name="disk_free_ratio", cluster="fixture"}', ([sample]) => sample?.value === value);
  };

  it('is noticed when the file changes', async () => {
    stage.configure(options([fixture('fixture', { thresholds: { disk_free_ratio: 0.31 } })]));
    await diskThreshold(0.31);
  });

  it('is read at SIGHUP and at POST /-/reload, which needs the token', async () => {
    const since = stage.belfry.log.count;
    stage.belfry.signal('SIGHUP');
    stage.configure(options([fixture('fixture', { thresholds: { disk_free_ratio: 0.32 } })]));
    await diskThreshold(0.32);
    stage.configure(options([fixture('fixture', { thresholds: { disk_free_ratio: 0.33 } })]));
    const refused = await stage.belfry.request('POST', '/-/reload', { token: false });
    expect(refused.status).toBe(401);
    const answer = await stage.belfry.request('POST', '/-/reload');
    expect([answer.status, await answer.text()]).toEqual([200, 'reloaded\n']);
    await diskThreshold(0.33);
    expect(stage.belfry.log.all.slice(since).filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('that is wrong is refused with its place, told of, and the old one runs on', async () => {
    const hash = await ownMetric(stage, 'belfry_config_hash_info');
    writeFileSync(stage.configPath, 'clusters:\n  - nmae: fixture\n');
    const refused = await stage.belfry.logged('config_reload_failed');
    expect(refused['problems']).toContainEqual(expect.stringMatching(/belfry\.yaml:2:5 clusters\[0\]\.nmae: .*name/));
    const answer = await stage.belfry.request('POST', '/-/reload');
    expect(answer.status).toBe(400);
    expect(await answer.text()).toMatch(/the old one runs on:\n.*belfry\.yaml:2:5/);
    await told(stage, { status: 'firing', alertname: 'BelfryConfigReloadFailed' });
    expect(await stage.belfry.query('up{cluster="fixture", job="fixture"}')).toMatchObject([{ value: 1 }]);
    expect(await ownMetric(stage, 'belfry_config_hash_info')).toEqual(hash);

    stage.configure({ ...options([fixture('fixture')]), rules: 'groups: [{name: broken, rules: [{alert: A, expr: "sum("}]}]' });
    const rules = await stage.belfry.logged('config_reload_failed', ({ problems }) => JSON.stringify(problems).includes('rules.yaml'));
    expect(JSON.stringify(rules['problems'])).toMatch(/rules\.yaml:1:\d+/);
    stage.configure(options([fixture('fixture')]));
    await told(stage, { status: 'resolved', alertname: 'BelfryConfigReloadFailed' });
  });

  it('adds a cluster, and takes one away with its alerts and series', async () => {
    stage.configure(options([fixture('fixture'), fixture('second')]));
    await told(stage, { status: 'firing', alertname: 'Steady', cluster: 'second' });
    stage.configure(options([fixture('fixture')]));
    await told(stage, { status: 'resolved', alertname: 'Steady', cluster: 'second' });
    await stage.belfry.queryUntil('{cluster="second"}', (samples) => samples.length === 0);
    expect(await (await stage.belfry.request('GET', '/metrics')).text()).not.toContain('"second"');
  });

  it('takes an exporter away with its alerts', async () => {
    await using other = await FixtureExporter.start('fixture_steady 1\n');
    const both = [exporter, other].map(({ target }) => ({
      job: target === other.target ? 'other' : 'fixture',
      targets: [target],
      interval: '1s',
    }));
    stage.configure(options([fixture('fixture'), fixture('both', { exporters: both })]));
    await told(stage, { status: 'firing', alertname: 'Steady', cluster: 'both', instance: other.target });
    stage.configure(options([fixture('fixture'), fixture('both', { exporters: both.slice(0, 1) })]));
    const firing = (instance: string): string => `ALERTS{alertname="Steady", cluster="both", instance="${instance}"}`;
    await stage.belfry.queryUntil(firing(other.target), (samples) => samples.length === 0);
    expect(await stage.belfry.query(firing(exporter.target))).toHaveLength(1);
    stage.configure(options([fixture('fixture')]));
    await told(stage, { status: 'resolved', alertname: 'Steady', cluster: 'both', instance: exporter.target });
  });

  it('has disturbed no alert', async () => {
    await evaluatedOnce(stage, ['steady']);
    expect(ledger(stage).filter((line) => line.includes('Steady fixture'))).toEqual(['firing Steady fixture/']);
    const answer = (await (await stage.belfry.request('GET', '/api/v1/alerts')).json()) as {
      data: { alerts: { activeAt: string; labels: Record<string, string> }[] };
    };
    const [alert] = answer.data.alerts.filter(({ labels }) => labels['alertname'] === 'Steady');
    expect(Date.parse(alert?.activeAt ?? '')).toBe(Date.parse(steady));
  });

  it('is noticed when a symbolic link to its folder is swapped, as a mounted ConfigMap does', async () => {
    const dir = await makeTempDir();
    const write = (version: string, ratio: number): void => {
      mkdirSync(join(dir, version));
      const config = {
        http: { listen: '127.0.0.1:0' },
        host: { collect: false },
        storage: { path: join(dir, 'state') },
        rules: [join(dir, 'rules.yaml')],
        clusters: [{ ...NO_KAFKA, thresholds: { disk_free_ratio: ratio } }],
      };
      writeFileSync(join(dir, version, 'belfry.yaml'), JSON.stringify(config));
      symlinkSync(version, join(dir, '..data.new'));
      renameSync(join(dir, '..data.new'), join(dir, '..data'));
    };
    try {
      writeFileSync(join(dir, 'rules.yaml'), RULES);
      write('..v1', 0.41);
      symlinkSync('..data/belfry.yaml', join(dir, 'belfry.yaml'));
      await using mounted = await BelfryProcess.start({ configPath: join(dir, 'belfry.yaml'), dataPath: join(dir, 'state') });
      const expression = 'belfry_threshold{name="disk_free_ratio", cluster="fixture"}';
      await mounted.queryUntil(expression, ([sample]) => sample?.value === 0.41);
      write('..v2', 0.42);
      rmSync(join(dir, '..v1'), { recursive: true });
      await mounted.queryUntil(expression, ([sample]) => sample?.value === 0.42);
    } finally {
      await removeTempDir(dir);
    }
  });
});
