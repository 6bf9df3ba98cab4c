import type { AutopilotSettings, ClusterAutopilotSettings } from '../autopilot/schema.ts';
import type { AppliedThresholds, AutopilotConfig, BelfryConfig } from '../config/config.ts';
import type { PolicySource } from '../autopilot/ports.ts';
import {
  DEFAULT_FLEET,
  DEFAULT_POLICY,
  DEFAULT_REPAIR,
  DEFAULT_SCALE,
  type ClusterPolicy,
  type FleetPolicy,
  type RepairPolicy,
  type ScalePolicy,
} from '../autopilot/policy.ts';
import { ACTIONS, lowerMode, type Action, type Mode } from '../core/autopilot.ts';

interface Made {
  readonly of: BelfryConfig;
  readonly fleet: FleetPolicy;
  readonly clusters: Map<string, ClusterPolicy>;
}

/** What rules over the auto-pilot by the configuration that is loaded now; made once for each. */
export class ConfiguredPolicies implements PolicySource {
  readonly #config: () => BelfryConfig;
  #made: Made | undefined;

  constructor(config: () => BelfryConfig) {
    this.#config = config;
  }

  /** Of a cluster that is not configured: the file's own. */
  cluster(name: string): ClusterPolicy {
    const { of, clusters } = this.#present();
    let policy = clusters.get(name);
    if (policy === undefined) {
      const thresholds = of.clusters.find((cluster) => cluster.name === name)?.thresholds ?? of.thresholds;
      policy = clusterPolicy(of.autopilot, name, thresholds);
      clusters.set(name, policy);
    }
    return policy;
  }

  fleet(): FleetPolicy {
    return this.#present().fleet;
  }

  #present(): Made {
    const config = this.#config();
    if (this.#made?.of !== config) this.#made = { of: config, fleet: fleetPolicy(config.autopilot.settings), clusters: new Map() };
    return this.#made;
  }
}

/** The cluster's own settings go over the file's, and these over the defaults. */
export function clusterPolicy({ settings, clusters }: AutopilotConfig, name: string, thresholds: AppliedThresholds): ClusterPolicy {
  const own = clusters.get(name);
  const modes = Object.fromEntries(ACTIONS.map((action) => [action, modeOf(settings, own, action)])) as Record<Action, Mode>;
  return {
    modes,
    repair: repairPolicy({ ...settings.repair, ...set(own?.repair ?? {}) }),
    scale: scalePolicy({ ...settings.scale, ...set(own?.scale ?? {}) }, thresholds),
    cooldownMs: own?.cooldown ?? settings.cooldown ?? DEFAULT_POLICY.cooldownMs,
    staleAfterMs: own?.stale_after ?? settings.stale_after ?? DEFAULT_POLICY.staleAfterMs,
  };
}

/** A named action goes before a general mode, and all that a cluster says before what the file says. */
function modeOf(settings: AutopilotSettings, own: ClusterAutopilotSettings | undefined, action: Action): Mode {
  const ofCluster = own?.actions[action] ?? (own?.mode === undefined ? undefined : byGeneralMode(own.mode, action));
  return ofCluster ?? settings.actions[action] ?? byGeneralMode(settings.mode ?? DEFAULT_POLICY.modes[action], action);
}

/** What gives up a broker's data or place goes no further than asking, unless it is named. */
function byGeneralMode(mode: Mode, action: Action): Mode {
  return action === 'replace' || action === 'scale_in' ? lowerMode(mode, 'approve') : mode;
}

