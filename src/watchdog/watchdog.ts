import type { Alert } from '../core/alert.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import type { Notifier } from '../core/notification.ts';
import { type Secret, shownUrl } from '../core/secret.ts';
import { DeadMansSwitch, watchdogNotification } from './dead-mans-switch.ts';
import { getOnce } from './get-once.ts';
import { Heartbeat } from './heartbeat.ts';
import { type Peer, PeerWatch } from './peer-watch.ts';
import { idleParts, type WorkSources } from './work.ts';

/** Rules say a firing alert again every minute; one that was not said for two is not believed. */
const WATCHDOG_BELIEVED_MS = 120_000;

export interface WatchdogConfig {
  readonly heartbeat:
    | {
        readonly url: Secret | undefined;
        /** The owner whose webhook gets the Watchdog alert. */
        readonly watchdogReceiver: string | undefined;
        readonly everyMs: number;
        readonly timeoutMs: number;
        /** The heartbeat is withheld when a part has not worked for longer. */
        readonly workedWithinMs: number;
      }
    | undefined;
  readonly peers: readonly Peer[];
}

export interface WatchdogOptions {
  readonly sources: WorkSources;
  /** The webhook of an owner and its receiver's name; undefined where it has none now. */
  readonly webhookOf: (owner: string) => { readonly receiver: string; readonly notifier: Notifier } | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/** Who watches Belfry: heartbeats out, the dead-man's switch, and other Belfrys that this one watches. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #switch: DeadMansSwitch;
  readonly #beats = new Map<string, Heartbeat>();
  readonly #peers = new Map<string, { readonly key: string; readonly watch: PeerWatch }>();
  #heartbeatKey = '';

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#switch = new DeadMansSwitch(options.clock);
  }

  /** The alerts that are for people: all but the Watchdog. */
  withhold(alerts: readonly Alert[]): readonly Alert[] {
    return this.#switch.withhold(alerts);
  }

  /** Begins with, or goes over to, this configuration; what has not changed goes on untouched. */
  async replace(config: WatchdogConfig): Promise<void> {
    await Promise.all([this.#replaceHeartbeat(config.heartbeat), this.#replacePeers(config.peers)]);
  }

  async stop(): Promise<void> {
    await this.replace({ heartbeat: undefined, peers: [] });
  }

  async #replaceHeartbeat(config: WatchdogConfig['heartbeat']): Promise<void> {
    const key = JSON.stringify([config, config?.url?.reveal()]);
    if (key === this.#heartbeatKey) return;
    this.#heartbeatKey = key;
    const old = [...this.#beats.values()];
    this.#beats.clear();
    if (config?.url !== undefined) this.#beats.set('url', this.#urlBeat(config, config.url));
    if (config?.watchdogReceiver !== undefined) this.#beats.set('watchdog', this.#watchdogBeat(config, config.watchdogReceiver));
    for (const beat of this.#beats.values()) beat.start();
    await Promise.all(old.map((beat) => beat.stop()));
  }

  #urlBeat(config: NonNullable<WatchdogConfig['heartbeat']>, url: Secret): Heartbeat {
    const { sources, ...parts } = this.#options;
    const { everyMs, timeoutMs, workedWithinMs } = config;
    return new Heartbeat({
      ...parts,
      way: 'url',
      destination: shownUrl(url.reveal()),
      everyMs,
      notWorking: () => idleParts(sources, parts.clock.now(), workedWithinMs),
      send: async (signal) => {
        const answer = await getOnce({ url: url.reveal(), timeoutMs, signal, clock: parts.clock });
        if (answer.kind === 'none') return answer.text;
        return answer.status >= 200 && answer.status < 300 ? undefined : `answered with HTTP status ${answer.status}`;
      },
    });
  }

  #watchdogBeat(config: NonNullable<WatchdogConfig['heartbeat']>, owner: string): Heartbeat {
    const { sources, webhookOf, ...parts } = this.#options;
    const { everyMs, timeoutMs, workedWithinMs } = config;
    const silent = 'no rule says Watchdog';
    return new Heartbeat({
      ...parts,
      way: 'watchdog',
      destination: `owner ${owner}`,
      everyMs,
      notWorking: () => {
        const idle = idleParts(sources, parts.clock.now(), workedWithinMs);
        return this.#switch.firing(WATCHDOG_BELIEVED_MS) === undefined ? [...idle, silent] : idle;
      },
      send: async (signal) => {
        const alert = this.#switch.firing(WATCHDOG_BELIEVED_MS);
        const webhook = webhookOf(owner);
        if (alert === undefined) return silent;
        if (webhook === undefined) return `${owner} has no webhook`;
        const late = new AbortController();
        const timer = parts.clock.timer(timeoutMs, () => late.abort(new Error(`no answer within ${timeoutMs} ms`)));
        try {
          const notification = watchdogNotification(alert, owner, webhook.receiver, parts.clock.now());
          const outcome = await webhook.notifier.notify(notification, {}, AbortSignal.any([signal, late.signal]));
          return outcome.kind === 'delivered' ? undefined : outcome.reason;
        } finally {
          timer.cancel();
        }
      },
    });
  }

  async #replacePeers(peers: readonly Peer[]): Promise<void> {
    const wanted = new Map(peers.map((peer) => [peer.name, peer]));
    const stopped: Promise<void>[] = [];
    for (const [name, { key, watch }] of this.#peers) {
      const peer = wanted.get(name);
      if (peer !== undefined && keyOf(peer) === key) continue;
      this.#peers.delete(name);
      stopped.push(watch.stop());
    }
    await Promise.all(stopped);
    for (const [name, peer] of wanted) {
      if (this.#peers.has(name)) continue;
      const watch = new PeerWatch(peer, this.#options);
      this.#peers.set(name, { key: keyOf(peer), watch });
      watch.start();
    }
  }
}

function keyOf(peer: Peer): string {
  return JSON.stringify(peer);
}
