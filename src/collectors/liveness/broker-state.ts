import type { BrokerAddress } from '../../kafka/observer.ts';
import { LeadershipHistory, type BrokerFacts } from './broker-facts.ts';
import type { ExpectedBrokerRow } from './expected-brokers.ts';
import type { LivenessFacts } from './liveness-events.ts';
import type { LivenessTimings } from './timings.ts';
import type { Attempt, Outage, SurvivorLook, Verdict } from './verdict.ts';

/** Attempts and looks kept of one outage; the first prove it, the latest say how it stands. */
const MAX_KEPT = 32;

/** Found before a silence that may be ours, these are as true after it. */
const OUTLIVES_SILENCE: ReadonlySet<Verdict | undefined> = new Set(['crashed', 'stopped', 'cut_short']);

/** After these another process runs, whose replicas have to catch up. */
const PROCESS_ENDED: ReadonlySet<Verdict> = new Set(['crashed', 'stopped', 'cut_short', 'unknown']);

/** What is known about one expected broker. Changed by the methods only; does no I/O and reads no clock. */
export class BrokerState {
  readonly id: number;
  readonly history = new LeadershipHistory();
  /** As advertised or overridden; undefined for a broker known from a replica list only. */
  address: BrokerAddress | undefined;
  firstSeenAt: number;
  lastSeenAt = 0;
  /** Undefined before the first outcome. */
  up: boolean | undefined;
  outage: Outage | undefined;
  verdict: Verdict | undefined;
  verdictHolds = false;
  /** The verdict that held when the present outage began: a crash whose copies were not back yet. */
  verdictBefore: Verdict | undefined;
  /** When it answered again, while a verdict outlives that. */
  upSince = 0;
  /** As of the latest metadata; undefined before it. */
  registered: boolean | undefined;
  hasReplicas: boolean | undefined;
  isrRestored: boolean | undefined;
  certificateNotAfter: number | undefined;
  #breaks: number[] = [];
  /** It fell silent then, nobody could see what became of it, and it has not answered since. */
  #unseenSince: number | undefined;

  constructor(id: number, address: BrokerAddress | undefined, now: number) {
    this.id = id;
    this.address = address;
    this.firstSeenAt = now;
  }

  static restore(row: ExpectedBrokerRow): BrokerState {
    const state = new BrokerState(row.brokerId, row.port > 0 ? { host: row.host, port: row.port } : undefined, row.firstSeenAt);
    state.lastSeenAt = row.lastSeenAt;
    state.verdict = row.verdict;
    state.verdictHolds = row.verdictHolds;
    if (row.state === 'down') state.up = false;
    if (row.state === 'down' && row.verdictHolds) state.outage = foundDown(row.downSince, row.verdict);
    // The ten minutes begin anew: how long it has been up is not known.
    else if (row.verdictHolds) state.upSince = row.lastSeenAt;
    if (row.verdictHolds && OUTLIVES_SILENCE.has(row.verdict)) state.verdictBefore = row.verdict;
    return state;
  }

  toRow(cluster: string, clusterId: string): ExpectedBrokerRow {
    return {
      cluster,
      clusterId,
      brokerId: this.id,
      host: this.address?.host ?? '',
      port: this.address?.port ?? 0,
      firstSeenAt: this.firstSeenAt,
      lastSeenAt: this.lastSeenAt,
      state: this.up === undefined ? 'unknown' : this.up ? 'up' : 'down',
      downSince: this.outage?.at ?? 0,
      verdict: this.verdict,
      verdictHolds: this.verdictHolds,
    };
  }

  get instance(): string {
    return this.address === undefined ? '' : `${this.address.host}:${this.address.port}`;
  }

  /** What metadata says; `fact` is undefined where it is neither listed nor a replica. True when it is listed again. */
  observed(fact: BrokerFacts | undefined, at: number, timings: LivenessTimings): boolean {
    const registered = fact?.registered === true;
    const cameBack = registered && this.registered === false;
    this.registered = registered;
    this.hasReplicas = (fact?.replicas ?? 0) > 0;
    this.isrRestored = registered && fact?.outOfSync === 0;
    if (registered && this.outage === undefined) this.history.add(at, fact?.movableLeads ?? 0, timings.leadershipWindowMs);
    return cameBack;
  }

  /** A connection ended; a silence before it stays part of the same outage. `unseenSince`: from when on we did not run. */
  broke(at: number, unseenSince = this.#unseenSince): void {
    if (this.outage === undefined) this.#rememberVerdict();
    const { lastMissAt = 0, verdict, silentSince } = this.outage ?? {};
    this.outage = { at, origin: 'break', silentSince, unseenSince, lastMissAt, attempts: [], looks: [], verdict };
  }

