import type { Clock, Timer } from '../../core/clock.ts';
import { errorText } from '../../core/errors.ts';
import { breakKindBehind, isUnheard } from '../../kafka/break.ts';
import type { BreakKind, BrokerAddress, BrokerConnection, ConnectionBreak, Connector } from '../../kafka/observer.ts';
import type { HandshakePacer } from './handshake-pacer.ts';
import type { StallDetector } from './stall-detector.ts';
import type { LivenessTimings } from './timings.ts';
import type { Attempt } from './verdict.ts';

/** API key of DescribeQuorum: only brokers of a KRaft cluster list it in their ApiVersions answer. */
const DESCRIBE_QUORUM = 55;

/** What a watch tells; called in the order things happen, never from inside a call to the watch. */
export interface WatchListener {
  /** A connection stands now: the first, one after a break, or one in place of a silent one. Or a silent one answers again. */
  answered(): void;
  /** The held connection has ended. */
  broke(ended: ConnectionBreak): void;
  attemptFailed(attempt: Attempt): void;
  /** `missed` pings in a row, the first of them sent at `since`. */
  pingMissed(missed: number, since: number): void;
  /** Something that looked like a failure was ours: the event loop stood still. */
  discarded(what: 'ping' | 'connect'): void;
}

export interface WatchParts {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly timings: LivenessTimings;
  readonly stalls: StallDetector;
  readonly pacer: HandshakePacer;
  /** 0 to 1, for the jitter of the back-off. */
  readonly random: () => number;
}

/** Holds one connection to one broker: opens it, pings it, opens it again. Says what happened, judges nothing. */
export class BrokerWatch {
  readonly #parts: WatchParts;
  readonly #listener: WatchListener;
  readonly #timers = new Set<Timer>();
  #address: BrokerAddress;
  #connection: BrokerConnection | undefined;
  #kraft = true;
  #inFlight = 0;
  #waiting = 0;
  #failures = 0;
  #missed = 0;
  #silentSince = 0;
  /** Attempts of an earlier one tell nothing any more. */
  #era = 0;
  #stopped = false;

  constructor(address: BrokerAddress, parts: WatchParts, listener: WatchListener) {
    this.#address = address;
    this.#parts = parts;
    this.#listener = listener;
  }

  start(): void {
    this.#attemptIn(this.#parts.pacer.place());
  }

  /** Closes the connection and cancels every timer; a connect under way is closed as soon as it stands. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }

  /** The connection, where it stands and has not fallen silent: one that can be asked about others. */
  get usable(): BrokerConnection | undefined {
    return this.#missed === 0 ? this.#connection : undefined;
  }

  /** False for a broker of the ZooKeeper era. */
  get kraft(): boolean {
    return this.#kraft;
  }

  get certificateNotAfter(): number | undefined {
    return this.#connection?.certificateNotAfter;
  }

  /** The address from the next connect on. */
  set address(address: BrokerAddress) {
    this.#address = address;
  }

