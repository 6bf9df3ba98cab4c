import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { Shell } from '../cli/harness.ts';

const ROOT = join(import.meta.dirname, '../..');
const KUBERNETES = join(ROOT, 'deploy/kubernetes');
const UNIT = join(ROOT, 'deploy/systemd/belfry.service');
const read = (...path: readonly string[]): string => readFileSync(join(ROOT, ...path), 'utf8');
const has = (program: string, ...args: readonly string[]): boolean => spawnSync(program, args, { stdio: 'ignore' }).status === 0;

interface Resource {
  readonly kind: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: unknown;
}

function resource(file: string): Resource {
  return parse(readFileSync(join(KUBERNETES, file), 'utf8')) as Resource;
}

function valuesOf(unit: string): ReadonlyMap<string, string> {
  return new Map([...unit.matchAll(/^([A-Za-z]+)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value]));
}

describe('the systemd unit', () => {
  const unit = valuesOf(readFileSync(UNIT, 'utf8'));

  it('restarts for ever, watches the event loop, limits memory, and gives no root', () => {
    expect(Object.fromEntries(unit)).toMatchObject({
      Type: 'notify',
      NotifyAccess: 'all',
      WatchdogSec: '30',
      Restart: 'always',
      StartLimitIntervalSec: '0',
      MemoryMax: '1G',
      User: 'belfry',
      NoNewPrivileges: 'yes',
      ProtectSystem: 'strict',
      CapabilityBoundingSet: '',
    });
  });

  it('gives Belfry longer to stop than it takes', () => {
    expect(Number(unit.get('TimeoutStopSec'))).toBeGreaterThan(5);
  });
});

describeWhere(has('systemd-analyze', '--version') ? undefined : 'there is no systemd-analyze here', 'what systemd says of the unit', () => {
  it('no mistake, and little exposure', () => {
    const folder = mkdtempSync(join(tmpdir(), 'belfry-unit-'));
    try {
      const path = join(folder, 'belfry.service');
      // The program it starts need not be installed here.
      writeFileSync(path, readFileSync(UNIT, 'utf8').replace('/opt/belfry/node_modules/.bin/belfry', '/bin/true'));
      const verified = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
      expect([verified.status, verified.stderr.split('\n').filter((line) => line.includes('belfry.service'))]).toEqual([0, []]);
      const exposure = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=25', path], { encoding: 'utf8' });
      expect(exposure.stdout + exposure.stderr).toMatch(/Overall exposure level for belfry.service: \d/);
      expect(exposure.status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the manifests for Kubernetes', () => {
  it('are all named in the kustomization', () => {
    const { resources } = parse(readFileSync(join(KUBERNETES, 'kustomization.yaml'), 'utf8')) as { resources: string[] };
    expect(
      readdirSync(KUBERNETES)
        .filter((file) => file !== 'kustomization.yaml')
        .toSorted(),
    ).toEqual(resources.toSorted());
  });

  it('run without root, on a root that cannot be written, with a limit of memory and one volume', () => {
    expect(resource('stateful-set.yaml')).toMatchObject({
      kind: 'StatefulSet',
      spec: {
        replicas: 1,
        template: {
          spec: {
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [
              {
                securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
                resources: { limits: { memory: '1Gi' } },
                livenessProbe: { exec: { command: ['belfry', 'health'] } },
                readinessProbe: { exec: { command: ['belfry', 'health', '--ready'] } },
              },
            ],
          },
        },
        volumeClaimTemplates: [{ metadata: { name: 'data' } }],
      },
    });
  });

  it('hold a configuration that Belfry takes', () => {
    const shell = new Shell();
    try {
      const path = join(shell.folder, 'belfry.yaml');
      writeFileSync(path, resource('config.yaml').data?.['belfry.yaml'] ?? '');
      const { problems, config } = loadConfig({
        path,
        environment: shell.context({}).environment,
        workingFolder: shell.folder,
        defaultRules: join(ROOT, 'rules.yaml'),
        readSecrets: false,
      });
      expect(problems).toEqual([]);
      expect(config?.storage.path).toBe('/data');
    } finally {
      shell.close();
    }
  });
});

describe('the Containerfile', () => {
  const text = read('deploy/Containerfile');
  const json = (instruction: string): readonly string[] =>
    JSON.parse(new RegExp(`^${instruction} (\\[.*\\])$`, 'm').exec(text)?.[1] ?? '[]') as string[];

  it('ends without root, with one volume', () => {
    const final = text.slice(text.lastIndexOf('FROM '));
    expect(final).toMatch(/^USER 65532:65532$/m);
    expect(final.match(/^VOLUME .*$/gm)).toEqual(['VOLUME /data']);
    expect(final.indexOf('USER ')).toBeGreaterThan(final.indexOf('RUN '));
  });

  it('takes a Node that is new enough, and files that are there', () => {
    expect(new Set([...text.matchAll(/^FROM node:(\d+)-/gm)].map(([, major]) => major))).toEqual(new Set(['24']));
    for (const file of ['package.json', 'package-lock.json', '.npmrc', 'bin/belfry.mjs']) expect(read(file)).not.toBe('');
  });

  it('starts Belfry with options that it has', async () => {
    const shell = new Shell();
    const { out } = await shell.run('start', '--help');
    shell.close();
    const [command = '', ...options] = json('CMD');
    expect(command).toBe('start');
    for (const option of options.filter((word) => word.startsWith('--'))) expect(out).toContain(`${option} `);
  });
});
