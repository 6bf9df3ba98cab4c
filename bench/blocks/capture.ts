import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { reservePort } from '../../testbed/free-port.ts';
import { spawnGuarded } from '../../testbed/guarded-process.ts';
import { fetchKafka } from '../../testbed/kafka-dist.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import type { BenchContext } from '../bench.ts';

/** One scrape: when it began, in milliseconds, and the page as it came. */
export interface Scrape {
  readonly ts: number;
  readonly page: string;
}

/** All scrapes of one source, in order. */
export interface Capture {
  readonly name: string;
  readonly scrapes: readonly Scrape[];
}

export interface CaptureOptions {
  readonly rows: number;
  readonly intervalMs: number;
  /** Where the pages come slower than every `intervalMs`, there are fewer rows. */
  readonly captureMsMax: number;
  readonly context: BenchContext;
}

interface Traffic {
  readonly topics: number;
  readonly partitions: number;
}

const TRAFFIC: Traffic = { topics: 8, partitions: 6 };
const QUICK_TRAFFIC: Traffic = { topics: 3, partitions: 2 };
/** That many of the topics stand still. */
const IDLE_TOPICS = 1;
const READY_WITHIN_MS = 30_000;
/** Until the load's first batches are in and the consumers read. */
const SETTLE_MS = 5000;
/** A block needs two rows. */
const LEAST_ROWS = 2;

/** jmx_exporter without rules of its own: every attribute of every bean that is a number. */
const ALL_BEANS = 'lowercaseOutputName: true\nrules: [{pattern: ".*"}]\n';
/** Attributes that the widely used rule files for Kafka leave out; they are decaying averages with 17 digits, mostly. */
const NOT_USUAL = /_(?:MeanRate|OneMinuteRate|FiveMinuteRate|FifteenMinuteRate|Mean|Min|Max|StdDev)[ {]/i;

/**
 * A real broker that is written to and read from at changing rates, scraped through jmx_exporter's agent: once with every
 * bean, and as the usual rules leave it. Beside it, at the same instants, node_exporter of this host where it is installed.
 * Throws MissingToolError where there is no Java or Maven.
 */
export async function captureReal(options: CaptureOptions): Promise<readonly Capture[]> {
  const { rows, intervalMs, context } = options;
  const dir = await makeTempDir();
  const jmxPort = await reservePort();
  try {
    writeFileSync(join(dir, 'all-beans.yaml'), ALL_BEANS);
    const { jmxAgent } = await fetchKafka();
    await using cluster = await startCluster({
      brokers: 1,
      controllers: 'combined',
      brokerProps: context.quick ? { 'offsets.topic.num.partitions': 4 } : {},
      jvmArgs: [`-javaagent:${jmxAgent}=127.0.0.1:${jmxPort.port}:${join(dir, 'all-beans.yaml')}`],
    });
    await using node = await startNodeExporter();
    await using _ = await startTraffic(cluster, context.quick ? QUICK_TRAFFIC : TRAFFIC);
    await sleep(SETTLE_MS);
    context.progress(`${rows} scrapes, one every ${intervalMs} ms`);
    const urls = [`http://127.0.0.1:${jmxPort.port}/metrics`, ...(node === undefined ? [] : [node.url])];
    const captured = await scrapeAll(urls, options);
    const [broker = [], host = []] = captured;
    return [
      { name: 'JMX, the usual attributes', scrapes: broker.map(({ ts, page }) => ({ ts, page: without(page, NOT_USUAL) })) },
      { name: 'JMX, every bean', scrapes: broker },
      ...(node === undefined ? [] : [{ name: 'node_exporter', scrapes: host }]),
    ];
  } finally {
    await removeTempDir(dir);
    await jmxPort.release();
  }
}

async function scrapeAll(urls: readonly string[], options: CaptureOptions): Promise<readonly Scrape[][]> {
  const { rows, intervalMs, captureMsMax, context } = options;
  const captured = urls.map((): Scrape[] => []);
  const begin = Date.now();
  for (let row = 0; row < rows && !context.signal.aborted; row++) {
    if (row >= LEAST_ROWS && Date.now() - begin > captureMsMax) break;
    await sleep(Math.max(0, begin + row * intervalMs - Date.now()));
    await Promise.all(
      urls.map(async (url, i) => {
        const ts = Date.now();
        const response = await fetch(url);
        if (!response.ok) throw new Error(`${url} answers ${response.status}`);
        captured[i]?.push({ ts, page: await response.text() });
      }),
    );
  }
  return captured;
}

function without(page: string, pattern: RegExp): string {
  return page
    .split('\n')
    .filter((line) => line.startsWith('#') || !pattern.test(line))
    .join('\n');
}

/** Some topics at rates of their own, one that comes and goes, and a group that reads them all. */
async function startTraffic(cluster: Cluster, { topics: count, partitions }: Traffic): Promise<AsyncDisposable> {
  const topics = Array.from({ length: count }, (_, i) => `orders-${i}`);
  for (const topic of topics) await cluster.createTopic(topic, { partitions, replicas: 1 });
  const loads = topics
    .slice(0, -IDLE_TOPICS)
    .map((topic, i) => cluster.load({ topic, bytesPerSecond: 20_000 * (i + 1), recordBytes: 200 + 150 * i }));
  const kafka = new Kafka({ brokers: cluster.bootstrap, clientId: 'bench', logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: 'bench' });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await consumer.run({ eachBatch: () => Promise.resolve() });
  return {
    [Symbol.asyncDispose]: async () => {
      await consumer.disconnect();
      await Promise.all(loads.map((load) => load.stop()));
    },
  };
}

async function startNodeExporter(): Promise<(AsyncDisposable & { readonly url: string }) | undefined> {
  const command = spawnSync('which', ['prometheus-node-exporter'], { encoding: 'utf8' }).stdout.trim();
  if (command === '') return undefined;
  const port = await reservePort();
  let output = '';
  const child = spawnGuarded({
    command,
    args: [`--web.listen-address=127.0.0.1:${port.port}`, '--log.level=error'],
    onOutput: (text) => (output += text),
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await child.exited;
    await port.release();
  };
  const url = `http://127.0.0.1:${port.port}/metrics`;
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await answers(url))) {
    if (performance.now() < deadline && child.running) continue;
    await stop();
    throw new Error(`node_exporter does not answer: ${output.slice(-500)}`);
  }
  return { url, [Symbol.asyncDispose]: stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    await sleep(100);
    return false;
  }
}
