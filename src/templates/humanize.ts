import { sprintf } from './go-fmt.ts';

const LARGE = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
const SMALL = ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y'];
const BINARY = ['ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'];

function shrink(value: number, factor: number, prefixes: readonly string[]): [number, string] {
  let rest = value;
  let prefix = '';
  for (const next of prefixes) {
    if (Math.abs(rest) < factor) break;
    prefix = next;
    rest /= factor;
  }
  return [rest, prefix];
}

function grow(value: number): [number, string] {
  let rest = value;
  let prefix = '';
  for (const next of SMALL) {
    if (Math.abs(rest) >= 1) break;
    prefix = next;
    rest *= 1000;
  }
  return [rest, prefix];
}

/** With a metric prefix, four significant digits: `1.234M`, `12.5m`. */
export function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return sprintf('%.4g', [value]);
  const [rest, prefix] = Math.abs(value) >= 1 ? shrink(value, 1000, LARGE) : grow(value);
  return sprintf('%.4g%s', [rest, prefix]);
}

/** With a binary prefix: `1.5Gi`. */
export function humanize1024(value: number): string {
  if (Math.abs(value) <= 1 || !Number.isFinite(value)) return sprintf('%.4g', [value]);
  const [rest, prefix] = shrink(value, 1024, BINARY);
  return sprintf('%.4g%s', [rest, prefix]);
}

/** Seconds as days to seconds, below one second with a metric prefix: `1d 2h 3m 4s`, `12ms`. */
export function humanizeDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return sprintf('%.4g', [seconds]);
  if (seconds === 0) return sprintf('%.4gs', [seconds]);
  if (Math.abs(seconds) < 1) {
    const [rest, prefix] = grow(seconds);
    return sprintf('%.4g%ss', [rest, prefix]);
  }
  const sign = seconds < 0 ? '-' : '';
  const magnitude = Math.abs(seconds);
  // What no 64 bits hold becomes the least of their numbers, as in Go.
  const whole = magnitude < 2 ** 63 ? BigInt(Math.trunc(magnitude)) : -(2n ** 63n);
  const s = whole % 60n;
  const m = (whole / 60n) % 60n;
  const h = (whole / 3600n) % 24n;
  const d = whole / 86_400n;
  if (d !== 0n) return `${sign}${d}d ${h}h ${m}m ${s}s`;
  if (h !== 0n) return `${sign}${h}h ${m}m ${s}s`;
  if (m !== 0n) return `${sign}${m}m ${s}s`;
  return sprintf('%s%.4gs', [sign, magnitude]);
}

/** A ratio as a percentage: `12.34%`. */
export function humanizePercentage(ratio: number): string {
  return sprintf('%.4g%%', [ratio * 100]);
}