function repairPolicy(repair: AutopilotSettings['repair']): RepairPolicy {
  return {
    firstAfterMs: repair.first_after ?? DEFAULT_REPAIR.firstAfterMs,
    backoffMs: repair.backoff ?? DEFAULT_REPAIR.backoffMs,
    failuresBeforeReplace: repair.failures_before_replace ?? DEFAULT_REPAIR.failuresBeforeReplace,
    unhealthyBeforeReplaceMs: repair.unhealthy_before_replace ?? DEFAULT_REPAIR.unhealthyBeforeReplaceMs,
    verifyMs: repair.verify_window ?? DEFAULT_REPAIR.verifyMs,
    catchUpBytesPerSecond: repair.catch_up_rate ?? DEFAULT_REPAIR.catchUpBytesPerSecond,
    recoveryMaxMs: repair.recovery_max ?? DEFAULT_REPAIR.recoveryMaxMs,
    recoveryStallMs: repair.recovery_stall ?? DEFAULT_REPAIR.recoveryStallMs,
  };
}

function scalePolicy(scale: AutopilotSettings['scale'], thresholds: AppliedThresholds): ScalePolicy {
  const threshold = (name: string): number => thresholds.get(name)?.value ?? 0;
  // Also where `bytes_per_second_per_broker` gave it: the rules read the same number.
  const perBroker = threshold('broker_bytes_per_second');
  // The one of the two that is not given gives way to the other.
  const min = scale.min ?? Math.min(DEFAULT_SCALE.min, scale.max ?? DEFAULT_SCALE.min);
  return {
    min,
    max: scale.max ?? Math.max(DEFAULT_SCALE.max, min),
    stepOutMax: scale.step_out ?? DEFAULT_SCALE.stepOutMax,
    stepInMax: scale.step_in ?? DEFAULT_SCALE.stepInMax,
    stabiliseOutMs: scale.stabilise_out ?? DEFAULT_SCALE.stabiliseOutMs,
    stabiliseInMs: scale.stabilise_in ?? DEFAULT_SCALE.stabiliseInMs,
    cooldownOutMs: scale.cooldown_out ?? DEFAULT_SCALE.cooldownOutMs,
    cooldownInMs: scale.cooldown_in ?? DEFAULT_SCALE.cooldownInMs,
    warmupMs: scale.warmup ?? DEFAULT_SCALE.warmupMs,
    projectionMax: scale.projection_max ?? DEFAULT_SCALE.projectionMax,
    bytesPerSecondPerBroker: perBroker > 0 ? perBroker : undefined,
    settleMs: scale.settle ?? DEFAULT_SCALE.settleMs,
    triggers: {
      handlers: threshold('broker_handlers_busy_ratio'),
      cpu: threshold('broker_cpu_busy_ratio'),
      disk: threshold('broker_disk_used_ratio'),
      network: threshold('broker_network_busy_ratio'),
      bytes: threshold('broker_bytes_busy_ratio'),
    },
  };
}

/** What rules over all clusters together. */
export function fleetPolicy(settings: AutopilotSettings): FleetPolicy {
  const { limits, breaker, announce } = settings;
  return {
    inFlightMax: limits.in_flight ?? DEFAULT_FLEET.inFlightMax,
    actsPerHourMax: limits.per_hour ?? DEFAULT_FLEET.actsPerHourMax,
    startGraceMs: settings.start_grace ?? DEFAULT_FLEET.startGraceMs,
    breaker: {
      clusters: breaker.clusters ?? DEFAULT_FLEET.breaker.clusters,
      brokersRatio: breaker.brokers_ratio ?? DEFAULT_FLEET.breaker.brokersRatio,
      withinMs: breaker.within ?? DEFAULT_FLEET.breaker.withinMs,
    },
    approvalExpiresMs: settings.approval_expires ?? DEFAULT_FLEET.approvalExpiresMs,
    intentExpiresMs: settings.intent_expires ?? DEFAULT_FLEET.intentExpiresMs,
    leaseTtlMs: settings.lease_ttl ?? DEFAULT_FLEET.leaseTtlMs,
    announceFirst: announce.first ?? DEFAULT_FLEET.announceFirst,
    announceAheadMs: announce.ahead ?? DEFAULT_FLEET.announceAheadMs,
    tickMs: settings.tick ?? DEFAULT_FLEET.tickMs,
  };
}

/** Without what is undefined, which must not go over what is set. */
function set<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
