import { join } from 'node:path';
import type { Cluster } from '../../testbed/cluster.ts';
import { startTestbedExecutor, type TestbedExecutor, type TestbedExecutorOptions } from '../../testbed/executor.ts';
import type { LogLine } from '../../testbed/belfry-process.ts';
import type { Mail } from '../../testbed/mail-sink.ts';
import type { SlackEvent } from '../../testbed/slack-stand-in.ts';
import { Stage, type StageOptions } from '../../testbed/stage.ts';
import { allUp, belfry, until } from './harness.ts';

/** What the tests read of an intent. */
export interface SeenIntent {
  readonly id: string;
  readonly cluster: string;
  readonly action: 'repair' | 'replace' | 'scale_out' | 'scale_in';
  readonly broker?: number;
  readonly desiredBrokers?: number;
  readonly state: string;
  readonly attempt: number;
  readonly mode: string;
  readonly guards: readonly { readonly guard: string; readonly holds: boolean; readonly sentence: string }[];
  readonly lastWord: string;
  readonly createdAt: number;
  readonly changedAt: number;
}

export interface SeenLine {
  readonly seq: number;
  readonly at: number;
  readonly brokerId: number;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly intentId: string;
  readonly text: string;
}

export interface SeenState {
  readonly halted: string | null;
  readonly breaker: string | null;
  readonly clusters: readonly {
    readonly name: string;
    readonly brokers: readonly { readonly brokerId: number; readonly state: string; readonly note: string }[];
    readonly scale: { readonly state: string } | null;
  }[];
  readonly intents: readonly SeenIntent[];
}

/** Short durations; the defaults are pinned by the tests of the configuration. */
export const FAST = {
  mode: 'auto',
  actions: { repair: 'auto', replace: 'auto', scale_out: 'auto', scale_in: 'auto' },
  repair: {
    first_after: '500ms',
    backoff: ['2s', '2s', '2s'],
    failures_before_replace: 2,
    unhealthy_before_replace: '4s',
    verify_window: '15s',
    recovery_max: '5m',
    recovery_stall: '60s',
  },
  cooldown: '1s',
  limits: { in_flight: 2, per_hour: 60 },
  start_grace: '1s',
  announce: { first: 0, ahead: '1s' },
  lease_ttl: '5s',
  tick: '200ms',
} as const;

const CADENCE = { metadata: '500ms', log_dirs: '1s', configs: '2s' };

export interface PilotOptions extends Omit<StageOptions, 'clusters'> {
  readonly name?: string;
  /** Over `FAST`. */
  readonly autopilot?: Readonly<Record<string, unknown>>;
  /** More of the clusters' own configuration. */
  readonly cluster?: Readonly<Record<string, unknown>>;
  /** False for none. */
  readonly executor?: false | Partial<TestbedExecutorOptions>;
}

/** A Belfry with an auto-pilot of short durations, and the testbed's executor. */
export class Pilot implements AsyncDisposable {
  readonly stage: Stage;
  readonly name: string;
  readonly #kafka: Cluster;
  executor: TestbedExecutor | undefined;

  private constructor(stage: Stage, name: string, kafka: Cluster) {
    this.stage = stage;
    this.name = name;
    this.#kafka = kafka;
  }

  static async start(kafka: Cluster, options: PilotOptions = {}): Promise<Pilot> {
    return await Pilot.startMany({ [options.name ?? 'orders-dal']: kafka }, options);
  }

