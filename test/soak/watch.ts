import { appendFileSync, writeFileSync } from 'node:fs';
import type { Cluster } from '../../testbed/cluster.ts';
import { Stage, type StageOptions } from '../../testbed/stage.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { now, ownMetric } from '../acceptance/harness.ts';
import type { Disturbance } from './judge.ts';
import { Ledger, settledIn, type Settled, type Sink } from './ledger.ts';
import { vitalsOf, type Vitals } from './vitals.ts';

export const CLUSTER = 'orders-dal';
export const GROUP = 'payments-billing';

/** Always firing by design; it says nothing of any fault. */
const ALWAYS = 'Watchdog';

/**
 * The shipped rules; only what waits for longer than a fault of the soak lasts is shorter, so that it is told of, too.
 * Those about the room on disks are left out: the disk is this machine's, and others fill it.
 */
function rules(): string {
  const { groups } = JSON.parse(
    shippedRules({
      for: { UnderReplicated: '20s' },
      windows: { UnderReplicated: { '15m': '20s' }, ConsumerStopped: { '10m': '20s' }, BrokerNotAnswering: { '1m': '30s' } },
      keepFiringFor: { ConsumerStopped: '1s' },
    }),
  ) as { groups: { rules: { expr: string }[] }[] };
  const ours = groups.map((group) => ({ ...group, rules: group.rules.filter(({ expr }) => !expr.includes('_usable_bytes')) }));
  return JSON.stringify({ groups: ours.filter((group) => group.rules.length > 0) });
}

export type BelfryDisturbance = 'kill -9' | 'SIGTERM' | 'SIGSTOP' | 'reload';
export type SinkOutage = 'refuse' | 'hang' | 'reset' | '500' | '429' | '451';

/** One Belfry on the cluster with sinks of its own, what was done to it, and its ledger. */
export class Watch implements AsyncDisposable {
  readonly name: string;
  readonly stage: Stage;
  readonly ledger: Ledger;
  readonly disturbances: Disturbance[] = [];
  readonly vitals: Vitals[] = [];
  readonly settled: Settled[] = [];
  readonly #logPath: string;
  readonly #options: (change: number, smtpUrl: string) => StageOptions;
  #logged = 0;
  #changes = 0;
  #readLog: Stage['belfry']['log'];

  private constructor(name: string, stage: Stage, logPath: string, options: (change: number, smtpUrl: string) => StageOptions) {
    this.name = name;
    this.stage = stage;
    this.ledger = new Ledger(stage);
    this.#logPath = logPath;
    this.#options = options;
    this.#readLog = stage.belfry.log;
    writeFileSync(logPath, '');
  }

  static async start(name: string, cluster: Cluster, logPath: string): Promise<Watch> {
    const options = (change: number, smtpUrl: string): StageOptions => ({
      clusters: [
        {
          name: CLUSTER,
          brokers: cluster.bootstrap,
          stop_grace: '5s',
          liveness: { flapping_window: '60s' },
          cadence: { metadata: '2s', log_dirs: '5s', consumer_groups: '2s' },
          consumer_groups: { alert: `${GROUP}.*` },
          thresholds: { cpu_idle_ratio: 0.1 + change / 1e6 },
        },
      ],
      // Every news of an incident is mailed at once, not one in five minutes: each fault must reach every sink.
      config: {
        autopilot: { mode: 'off' },
        // The same broker fails every few minutes, and each time is to be told.
        damping: { times: 1000 },
        ...(smtpUrl === '' ? {} : { email: { smtp: smtpUrl, from: 'Belfry <belfry@example.com>', min_interval: '0s' } }),
      },
      rules: rules(),
    });
    const stage = await Stage.start(options(0, ''));
    const watch = new Watch(name, stage, logPath, options);
    // The mail server's address is known only now.
    watch.#reload();
    await stage.belfry.logged('config_reloaded');
    return watch;
  }

  /** Does it, waits until it is over, and notes it. */
  async disturb(kind: BelfryDisturbance, forMs: number, sleep: (ms: number) => Promise<void>): Promise<void> {
    const { stage } = this;
    if (kind === 'reload') {
      this.#reload();
      return;
    }
    const note = this.#begin(kind);
    if (kind === 'SIGSTOP') {
      stage.belfry.signal('SIGSTOP');
      await sleep(forMs);
      stage.belfry.signal('SIGCONT');
    } else {
      if (kind === 'kill -9') await stage.belfry.kill9();
      else await stage.belfry.stop();
      this.tapLog();
      await sleep(forMs);
      await stage.startAgain();
    }
    this.#end(note);
  }

