/** Every duration and threshold of liveness; the defaults are the agreed ones and may be set by configuration. */
export interface LivenessTimings {
  /** The ping on the held connection, and when one counts as missed. */
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** Missed pings in a row that make a broker suspect. */
  readonly suspectAfterPings: number;
  /** From the first missed ping until the verdict is `not_answering`. */
  readonly notAnsweringAfterMs: number;
  readonly connectTimeoutMs: number;
  /** Reconnects after a break, counted from it. */
  readonly reconnectAtMs: readonly number[];
  /** Looks at survivors after a break, counted from it: these are always made. */
  readonly lookAtMs: readonly number[];
  /** Further looks, made only while nothing has been proven. */
  readonly moreLooksAtMs: readonly number[];
  readonly lookTimeoutMs: number;
  /** For a Metadata answer about the whole cluster. */
  readonly metadataTimeoutMs: number;
  /** From here on a survivor that has not answered is no longer waited for. */
  readonly settleMs: number;
  /** A broker that is listed but in no ISR is given this long to turn out as stopped. */
  readonly doubtMs: number;
  /**
   * A fencing first seen later than this after the break proves nothing: the session time-out does it too. Kafka's
   * 9 s less one heartbeat interval (2 s) and one ping; less where `broker.session.timeout.ms` is lower.
   */
  readonly proofWindowMs: number;
  /** How far back leaderships that were falling tell of a stop under way. */
  readonly leadershipWindowMs: number;
  /** An orderly stopped broker may stay away this long. */
  readonly stopGraceMs: number;
  readonly flappingBreaks: number;
  readonly flappingWindowMs: number;
  /** Every broker failing by timeout within this window looks like our own isolation; verdicts are then held this long. */
  readonly isolationWindowMs: number;
  readonly isolationHoldMs: number;
  /** A crashed broker that is up but not back in all its ISRs keeps its verdict at most this long. */
  readonly crashedHoldMs: number;
  /** A stopped broker without replicas leaves the expected ones after this. */
  readonly retireAfterMs: number;
  /** An event loop that lags more than this discards the pings it overlaps. */
  readonly stallMs: number;
  readonly stallCheckMs: number;
  /** A row is written at least this often. */
  readonly writeIntervalMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly authBackoffMs: number;
  /** First connections are spaced to at most this many a second. */
  readonly handshakesPerSecond: number;
  /** Time that passes by itself (a grace that ends, a broker that retires) is noticed this often. */
  readonly tickMs: number;
  /** Metadata is asked for where nobody has handed any in for this long; the second while a broker is catching up. */
  readonly refreshMs: number;
  readonly refreshRecoveringMs: number;
  /** How long after its return a broker's catching up is followed at the faster pace. */
  readonly followRecoveryMs: number;
  /** How often the last-seen time of a broker that is up is stored. */
  readonly saveSeenEveryMs: number;
}

export const DEFAULT_TIMINGS: LivenessTimings = {
  pingIntervalMs: 1000,
  pingTimeoutMs: 1000,
  suspectAfterPings: 2,
  notAnsweringAfterMs: 10_000,
  connectTimeoutMs: 3000,
  reconnectAtMs: [0, 50, 150],
  lookAtMs: [0, 100, 250],
  moreLooksAtMs: [500, 1000, 2000, 4000],
  lookTimeoutMs: 2000,
  metadataTimeoutMs: 10_000,
  settleMs: 500,
  doubtMs: 1000,
  proofWindowMs: 6000,
  leadershipWindowMs: 5 * 60_000,
  stopGraceMs: 5 * 60_000,
  flappingBreaks: 3,
  flappingWindowMs: 15 * 60_000,
  isolationWindowMs: 10_000,
  isolationHoldMs: 15_000,
  crashedHoldMs: 10 * 60_000,
  retireAfterMs: 30 * 60_000,
  stallMs: 250,
  stallCheckMs: 100,
  writeIntervalMs: 5000,
  backoffMinMs: 100,
  backoffMaxMs: 5000,
  authBackoffMs: 60_000,
  handshakesPerSecond: 20,
  tickMs: 1000,
  refreshMs: 15_000,
  refreshRecoveringMs: 1000,
  followRecoveryMs: 60_000,
  saveSeenEveryMs: 5 * 60_000,
};