  silent(since: number, missAt: number): void {
    if (this.outage === undefined) this.#rememberVerdict();
    this.outage =
      this.outage === undefined
        ? {
            at: since,
            origin: 'silence',
            silentSince: since,
            unseenSince: undefined,
            lastMissAt: missAt,
            attempts: [],
            looks: [],
            verdict: undefined,
          }
        : { ...this.outage, lastMissAt: missAt };
  }

  /** A failed connect. Without an outage there never was a connection: it is found down. */
  attemptFailed(attempt: Attempt): void {
    if (this.outage === undefined) this.#rememberVerdict();
    this.outage ??= foundDown(attempt.startedAt, undefined);
    this.outage = { ...this.outage, attempts: bounded(this.outage.attempts, attempt) };
  }

  looked(look: SurvivorLook): void {
    if (this.outage !== undefined) this.outage = { ...this.outage, looks: bounded(this.outage.looks, look) };
  }

  concluded(verdict: Verdict, timings: LivenessTimings): void {
    if (this.outage === undefined) return;
    const first = this.outage.verdict === undefined || this.outage.verdict === 'suspect';
    // Neither a silence that may end nor a refused login is a break.
    if (first && verdict !== 'suspect' && verdict !== 'auth' && this.outage.origin !== 'found_down') {
      this.#breaks = [...this.#breaks.slice(1 - timings.flappingBreaks), this.outage.at];
    }
    this.outage = { ...this.outage, verdict };
    this.verdict = verdict;
    this.verdictHolds = true;
    this.up = false;
  }

  /**
   * What was found while nothing could be seen from here counts no longer: it is judged as at a start, and no break is
   * held against it. A crash from before is still to be recovered from.
   */
  beginAnew(now: number): void {
    this.forgetBreak();
    this.#unseenSince ??= this.outage?.silentSince ?? this.outage?.at;
    this.outage = undefined;
    this.up = undefined;
    this.verdict = this.verdictBefore ?? this.verdict;
    this.verdictHolds = this.verdictBefore !== undefined;
    this.upSince = now;
  }

  /** The present outage is no break of the broker. */
  forgetBreak(): void {
    const { outage } = this;
    this.#breaks = this.#breaks.filter((at) => at !== outage?.at);
  }

  #rememberVerdict(): void {
    this.verdictBefore = this.verdictHolds && OUTLIVES_SILENCE.has(this.verdict) ? this.verdict : undefined;
  }

  /** It answers (again). Returns the outage that this ends. */
  answered(now: number): Outage | undefined {
    const ended = this.outage;
    this.outage = undefined;
    this.#unseenSince = undefined;
    this.up = true;
    this.lastSeenAt = now;
    if (ended?.verdict !== undefined) {
      this.upSince = now;
      this.history.clear();
      // What was seen before it went says nothing about now.
      if (PROCESS_ENDED.has(ended.verdict)) this.isrRestored = undefined;
      // A crash is over when the copies are back, not when the port is.
      if (this.verdict !== 'crashed') this.verdictHolds = false;
    }
    return ended;
  }

  /** Whether a crashed broker that is up again has now recovered; then its verdict no longer holds. */
  recovers(now: number, timings: LivenessTimings, metadataAskedAt: number): boolean {
    if (this.up !== true || !this.verdictHolds || this.outage !== undefined) return false;
    const restored = this.isrRestored === true && metadataAskedAt >= this.upSince;
    if (!restored && now - this.upSince < timings.crashedHoldMs) return false;
    this.verdictHolds = false;
    return true;
  }

  flapping(now: number, timings: LivenessTimings): boolean {
    const first = this.#breaks.at(-timings.flappingBreaks);
    return this.#breaks.length >= timings.flappingBreaks && first !== undefined && now - first < timings.flappingWindowMs;
  }

  /** Cleanly stopped, without replicas and away for long: it was taken out of service. */
  retires(now: number, timings: LivenessTimings): boolean {
    if (this.outage === undefined || this.verdict !== 'stopped' || !this.verdictHolds) return false;
    return this.hasReplicas === false && now - this.outage.at >= timings.retireAfterMs;
  }

  asFacts(now: number, timings: LivenessTimings): LivenessFacts {
    return {
      id: this.id,
      up: this.up,
      registered: this.registered,
      verdict: this.verdictHolds ? this.verdict : undefined,
      downSince: this.outage?.at,
      inStopGrace: this.inStopGrace(now, timings),
    };
  }

  inStopGrace(now: number, timings: LivenessTimings): boolean {
    return this.outage !== undefined && this.outage.verdict === 'stopped' && now - this.outage.at < timings.stopGraceMs;
  }
}

function foundDown(at: number, verdict: Verdict | undefined): Outage {
  return { at, origin: 'found_down', silentSince: undefined, unseenSince: undefined, lastMissAt: 0, attempts: [], looks: [], verdict };
}

function bounded<T>(list: readonly T[], next: T): readonly T[] {
  return list.length < MAX_KEPT ? [...list, next] : [...list.slice(0, MAX_KEPT / 2), ...list.slice(MAX_KEPT / 2 + 1), next];
}
