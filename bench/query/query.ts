import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { reservePort } from '../../testbed/free-port.ts';
import { spawnGuarded, type GuardedProcess } from '../../testbed/guarded-process.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { countOf, type Bench, type BenchContext, type BenchReport } from '../bench.ts';
import { INTERVAL_MS, PHASE_MS, queriesOf } from './data.ts';
import { versionOf, type RunningPrometheus } from '../peer-prometheus.ts';
import { fillPeer, startPeer } from './prometheus-peer.ts';
import { reportOf, type Asked, type PeerSide } from './query-report.ts';
import type { StageConfig, StageResult } from './stage.ts';

const HELP = `query: instant and range queries over 20,000 counters and as many gauges again, twice; Prometheus beside it.

Usage: npm run bench -- query [--quick] [options]

  --instances N   simulated brokers of 640 series each (100; 15 with --quick)
  --steps N       of range queries, 15 s apart (200; 60 with --quick)
  --repeats N     of each query (7; 2 with --quick, and of six queries only)
  --no-peer       without Prometheus, also where it is installed
  --cpu-prof DIR  Belfry writes CPU profiles there when it ends

Belfry's store, evaluator and HTTP server run in a process of their own; the same samples go to Prometheus by remote write.
Each query is asked of both over HTTP, turn by turn, and what they answer is compared; of Belfry, the evaluation alone is
told besides, in processor time. The newest ten minutes or so are raw rows in Belfry, the rest is in sealed blocks.
`;

export const query: Bench = {
  name: 'query',
  summary: 'instant and 200-step range queries over 20,000 series, over HTTP and in the process; Prometheus beside it',
  help: HELP,
  options: {
    instances: { type: 'string' },
    steps: { type: 'string' },
    repeats: { type: 'string' },
    'no-peer': { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
  },
  run,
};

async function run(context: BenchContext): Promise<BenchReport> {
  const { values, quick } = context;
  const progress = (text: string): void => context.progress(text);
  const instances = countOf('--instances', values['instances'], quick ? 15 : 100);
  const steps = countOf('--steps', values['steps'], quick ? 60 : 200);
  const repeats = countOf('--repeats', values['repeats'], quick ? 2 : 7);
  const stepMs = INTERVAL_MS;
  // Room for the longest window before the first step.
  const rows = steps + 44;
  // Beside whole minutes, where the steps of subqueries stand: on the edge of a window versions of Prometheus differ.
  const endTs = Math.floor(Date.now() / 60_000) * 60_000 + 7000;
  const startTs = endTs - rows * INTERVAL_MS + PHASE_MS;
  const dir = await makeTempDir();
  const port = await reservePort();
  let stage: RunningStage | undefined;
  let peer: RunningPrometheus | undefined;
  try {
    progress(`Belfry: ${instances} instances, ${rows} rows`);
    stage = await startStage({ instances, rows, startTs, endTs, steps, stepMs, repeats, quick, dir }, values['cpu-prof']);
    const version = values['no-peer'] === true ? undefined : versionOf('prometheus');
    if (version !== undefined) {
      progress(`Prometheus ${version}`);
      peer = await startPeer(dir, port);
      await fillPeer(peer.url, { instances, rows, startTs });
      progress('Prometheus has the same samples');
    }
    const sides = { belfry: stage, ...(peer === undefined ? {} : { prometheus: { url: peer.url, pid: peer.process.pid } }) };
    const asked: Asked[] = [];
    for (const { name, text, instantOnly } of queriesOf(quick)) {
      if (context.signal.aborted) break;
      asked.push(await ask(sides, { name, kind: 'instant', path: `query?${form({ query: text, time: endTs / 1000 })}` }, repeats));
      if (instantOnly === true) continue;
      const range = form({ query: text, start: (endTs - (steps - 1) * stepMs) / 1000, end: endTs / 1000, step: stepMs / 1000 });
      asked.push(await ask(sides, { name, kind: 'range', path: `query_range?${range}` }, repeats));
      progress(name);
    }
    return reportOf({ version, stage: stage.result, instances, steps, asked });
  } finally {
    for (const running of [stage?.process, peer?.process]) {
      running?.kill(values['cpu-prof'] === undefined ? 'SIGKILL' : 'SIGTERM');
      await running?.exited;
    }
    await port.release();
    await removeTempDir(dir);
  }
}

function form(parameters: Readonly<Record<string, string | number>>): string {
  return new URLSearchParams(Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)])).toString();
}

