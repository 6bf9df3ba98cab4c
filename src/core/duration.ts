import { BelfryError } from './errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};
const UNITS = ['y', 'w', 'd', 'h', 'm', 's', 'ms'];

/**
 * Milliseconds of a Prometheus duration: units from large to small, each at most once (`1h30m`, `5ms`, `0`), no
 * fractions. As `model.ParseDuration` in prometheus/common. Throws `BAD_REQUEST`.
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (text === '') throw new BelfryError('BAD_REQUEST', 'empty duration string');
  const match = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text);
  if (match === null)
    throw new BelfryError('BAD_REQUEST', `not a valid duration string: ${JSON.stringify(text)} (such as 30s, 1h30m, 5ms)`);
  let totalMs = 0;
  for (const [index, unit] of UNITS.entries()) totalMs += Number(match[index + 1] ?? 0) * (UNIT_MS[unit] ?? 0);
  // Go's time.Duration holds nanoseconds in 63 bits.
  if (totalMs > 9_223_372_036_854) throw new BelfryError('BAD_REQUEST', 'duration out of range');
  return totalMs;
}

/** The duration as Prometheus prints it: `1h30m`, `0s`; weeks and years only where nothing is left over. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0s';
  let rest = Math.abs(durationMs);
  let out = durationMs < 0 ? '-' : '';
  for (const unit of UNITS) {
    const sizeMs = UNIT_MS[unit] ?? 1;
    if ((unit === 'y' || unit === 'w') && rest % sizeMs !== 0) continue;
    const count = Math.floor(rest / sizeMs);
    if (count > 0) out += `${count}${unit}`;
    rest -= count * sizeMs;
  }
  return out;
}

/** For people: the two largest units, `2 h 14 m`, `14 m 3 s`, `850 ms`. */
export function humanDuration(durationMs: number): string {
  const totalMs = Math.max(0, Math.round(durationMs));
  if (totalMs < 1000) return `${totalMs} ms`;
  const totalSeconds = Math.floor(totalMs / 1000);
  const parts: string[] = [];
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(totalSeconds / seconds) % (unit === 'd' ? Number.MAX_SAFE_INTEGER : unit === 'h' ? 24 : 60);
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(' ');
}
