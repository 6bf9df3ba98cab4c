import type { FastifyRequest } from 'fastify';
import { parseDuration } from '../../core/duration.ts';
import { BelfryError } from '../../core/errors.ts';
import { parseFloatText } from '../../core/number-format.ts';
import { parseRfc3339 } from '../../core/rfc3339.ts';

/** The latest time a date can be written for, on either side of 1970. */
const TIME_MS_MAX = 8.64e15;

/** Query parameters and, for a POST, the form's; the form wins where both have a name, as Go's `Request.FormValue`. */
export function parametersOf(request: FastifyRequest): URLSearchParams {
  const at = request.url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : request.url.slice(at + 1));
  if (!(request.body instanceof URLSearchParams)) return query;
  const both = new URLSearchParams(request.body);
  for (const [name, value] of query) both.append(name, value);
  return both;
}

/** Milliseconds of Unix seconds with a fraction, or of RFC 3339; undefined where the parameter is left out or empty. */
export function timeParameter(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name) ?? '';
  if (text === '') return undefined;
  const seconds = parseFloatText(text);
  const ts = seconds === undefined ? parseRfc3339(text) : Math.round(seconds * 1000);
  if (ts !== undefined && Math.abs(ts) <= TIME_MS_MAX) return ts;
  throw invalid(name, `cannot parse ${JSON.stringify(text)} to a valid timestamp`);
}

/** Milliseconds of seconds with a fraction, or of a Prometheus duration; undefined where it is left out or empty. */
export function durationParameter(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name) ?? '';
  if (text === '') return undefined;
  const durationMs = (parseFloatText(text) ?? Number.NaN) * 1000;
  if (Math.abs(durationMs) <= TIME_MS_MAX) return durationMs;
  try {
    return parseDuration(text);
  } catch (error) {
    throw invalid(name, `cannot parse ${JSON.stringify(text)} to a valid duration`, error);
  }
}

/** A switch as Go's `strconv.ParseBool` reads it; false where it is left out or empty. */
export function booleanParameter(parameters: URLSearchParams, name: string): boolean {
  const text = parameters.get(name) ?? '';
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['', '0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  throw invalid(name, `cannot parse ${JSON.stringify(text)} to true or false`);
}

/** What is said beside an answer that a limit has cut short. */
export const TRUNCATED = 'results truncated due to limit';

/** How many results are wanted at most; all of them where it is left out, empty or 0. */
export function limitParameter(parameters: URLSearchParams): number {
  const name = 'limit';
  const text = parameters.get(name) ?? '';
  if (!/^(\+?\d{1,15})?$/.test(text)) throw invalid(name, `cannot parse ${JSON.stringify(text)} to a whole number that is not negative`);
  return Number(text) === 0 ? Infinity : Number(text);
}

/** Go prints the zero time for what never happened. */
export function rfc3339(ts: number): string {
  return ts <= 0 ? '0001-01-01T00:00:00Z' : new Date(ts).toISOString();
}

export function invalid(name: string, why: string, cause?: unknown): BelfryError {
  return new BelfryError('BAD_REQUEST', `invalid parameter "${name}": ${why}`, { cause });
}
