import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Arrivals } from './arrivals.ts';
import { AutopilotClient, type SeenIntent, type SeenLine } from './autopilot-client.ts';
import type { Cluster } from './cluster.ts';
import { startTestbedExecutor, type TestbedExecutor } from './executor.ts';
import type { Load } from './load.ts';
import { shippedRules } from './shipped-rules.ts';
import type { Stage } from './stage.ts';

/** What one broker is said to bear, bytes a second. The load is 0.64 of it on three brokers, which is too much, and 0.48 on four. */
const BEARS = 400_000;
const LOAD = 3 * 0.64 * BEARS;
const LOADED_TOPIC = 'orders';
const LOOK_EVERY_MS = 250;
const BY = 'demo';

/** The shipped rules; a cluster that is too busy is told of after seconds instead of a quarter of an hour. */
export const DEMO_RULES = shippedRules({
  for: { ClusterOverUtilised: '2s' },
  keepFiringFor: { ClusterOverUtilised: '1s' },
  windows: { ClusterOverUtilised: { '[5m]': '[10s]' } },
});

/** People approve every act; durations of a demo. */
export const DEMO_AUTOPILOT = {
  actions: { repair: 'approve', replace: 'off', scale_out: 'approve', scale_in: 'off' },
  repair: { first_after: '2s', backoff: ['5s'] },
  cooldown: '2s',
  limits: { per_hour: 60 },
  start_grace: '1s',
  lease_ttl: '10s',
  tick: '500ms',
  scale: {
    min: 3,
    max: 4,
    stabilise_out: '3s',
    cooldown_out: '2s',
    warmup: '5s',
    settle: '2m',
    bytes_per_second_per_broker: BEARS,
  },
} as const;

/** Said at the start: nobody must take a demo's durations for those of an installation. */
export const SHORTENED =
  'Durations are shortened: a repair is asked for after 2 s of unhealthy instead of 2 min, more brokers after seconds of load instead of 15 min.';

/** The auto-pilot of the demo as a person sees it, and the person's part in it. Dispose it before its stage. */
export class DemoPilot implements AsyncDisposable {
  /** Every line of its journal since the start. */
  readonly lines = new Arrivals<SeenLine>();
  readonly api: AutopilotClient;
  readonly #cluster: Cluster;
  readonly #executor: TestbedExecutor;
  readonly #say: (text: string) => void;
  readonly #ended = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #load: Load | undefined;
  #told = '';

  private constructor(parts: { cluster: Cluster; api: AutopilotClient; executor: TestbedExecutor; say: (text: string) => void }) {
    this.#cluster = parts.cluster;
    this.api = parts.api;
    this.#executor = parts.executor;
    this.#say = parts.say;
  }

  /** Starts the executor, and tells from then on what the auto-pilot does. */
  static async start(cluster: Cluster, stage: Stage, clusterName: string, say: (text: string) => void): Promise<DemoPilot> {
    const executor = await startTestbedExecutor({
      cluster,
      clusterName,
      belfryUrl: stage.belfry.url,
      token: stage.belfry.token,
      signingKeyPath: join(stage.dataPath, 'autopilot-key'),
    });
    const pilot = new DemoPilot({ cluster, api: new AutopilotClient(() => stage.belfry), executor, say });
    pilot.#following = pilot.#follow();
    return pilot;
  }

  /** Intents that wait for a person, oldest first. */
  async waiting(): Promise<readonly SeenIntent[]> {
    return (await this.api.intents()).filter(({ state }) => state === 'awaiting_approval');
  }

  /** Approves the oldest that waits. Its id; undefined where none does. */
  async approve(): Promise<string | undefined> {
    const [intent] = await this.waiting();
    if (intent === undefined) return undefined;
    await this.api.post(`/intents/${encodeURIComponent(intent.id)}/approve`, { by: BY, reason: 'seen in the demo' });
    return intent.id;
  }

  /** Halts everything, or lets it go on. */
  async toggleHalt(): Promise<void> {
    const { halted } = await this.api.state();
    await this.api.post(halted === null ? '/halt' : '/resume', { by: BY, reason: 'a key of the demo' });
  }

  /** Intents that have not ended, with the guards that hold. */
  async shown(): Promise<string> {
    const open = (await this.api.intents()).filter(
      ({ state }) => !['succeeded', 'failed', 'rejected', 'expired', 'cancelled', 'observed'].includes(state),
    );
    if (open.length === 0) return '  no intents';
    return open
      .map((intent) => `  ${intent.action} ${intent.broker ?? ''} ${intent.state}: ${intent.reason}\n${guardsText(intent.guards)}`)
      .join('\n');
  }

  /** Produces more than three brokers are said to bear. */
  startLoad(): void {
    this.#load ??= this.#cluster.load({ topic: LOADED_TOPIC, bytesPerSecond: LOAD });
    this.#say(
      `  ${Math.round(LOAD / 1000)} kB/s to ${LOADED_TOPIC}; a broker is said to bear ${BEARS / 1000} kB/s, and 70 % of that is too much`,
    );
  }

  async endLoad(): Promise<void> {
    await this.#load?.stop();
    this.#load = undefined;
  }

  /** Partitions that each broker leads, such as `1: 7, 2: 7, 3: 7`. */
  async leaders(): Promise<string> {
    const { brokers, topics } = await this.#cluster.view();
    const partitions = [...topics.values()].flat();
    return brokers.map((id) => `${id}: ${partitions.filter(({ leader }) => leader === id).length}`).join(', ');
  }

  /** What the journal says as it is written. A look that fails is made again: Belfry may be ending. */
  async #follow(): Promise<void> {
    let last = 0;
    while (!this.#ended.signal.aborted) {
      try {
        for (const line of await this.api.journal(last)) {
          last = line.seq;
          this.lines.add(line);
          this.#tell(line);
        }
      } catch (error) {
        if (!this.#ended.signal.aborted)
          this.#say(`  (the journal cannot be read: ${error instanceof Error ? error.message : String(error)})`);
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** An act that ends and the edge it leads to may be two lines of the same words. */
  #tell({ kind, text, to, detail }: SeenLine): void {
    if (kind === 'ack' || kind === 'mode' || text === this.#told) return;
    this.#told = text;
    this.#say(`  │ ${text}`);
    if ((kind === 'intent' || kind === 'guard') && detail.guards !== undefined && to !== 'open') this.#say(guardsText(detail.guards));
    if (kind === 'intent' && to === 'awaiting_approval') this.#say('  │ it waits for a person: key y approves');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.endLoad();
    await this.#following;
    await this.#executor[Symbol.asyncDispose]();
  }
}

function guardsText(guards: SeenIntent['guards']): string {
  const held = guards.filter(({ holds }) => holds);
  if (held.length === 0) return `  │ ${guards.length} guards were judged and none holds it back`;
  return held
    .map(({ guard, sentence, approvable }) => `  │ ${approvable === true ? 'a person decides' : 'held back'} (${guard}): ${sentence}`)
    .join('\n');
}
