import type { Clock } from '../core/clock.ts';
import type { MaintenancePort } from '../routing/muting.ts';
import type { MaintenanceEntry } from '../timeintervals/maintenance.ts';
import { MaintenanceWindows } from '../timeintervals/maintenance.ts';

/** Windows begin and end at whole minutes: a look that is a little late is early enough. */
const KEPT_MS = 5000;

interface Kept {
  readonly at: number;
  readonly name: string | undefined;
}

/**
 * The maintenance window that is open for a cluster at a wall time. Reckoning with time zones takes long enough to matter
 * when every cluster is looked at every second, so an answer is kept for some seconds, and as long as the configuration is
 * the same.
 */
export function createMaintenanceLook(entries: () => readonly MaintenanceEntry[]): (cluster: string, wallMs: number) => string | undefined {
  let madeOf: readonly MaintenanceEntry[] | undefined;
  let windows = new MaintenanceWindows([]);
  const kept = new Map<string, Kept>();
  return (cluster, wallMs) => {
    const configured = entries();
    if (configured !== madeOf) {
      madeOf = configured;
      windows = new MaintenanceWindows(configured);
      kept.clear();
    }
    const last = kept.get(cluster);
    // A wall clock may be set back.
    if (last !== undefined && wallMs >= last.at && wallMs - last.at < KEPT_MS) return last.name;
    const name = windows.openFor(cluster, wallMs)?.name;
    kept.set(cluster, { at: wallMs, name });
    return name;
  };
}

const MINUTE_MS = 60_000;

/** The windows that are open for a cluster; asked again at the next whole minute, since they begin and end at such. */
export function createOpenWindows(entries: () => readonly MaintenanceEntry[], clock: Clock): MaintenancePort {
  let madeOf: readonly MaintenanceEntry[] | undefined;
  let windows = new MaintenanceWindows([]);
  return (cluster, now) => {
    const configured = entries();
    if (configured !== madeOf) {
      madeOf = configured;
      windows = new MaintenanceWindows(configured);
    }
    if (!windows.concern(cluster)) return { open: [], until: Infinity };
    const wall = clock.wall();
    return { open: windows.openNames(cluster, wall), until: now + MINUTE_MS - (wall % MINUTE_MS) };
  };
}
