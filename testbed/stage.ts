import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BelfryProcess, type BelfryOptions } from './belfry-process.ts';
import { MailSink } from './mail-sink.ts';
import { SlackStandIn } from './slack-stand-in.ts';
import { SmallDisk } from './small-disk.ts';
import { makeTempDir, removeTempDir } from './temp-dir.ts';
import { WebhookSink } from './webhook-sink.ts';

export interface StageOptions {
  /** Of `clusters:`, each without its owner, which is `team` unless it says another. */
  readonly clusters: readonly ClusterEntry[];
  /** More of belfry.yaml, as JSON values by top-level key. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Text of a rule file to use instead of the default rules. */
  readonly rules?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The data folder is a file system of its own, of that size, which a test may fill. */
  readonly diskBytes?: number;
  readonly openFilesMax?: number;
}

export interface ClusterEntry {
  readonly name: string;
  readonly brokers: readonly string[];
  readonly [key: string]: unknown;
}

/** A Belfry with an owner who is reached in three ways, each a stand-in of this process. */
export class Stage implements AsyncDisposable {
  readonly slack: SlackStandIn;
  readonly mail: MailSink;
  readonly webhook: WebhookSink;
  readonly dir: string;
  belfry!: BelfryProcess;
  /** Where `diskBytes` was given. */
  disk: SmallDisk | undefined;
  readonly #options: StageOptions;

  private constructor(parts: { slack: SlackStandIn; mail: MailSink; webhook: WebhookSink; dir: string }, options: StageOptions) {
    this.slack = parts.slack;
    this.mail = parts.mail;
    this.webhook = parts.webhook;
    this.dir = parts.dir;
    this.#options = options;
  }

  static async start(options: StageOptions): Promise<Stage> {
    const [slack, mail, webhook, dir] = await Promise.all([SlackStandIn.start(), MailSink.start(), WebhookSink.start(), makeTempDir()]);
    const stage = new Stage({ slack, mail, webhook, dir }, options);
    try {
      stage.configure(options);
      if (options.diskBytes !== undefined) stage.disk = await SmallDisk.mount(join(dir, 'data'), options.diskBytes, 'belfry');
      stage.belfry = await BelfryProcess.start(stage.#belfryOptions());
      return stage;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  get configPath(): string {
    return join(this.dir, 'belfry.yaml');
  }

  /** As this process sees it. */
  get dataPath(): string {
    return this.disk?.outsidePath ?? join(this.dir, 'data');
  }

  /** Writes belfry.yaml; a running Belfry notices. JSON is YAML. */
  configure(options: StageOptions): void {
    mkdirSync(this.dir, { recursive: true });
    if (options.rules !== undefined) writeWhole(join(this.dir, 'rules.yaml'), options.rules);
    const config = {
      storage: { path: 'data' },
      http: { listen: '127.0.0.1:0' },
      host: { collect: false },
      owners: { team: { slack: '#team', email: ['team@example.com'], webhook: this.webhook.url } },
      default_owner: 'team',
      // How full the disk of this machine is says nothing about a cluster.
      thresholds: { broker_disk_used_ratio: 1 },
      slack: { token: this.slack.token, api_url: this.slack.apiUrl },
      email: { smtp: this.mail.smtpUrl, from: 'Belfry <belfry@example.com>' },
      ...(options.rules === undefined ? {} : { rules: ['rules.yaml'] }),
      ...options.config,
      clusters: options.clusters.map((cluster) => ({ owner: 'team', ...cluster })),
    };
    writeWhole(this.configPath, `${JSON.stringify(config, null, 2)}\n`);
  }

  /** After `belfry.kill9()` or `belfry.stop()`: another process on the same data. */
  async startAgain(): Promise<void> {
    this.belfry = await this.belfry.startAgain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.belfry as BelfryProcess | undefined)?.[Symbol.asyncDispose]();
    await Promise.all([this.slack[Symbol.asyncDispose](), this.mail[Symbol.asyncDispose](), this.webhook[Symbol.asyncDispose]()]);
    await this.disk?.unmount();
    await removeTempDir(this.dir);
  }

  #belfryOptions(): BelfryOptions {
    const { args, env, openFilesMax } = this.#options;
    return {
      configPath: this.configPath,
      dataPath: this.dataPath,
      ...(args === undefined ? {} : { args }),
      ...(env === undefined ? {} : { env }),
      ...(this.disk === undefined ? {} : { namespacePid: this.disk.pid }),
      ...(openFilesMax === undefined ? {} : { openFilesMax }),
    };
  }
}

/** In one step: whoever reads at any moment finds the old text or the new one, never half of it. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
