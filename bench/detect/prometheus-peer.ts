import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../testbed/cluster.ts';
import { reservePort, type ReservedPort } from '../../testbed/free-port.ts';
import { spawnGuarded, type GuardedProcess } from '../../testbed/guarded-process.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { WebhookSink } from '../../testbed/webhook-sink.ts';
import type { BenchContext } from '../bench.ts';
import { versionOf } from '../peer-prometheus.ts';
import { milliseconds } from '../statistics.ts';
import { MISS_AFTER_MS } from './kill-rounds.ts';
import { tellsAlert, tellsEnd } from './told.ts';
import { kill, loseStep, restore } from './victims.ts';

const READY_TIMEOUT_MS = 30_000;
const QUIET_TIMEOUT_MS = 120_000;
const POLL_MS = 100;
const ALERT = 'BrokerDown';
const PROMETHEUS = 'prometheus';
const ALERTMANAGER = 'prometheus-alertmanager';

/**
 * All beans of a broker take the agent most of a second on two cores, and the scrape its time-out. `up` needs none of them:
 * the peer is given the lightest page there is. The agent reads its file again when it has changed.
 */
const LIGHT_PAGE = 'includeObjectNames: ["kafka.server:type=KafkaServer,name=BrokerState"]\n';

export interface PeerRound {
  readonly broker: number;
  readonly at: number;
  readonly toldMs: number | undefined;
}

/** `prometheus 2.42.0, alertmanager 0.25.0`; undefined where one of them is missing. */
export function peerVersion(): string | undefined {
  const versions = [PROMETHEUS, ALERTMANAGER].map(versionOf);
  return versions.some((version) => version === undefined) ? undefined : `Prometheus ${versions[0]} and Alertmanager ${versions[1]}`;
}

/**
 * Prometheus and Alertmanager as fast as they can be set: scrape and evaluation every second, `for: 0s`, no group wait.
 * A broker has no page of its own: what is scraped is jmx_exporter's agent, which dies with it.
 */
export class PrometheusPeer implements AsyncDisposable {
  readonly webhook: WebhookSink;
  readonly #dir: string;
  readonly #ports: readonly ReservedPort[];
  readonly #processes: GuardedProcess[] = [];

  private constructor(parts: { webhook: WebhookSink; dir: string; ports: readonly ReservedPort[] }) {
    this.webhook = parts.webhook;
    this.#dir = parts.dir;
    this.#ports = parts.ports;
  }

