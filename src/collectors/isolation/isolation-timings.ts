/** Every duration of the watcher's isolation, in milliseconds; the defaults are the agreed ones. */
export interface IsolationTimings {
  /** Targets that fall silent within this window of each other have done so together. */
  readonly windowMs: number;
  /** How long brokers of clusters that are not silent as a whole are held; the others say so themselves. */
  readonly holdMs: number;
  /** A round of probes that took so much longer than its time-out was our own stall. */
  readonly stallMs: number;
  /** A reference that has not answered a connect by then has failed. */
  readonly probeTimeoutMs: number;
  /** Between rounds of probes while a silence is being judged, or lasts. */
  readonly probeEveryMs: number;
  /** Between rounds in quiet times, so that a reference which answers no more is known before it is needed. */
  readonly quietProbeEveryMs: number;
  /** One that had not answered for so long before a silence began proves nothing by not answering then. */
  readonly deadReferenceMs: number;
  /** Time that passes by itself is noticed this often. */
  readonly tickMs: number;
  /** A row is written at least this often. */
  readonly writeIntervalMs: number;
}

export const ISOLATION_TIMINGS: IsolationTimings = {
  windowMs: 10_000,
  holdMs: 15_000,
  stallMs: 250,
  probeTimeoutMs: 3000,
  probeEveryMs: 2000,
  quietProbeEveryMs: 60_000,
  deadReferenceMs: 10 * 60_000,
  tickMs: 1000,
  writeIntervalMs: 5000,
};

/** Half of all targets count as a sign of our own isolation only where they are of so many clusters. */
export const CLUSTERS_AT_LEAST = 3;
