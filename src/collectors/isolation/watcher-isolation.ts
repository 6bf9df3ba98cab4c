import type { Clock, Timer } from '../../core/clock.ts';
import { Labels, METRIC_NAME } from '../../core/labels.ts';
import type { Logger } from '../../core/log.ts';
import type { Layout, SampleWriter, TargetWriter, Wake } from '../../core/sample.ts';
import type { BrokerAddress } from '../../kafka/observer.ts';
import type { Silence } from '../liveness/cluster-judgement.ts';
import type { IsolationMember, IsolationPort } from '../liveness/isolation-port.ts';
import { ISOLATION_TIMINGS, type IsolationTimings } from './isolation-timings.ts';
import { ReferenceProbes, tcpProbe, type Probe, type ProbeRound } from './reference-probes.ts';
import { allAreSilent, anyAnswers, suspicionOf, type Suspicion } from './togetherness.ts';

export interface WatcherIsolationOptions {
  /** Addresses outside all clusters that should always answer, as configured now; may be none. */
  readonly references: () => readonly BrokerAddress[];
  /**
   * Whether an exporter has answered a scrape that was begun at or after `ts`: with no references it shows that packets
   * still come and go. None by default.
   */
  readonly exporterAnsweredSince?: (ts: number) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly writer: SampleWriter;
  /** Evaluates rules now; the samples are written already. */
  readonly wake: (wake: Wake) => void;
  /** A TCP connect by default. */
  readonly probe?: Probe;
  readonly timings?: Partial<IsolationTimings>;
}

/** What cannot be seen of a cluster: `held` while it is being found out whose fault a silence is, `isolated` while it is ours. */
export type Blindness = 'held' | 'isolated';

type State = 'clear' | 'suspected' | 'isolated';

interface Member {
  readonly member: IsolationMember;
  readonly joinedAt: number;
  silence: Silence;
}

const ISOLATED = 'belfry_watcher_isolated';
const REFERENCE_UP = 'belfry_reference_up';

/**
 * Tells our own isolation from trouble of the clusters, over all of them: where too many brokers fall silent together it
 * holds what is said about each, and asks addresses that should always answer. Writes the target `isolation`.
 */
export class WatcherIsolation implements IsolationPort {
  readonly #options: WatcherIsolationOptions;
  readonly #timings: IsolationTimings;
  readonly #clock: Clock;
  readonly #target: TargetWriter;
  readonly #probes: ReferenceProbes;
  readonly #members = new Map<string, Member>();
  /** Silences of a cluster that began until then have been found to be its own. */
  readonly #explainedUntil = new Map<string, number>();
  #state: State = 'clear';
  #suspicion: Suspicion | undefined;
  #stateSince = 0;
  /** Whether it has been found out since the start whether we are isolated. */
  #isKnown = false;
  #startedAt = 0;
  /** When a cluster last came or left. */
  #changedAt = Number.NEGATIVE_INFINITY;
  #round: ProbeRound | undefined;
  /** When each reference answered last. */
  readonly #answeredAt = new Map<string, number>();
  /** Whether any of them answered within living memory when the present silence began: else it is judged as without references. */
  #haveProof = true;
  #tick: Timer | undefined;
  #layout: Layout = { series: [] };
  #layoutKey: string | undefined;
  #written = '';
  #writtenAt = 0;

  constructor(options: WatcherIsolationOptions) {
    this.#options = options;
    this.#timings = { ...ISOLATION_TIMINGS, ...options.timings };
    this.#clock = options.clock;
    this.#target = options.writer.target('isolation');
    const { clock, references, probe = tcpProbe(clock) } = options;
    this.#probes = new ReferenceProbes({ clock, references, probe }, (round) => this.#probed(round));
  }

