import { errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Counter, Histogram, Meter } from '../../core/meter.ts';
import type { SampleWriter, TargetWriter, Wake } from '../../core/sample.ts';
import type { BrokerState } from './broker-state.ts';
import { isAnswering, isUnreachable, shownVerdict, type Silence } from './cluster-judgement.ts';
import type { Evidence, VerdictEvent, VerdictListener } from './liveness-events.ts';
import { LivenessSeries, type ClusterView } from './liveness-series.ts';
import type { LivenessTimings } from './timings.ts';

export interface OutputParts {
  readonly cluster: string;
  readonly log: Logger;
  readonly meter: Meter;
  readonly writer: SampleWriter;
  readonly wake: (wake: Wake) => void;
  readonly timings: LivenessTimings;
}

/** What is said about the cluster besides its brokers. */
export interface ClusterFacts {
  readonly bootstrapFailed: boolean;
  /** No broker is known, and the bootstrap addresses refuse our login. */
  readonly loginRefused: boolean;
  /** Undefined before the cluster was ever identified. */
  readonly idChanged: boolean | undefined;
  readonly silence: Silence;
  /** Verdicts about the silent brokers are held: it may be us. */
  readonly held: boolean;
}

const DELAY_BUCKETS = [0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5, 15];

/** Where findings go: rows and wakes, listeners, the log, Belfry's own metrics. */
export class LivenessOutput {
  readonly #parts: OutputParts;
  readonly #target: TargetWriter;
  readonly #series: LivenessSeries;
  readonly #listeners = new Set<VerdictListener>();
  readonly #reconnects: Counter;
  readonly #discarded: Counter;
  readonly #verdicts: Counter;
  readonly #failures: Counter;
  readonly #delay: Histogram;
  /** What fails at present: told once until it has worked again. */
  readonly #failing = new Set<string>();
  #lastTs = 0;
  /** What is known of the brokers that do not answer, a key each. */
  #down: ReadonlySet<string> = new Set();

  constructor(parts: OutputParts) {
    const { cluster, meter, writer } = parts;
    this.#parts = parts;
    this.#target = writer.target(`liveness/${cluster}`);
    this.#series = new LivenessSeries(cluster);
    this.#reconnects = meter.counter('belfry_liveness_reconnects_total', 'Connections that broke and stood again at once.', ['cluster']);
    this.#discarded = meter.counter('belfry_liveness_discarded_total', 'Failures discarded as our own stall.', ['cluster', 'what']);
    this.#verdicts = meter.counter('belfry_liveness_verdicts_total', 'Verdicts given.', ['cluster', 'verdict']);
    this.#failures = meter.counter('belfry_liveness_failures_total', 'Rows, saves or listeners that failed.', ['cluster', 'what']);
    this.#delay = meter.histogram('belfry_liveness_verdict_seconds', 'From a break to its first verdict.', DELAY_BUCKETS, ['cluster']);
  }

  onVerdict(listener: VerdictListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Writes a row where something has changed or the last one is old, and wakes rules for what has changed. */
  publish(states: readonly BrokerState[], facts: ClusterFacts, now: number): void {
    const { timings, cluster, wake } = this.#parts;
    const { held, silence } = facts;
    const view: ClusterView = {
      unreachable: isUnreachable(states, facts.bootstrapFailed),
      idChanged: facts.idChanged,
      held,
      loginRefused: facts.loginRefused,
      brokers: states.map((state) => ({
        id: state.id,
        instance: state.instance,
        up: isAnswering(state),
        verdict: shownVerdict(state, held && silence.since.has(state.id)),
        downSinceMs: isAnswering(state) === false ? state.outage?.at : undefined,
        inStopGrace: state.inStopGrace(now, timings),
        isrRestored: state.up === false ? false : state.isrRestored,
        flapping: state.flapping(now, timings),
        certificateNotAfterMs: state.certificateNotAfter,
      })),
    };
    const changed = this.#series.update(view);
    if (changed.size === 0 && now - this.#lastTs < timings.writeIntervalMs) return;
    const ts = Math.max(now, this.#lastTs + 1);
    this.#lastTs = ts;
    this.guarded('row', () => this.#target.append(ts, this.#series.layout, this.#series.values, this.#series.absent));
    if (changed.size === 0) return;
    // Whatever is told apart here has a series of its own: where no series changed, this did not.
    const before = this.#down;
    this.#down = downIn(view);
    const urgent = this.#down.values().some((key) => !before.has(key));
    this.guarded('wake', () => wake({ ts, metricNames: changed, cluster, urgent }));
  }

  /** Tells a finding whose samples are written. `brokenAt` is the beginning of the outage it is about. */
  found(state: BrokerState, verdict: VerdictEvent['verdict'], brokenAt: number, evidence: Evidence): void {
    const { id, instance } = state;
    const { cluster, log } = this.#parts;
    if (verdict === 'reconnected') this.#reconnects.add(1, { cluster });
    this.#verdicts.add(1, { cluster, verdict });
    log.info('broker_verdict', { broker: id, instance, verdict, words: evidence.words, look: evidence.look, brokenAt });
    const event: VerdictEvent = { cluster, broker: id, instance, verdict, at: this.#lastTs, brokenAt, evidence };
    for (const listener of this.#listeners) this.guarded('listener', () => listener(event));
  }

  firstVerdictAfter(delayMs: number): void {
    this.#delay.observe(delayMs / 1000, { cluster: this.#parts.cluster });
  }

  discarded(what: string): void {
    this.#discarded.add(1, { cluster: this.#parts.cluster, what });
  }

  /** Runs what belongs to others: its failure is counted, logged once until it works again, and the watch goes on. */
  guarded(what: string, run: () => void): void {
    try {
      run();
      this.#failing.delete(what);
    } catch (error) {
      this.#failures.add(1, { cluster: this.#parts.cluster, what });
      if (this.#failing.has(what)) return;
      this.#failing.add(what);
      this.#parts.log.error('liveness_failure', { what, error: errorText(error) });
    }
  }
}

/** What rules fire for: new in here is what may not wait. */
function downIn({ unreachable, brokers }: ClusterView): ReadonlySet<string> {
  const down = brokers.filter(({ up }) => up === false).map(({ id, verdict, inStopGrace }) => `${id} ${verdict} ${inStopGrace}`);
  return new Set(unreachable === true ? [...down, 'all'] : down);
}
