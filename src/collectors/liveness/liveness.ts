import type { Clock, Timer } from '../../core/clock.ts';
import { errorText } from '../../core/errors.ts';
import type { BrokerAddress, ClusterMetadata } from '../../kafka/observer.ts';
import { beginAnew, idsWhere, release, statesOf, stopLooking, survivorsAmong, type BrokerEntry } from './broker-entry.ts';
import { BootstrapOutcome } from './bootstrap-outcome.ts';
import { BrokerWatch, type WatchParts } from './broker-watch.ts';
import { brokerFacts, type BrokerFacts } from './broker-facts.ts';
import { BrokerState } from './broker-state.ts';
import { isAnswering, isUnreachable, silenceOf, silenceOfBootstrap, type Silence } from './cluster-judgement.ts';
import { Discovery } from './discovery.ts';
import { EntrySaves } from './entry-saves.ts';
import { HandshakePacer } from './handshake-pacer.ts';
import { KnownBrokers } from './known-brokers.ts';
import type { Evidence, LivenessFacts, VerdictListener } from './liveness-events.ts';
import type { LivenessOptions } from './liveness-options.ts';
import { LivenessOutput } from './liveness-output.ts';
import { MetadataRefresh } from './metadata-refresh.ts';
import { StallDetector } from './stall-detector.ts';
import { lookPartsOf, OutageLooks, type LookParts } from './survivor-look.ts';
import { DEFAULT_TIMINGS, type LivenessTimings } from './timings.ts';
import { judge, settleTimes, type Outage } from './verdict.ts';
import { listenTo, type ListenerParts } from './watch-listener.ts';

/** Brokers of one cluster that are watched at most; the rest is logged, not watched. */
const MAX_BROKERS = 1000;
/** No broker has this id. */
const NO_BROKER = -1;

