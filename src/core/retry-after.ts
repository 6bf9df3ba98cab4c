const MAX_RETRY_AFTER_MS = 3_600_000;

/** Milliseconds of a Retry-After header (RFC 9110, 10.2.3): seconds or an HTTP date; undefined where it is neither. An hour at most. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : /[a-z]{3}/i.test(text) ? Date.parse(text) - now : Number.NaN;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS);
}
