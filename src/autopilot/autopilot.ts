import type { Alert } from '../core/alert.ts';
import { BROKER_STATES, isEnded, type Intent } from '../core/autopilot.ts';
import type { JournalRow, PilotStore } from '../core/autopilot-state.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Counter, Gauge, Meter } from '../core/meter.ts';
import { AnnounceCount } from './announce-count.ts';
import { ClusterPilot } from './cluster-pilot.ts';
import { Control } from './control/control.ts';
import type { TrustReport } from './control/trust.ts';
import { EvidenceIntake } from './evidence.ts';
import { IntentNews } from './intent-news.ts';
import { IntentBook } from './intents/intent-book.ts';
import { Journal } from './journal.ts';
import { PilotJudge } from './judge.ts';
import type { ClusterPicture } from './picture.ts';
import type { ClusterObserver, IncidentBoard, IntentEvent, LoadReader, PolicySource } from './ports.ts';
import type { Desired } from './scale/desired.ts';
import { troubledOf } from './trouble.ts';
import { type AutopilotView, clusterView, desiredNow, type IntentView, intentView } from './views.ts';

const DAY_MS = 86_400_000;
/** The journal and ended intents are kept longer than a promotion looks back. */
const KEEP_MS = 120 * DAY_MS;
/** Each call of the store forgets a few thousand lines at most; a large fleet writes that many in an hour. */
const FORGET_EVERY_MS = 10 * 60_000;

export interface AutopilotOptions {
  readonly store: PilotStore;
  readonly observer: ClusterObserver;
  readonly policies: PolicySource;
  readonly board: IncidentBoard;
  readonly loads: LoadReader;
  /** Path of the file that halts by being there. */
  readonly haltFile: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/**
 * The auto-pilot as the rest of Belfry sees it: alerts go in, intents come out, and every cluster is looked at once a
 * tick and whenever something happened. It never throws into those that tell it something.
 */
export class Autopilot {
  readonly book: IntentBook;
  readonly control: Control;
  readonly judge: PilotJudge;
  readonly #options: AutopilotOptions;
  readonly #startedAt: number;
  readonly #journal: Journal;
  readonly #evidence: EvidenceIntake;
  readonly #news: IntentNews;
  readonly #announced: AnnounceCount;
  readonly #pilots = new Map<string, ClusterPilot>();
  readonly #errors: Counter;
  readonly #outcomes: Counter;
  readonly #brokers: Gauge;
  #timer: Timer | undefined;
  #unsubscribe: (() => void)[] = [];
  #running = false;
  #forgotAt = 0;

