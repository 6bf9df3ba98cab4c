import type { Cadences } from '../collectors/kafka/options.ts';
import type { LivenessTimings } from '../collectors/liveness/timings.ts';
import type { ClusterConfig } from '../config/config.ts';

const LIVENESS_KEYS = {
  ping_interval: 'pingIntervalMs',
  ping_timeout: 'pingTimeoutMs',
  connect_timeout: 'connectTimeoutMs',
  not_answering_after: 'notAnsweringAfterMs',
  flapping_window: 'flappingWindowMs',
  isolation_hold: 'isolationHoldMs',
  crashed_hold: 'crashedHoldMs',
  retire_after: 'retireAfterMs',
} as const satisfies Record<string, keyof LivenessTimings>;

const CADENCE_KEYS = {
  metadata: 'metadataMs',
  metadata_many: 'metadataManyMs',
  log_dirs: 'logDirsMs',
  configs: 'configsMs',
  consumer_groups: 'lagMs',
} as const satisfies Record<string, keyof Cadences>;

/** The durations a cluster sets itself; what it does not set keeps the collector's default. */
export function timingsOf({ liveness, stopGraceMs }: ClusterConfig): Partial<LivenessTimings> {
  return { ...renamed(liveness, LIVENESS_KEYS), stopGraceMs };
}

export function cadencesOf({ cadence }: ClusterConfig): Partial<Cadences> {
  return renamed(cadence, CADENCE_KEYS);
}

function renamed<Key extends string>(
  values: Readonly<Record<string, number>>,
  keys: Readonly<Record<string, Key>>,
): Partial<Record<Key, number>> {
  const out: Partial<Record<Key, number>> = {};
  for (const [key, value] of Object.entries(values)) {
    const name = keys[key];
    if (name !== undefined) out[name] = value;
  }
  return out;
}