  /** Begins to probe and to write. Idempotent. */
  start(): void {
    if (this.#tick !== undefined) return;
    this.#startedAt = this.#clock.now();
    this.#arm();
    this.#look();
  }

  /** Cancels the timer; a probe under way ends by itself. */
  stop(): void {
    this.#tick?.cancel();
    this.#tick = undefined;
  }

  join(cluster: string, member: IsolationMember): () => void {
    const joinedAt = this.#clock.now();
    const joined: Member = { member, joinedAt, silence: { brokers: 0, since: new Map(), answers: false, heldUntil: undefined } };
    this.#members.set(cluster, joined);
    this.#changedAt = joinedAt;
    return () => {
      this.#changedAt = this.#clock.now();
      // A successor of the same name may have joined already.
      if (this.#members.get(cluster) !== joined) return;
      this.#members.delete(cluster);
      this.#explainedUntil.delete(cluster);
    };
  }

  observe(cluster: string, silence: Silence): boolean {
    const member = this.#members.get(cluster);
    if (member === undefined) return false;
    member.silence = silence;
    this.#judge(cluster);
    return this.#holds(cluster);
  }

  /** Whether Belfry itself is cut off. */
  get isolated(): boolean {
    return this.#state === 'isolated';
  }

  /** What cannot be seen of the cluster now; undefined where it can, and for a name nobody watches. */
  blindness(cluster: string): Blindness | undefined {
    const { silence } = this.#members.get(cluster) ?? {};
    if (silence === undefined || silence.answers || !this.#holds(cluster)) return undefined;
    return this.#state === 'isolated' ? 'isolated' : 'held';
  }

  /** A cluster whose brokers refuse is not silent: the way to it works, whatever happens to others. */
  #holds(cluster: string): boolean {
    if (this.#state === 'suspected') return this.#suspicion?.clusters.has(cluster) === true;
    const member = this.#members.get(cluster);
    if (this.#state !== 'isolated' || member === undefined) return false;
    return member.silence.since.size > 0 || this.#clock.now() - member.joinedAt < this.#timings.holdMs;
  }

  #arm(): void {
    this.#tick = this.#clock.timer(this.#timings.tickMs, () => {
      this.#arm();
      this.#look();
    });
  }

  #look(): void {
    this.#judge(undefined);
    const { quietProbeEveryMs, probeEveryMs, probeTimeoutMs } = this.#timings;
    this.#probes.perhaps(this.#state === 'clear' ? quietProbeEveryMs : probeEveryMs, probeTimeoutMs);
    this.#write();
  }

  #probed(round: ProbeRound): void {
    const { probeTimeoutMs, stallMs } = this.#timings;
    // We stood still meanwhile: what was not answered says nothing.
    if (this.#tick === undefined || this.#clock.now() - round.askedAt > probeTimeoutMs + stallMs) return;
    this.#round = round;
    for (const [reference, answered] of round.answered) if (answered) this.#answeredAt.set(reference, round.askedAt);
    this.#look();
  }