  /** Puts a sink out of order for a while. */
  async outage(sink: Sink, kind: SinkOutage, forMs: number, sleep: (ms: number) => Promise<void>): Promise<void> {
    const { slack, mail, webhook } = this.stage;
    const retryAfterSeconds = Math.ceil(forMs / 1000);
    const note = this.#begin(kind, sink);
    if (sink === 'slack') {
      if (kind === '429') slack.rateLimit({ afterN: 0, retryAfterSeconds });
      else await slack.outage(kind === 'refuse' || kind === 'hang' || kind === 'reset' ? kind : 500);
    } else if (sink === 'webhook') {
      if (kind === '429') webhook.answer({ status: 429, retryAfterSeconds });
      else await webhook.outage(kind === 'refuse' || kind === 'hang' || kind === 'reset' ? kind : 503);
    } else if (kind === 'refuse' || kind === 'hang') await mail.outage(kind);
    else mail.reject(451);
    await sleep(forMs);
    slack.rateLimit({ afterN: Infinity, retryAfterSeconds: 1 });
    if (sink === 'slack') await slack.outage(undefined);
    else if (sink === 'webhook') {
      webhook.answerOk();
      await webhook.outage(undefined);
    } else {
      mail.accept();
      await mail.outage(undefined);
    }
    // Whoever was told to wait waits so long from then on.
    this.#end(note, kind === '429' ? forMs : 0);
  }

  /** A configuration that is refused, until `mendConfig`. */
  spoilConfig(): void {
    this.stage.configure({
      ...this.#options(this.#changes, this.stage.mail.smtpUrl),
      rules: 'groups: [{name: broken, rules: [{alert: A, expr: "sum("}]}]',
    });
  }

  mendConfig(): void {
    this.#reload();
  }

  #reload(): void {
    this.#changes++;
    this.stage.configure(this.#options(this.#changes, this.stage.mail.smtpUrl));
  }

  #begin(kind: string, sink?: Sink): number {
    this.disturbances.push({ kind, from: now(), until: Infinity, ...(sink === undefined ? {} : { sink }) });
    return this.disturbances.length - 1;
  }

  #end(index: number, moreMs = 0): void {
    const disturbance = this.disturbances[index];
    if (disturbance !== undefined) this.disturbances[index] = { ...disturbance, until: now() + moreMs };
  }

  /** What keeps it from being quiet: alerts that fire, messages that wait; empty when it is. */
  async unrest(): Promise<string> {
    const answer = (await (await this.stage.belfry.request('GET', '/api/v1/alerts')).json()) as {
      data: { alerts: { state: string; labels: Record<string, string> }[] };
    };
    const firing = answer.data.alerts.filter(({ state, labels }) => state === 'firing' && labels['alertname'] !== ALWAYS);
    const [waiting = ''] = await ownMetric(this.stage, 'belfry_outbox_messages');
    const messages = Number(/ (\d+)$/.exec(waiting)?.[1] ?? Number.NaN);
    const parts = firing.map(({ labels }) => `${labels['alertname'] ?? ''} ${labels['broker'] ?? ''} fires`);
    if (messages !== 0) parts.push(`${messages} messages wait`);
    return parts.join(', ');
  }

  /** Appends what Belfry has logged since the last time to the log file. */
  tapLog(): void {
    this.#drainLog();
    if (this.#readLog === this.stage.belfry.log) return;
    this.#readLog = this.stage.belfry.log;
    this.#logged = 0;
    this.#drainLog();
  }

  #drainLog(): void {
    const lines = this.#readLog.all.slice(this.#logged);
    this.#logged += lines.length;
    this.settled.push(...settledIn(lines));
    if (lines.length > 0) appendFileSync(this.#logPath, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  sample(minutes: number): void {
    const vitals = this.stage.belfry.running ? vitalsOf(this.stage.belfry.pid, this.stage.dataPath, minutes) : undefined;
    if (vitals !== undefined) this.vitals.push(vitals);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tapLog();
    // A paused one could not be stopped.
    this.stage.belfry.signal('SIGCONT');
    await this.stage[Symbol.asyncDispose]();
  }
}
