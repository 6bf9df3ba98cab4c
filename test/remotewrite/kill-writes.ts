import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ManualClock } from '../../src/core/clock.ts';
import { Matcher } from '../../src/core/matcher.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';
import { encodeWriteRequest, snappyLiterals } from '../formats/remote-write-encoder.ts';
import { TOKEN } from '../http/harness.ts';
import { Buffers } from '../store/fixture.ts';

const CHILD = fileURLToPath(new URL('./kill-write-child.ts', import.meta.url));
const SENDERS = 4;
const SERIES = 10;
/** Of one series, in each request: who was not answered sends all of them again. */
const SAMPLES = 3;
const STEP_MS = 5;
/** A process is killed so long after its first answer at most: before the next periodic flush, during commits and between them. */
const LIFE_MAX_MS = 700;

export interface KillWritesResult {
  readonly kills: number;
  readonly answered: number;
  /** Requests that were sent once more after a kill. */
  readonly repeated: number;
  readonly violations: readonly string[];
}

/** Kills a process that takes remote write in with -9 at random instants; looks for each sample that was answered. */
export async function killWrites(options: {
  readonly kills: number;
  readonly random: () => number;
  readonly progress?: (text: string) => void;
}): Promise<KillWritesResult> {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-kill-writes-'));
  const path = join(folder, 'samples.db');
  const startTs = Math.floor(new Date().getTime()) - 1_800_000;
  const senders = Array.from({ length: SENDERS }, (_, i) => new Sender(`s${i}`, startTs));
  const violations: string[] = [];
  const sum = (of: (sender: Sender) => number): number => senders.reduce((total, sender) => total + of(sender), 0);
  try {
    let kills = 0;
    for (; kills < options.kills && violations.length === 0; kills++) {
      violations.push(...(await liveAndDie(path, senders, options.random() * LIFE_MAX_MS)));
      violations.push(...compare(path, senders, startTs));
      options.progress?.(`${kills + 1} kills, ${sum(({ answered }) => answered)} samples answered`);
    }
    return { kills, answered: sum(({ answered }) => answered), repeated: sum(({ repeated }) => repeated), violations };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function liveAndDie(path: string, senders: readonly Sender[], lifeMs: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [CHILD, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const died = once(child, 'close');
  const { url, troubles } = await listening(child);
  const sending = Promise.all(senders.map((sender) => sender.send(url)));
  await Promise.race([...senders.map((sender) => sender.firstAnswer), sending]);
  await new Promise((resolve) => setTimeout(resolve, lifeMs));
  child.kill('SIGKILL');
  await died;
  return [...troubles, ...(await sending).flat()];
}

async function listening(child: ChildProcess): Promise<{ readonly url: string; readonly troubles: readonly string[] }> {
  const troubles: string[] = [];
  let text = '';
  for await (const chunk of child.stdout!) {
    text += String(chunk);
    const url = /^listens (.+)\n/m.exec(text)?.[1];
    if (url !== undefined) {
      troubles.push(...(text.match(/^trouble .*/gm) ?? []));
      return { url, troubles };
    }
  }
  throw new Error(`the process did not begin: ${text}`);
}

/** Sends requests one after the other, each until it is answered. */
class Sender {
  answered = 0;
  repeated = 0;
  /** Samples of each series up to that one were answered. */
  safe = 0;
  firstAnswer: Promise<void> = Promise.resolve();
  readonly job: string;
  readonly #startTs: number;
  /** The request after `safe` was sent before. */
  #unanswered = false;

  constructor(job: string, startTs: number) {
    this.job = job;
    this.#startTs = startTs;
  }

  /** Until nobody answers; what was answered as it should not have been. */
  async send(url: string): Promise<readonly string[]> {
    let onFirst = (): void => undefined;
    this.firstAnswer = new Promise((resolve) => (onFirst = resolve));
    for (;;) {
      if (this.#unanswered) this.repeated++;
      this.#unanswered = true;
      let response: Response;
      try {
        response = await fetch(`${url}/api/v1/write`, { method: 'POST', headers: HEADERS, body: new Uint8Array(this.#request()) });
        await response.arrayBuffer();
      } catch {
        return [];
      }
      if (response.status !== 204) return [`${this.job} was answered ${response.status} after ${this.safe} samples`];
      this.#unanswered = false;
      this.safe += SAMPLES;
      this.answered += SAMPLES * SERIES;
      onFirst();
    }
  }

  tsOf(sample: number): number {
    return this.#startTs + sample * STEP_MS;
  }

  #request(): Buffer {
    const series = Array.from({ length: SERIES }, (_, i) => ({
      labels: { __name__: 'm', job: this.job, i: `${i}` },
      samples: Array.from({ length: SAMPLES }, (__, k) => [this.tsOf(this.safe + k), valueOf(i, this.safe + k)] as const),
    }));
    return snappyLiterals(encodeWriteRequest(series));
  }
}

const HEADERS = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' };

function valueOf(series: number, sample: number): number {
  return sample / (series + 3);
}

/** Opens the store as the process left it. */
function compare(path: string, senders: readonly Sender[], startTs: number): readonly string[] {
  const violations: string[] = [];
  const note = (event: string, fields: object = {}): void => void violations.push(`${event} ${JSON.stringify(fields)}`);
  const log = { ...silentLogger, error: note, warn: note };
  const store = openSampleStore({ path, clock: new ManualClock(startTs + 3_600_000), log, meter: silentMeter, retentionMs: 1e12 });
  const out = new Buffers();
  try {
    for (const sender of senders) {
      const selection = store.reader.select([new Matcher('job', '=', sender.job)], 0, 2 * startTs);
      if (sender.safe > 0 && selection.n !== SERIES) violations.push(`${sender.job} has ${selection.n} series`);
      for (let i = 0; i < selection.n; i++) {
        const n = selection.window(i, 0, 2 * startTs, out);
        const series = Number(selection.labels(i).get('i'));
        // The request that was not answered may be there, or some of it.
        if (n < sender.safe || n > sender.safe + SAMPLES) violations.push(`${sender.job} has ${n} samples, answered were ${sender.safe}`);
        for (let k = 0; k < n; k++) {
          if (out.timestamps[k] !== sender.tsOf(k) || !Object.is(out.values[k], valueOf(series, k)))
            violations.push(`${sender.job} has ${out.values[k]} as sample ${k}`);
        }
      }
    }
  } finally {
    store.close();
  }
  return violations.slice(0, 20);
}
