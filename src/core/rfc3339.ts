/** Milliseconds of a date that there is, with its zone (RFC 3339); undefined for anything else. */
export function parseRfc3339(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-(\d\d))T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const ts = match === null ? Number.NaN : Date.parse(text);
  if (Number.isNaN(ts)) return undefined;
  // JavaScript takes 30 February for 1 March.
  return new Date(`${match?.[1] ?? ''}T00:00:00Z`).getUTCDate() === Number(match?.[2]) ? ts : undefined;
}
