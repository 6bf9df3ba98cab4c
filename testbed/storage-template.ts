import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { reservePort } from './free-port.ts';
import { spawnGuarded } from './guarded-process.ts';
import { hostLock } from './host-lock.ts';
import { progress, runKafkaTool } from './kafka-dist.ts';
import type { KafkaDist } from './kafka-dist.ts';
import { kafkaUuid, metaProperties, nodeProperties } from './node-config.ts';
import type { ClusterSpec, NodeSpec } from './node-config.ts';
import { makeTempDir, removeTempDir } from './temp-dir.ts';

/**
 * Formatting a log folder takes a JVM of its own, 1.3 s, and writes nothing that depends on the cluster but
 * meta.properties: the rest (feature levels and SCRAM credentials) is made once per version and set of users, kept beside
 * the jars, and copied.
 */
export async function storageTemplate(dist: KafkaDist, users: ClusterSpec['users'], scram: boolean): Promise<string> {
  const credentials = scram ? scramArguments(users) : [];
  const key = createHash('sha256').update(JSON.stringify(credentials)).digest('hex').slice(0, 12);
  const dir = path.join(dist.dir, `template-${key}`);
  if (existsSync(dir)) return dir;
  await using _lock = await hostLock(`template-${dist.version}-${key}`, 120_000);
  if (existsSync(dir)) return dir;
  const partial = `${dir}.${process.pid}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const properties = path.join(partial, 'server.properties');
  await writeFile(properties, nodeProperties(loneCluster(kafkaUuid(), 19_093), loneNode(19_092, 19_093), path.join(partial, 'data')));
  await runKafkaTool(dist, 'kafka.tools.StorageTool', ['format', '-t', kafkaUuid(), '-c', properties, ...credentials]);
  await rm(path.join(partial, 'data', 'meta.properties'));
  await rename(path.join(partial, 'data'), dir);
  await rm(partial, { recursive: true, force: true });
  return dir;
}

/** Makes `dataDir` a formatted log folder of one node. */
export async function formatStorage(template: string, dataDir: string, clusterId: string, node: NodeSpec): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  // Since 4.0 only controllers start from a checkpoint; before, every node has one of the same name beside its meta.properties.
  const entries = await readdir(template);
  const wanted = node.roles.includes('controller') ? entries : entries.filter((name) => name === 'bootstrap.checkpoint');
  for (const name of wanted) await cp(path.join(template, name), path.join(dataDir, name), { recursive: true });
  await writeFile(path.join(dataDir, 'meta.properties'), metaProperties(clusterId, node.id));
}

function scramArguments(users: ClusterSpec['users']): string[] {
  return Object.values(users).flatMap(({ username, password }) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=${username},password=${password}]`]),
  );
}

function loneNode(brokerPort: number, controllerPort: number): NodeSpec {
  return { id: 1, roles: ['broker', 'controller'], brokerPort, controllerPort };
}

function loneCluster(clusterId: string, controllerPort: number): ClusterSpec {
  return {
    clusterId,
    security: 'plaintext',
    authorizer: false,
    voters: [{ id: 1, port: controllerPort }],
    brokerCount: 1,
    sessionTimeoutMs: 9000,
    brokerProps: {},
    users: {},
    scram: false,
  };
}

/**
 * An archive of the classes a broker loads (Java's AppCDS), made once per version by running one broker to its start:
 * every later JVM starts in half the time (1.7 s instead of 3.2 s of one core) and shares 45 MB of its memory.
 * Returns undefined where it cannot be made: all works without it, only slower.
 */
export async function classArchive(dist: KafkaDist): Promise<string | undefined> {
  const archive = path.join(dist.dir, `classes-java${dist.javaMajor}.jsa`);
  if (existsSync(archive)) return archive;
  await using _lock = await hostLock(`archive-${dist.version}-${dist.javaMajor}`, 120_000);
  if (existsSync(archive)) return archive;
  progress(`making a class archive for Kafka ${dist.version} (once)`);
  const partial = `${archive}.${process.pid}.partial`;
  const dir = await makeTempDir();
  const brokerPort = await reservePort();
  const controllerPort = await reservePort();
  try {
    const clusterId = kafkaUuid();
    const node = loneNode(brokerPort.port, controllerPort.port);
    await formatStorage(await storageTemplate(dist, {}, false), path.join(dir, 'data'), clusterId, node);
    await writeFile(
      path.join(dir, 'server.properties'),
      nodeProperties(loneCluster(clusterId, controllerPort.port), node, path.join(dir, 'data')),
    );
    const jvm = [...jvmFlags(256), `-XX:ArchiveClassesAtExit=${partial}`, '-cp', dist.classpath];
    const broker = spawnGuarded({
      command: dist.java,
      args: [...jvm, 'kafka.Kafka', path.join(dir, 'server.properties')],
      logPath: path.join(dir, 'log'),
    });
    await waitForStart(path.join(dir, 'log'), () => broker.running);
    broker.kill('SIGTERM');
    await broker.exited;
    if (!existsSync(partial)) return undefined;
    await rename(partial, archive);
    return archive;
  } finally {
    await Promise.all([removeTempDir(dir), brokerPort.release(), controllerPort.release()]);
  }
}

async function waitForStart(logPath: string, running: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (running() && performance.now() < deadline) {
    if ((await readFile(logPath, 'utf8')).includes('Kafka Server started')) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Flags for JVMs that start fast and stay small. */
export function jvmFlags(heapMb: number): string[] {
  return [
    `-Xmx${heapMb}m`,
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
    '-Xlog:disable',
    '-Djava.awt.headless=true',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
  ];
}
