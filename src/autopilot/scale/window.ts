/** The highest recommendation of each slice of a window; plain JSON, at most some sixty slices long. */
export interface RecommendationWindow {
  /** Since when it has been fed without a gap. */
  readonly since: number;
  /** `[begin of the slice, highest]`, oldest first. */
  readonly slices: readonly (readonly [number, number])[];
}

export const EMPTY_WINDOW: RecommendationWindow = { since: 0, slices: [] };

const SLICES = 60;
const SLICE_MIN_MS = 1000;
/** Nobody is faulted for a restart: a gap of less than this is none. */
const GAP_MIN_MS = 60_000;

/** Adds what is recommended now. The very window that came in where this says nothing new, so that rows are rarely written. */
export function fed(window: RecommendationWindow, now: number, value: number, windowMs: number): RecommendationWindow {
  const sliceMs = Math.max(SLICE_MIN_MS, windowMs / SLICES);
  const begin = Math.floor(now / sliceMs) * sliceMs;
  const last = window.slices.at(-1);
  if (last === undefined || begin - last[0] > Math.max(GAP_MIN_MS, 5 * sliceMs) || begin < last[0])
    return { since: now, slices: [[begin, value]] };
  if (last[0] === begin) {
    if (value <= last[1]) return window;
    return { since: window.since, slices: [...window.slices.slice(0, -1), [begin, value]] };
  }
  const kept = window.slices.filter(([at]) => at + sliceMs > now - windowMs);
  return { since: window.since, slices: [...kept, [begin, value]] };
}

/** The highest within the window; undefined where there is none. */
export function highest(window: RecommendationWindow, now: number, windowMs: number): number | undefined {
  const sliceMs = Math.max(SLICE_MIN_MS, windowMs / SLICES);
  const values = window.slices.filter(([at]) => at + sliceMs > now - windowMs).map(([, value]) => value);
  return values.length === 0 ? undefined : Math.max(...values);
}

/** Whether it has been fed all the time from the window's begin on. */
export function covers(window: RecommendationWindow, now: number, windowMs: number): boolean {
  return window.slices.length > 0 && now - window.since >= windowMs;
}