interface RunningStage {
  readonly process: GuardedProcess;
  readonly result: StageResult;
  readonly url: string;
  readonly pid: number;
}

async function startStage(config: StageConfig, profile: unknown): Promise<RunningStage> {
  const flags = typeof profile === 'string' ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [];
  const { promise, resolve } = Promise.withResolvers<StageResult>();
  let output = '';
  let errors = '';
  const child = spawnGuarded({
    command: process.execPath,
    args: [...flags, fileURLToPath(new URL('stage.ts', import.meta.url)), JSON.stringify(config)],
    onOutput: (text, from) => {
      if (from === 'stderr') errors += text;
      else if ((output += text).endsWith('\n')) resolve(JSON.parse(output) as StageResult);
    },
  });
  const result = await Promise.race([promise, child.exited.then(() => undefined)]);
  if (result === undefined) throw new Error(`the process under measurement ended: ${errors}`);
  return { process: child, result, url: result.url, pid: child.pid };
}

interface Sides {
  readonly belfry: { readonly url: string; readonly pid: number };
  readonly prometheus?: { readonly url: string; readonly pid: number };
}

/** Asks both, turn by turn; what only one of them was asked first warms nothing up for the other. */
async function ask(
  sides: Sides,
  { name, kind, path }: { name: string; kind: 'instant' | 'range'; path: string },
  repeats: number,
): Promise<Asked> {
  const { belfry, prometheus } = sides;
  const ours = new Side(belfry, path);
  const theirs = prometheus === undefined ? undefined : new Side(prometheus, path);
  await ours.warmUp();
  await theirs?.warmUp();
  for (let i = 0; i < repeats; i++) {
    await ours.ask();
    await theirs?.ask();
  }
  const agree = theirs === undefined ? undefined : ours.sum === undefined ? false : close(ours.sum, theirs.sum ?? Number.NaN);
  return { name, kind, belfry: ours.told(), prometheus: theirs?.told(), agree };
}

/** One server and one question. */
class Side {
  readonly #url: string;
  readonly #pid: number;
  readonly #ms: number[] = [];
  readonly #cpuMs: number[] = [];
  #bytes = 0;
  /** Of all values in the answer: equal answers have equal sums. */
  sum: number | undefined;

  constructor({ url, pid }: { readonly url: string; readonly pid: number }, path: string) {
    this.#url = `${url}/api/v1/${path}`;
    this.#pid = pid;
  }

  async warmUp(): Promise<void> {
    const text = await (await fetch(this.#url)).text();
    this.sum = sumOf(JSON.parse(text));
    this.#bytes = text.length;
  }

  async ask(): Promise<void> {
    const cpu = processMs(this.#pid);
    const begin = performance.now();
    const response = await fetch(this.#url);
    await response.arrayBuffer();
    this.#ms.push(performance.now() - begin);
    this.#cpuMs.push(processMs(this.#pid) - cpu);
    if (!response.ok) throw new Error(`${this.#url}: ${response.status}`);
  }

  told(): PeerSide {
    return { ms: this.#ms, cpuMs: this.#cpuMs, bytes: this.#bytes };
  }
}

/** Processor time of a process so far, user and system; Linux counts it in hundredths of a second. */
function processMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

function sumOf(body: unknown): number | undefined {
  const { data } = body as {
    data?: { result?: readonly { value?: readonly [number, string]; values?: readonly (readonly [number, string])[] }[] };
  };
  if (data?.result === undefined) return undefined;
  let sum = 0;
  for (const { value, values } of data.result) for (const [, text] of values ?? (value === undefined ? [] : [value])) sum += Number(text);
  return sum;
}

function close(a: number, b: number): boolean {
  return a === b || Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}
