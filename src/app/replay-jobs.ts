import { join } from 'node:path';
import type { BelfryConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { ulid } from '../core/ulid.ts';
import type { ReplayPort, ReplayRequest, ReplayRules, ReplayStream } from '../http/replay-ports.ts';
import { readRuleFiles, type RuleFile } from '../rules/load.ts';
import type { ReplayProgress } from './replay-run.ts';
import { routingOf, type ReplaySpec } from './replay-spec.ts';
import { ReplayThread } from './replay-thread.ts';

export interface ReplayJobsOptions {
  readonly config: () => BelfryConfig;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default 30 min. */
  readonly timeoutMs?: number;
  /** Of its windows. Default 192 MiB. */
  readonly windowBytes?: number;
  /** Of its heap. Default 256 MiB. */
  readonly heapMb?: number;
}

const TIMEOUT_MS = 30 * 60_000;
const PROGRESS_EVERY_MS = 250;
/**
 * Beside a running Belfry a replay must be content with less than on its own: both together stay below the 1 GiB that the
 * service and the Kubernetes examples allow, where a cluster of 300 brokers takes some 350 MB without a replay.
 */
const WINDOW_BYTES = 192 * 1024 * 1024;
const HEAP_MB = 256;
const YOUNG_MB = 16;

/** Replays in a worker thread, one at a time: the event loop passes its lines on and does nothing else for it. */
export class ReplayJobs implements ReplayPort {
  readonly #options: ReplayJobsOptions;
  #running: { readonly id: string; readonly thread: ReplayThread } | undefined;
  #isStarting = false;

  constructor(options: ReplayJobsOptions) {
    this.#options = options;
  }

  async start(request: ReplayRequest): Promise<ReplayStream> {
    if (this.#running !== undefined || this.#isStarting)
      throw new BelfryError('CONFLICT', 'another replay is running: wait for its end, or stop it');
    this.#isStarting = true;
    const { log } = this.#options;
    try {
      const spec = await this.#specOf(request);
      const thread = new ReplayThread(spec, {
        maxOldGenerationSizeMb: this.#options.heapMb ?? HEAP_MB,
        maxYoungGenerationSizeMb: YOUNG_MB,
      });
      thread.unref();
      // Mistakes in the rules are an answer of their own and not the last line of a stream.
      const first = await thread.next();
      if (first.type === 'error') throw new BelfryError(first.code, first.error);
      const id = ulid(this.#options.clock.now());
      this.#running = { id, thread };
      log.info('replay_started', { id });
      return { lines: this.#lines(id, thread), end: () => this.#end(id, 'abandoned') };
    } finally {
      this.#isStarting = false;
    }
  }

  stop(id: string): void {
    if (this.#running?.id !== id) throw new BelfryError('NOT_FOUND', `no replay ${id} is running`);
    this.#running.thread.stop();
  }

  #end(id: string, why: string): void {
    if (this.#running?.id !== id) return;
    const { thread } = this.#running;
    this.#running = undefined;
    // It may be in the middle of a long step; nothing of it is needed any more.
    thread.end().catch((error: unknown) => this.#options.log.error('replay_not_ended', { id, error: errorText(error) }));
    this.#options.log.info('replay_ended', { id, why });
  }

  async #specOf(request: ReplayRequest): Promise<ReplaySpec> {
    const config = this.#options.config();
    const { rules, compare, ...range } = request;
    const files = await filesOf(rules, config);
    const oldFiles = compare === undefined ? undefined : await filesOf(compare, config);
    return {
      ...range,
      samplesPath: join(config.storage.path, 'samples.db'),
      files,
      ...(oldFiles === undefined ? {} : { oldFiles }),
      evaluationIntervalMs: config.evaluationIntervalMs,
      promql: config.promql,
      routing: routingOf(config),
      externalUrl: config.http.externalUrl ?? '',
      windowBytes: this.#options.windowBytes ?? WINDOW_BYTES,
      shownAs: {},
    };
  }

  async *#lines(id: string, thread: ReplayThread): AsyncGenerator<string, void> {
    const { clock, timeoutMs = TIMEOUT_MS } = this.#options;
    const timer = clock.timer(
      timeoutMs,
      () => thread.put({ type: 'error', code: 'LIMIT_EXCEEDED', error: 'the replay took too long: replay a shorter range' }),
      { unref: true },
    );
    let why = 'abandoned';
    try {
      yield `${JSON.stringify({ type: 'started', id })}\n`;
      why = yield* this.#tell(thread, clock.elapsed());
    } finally {
      timer.cancel();
      this.#end(id, why);
    }
  }

  async *#tell(thread: ReplayThread, begun: number): AsyncGenerator<string, string> {
    let toldAt = Number.NEGATIVE_INFINITY;
    let pieces = 0;
    for (;;) {
      const message = await thread.next();
      if (message.type === 'progress') {
        const now = this.#options.clock.elapsed();
        if (now - toldAt < PROGRESS_EVERY_MS) continue;
        toldAt = now;
        yield `${JSON.stringify({ type: 'progress', ...progressOf(message.progress), elapsed_seconds: (now - begun) / 1000 })}\n`;
      } else if (message.type === 'piece') {
        yield pieces++ === 0 ? `{"type":"result","answer":${message.text}` : message.text;
      } else if (message.type === 'begun') {
        continue;
      } else if (message.type === 'done') {
        yield '}\n';
        return 'done';
      } else {
        yield `${JSON.stringify(message)}\n`;
        return message.code;
      }
    }
  }
}

function progressOf({ startTs, endTs, atTs, firings }: ReplayProgress): object {
  return { start: startTs / 1000, end: endTs / 1000, at: atTs / 1000, firings };
}

async function filesOf(rules: ReplayRules, { ruleFiles }: BelfryConfig): Promise<readonly RuleFile[]> {
  return rules === 'current' ? readRuleFiles(ruleFiles) : rules.map(({ name, text }) => ({ path: name, text }));
}