  constructor(options: AutopilotOptions) {
    const { store, observer, policies, board, haltFile, clock, log, meter } = options;
    this.#options = options;
    this.#startedAt = clock.now();
    this.#journal = new Journal(store, clock);
    this.#errors = meter.counter('belfry_autopilot_tick_errors_total', 'Looks of the auto-pilot that failed, by part.', ['part']);
    this.#outcomes = meter.counter('belfry_autopilot_outcomes_total', 'How acts, or would-be acts, turned out.', [
      'cluster',
      'action',
      'outcome',
    ]);
    this.#brokers = meter.gauge('belfry_autopilot_brokers', 'Brokers that are not simply healthy, by state.', ['cluster', 'state']);
    this.control = new Control({ store, journal: this.#journal, policies, observer, board, haltFile, clock, log, meter });
    this.#evidence = new EvidenceIntake({ store, observer, startedAt: this.#startedAt, log, meter });
    this.#announced = new AnnounceCount(store);
    this.#news = new IntentNews(board, clock);
    this.judge = new PilotJudge({
      observer,
      policies,
      startedAt: this.#startedAt,
      durable: () => store.durable,
      control: this.control,
      book: () => this.book,
      troubled: (cluster, picture) => (picture === undefined ? new Set() : troubledOf(picture, this.#evidence.all(cluster))),
      recoveryStalled: (cluster, broker) => this.#pilots.get(cluster)?.recoveryStalled(broker) === true,
      clock,
    });
    this.book = new IntentBook({
      store,
      journal: this.#journal,
      judge: this.judge,
      modeOf: (cluster, action) => this.control.modeOf(cluster, action),
      fleet: () => policies.fleet(),
      halted: () => this.control.halted(),
      announcedSoFar: (cluster, action) => this.#announced.of(cluster, action),
      clock,
      log,
      meter,
    });
  }

  /** Goes on where an earlier run ended, and begins to look. */
  start(): void {
    if (this.#running) throw new BelfryError('INTERNAL', 'the auto-pilot runs already');
    this.#running = true;
    this.book.load();
    this.#letGoOfWhatLeft();
    this.#followConfiguration();
    this.#unsubscribe = [
      this.book.on((event) => this.#guarded('event', () => this.#happened(event))),
      this.control.onStopped((why, cluster) => this.#guarded('revoke', () => this.book.revokeAll(why, cluster))),
    ];
    this.#arm();
  }

  /** Ends looking. Leases stand: their executors may go on, and are seen again after the next start. */
  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
  }

  /** Alerts as rules hand them out, for evidence. */
  receive(alerts: readonly Alert[], ts: number): void {
    this.#guarded('alerts', () => {
      for (const cluster of this.#evidence.receive(alerts, ts)) this.lookNow(cluster);
    });
  }

  /** Something happened in the cluster: looked at without waiting for the tick. */
  lookNow(cluster: string): void {
    if (!this.#running) return;
    this.#guarded('look', () => this.#pilots.get(cluster)?.look(this.#options.clock.now()));
  }

  /** One round over everything; the loop's, and a test's. */
  tick(): void {
    const now = this.#options.clock.now();
    this.#guarded('configuration', () => this.#followConfiguration());
    this.#guarded('control', () => this.control.tick(now));
    this.#guarded('halt', () => {
      const halted = this.control.halted();
      if (halted !== undefined && this.book.inFlight().length > 0) this.book.revokeAll(halted);
    });
    this.#guarded('evidence', () => this.#evidence.tick(now));
    this.#guarded('intents', () => this.book.tick(now));
    for (const [name, pilot] of this.#pilots) {
      this.#guarded('look', () => pilot.look(now));
      this.#measure(name, pilot);
    }
    if (now - this.#forgotAt >= FORGET_EVERY_MS && this.#options.store.durable) {
      this.#forgotAt = now;
      this.#guarded('forget', () => this.#options.store.forgetBefore(now - KEEP_MS));
    }
  }

  /** A cluster has left the configuration: nobody is to act on it any more. */
  removeCluster(name: string): void {
    this.#guarded('remove', () => {
      this.#evidence.removeCluster(name);
      this.#pilots.get(name)?.remove(this.#options.clock.now());
      this.#pilots.delete(name);
      for (const state of BROKER_STATES) if (state !== 'healthy') this.#brokers.remove({ cluster: name, state });
    });
  }

