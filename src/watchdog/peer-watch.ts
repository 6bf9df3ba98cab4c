import type { Clock, Timer } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Gauge, Meter } from '../core/meter.ts';
import { getOnce, type Answer } from './get-once.ts';

const TIMEOUT_MS = 10_000;

/** Another Belfry that is watched. */
export interface Peer {
  readonly name: string;
  /** Of its HTTP API, without a slash at the end. */
  readonly url: string;
  /** PEM text of the authority that its certificate is from; the system's where undefined. */
  readonly ca: string | undefined;
  readonly everyMs: number;
}

/** What was found: `ready`, or why not. */
type Finding = 'ready' | 'not_ready' | 'wrong_answer' | Extract<Answer, { kind: 'none' }>['reason'];

/** Asks another Belfry's `/-/ready` at its interval, and shows what it finds as `belfry_peer_…`. */
export class PeerWatch {
  readonly #peer: Peer;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #up: Gauge;
  readonly #ready: Gauge;
  readonly #reason: Gauge;
  readonly #abort = new AbortController();
  #timer: Timer | undefined;
  #inFlight: Promise<void> = Promise.resolve();
  #found: Finding | undefined;

  constructor(peer: Peer, { clock, log, meter }: { clock: Clock; log: Logger; meter: Meter }) {
    this.#peer = peer;
    this.#clock = clock;
    this.#log = log;
    this.#up = meter.gauge('belfry_peer_up', '1 while the other Belfry answers, 0 while it does not.', ['peer']);
    this.#ready = meter.gauge('belfry_peer_ready', '1 while the other Belfry says that it is ready, else 0.', ['peer']);
    this.#reason = meter.gauge('belfry_peer_down_info', '1 with the reason why the other Belfry is not up or not ready.', [
      'peer',
      'reason',
    ]);
  }

  get peer(): Peer {
    return this.#peer;
  }

  start(): void {
    this.#timer ??= this.#clock.timer(0, () => this.#turn(), { unref: true });
  }

  /** Its series end: it is not watched any more. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#abort.abort(new Error('not watched any more'));
    await this.#inFlight;
    const { name: peer } = this.#peer;
    this.#up.remove({ peer });
    this.#ready.remove({ peer });
    if (this.#found !== undefined) this.#reason.remove({ peer, reason: this.#found });
  }

  #turn(): void {
    const { url, ca, everyMs } = this.#peer;
    const dueAt = this.#clock.now() + everyMs;
    const timeoutMs = Math.min(TIMEOUT_MS, everyMs);
    const { signal } = this.#abort;
    this.#inFlight = getOnce({ url: `${url}/-/ready`, ca, timeoutMs, signal, clock: this.#clock }).then((answer) => {
      if (signal.aborted) return;
      this.#show(findingOf(answer), answer);
      this.#timer = this.#clock.timer(Math.max(0, dueAt - this.#clock.now()), () => this.#turn(), { unref: true });
    });
  }

  #show(found: Finding, answer: Answer): void {
    const { name: peer } = this.#peer;
    this.#up.set(found === 'ready' || found === 'not_ready' ? 1 : 0, { peer });
    this.#ready.set(found === 'ready' ? 1 : 0, { peer });
    if (found === this.#found) return;
    if (this.#found !== undefined) this.#reason.remove({ peer, reason: this.#found });
    this.#found = found;
    const detail = answer.kind === 'answer' ? `HTTP status ${answer.status}` : answer.text;
    if (found === 'ready') {
      this.#log.info('peer_ready', { peer });
      return;
    }
    this.#reason.set(1, { peer, reason: found });
    this.#log.warn('peer_not_ready', { peer, reason: found, detail });
  }
}

/** A page in front of the peer that answers in its place is not the peer. */
function findingOf(answer: Answer): Finding {
  if (answer.kind === 'none') return answer.reason;
  if (answer.status === 200 && answer.body.startsWith('Belfry is ready')) return 'ready';
  return answer.status === 503 && answer.body.startsWith('Belfry is not ready') ? 'not_ready' : 'wrong_answer';
}