  static async start(cluster: Cluster): Promise<PrometheusPeer> {
    const [webhook, dir, ...ports] = await Promise.all([WebhookSink.start(), makeTempDir(), reservePort(), reservePort()]);
    const peer = new PrometheusPeer({ webhook, dir, ports });
    try {
      peer.#configure(cluster);
      peer.#spawn();
      await peer.#untilUp(cluster.brokerIds.length);
      return peer;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #addresses(): { readonly prometheus: string; readonly alertmanager: string } {
    const [prometheus, alertmanager] = this.#ports.map(({ port }) => `127.0.0.1:${port}`);
    return { prometheus: prometheus ?? '', alertmanager: alertmanager ?? '' };
  }

  #configure(cluster: Cluster): void {
    mkdirSync(this.#dir, { recursive: true });
    for (const id of cluster.brokerIds) lighten(cluster, id);
    const targets = cluster.brokerIds.map((id) => ({ targets: [new URL(cluster.jmxUrl(id)).host], labels: { broker: String(id) } }));
    const rule = { alert: ALERT, expr: 'up{job="kafka"} == 0', for: '0s' };
    this.#write('rules.yml', { groups: [{ name: 'brokers', rules: [rule] }] });
    this.#write('prometheus.yml', {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yml'],
      scrape_configs: [{ job_name: 'kafka', static_configs: targets }],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [this.#addresses.alertmanager] }] }] },
    });
    this.#write('alertmanager.yml', {
      route: { receiver: 'sink', group_by: ['broker'], group_wait: '0s', group_interval: '1s', repeat_interval: '4h' },
      receivers: [{ name: 'sink', webhook_configs: [{ url: this.webhook.url, send_resolved: true }] }],
    });
  }

  /** JSON is YAML. */
  #write(name: string, content: unknown): void {
    writeFileSync(join(this.#dir, name), JSON.stringify(content, null, 2));
  }

  #spawn(): void {
    const { prometheus, alertmanager } = this.#addresses;
    const file = (name: string): string => join(this.#dir, name);
    const begin = (command: string, args: readonly string[]): void => {
      this.#processes.push(spawnGuarded({ command, args, logPath: file(`${command}.log`) }));
    };
    begin(ALERTMANAGER, [
      `--config.file=${file('alertmanager.yml')}`,
      `--storage.path=${file('alertmanager')}`,
      `--web.listen-address=${alertmanager}`,
      '--cluster.listen-address=',
    ]);
    begin(PROMETHEUS, [
      `--config.file=${file('prometheus.yml')}`,
      `--storage.tsdb.path=${file('prometheus')}`,
      `--web.listen-address=${prometheus}`,
    ]);
  }

  async #untilUp(brokers: number): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      if ((await this.#upCount()) === brokers) return;
      if (performance.now() > deadline) {
        const log = readFileSync(join(this.#dir, `${PROMETHEUS}.log`), 'utf8')
          .trimEnd()
          .split('\n')
          .slice(-5);
        throw new Error(`Prometheus has not seen ${brokers} brokers within ${READY_TIMEOUT_MS} ms: ${log.join(' | ')}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** Brokers whose last scrape worked; 0 while it does not answer yet. */
  async #upCount(): Promise<number> {
    try {
      const response = await fetch(`http://${this.#addresses.prometheus}/api/v1/query?query=${encodeURIComponent('up{job="kafka"} == 1')}`);
      const { data } = (await response.json()) as { data?: { result: unknown[] } };
      return data?.result.length ?? 0;
    } catch {
      return 0; // Its port is not open yet.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) child.kill('SIGKILL');
    await Promise.all(this.#processes.map(({ exited }) => exited));
    await this.webhook[Symbol.asyncDispose]();
    await Promise.all(this.#ports.map((port) => port.release()));
    await removeTempDir(this.#dir);
  }
}

/** Kills the brokers in turn, as for Belfry, and brings each back; adds to `rounds`. */
export async function peerRounds(
  cluster: Cluster,
  peer: PrometheusPeer,
  how: { count: number; rounds: PeerRound[]; context: BenchContext },
) {
  const { count, rounds, context } = how;
  for (let index = 0; index < count && !context.signal.aborted; index += 1) {
    const broker = cluster.brokerIds[index % cluster.brokerIds.length] ?? 1;
    await loseStep(1000);
    const labels = { alertname: ALERT, broker: String(broker) };
    const since = peer.webhook.requests.count;
    const { at } = await kill(cluster, broker);
    const toldAt = await firstTold(peer.webhook, { labels, at, since });
    const toldMs = toldAt === undefined ? undefined : toldAt - at;
    rounds.push({ broker, at, toldMs });
    context.progress(`peer, kill ${index + 1}/${count}, broker ${broker}: webhook ${milliseconds(toldMs ?? Infinity)}`);
    await restore(cluster, broker);
    lighten(cluster, broker);
    if (toldMs !== undefined)
      await peer.webhook.next((request) => request.at > at && tellsEnd(request, labels), { since, timeoutMs: QUIET_TIMEOUT_MS });
  }
}

/** A start writes the file of all beans. */
function lighten(cluster: Cluster, broker: number): void {
  writeFileSync(join(cluster.dir, `node-${broker}`, 'jmx.yaml'), LIGHT_PAGE);
}

async function firstTold(webhook: WebhookSink, what: { labels: Readonly<Record<string, string>>; at: number; since: number }) {
  const { labels, at, since } = what;
  try {
    return (await webhook.next((request) => tellsAlert(request, labels, at), { since, timeoutMs: MISS_AFTER_MS })).at;
  } catch {
    return undefined; // A miss is what is measured, not an error; it is told with the figures.
  }
}