  /** `caller` learns by the answer of its own call what the others are told. */
  #judge(caller: string | undefined): void {
    const now = this.#clock.now();
    const silences = new Map([...this.#members].map(([name, { silence }]) => [name, silence]));
    const found = suspicionOf(silences, this.#explainedUntil, this.#timings.windowMs);
    if (this.#state === 'isolated') {
      const still = found ?? (this.#isAwaited(silences) ? this.#suspicion : undefined);
      if (still === undefined || this.#isOurs(silences, still, this.#stateSince) === false) this.#ends();
      else this.#suspicion = { ...still, since: Math.min(still.since, this.#suspicion?.since ?? still.since) };
      return;
    }
    const before = this.#suspicion;
    this.#suspicion = found;
    if (found === undefined) {
      if (this.#state === 'suspected') this.#becomes('clear', caller);
      return;
    }
    if (this.#state === 'clear') {
      this.#haveProof = this.#haveProofAt(found.since);
      this.#becomes('suspected', caller);
      this.#probes.perhaps(0, this.#timings.probeTimeoutMs);
    } else if ([...found.clusters].some((name) => before?.clusters.has(name) !== true)) this.#tellMembers(caller);
    if (now < (found.heldUntil ?? found.last + this.#timings.holdMs)) return;
    const ours = this.#isOurs(silences, found, this.#stateSince);
    if (ours === true) this.#becomes('isolated', caller);
    else if (ours === false) {
      for (const name of found.clusters) this.#explainedUntil.set(name, found.last);
      this.#becomes('clear', caller);
    }
  }

  /** A cluster whose configuration changed has just begun to be watched anew: that nothing is known of it yet says nothing. */
  #isAwaited(silences: ReadonlyMap<string, Silence>): boolean {
    return this.#clock.now() - this.#changedAt < this.#timings.holdMs && !anyAnswers(silences);
  }

  /** Undefined while the references have not all been asked since `askedSince`. */
  #isOurs(silences: ReadonlyMap<string, Silence>, suspicion: Suspicion, askedSince: number): boolean | undefined {
    if (this.#options.references().length > 0) {
      if (this.#round === undefined || this.#round.askedAt < askedSince) return undefined;
      if ([...this.#round.answered.values()].includes(true)) return false;
      if (this.#haveProof) return true;
    }
    return allAreSilent(silences, suspicion) && this.#options.exporterAnsweredSince?.(suspicion.last) !== true;
  }

  /** A wrong address, or one that went away unnoticed, must not turn the outage of a cluster into ours. */
  #haveProofAt(ts: number): boolean {
    const { deadReferenceMs } = this.#timings;
    const answered = [...this.#answeredAt.values()];
    return ts - Math.max(this.#startedAt, ...answered) <= deadReferenceMs;
  }

  #becomes(state: State, caller: string | undefined): void {
    this.#change(state);
    this.#tellMembers(caller);
  }

  #change(state: State): void {
    const { log } = this.#options;
    const { clusters = new Set(), since } = this.#suspicion ?? {};
    log.info('isolation', { state, before: this.#state, clusters: [...clusters], since, references: this.#answers() });
    if (state !== 'suspected') this.#isKnown = true;
    this.#state = state;
    this.#stateSince = this.#clock.now();
    if (state === 'clear') this.#suspicion = undefined;
    this.#write();
  }

  /** Sight is back: nothing of what was found meanwhile stands, and each cluster is judged as at a start. */
  #ends(): void {
    const since = this.#suspicion?.since ?? this.#stateSince;
    for (const joined of this.#members.values()) {
      joined.silence = { ...joined.silence, since: new Map(), heldUntil: undefined };
    }
    this.#change('clear');
    for (const { member } of this.#members.values()) member.judgeAnew(since);
  }

  #tellMembers(caller: string | undefined): void {
    for (const [name, { member }] of this.#members) if (name !== caller) member.isolationChanged();
  }

  #answers(): Readonly<Record<string, boolean>> {
    return Object.fromEntries(this.#round?.answered ?? []);
  }

  /** Until then `no` would end the alert of an isolation that a restart of Belfry falls into. */
  #isKnownBy(now: number): boolean {
    const { windowMs, holdMs } = this.#timings;
    const silences = new Map([...this.#members].map(([name, { silence }]) => [name, silence]));
    this.#isKnown ||= anyAnswers(silences) || (this.#state === 'clear' && now - this.#startedAt >= windowMs + holdMs);
    return this.#isKnown;
  }

  /** A row where something has changed or the last one is old. */
  #write(): void {
    const answered = this.#round?.answered ?? new Map<string, boolean>();
    const key = [...answered.keys()].join();
    if (key !== this.#layoutKey) {
      this.#layoutKey = key;
      this.#layout = {
        series: [
          Labels.of({ [METRIC_NAME]: ISOLATED }),
          ...[...answered.keys()].map((reference) => Labels.of({ [METRIC_NAME]: REFERENCE_UP, reference })),
        ],
      };
    }
    const values = Float64Array.from([this.isolated, ...answered.values()], Number);
    const now = this.#clock.now();
    const absent = new Uint8Array(values.length);
    absent[0] = this.#isKnownBy(now) ? 0 : 1;
    const written = `${key} ${values.join()} ${absent[0]}`;
    const changed = written !== this.#written;
    if (!changed && now - this.#writtenAt < this.#timings.writeIntervalMs) return;
    const ts = Math.max(now, this.#writtenAt + 1);
    this.#writtenAt = ts;
    this.#written = written;
    this.#target.append(ts, this.#layout, values, absent);
    if (changed) this.#options.wake({ ts, metricNames: new Set([ISOLATED, REFERENCE_UP]), cluster: '' });
  }
}