/**
 * Watches the brokers of one cluster: a held connection to each expected one, and a verdict when it breaks or falls
 * silent. Writes the target `liveness/CLUSTER` at the time of each event and wakes rules.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #timings: LivenessTimings;
  readonly #clock: Clock;
  readonly #output: LivenessOutput;
  readonly #known: KnownBrokers;
  readonly #saves: EntrySaves;
  readonly #entries = new Map<number, BrokerEntry>();
  readonly #stalls: StallDetector;
  readonly #discovery: Discovery;
  readonly #refresh: MetadataRefresh;
  readonly #watchParts: WatchParts;
  readonly #lookParts: LookParts;
  readonly #listenerParts: ListenerParts;
  #running = false;
  #tick: Timer | undefined;
  readonly #bootstrap = new BootstrapOutcome();
  #leaveIsolation: (() => void) | undefined;
  #metadata: ClusterMetadata | undefined;
  #held = false;

  constructor(options: LivenessOptions) {
    const { clock, connector, cluster } = options;
    const timings = { ...DEFAULT_TIMINGS, ...options.timings };
    const pacer = options.line ?? new HandshakePacer(clock, timings.handshakesPerSecond);
    this.#options = options;
    this.#timings = timings;
    this.#clock = clock;
    this.#output = new LivenessOutput({ ...options, timings });
    this.#known = new KnownBrokers(cluster, options.store, (what, run) => this.#output.guarded(what, run));
    this.#saves = new EntrySaves(clock, this.#known);
    this.#stalls = new StallDetector(clock, timings);
    this.#watchParts = { connector, clock, timings, stalls: this.#stalls, pacer, random: options.random ?? Math.random };
    this.#discovery = new Discovery({
      ...this.#watchParts,
      bootstrap: options.bootstrap,
      log: options.log,
      found: (metadata, facts) => this.observeMetadata(metadata, facts),
      failed: (error, times) => this.#bootstrapGaveNothing(error, times),
    });
    this.#refresh = new MetadataRefresh({
      clock: this.#clock,
      log: options.log,
      timings,
      someone: () => survivorsAmong(this.#entries.values(), NO_BROKER)[0],
      observed: (metadata, facts) => {
        // One stray broker must not decide which cluster this is: the bootstrap addresses do.
        if (metadata.clusterId === this.#known.clusterId) this.observeMetadata(metadata, facts);
        else if (this.#running) this.#discovery.resume();
      },
    });
    this.#listenerParts = {
      log: options.log,
      timings,
      stalls: this.#stalls,
      now: () => clock.now(),
      answered: (entry) => this.#answered(entry),
      beginLooks: (entry) => this.#beginLooks(entry),
      evaluate: (brokerId) => this.#evaluate(brokerId),
      discarded: (what) => this.#output.discarded(what),
    };
    this.#lookParts = lookPartsOf({
      clock,
      timings,
      log: options.log,
      entries: this.#entries,
      clusterId: () => this.#known.clusterId,
      metadata: () => this.#metadata,
      evaluate: (brokerId) => this.#evaluate(brokerId),
    });
  }

  /** Begins with the brokers known from before, and with the bootstrap addresses. Idempotent. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#stalls.start();
    this.#leaveIsolation = this.#options.isolation?.join(this.#options.cluster, {
      isolationChanged: () => this.#publish(),
      judgeAnew: (since) => this.#judgeAnew(since),
    });
    for (const row of this.#known.load()) this.#watch(BrokerState.restore(row));
    this.#discovery.resume();
    // At a start in front of many clusters the ticks of all would fall into one turn of the event loop for ever.
    this.#armTick(Math.ceil(this.#watchParts.random() * this.#timings.tickMs));
    this.#publish();
  }

  /** Closes all connections and timers; a connect under way is closed when it stands. Idempotent. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#stalls.stop();
    this.#leaveIsolation?.();
    this.#discovery.pause();
    this.#tick?.cancel();
    for (const entry of this.#entries.values()) release(entry);
    this.#saves.now(this.#entries.values());
    this.#entries.clear();
  }

  /** Calls the listener for each finding, after its samples are written. Returns what takes it off again. */
  onVerdict(listener: VerdictListener): () => void {
    return this.#output.onVerdict(listener);
  }

  /** Metadata about all topics, from whoever collects it; `counted` are its facts, where somebody has counted them already. */
  observeMetadata(metadata: ClusterMetadata, counted?: ReadonlyMap<number, BrokerFacts>): void {
    if (!this.#running || metadata.clusterId === '' || metadata.askedAt < (this.#metadata?.askedAt ?? 0)) return;
    this.#identify(metadata.clusterId);
    this.#metadata = metadata;
    const facts = counted ?? brokerFacts(metadata);
    for (const { id, host, port } of metadata.brokers) this.#expect(id, this.#options.addresses?.get(id) ?? { host, port });
    for (const id of facts.keys()) if (!this.#entries.has(id)) this.#expect(id, this.#options.addresses?.get(id));
    for (const entry of this.#entries.values()) {
      const cameBack = entry.state.observed(facts.get(entry.state.id), metadata.answeredAt, this.#timings);
      if (cameBack) entry.watch?.nudge();
    }
    this.#saves.flush();
    this.#passTime(this.#clock.now());
    this.#publish();
  }

  /** Takes a broker out of the expected ones; it comes back if the cluster still names it. False where it is not known. */
  forget(brokerId: number): boolean {
    const known = this.#remove(brokerId);
    if (known) this.#publish();
    return known;
  }

  /** The brokers that should be there. */
  get expectedIds(): ReadonlySet<number> {
    return new Set(this.#entries.keys());
  }

  /** Those of them that do not answer. */
  get downIds(): ReadonlySet<number> {
    return idsWhere(this.#entries.values(), (state) => state.outage !== undefined);
  }

  /** Those that were stopped in an orderly way and may stay away a while. */
  get stopGraceIds(): ReadonlySet<number> {
    const now = this.#clock.now();
    return idsWhere(this.#entries.values(), (state) => state.inStopGrace(now, this.#timings));
  }

  /** Another cluster than the one known by this name answers. */
  get clusterIdChanged(): boolean {
    return this.#known.changed === true;
  }

  /** Whether no broker answers; undefined where not known. */
  get unreachable(): boolean | undefined {
    return isUnreachable(this.#states(), this.#bootstrap.failed);
  }

  /** What is known of each expected broker. */
  facts(): readonly LivenessFacts[] {
    return this.#states().map((state) => state.asFacts(this.#clock.now(), this.#timings));
  }

  /** Whether the cluster has been seen, or found not to answer, since the start. */
  get hasLooked(): boolean {
    return this.#metadata !== undefined || this.#bootstrap.tried;
  }

  isUp(brokerId: number): boolean {
    return this.#entries.get(brokerId)?.state.up === true;
  }

  /** Accepts the cluster that answers now as the one meant by the name, after its id has changed. */
  acceptClusterId(): void {
    this.#known.accept();
    this.#saves.now(this.#entries.values());
    this.#publish();
  }

  /** Another cluster behind the name: nothing is alerted about brokers of the old one, and nothing of it is overwritten. */
  #identify(clusterId: string): void {
    if (!this.#known.identify(clusterId)) return;
    this.#options.log.error('cluster_id_changed', { known: this.#known.knownClusterId, now: clusterId });
    for (const entry of this.#entries.values()) release(entry);
    this.#entries.clear();
    this.#saves.forget();
    if (this.#known.changed === false) for (const row of this.#known.load()) this.#watch(BrokerState.restore(row));
  }

  #expect(id: number, address: BrokerAddress | undefined): void {
    const known = this.#entries.get(id);
    if (known === undefined) {
      if (this.#entries.size >= MAX_BROKERS) {
        this.#options.log.warn('liveness_too_many_brokers', { broker: id, limit: MAX_BROKERS });
        return;
      }
      const now = this.#clock.now();
      const entry = this.#watch(new BrokerState(id, address, now));
      this.#saves.soon(entry);
      if (address !== undefined) return;
      // Replica lists name it, nobody knows its address: it was down before we came.
      entry.state.attemptFailed({ startedAt: now, at: now, kind: 'dns', detail: 'its address is not known' });
      this.#evaluate(id);
      return;
    }
    const { state } = known;
    if (address === undefined || (address.host === state.address?.host && address.port === state.address.port)) return;
    state.address = address;
    if (known.watch === undefined) this.#startWatch(known);
    else known.watch.address = address;
    this.#saves.soon(known);
  }

  #watch(state: BrokerState): BrokerEntry {
    const entry: BrokerEntry = { state, watch: undefined, looks: undefined, settle: [], savedAt: 0 };
    this.#entries.set(state.id, entry);
    this.#startWatch(entry);
    return entry;
  }

  #startWatch(entry: BrokerEntry): void {
    const { address } = entry.state;
    if (address === undefined) return;
    entry.watch = new BrokerWatch(address, this.#watchParts, listenTo(entry, this.#listenerParts));
    entry.watch.start();
  }

  #beginLooks(entry: BrokerEntry): void {
    entry.looks?.cancel();
    for (const timer of entry.settle) timer.cancel();
    entry.looks = new OutageLooks(entry.state.id, this.#lookParts);
    const { id } = entry.state;
    entry.settle = settleTimes(this.#timings).map((delayMs) => this.#clock.timer(delayMs, () => this.#evaluate(id)));
    this.#evaluate(id);
  }

  #answered(entry: BrokerEntry): void {
    const { state } = entry;
    const now = this.#clock.now();
    const wasUp = state.up === true;
    const silence = this.#states().some((one) => isAnswering(one) === true) ? undefined : this.#silence();
    // Held to its end: it may have been us.
    if (this.#held) state.forgetBreak();
    const ended = state.answered(now);
    stopLooking(entry);
    state.certificateNotAfter = entry.watch?.certificateNotAfter;
    this.#discovery.settle();
    if (ended !== undefined) this.#saves.now([entry]);
    else if (!wasUp) this.#saves.soon(entry);
    // The first of those that had fallen silent together: the others are not down, they are next.
    if (silence !== undefined && silence.since.size > 1) this.#judgeAnew(Math.min(...silence.since.values()));
    this.#publish();
    if (ended === undefined) return;
    const evidence = { words: `it answers again after ${now - ended.at} ms`, look: undefined, attempts: ended.attempts };
    this.#output.found(state, ended.verdict === undefined ? 'reconnected' : 'up', ended.at, evidence);
  }

  #evaluate(brokerId: number): void {
    const entry = this.#entries.get(brokerId);
    const { outage } = entry?.state ?? {};
    if (!this.#running || entry === undefined || outage === undefined) return;
    const { state } = entry;
    const around = {
      now: this.#clock.now(),
      kraft: entry.watch?.kraft ?? true,
      registered: state.registered,
      survivors: survivorsAmong(this.#entries.values(), brokerId).length,
      mostMovableLeads: state.history.most(outage.at, this.#timings.leadershipWindowMs),
    };
    const { verdict, look, words } = judge(outage, around, this.#timings);
    // A restored verdict is not a new finding; a first one of `found_down` is.
    if (verdict !== undefined && verdict !== outage.verdict) {
      this.#concluded(entry, outage, verdict, { words, look, attempts: outage.attempts });
    }
    if (state.outage !== undefined) entry.looks?.proceed(state.outage);
  }

  #concluded(entry: BrokerEntry, outage: Outage, verdict: NonNullable<Outage['verdict']>, evidence: Evidence): void {
    const { state } = entry;
    state.concluded(verdict, this.#timings);
    // Durable first: after a kill of Belfry at this point the verdict still stands.
    this.#saves.now([entry]);
    this.#publish();
    if (outage.verdict === undefined) this.#output.firstVerdictAfter(this.#clock.now() - outage.at);
    this.#output.found(state, verdict, outage.at, evidence);
    if (this.unreachable === true) this.#discovery.resume();
  }

  #armTick(afterMs: number): void {
    this.#tick = this.#clock.timer(afterMs, () => {
      this.#armTick(this.#timings.tickMs);
      const now = this.#clock.now();
      this.#passTime(now);
      const entries = [...this.#entries.values()];
      for (const { state } of entries) if (state.up === true && state.outage === undefined) state.lastSeenAt = now;
      this.#saves.now(entries.filter(({ savedAt }) => now - savedAt >= this.#timings.saveSeenEveryMs));
      this.#publish();
      void this.#refresh.perhaps(this.#states(), this.#metadata, now);
    });
  }

  /** What changes by time alone: brokers that have recovered or retired. */
  #passTime(now: number): void {
    for (const entry of this.#entries.values()) {
      const { state } = entry;
      if (state.recovers(now, this.#timings, this.#metadata?.askedAt ?? 0)) {
        this.#saves.now([entry]);
        this.#publish();
        const words = state.isrRestored === true ? 'back in all its ISRs' : 'up for long enough; still catching up';
        this.#output.found(state, 'restored', state.upSince, { words, look: undefined, attempts: [] });
      } else if (state.retires(now, this.#timings)) {
        this.#options.log.info('broker_retired', { broker: state.id, instance: state.instance });
        this.#remove(state.id);
      }
    }
  }

  #bootstrapGaveNothing(error: unknown, times: number): void {
    // Said once, not with every turn of the back-off.
    if (times === 1) this.#options.log.warn('liveness_bootstrap_failed', { error: errorText(error) });
    this.#bootstrap.gaveNothing(error, this.#clock.now());
    this.#publish();
  }

  #silence(): Silence {
    const states = this.#states();
    return states.length > 0 ? silenceOf(states, this.#timings) : silenceOfBootstrap(this.#bootstrap.silentSince, this.#timings);
  }

  /** What fell silent since then, and is silent still, is judged as at a start: nobody could have seen it come back. */
  #judgeAnew(since: number): void {
    if (!this.#running) return;
    this.#bootstrap.silentSince = undefined;
    this.#saves.now(beginAnew(this.#entries.values(), since, this.#clock.now()));
    this.#publish();
  }

  #publish(): void {
    if (!this.#running) return;
    const [now, silence] = [this.#clock.now(), this.#silence()];
    const ours = this.#options.isolation?.observe(this.#options.cluster, silence) ?? false;
    this.#held = ours || now < (silence.heldUntil ?? 0);
    this.#output.publish(
      this.#states(),
      {
        bootstrapFailed: this.#bootstrap.failed,
        loginRefused: this.#bootstrap.refused && this.#entries.size === 0,
        idChanged: this.#known.changed,
        silence,
        held: this.#held,
      },
      now,
    );
  }

  #states(): readonly BrokerState[] {
    return statesOf(this.#entries.values());
  }

  #remove(brokerId: number): boolean {
    const entry = this.#entries.get(brokerId);
    if (entry === undefined) return false;
    release(entry);
    this.#saves.forget(entry);
    this.#entries.delete(brokerId);
    this.#known.delete(brokerId);
    this.#options.onForgotten?.(brokerId);
    return true;
  }
}