  /** A person has looked at the broker: its machine begins anew. Throws `NOT_FOUND` where there is nothing to reset. */
  reset(cluster: string, broker: number, by: string): void {
    const pilot = this.#pilotOf(cluster);
    if (by.trim() === '') throw new BelfryError('BAD_REQUEST', 'who does it? A name is needed');
    if (!pilot.reset(broker, by, this.#options.clock.now()))
      throw new BelfryError('NOT_FOUND', `there is nothing to reset: broker ${broker} of ${cluster} is healthy`);
  }

  state(): AutopilotView {
    const { store } = this.#options;
    return {
      halted: this.control.halted(),
      breaker: this.control.breaker(),
      durable: store.durable,
      clusters: [...this.#pilots].map(([name, { rows, size }]) =>
        clusterView(name, this.control, { ...this.#seen(name), brokers: rows, size }),
      ),
      intents: [...this.#pilots.keys()].flatMap((name) => this.book.active(name)).map(intentView),
    };
  }

  /** Undefined where not even the present count is known. Throws `NOT_FOUND`. */
  desired(cluster: string): Desired | undefined {
    const { size } = this.#pilotOf(cluster);
    return desiredNow(cluster, this.control, { ...this.#seen(cluster), size });
  }

  /** Newest first. */
  journal(filter: Parameters<PilotStore['journal']>[0]): readonly JournalRow[] {
    return this.#options.store.journal(filter);
  }

  report(cluster: string | undefined, days: number): TrustReport {
    return this.control.report(cluster, days);
  }

  /** An intent with its guards as judged now. Throws `NOT_FOUND`. */
  intent(id: string): IntentView {
    const intent = this.book.get(id);
    if (intent === undefined) throw new BelfryError('NOT_FOUND', `there is no intent ${JSON.stringify(id.slice(0, 64))}`);
    return intentView(intent);
  }

  /** The newest picture, and whether it is too old for conclusions. */
  #seen(cluster: string): { readonly picture: ClusterPicture | undefined; readonly isOld: boolean } {
    const { observer, policies, clock } = this.#options;
    const picture = observer.picture(cluster);
    return { picture, isOld: picture !== undefined && clock.now() - picture.observedAt > policies.cluster(cluster).staleAfterMs };
  }

  #pilotOf(cluster: string): ClusterPilot {
    const pilot = this.#pilots.get(cluster);
    if (pilot === undefined) throw new BelfryError('NOT_FOUND', `no such cluster: ${cluster}`);
    return pilot;
  }

  #followConfiguration(): void {
    const { observer, store } = this.#options;
    const names = observer.clusters();
    const added = names.filter((name) => !this.#pilots.has(name));
    if (added.length > 0) {
      const brokers = store.loadBrokers();
      const sizes = store.loadClusters();
      for (const name of added) this.#pilots.set(name, this.#newPilot(name, brokers, sizes));
    }
    for (const name of this.#pilots.keys()) if (!names.includes(name)) this.removeCluster(name);
  }

  /** What an earlier run left of clusters that are configured no longer: an act in flight there would count for ever. */
  #letGoOfWhatLeft(): void {
    const { observer, store } = this.#options;
    const brokers = store.loadBrokers();
    const sizes = store.loadClusters();
    const known = [...brokers, ...sizes, ...this.book.all().filter(({ state }) => !isEnded(state))].map(({ cluster }) => cluster);
    const left = new Set([...known, ...this.#evidence.clusters()]);
    for (const name of observer.clusters()) left.delete(name);
    for (const name of left) {
      this.#pilots.set(name, this.#newPilot(name, brokers, sizes));
      this.removeCluster(name);
    }
  }

  #newPilot(cluster: string, brokers: ReturnType<PilotStore['loadBrokers']>, sizes: ReturnType<PilotStore['loadClusters']>): ClusterPilot {
    const { store, observer, policies, board, loads, log } = this.#options;
    return new ClusterPilot(
      {
        cluster,
        store,
        journal: this.#journal,
        book: this.book,
        control: this.control,
        evidence: this.#evidence,
        observer,
        policies,
        board,
        loads,
        startedAt: this.#startedAt,
        log,
        outcomes: this.#outcomes,
      },
      brokers.filter((row) => row.cluster === cluster),
      sizes.find((row) => row.cluster === cluster),
    );
  }

  #happened(event: IntentEvent): void {
    const { intent, kind } = event;
    const pilot = this.#pilots.get(intent.cluster);
    if (kind === 'acked') pilot?.heard(event.ack);
    if (kind === 'ended') pilot?.ended(intent.id);
    if (kind === 'leased') this.#countAnnounced(intent);
    this.#guarded('news', () => this.#news.tell(event));
    this.lookNow(intent.cluster);
  }

  #countAnnounced(intent: Intent): void {
    if (intent.approvedBy === undefined && intent.opensAt > 0) this.#announced.add(intent.cluster, intent.action);
  }

  #measure(cluster: string, { rows }: ClusterPilot): void {
    for (const state of BROKER_STATES)
      if (state !== 'healthy') this.#brokers.set(rows.filter((row) => row.state === state).length, { cluster, state });
  }

  #arm(): void {
    this.#timer = this.#options.clock.timer(
      this.#options.policies.fleet().tickMs,
      () => {
        if (!this.#running) return;
        this.tick();
        this.#arm();
      },
      { unref: true },
    );
  }

  /** What fails here is logged and counted, and never reaches whoever told us something. */
  #guarded(part: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#errors.add(1, { part });
      this.#options.log.error('autopilot_failed', { part, error: errorText(error) });
    }
  }
}