  /** One Belfry for several clusters; the first is the one that the methods are about. */
  static async startMany(clusters: Readonly<Record<string, Cluster>>, options: PilotOptions = {}): Promise<Pilot> {
    const { autopilot = {}, cluster = {}, executor = {}, config = {}, ...rest } = options;
    const entries = Object.entries(clusters).map(([name, kafka]) => {
      const brokers = kafka.runningBrokerIds.map((id) => `127.0.0.1:${kafka.port(id)}`);
      return { name, brokers, cadence: CADENCE, ...cluster };
    });
    const stage = await Stage.start({ ...rest, clusters: entries, config: { autopilot: { ...FAST, ...autopilot }, ...config } });
    const [[name, kafka] = [undefined, undefined], ...more] = Object.entries(clusters);
    if (name === undefined || kafka === undefined) throw new Error('a pilot needs a cluster');
    const pilot = new Pilot(stage, name, kafka);
    try {
      await allUp(
        stage,
        entries.reduce((sum, { brokers }) => sum + brokers.length, 0),
      );
      if (executor !== false) await pilot.startExecutor({ more: Object.fromEntries(more), ...executor });
      return pilot;
    } catch (error) {
      await pilot[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Another one, in the place of the one there was. */
  async startExecutor(options: Partial<TestbedExecutorOptions> = {}): Promise<void> {
    await this.executor?.[Symbol.asyncDispose]();
    this.executor = await startTestbedExecutor({
      cluster: this.#kafka,
      clusterName: this.name,
      belfryUrl: this.stage.belfry.url,
      token: this.stage.belfry.token,
      signingKeyPath: join(this.stage.dataPath, 'autopilot-key'),
      ...options,
    });
  }

  async get<T>(path: string): Promise<T> {
    const response = await this.stage.belfry.request('GET', `/api/belfry/v1/autopilot${path}`);
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async post(path: string, body: Readonly<Record<string, unknown>>): Promise<Response> {
    const { url, token } = this.stage.belfry;
    return await fetch(`${url}/api/belfry/v1/autopilot${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  state(): Promise<SeenState> {
    return this.get<SeenState>('');
  }

  async intents(): Promise<readonly SeenIntent[]> {
    return (await this.get<{ intents: readonly SeenIntent[] }>('/intents')).intents;
  }

  /** Oldest first. */
  async journal(): Promise<readonly SeenLine[]> {
    return (await this.get<{ lines: readonly SeenLine[] }>('/journal?limit=1000')).lines.toReversed();
  }

  /** The states that a broker went through, from the journal's edges. */
  async edgesOf(broker: number): Promise<readonly string[]> {
    return (await this.journal()).filter(({ kind, brokerId }) => kind === 'edge' && brokerId === broker).map(({ to }) => to);
  }

  /** Acts there were: leases that were granted. */
  async acts(): Promise<readonly SeenLine[]> {
    return (await this.journal()).filter(({ kind, to }) => kind === 'lease' && to === 'leased');
  }

  /** Throws while the auto-pilot does not know the cluster: who is not listed is healthy only where others would be. */
  async stateOf(broker: number): Promise<string> {
    const { clusters } = await this.state();
    const own = clusters.find(({ name }) => name === this.name);
    if (own === undefined) throw new Error(`the auto-pilot does not know ${this.name}`);
    return own.brokers.find(({ brokerId }) => brokerId === broker)?.state ?? 'healthy';
  }

  /** Kills Belfry with -9 as soon as the broker has come into this state, and starts it again on the same data. */
  async kill9At(broker: number, edge: string, timeoutMs = 60_000): Promise<void> {
    const { belfry } = this.stage;
    const isEdge = (line: LogLine): boolean => line['broker'] === broker && line['to'] === edge;
    await belfry.logged('autopilot_edge', isEdge, { timeoutMs }).catch(async (error: unknown) => {
      throw new Error(`broker ${broker} is not ${edge}: ${String(error)}; ${await this.story()}`);
    });
    await belfry.kill9();
    await this.stage.startAgain();
  }

  async untilState(broker: number, wanted: string, timeoutMs = 60_000): Promise<void> {
    let seen = '';
    await until(async () => (seen = await this.stateOf(broker)) === wanted, `broker ${broker} ${wanted}`, timeoutMs).catch(
      async (error: unknown) => {
        throw new Error(`${String(error)}; it is ${seen}; ${await this.story()}`);
      },
    );
  }

  async untilIntent(accepts: (intent: SeenIntent) => boolean, timeoutMs = 60_000): Promise<SeenIntent> {
    let found: SeenIntent | undefined;
    await until(
      async () => {
        found = (await this.intents()).find((intent) => accepts(intent));
        return found !== undefined;
      },
      'an intent',
      timeoutMs,
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}; ${await this.story()}`);
    });
    return found as SeenIntent;
  }

  /** Waits until a reply in a Slack thread says so; its text. */
  async repliedInThread(pattern: RegExp, timeoutMs = 30_000): Promise<string> {
    const { slack } = this.stage;
    const isReply = ({ type, message }: SlackEvent): boolean =>
      type === 'post' && message?.threadTs !== undefined && pattern.test(message.text);
    const reply = await slack.next(isReply, { timeoutMs }).catch(async (error: unknown) => {
      throw new Error(`no reply ${String(pattern)}: ${String(error)}; ${await this.story()}`);
    });
    return reply.message?.text ?? '';
  }

  /** Waits until a mail about the auto-pilot says so. */
  async mailed(pattern: RegExp, timeoutMs = 30_000): Promise<Mail> {
    return await this.stage.mail
      .next(({ text }) => pattern.test(text), { timeoutMs })
      .catch(async (error: unknown) => {
        throw new Error(`no mail ${String(pattern)}: ${String(error)}; ${await this.story()}`);
      });
  }

  /** Runs `belfry autopilot …` as a person does; what it says, or an error. */
  async command(...args: readonly string[]): Promise<string> {
    const { url } = this.stage.belfry;
    const where = ['--url', url, '--data', this.stage.dataPath];
    const { code, out, err } = await belfry(['autopilot', ...args, ...where], { env: { USER: 'anna' } });
    if (code !== 0) throw new Error(`belfry autopilot ${args.join(' ')}: ${code}: ${err}`);
    return out;
  }

  async untilBreakerOpen(): Promise<void> {
    await until(async () => ((await this.state()).breaker ?? null) !== null, 'the breaker opens', 60_000);
  }

  /** What the journal and the executor say, for the message of a test that failed. */
  async story(): Promise<string> {
    const lines = (await this.journal()).map(({ kind, brokerId, from, to, text }) => `${kind} ${brokerId} ${from}→${to}: ${text}`);
    const said = this.executor?.log.all.slice(-15).map((line) => `executor: ${JSON.stringify(line)}`) ?? [];
    return [...lines, ...said].join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.executor?.[Symbol.asyncDispose]();
    await this.stage[Symbol.asyncDispose]();
  }
}
