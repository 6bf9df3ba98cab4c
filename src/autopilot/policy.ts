import type { Action, Mode } from '../core/autopilot.ts';

const MINUTE_MS = 60_000;

/** What rules over the auto-pilot in one cluster, made from the configuration. Durations in milliseconds, ratios 0 to 1. */
export interface ClusterPolicy {
  /** As configured; what holds may be lower, see `Modes`. */
  readonly modes: Readonly<Record<Action, Mode>>;
  readonly repair: RepairPolicy;
  readonly scale: ScalePolicy;
  /** Between two incidents' acts in one cluster; within an incident the repair's back-off rules. */
  readonly cooldownMs: number;
  /** A picture older than this is blind. */
  readonly staleAfterMs: number;
}

export interface RepairPolicy {
  /** The host's own supervisor goes first. */
  readonly firstAfterMs: number;
  /** After the first, second, third … failed act; then the last one doubled each time. */
  readonly backoffMs: readonly number[];
  readonly failuresBeforeReplace: number;
  readonly unhealthyBeforeReplaceMs: number;
  /** Verification waits so long, and longer by the bytes to catch up at this rate. */
  readonly verifyMs: number;
  readonly catchUpBytesPerSecond: number;
  /** A recovering broker is left alone so long; then a person is asked. */
  readonly recoveryMaxMs: number;
  /** A recovery that stands still so long has failed. */
  readonly recoveryStallMs: number;
}

export interface ScalePolicy {
  readonly min: number;
  readonly max: number;
  /** Brokers more or fewer at most in one step; the step itself follows from the breach. */
  readonly stepOutMax: number;
  readonly stepInMax: number;
  /** The highest recommendation within the window counts, for out and for in. */
  readonly stabiliseOutMs: number;
  readonly stabiliseInMs: number;
  readonly cooldownOutMs: number;
  readonly cooldownInMs: number;
  /** A new broker is left out of averages for so long, or until it leads partitions. */
  readonly warmupMs: number;
  /** No resource may pass this after a removal, as projected. */
  readonly projectionMax: number;
  /** What one broker can do, where no exporter says how busy it is: bytes per second in. */
  readonly bytesPerSecondPerBroker: number | undefined;
  /** A scale act has failed when the load has not moved after so long. */
  readonly settleMs: number;
  /** From which share on a broker counts as over-utilised; `DEFAULT_TRIGGERS` for what is not given. */
  readonly triggers?: Partial<ScaleTriggers>;
}

/** Shares of what one broker can do, 0 to 1; the thresholds `broker_…_busy_ratio` of the rules. `bytes`: of `bytesPerSecondPerBroker`. */
export interface ScaleTriggers {
  readonly handlers: number;
  readonly cpu: number;
  readonly disk: number;
  readonly network: number;
  readonly bytes: number;
}

export const DEFAULT_TRIGGERS: ScaleTriggers = { handlers: 0.7, cpu: 0.7, disk: 0.7, network: 0.8, bytes: 0.7 };

export const DEFAULT_REPAIR: RepairPolicy = {
  firstAfterMs: 2 * MINUTE_MS,
  backoffMs: [15 * MINUTE_MS, 30 * MINUTE_MS, 60 * MINUTE_MS],
  failuresBeforeReplace: 3,
  unhealthyBeforeReplaceMs: 60 * MINUTE_MS,
  verifyMs: 10 * MINUTE_MS,
  catchUpBytesPerSecond: 20_000_000,
  recoveryMaxMs: 240 * MINUTE_MS,
  recoveryStallMs: 15 * MINUTE_MS,
};

export const DEFAULT_SCALE: ScalePolicy = {
  min: 3,
  max: 10,
  stepOutMax: 2,
  stepInMax: 1,
  stabiliseOutMs: 5 * MINUTE_MS,
  stabiliseInMs: 60 * MINUTE_MS,
  cooldownOutMs: 30 * MINUTE_MS,
  cooldownInMs: 24 * 60 * MINUTE_MS,
  warmupMs: 15 * MINUTE_MS,
  projectionMax: 0.6,
  bytesPerSecondPerBroker: undefined,
  settleMs: 60 * MINUTE_MS,
};

/** `observe` unless someone says otherwise; `replace` and `scale_in` go no further than `approve` by a general `mode`. */
export const DEFAULT_POLICY: ClusterPolicy = {
  modes: { repair: 'observe', replace: 'observe', scale_out: 'observe', scale_in: 'observe' },
  repair: DEFAULT_REPAIR,
  scale: DEFAULT_SCALE,
  cooldownMs: 30 * MINUTE_MS,
  staleAfterMs: 15_000,
};

/** What rules over all clusters together. */
export interface FleetPolicy {
  readonly inFlightMax: number;
  readonly actsPerHourMax: number;
  /** None in the first minutes after a start. */
  readonly startGraceMs: number;
  readonly breaker: { readonly clusters: number; readonly brokersRatio: number; readonly withinMs: number };
  readonly approvalExpiresMs: number;
  /** An open intent that nobody leases. */
  readonly intentExpiresMs: number;
  readonly leaseTtlMs: number;
  /** The first automatic acts of a (cluster, action) are announced ahead. */
  readonly announceFirst: number;
  readonly announceAheadMs: number;
  /** How often the machines look without being told. */
  readonly tickMs: number;
}

export const DEFAULT_FLEET: FleetPolicy = {
  inFlightMax: 2,
  actsPerHourMax: 6,
  startGraceMs: 5 * MINUTE_MS,
  breaker: { clusters: 3, brokersRatio: 0.1, withinMs: 5 * MINUTE_MS },
  approvalExpiresMs: 30 * MINUTE_MS,
  intentExpiresMs: 30 * MINUTE_MS,
  leaseTtlMs: MINUTE_MS,
  announceFirst: 10,
  announceAheadMs: 2 * MINUTE_MS,
  tickMs: 1000,
};