  /** Tries at once instead of at the end of the back-off, where it is disconnected and nothing is under way. */
  nudge(): void {
    if (this.#connection === undefined && this.#inFlight === 0 && !this.#stopped) this.#attemptIn(0);
  }

  /** What it has met so far counts no longer: tries at once, whether it is disconnected or silent. */
  beginAnew(): void {
    if (this.#stopped || this.usable !== undefined) return;
    this.#era++;
    this.#failures = 0;
    this.#silentSince = this.#parts.clock.now();
    this.#attemptIn(0);
  }

  #attemptIn(delayMs: number): void {
    if (delayMs <= 0) {
      void this.#attempt();
      return;
    }
    this.#waiting++;
    this.#after(delayMs, () => {
      this.#waiting--;
      void this.#attempt();
    });
  }

  async #attempt(): Promise<void> {
    // One of several quick attempts may have won meanwhile; a silent connection is probed beside it.
    if (this.#stopped || this.usable !== undefined) return;
    const { connector, clock, timings, stalls } = this.#parts;
    const startedAt = clock.now();
    const era = this.#era;
    this.#inFlight++;
    let connection: BrokerConnection;
    try {
      connection = await connector.connect(this.#address, timings.connectTimeoutMs);
    } catch (error) {
      this.#inFlight--;
      if (!this.#stopped)
        this.#failed(
          { startedAt, at: clock.now(), kind: kindOf(error), detail: errorText(error), unheard: isUnheard(error) },
          stalls.since(startedAt) || era !== this.#era,
        );
      return;
    }
    this.#inFlight--;
    if (this.#stopped || this.usable !== undefined) connection.close();
    else this.#adopt(connection);
  }

  #failed(attempt: Attempt, stalled: boolean): void {
    // A broker refusing us is a fact at any time; a timeout while we stood still, or our own lack of sockets, is none.
    const ours = attempt.kind === 'local' || (attempt.kind === 'timeout' && stalled);
    this.#failures++;
    if (ours) this.#listener.discarded('connect');
    else if (this.usable === undefined) {
      if (attempt.kind === 'refused' || attempt.kind === 'reset') this.#dropSilent();
      this.#listener.attemptFailed(attempt);
    }
    if (this.#connection !== undefined || this.#inFlight > 0 || this.#waiting > 0) return;
    const { authBackoffMs, backoffMinMs, backoffMaxMs, reconnectAtMs } = this.#parts.timings;
    // A broker that dies within a TLS handshake looks like one that refuses it: believed when it says so again.
    const blind = attempt.kind === 'auth' || (attempt.kind === 'tls' && this.#failures > reconnectAtMs.length);
    const base = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#failures - 1, 16));
    this.#attemptIn(blind ? authBackoffMs : base * (0.5 + this.#parts.random() / 2));
  }

  /** The process behind a silent connection has gone without a word: nothing more will come from it. */
  #dropSilent(): void {
    const silent = this.#connection;
    this.#connection = undefined;
    silent?.close();
  }

  #adopt(connection: BrokerConnection): void {
    this.#dropSilent();
    this.#connection = connection;
    this.#failures = 0;
    this.#missed = 0;
    void connection.ended.then((ended) => this.#ended(connection, ended));
    this.#after(this.#parts.timings.pingIntervalMs, () => void this.#ping(connection));
    this.#listener.answered();
  }

  #ended(connection: BrokerConnection, ended: ConnectionBreak): void {
    if (this.#stopped || connection !== this.#connection) return;
    this.#connection = undefined;
    this.#missed = 0;
    this.#failures = 0;
    for (const delayMs of this.#parts.timings.reconnectAtMs) this.#attemptIn(delayMs);
    this.#listener.broke(ended);
  }

  async #ping(connection: BrokerConnection): Promise<void> {
    if (this.#stopped || connection !== this.#connection) return;
    const { clock, timings, stalls } = this.#parts;
    const sentAt = clock.now();
    let failure: unknown;
    try {
      this.#kraft = (await connection.apiVersions(timings.pingTimeoutMs)).has(DESCRIBE_QUORUM);
    } catch (error) {
      failure = error;
    }
    // A connection that broke reports that by itself.
    if (this.#isReplaced(connection)) return;
    const now = clock.now();
    if (failure === undefined) this.#answeredPing();
    else if (stalls.since(sentAt) || now - sentAt - timings.pingTimeoutMs > timings.stallMs) this.#listener.discarded('ping');
    else this.#missedPing(sentAt);
    this.#after(Math.max(0, sentAt + timings.pingIntervalMs - now), () => void this.#ping(connection));
  }

  #isReplaced(connection: BrokerConnection): boolean {
    return this.#stopped || connection !== this.#connection;
  }

  #answeredPing(): void {
    const wasSilent = this.#missed > 0;
    this.#missed = 0;
    if (wasSilent) this.#listener.answered();
  }

  #missedPing(sentAt: number): void {
    if (this.#missed === 0) this.#silentSince = sentAt;
    this.#missed++;
    this.#listener.pingMissed(this.#missed, this.#silentSince);
    // A fresh connection tells a broker that hangs from a way that is gone; now, and from time to time.
    const probeEvery = Math.max(1, Math.round(this.#parts.timings.backoffMaxMs / this.#parts.timings.pingIntervalMs));
    const due = (this.#missed - this.#parts.timings.suspectAfterPings) % probeEvery === 0;
    if (this.#missed >= this.#parts.timings.suspectAfterPings && due && this.#inFlight === 0) this.#attemptIn(0);
  }

  #after(delayMs: number, run: () => void): void {
    const timer = this.#parts.clock.timer(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }
}

function kindOf(error: unknown): BreakKind {
  // An error without a break inside is none of the kernel's words; what cannot be named must not prove a crash.
  return breakKindBehind(error) ?? 'protocol';
}
