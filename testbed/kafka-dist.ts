import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { hostLock } from './host-lock.ts';

/** The newest Kafka the testbed is proven on, and the oldest line Belfry supports. */
export const NEWEST_KAFKA = '4.4.0';
export const OLDEST_KAFKA = '3.3.2';

/** The jars of one Kafka version, on this machine. */
export interface KafkaDist {
  readonly version: string;
  readonly java: string;
  /** Major version of that Java, e.g. 17. */
  readonly javaMajor: number;
  /** Folder for what belongs to this version: jars, formatted storage templates, class data archive. */
  readonly dir: string;
  readonly classpath: string;
  /** jmx_exporter's javaagent. */
  readonly jmxAgent: string;
}

/** What has to be installed before a cluster can start. */
export class MissingToolError extends Error {
  override name = 'MissingToolError';
}

const MARKER = '.complete';
const FETCH_TIMEOUT_MS = 10 * 60_000;

/** The jars of `version`, fetched from Maven Central by the first caller on this machine. Throws MissingToolError. */
export async function fetchKafka(version: string = NEWEST_KAFKA): Promise<KafkaDist> {
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`testbed: not a Kafka version: ${version}`);
  const { java, javaMajor } = findJava();
  const needed = Number(version.split('.')[0]) >= 4 ? 17 : 11;
  if (javaMajor < needed) {
    throw new MissingToolError(`testbed: Kafka ${version} needs Java ${needed}, found Java ${javaMajor}: ${INSTALL}`);
  }
  const dir = path.join(cacheDir(), `kafka-${version}`);
  if (!existsSync(path.join(dir, MARKER))) await fetchOnce(version, dir);
  const jars = (await readdir(path.join(dir, 'lib'))).filter((name) => name.endsWith('.jar')).sort();
  const agent = jars.find((name) => name.startsWith('jmx_prometheus_javaagent'));
  if (agent === undefined) throw new Error(`testbed: the jars in ${dir} are incomplete: remove the folder and try again`);
  const classpath = jars.filter((name) => name !== agent).map((name) => path.join(dir, 'lib', name));
  return { version, java, javaMajor, dir, classpath: classpath.join(path.delimiter), jmxAgent: path.join(dir, 'lib', agent) };
}

const INSTALL = 'install them with `apt-get install openjdk-17-jre-headless maven`';

/** `BELFRY_TESTBED_CACHE`, or a folder of the user's cache: outside the tree, shared by all checkouts. */
export function cacheDir(): string {
  return process.env['BELFRY_TESTBED_CACHE'] ?? path.join(os.homedir(), '.cache', 'belfry');
}

/** Why no cluster can start here, in one line that says what to install; undefined when one can. */
export function missingTool(version: string = NEWEST_KAFKA): string | undefined {
  try {
    findJava();
    if (!existsSync(path.join(cacheDir(), `kafka-${version}`, MARKER))) requireMaven();
    return undefined;
  } catch (error) {
    if (error instanceof MissingToolError) return error.message;
    throw error;
  }
}

let foundJava: { java: string; javaMajor: number } | undefined;
function findJava(): { java: string; javaMajor: number } {
  if (foundJava !== undefined) return foundJava;
  const home = process.env['JAVA_HOME'];
  const java = home !== undefined && existsSync(path.join(home, 'bin', 'java')) ? path.join(home, 'bin', 'java') : 'java';
  const { status, stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' });
  const found = status === 0 ? /version "(?:1\.)?(\d+)/.exec(stderr) : null;
  if (found === null) throw new MissingToolError(`testbed: a Kafka broker needs Java 17 and Maven, Java is missing: ${INSTALL}`);
  foundJava = { java, javaMajor: Number(found[1]) };
  return foundJava;
}

function requireMaven(): void {
  const { status } = spawnSync('mvn', ['--version'], { stdio: 'ignore' });
  if (status !== 0) throw new MissingToolError(`testbed: fetching Kafka's jars needs Java 17 and Maven, Maven is missing: ${INSTALL}`);
}

async function fetchOnce(version: string, dir: string): Promise<void> {
  await using _lock = await hostLock(`fetch-${version}`, FETCH_TIMEOUT_MS, () =>
    progress(`waiting for another process that fetches Kafka ${version}`),
  );
  if (existsSync(path.join(dir, MARKER))) return;
  requireMaven();
  progress(`fetching Kafka ${version} from Maven Central (once, into ${dir})`);
  const partial = `${dir}.${process.pid}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  await runMaven(version, path.join(partial, 'lib'));
  const jars = await readdir(path.join(partial, 'lib'));
  for (const needed of [`kafka_2.13-${version}.jar`, `kafka-clients-${version}.jar`]) {
    if (!jars.includes(needed)) throw new Error(`testbed: Maven did not bring ${needed}`);
  }
  await writeFile(path.join(partial, MARKER), `${jars.length} jars\n`);
  await rm(dir, { recursive: true, force: true });
  await rename(partial, dir);
  progress(`Kafka ${version}: ${jars.length} jars`);
}

async function runMaven(version: string, outputDirectory: string): Promise<void> {
  const pom = path.join(import.meta.dirname, 'pom.xml');
  const goal = [
    '-B',
    '-q',
    '-f',
    pom,
    'dependency:copy-dependencies',
    `-Dkafka.version=${version}`,
    `-DoutputDirectory=${outputDirectory}`,
  ];
  const child = spawn('mvn', goal, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`testbed: Maven could not fetch Kafka ${version}:\n${output.trim()}`);
}

/** Runs one of Kafka's command line tools to its end; throws with its output when it fails. */
export async function runKafkaTool(dist: KafkaDist, mainClass: string, args: readonly string[]): Promise<string> {
  const jvm = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];
  const { stdout } = await promisify(execFile)(dist.java, [...jvm, '-cp', dist.classpath, mainClass, ...args], { timeout: 60_000 });
  return stdout;
}

/** Progress goes to stderr: stdout belongs to the command that uses the testbed. */
export function progress(line: string): void {
  process.stderr.write(`testbed: ${line}\n`);
}
