import type { FastifyRequest } from 'fastify';
import { parseDuration } from '../../core/duration.ts';
import { BelfryError, type ErrorCode } from '../../core/errors.ts';
import { parseFloatText } from '../../core/number-format.ts';
import { parseRfc3339 } from '../../core/rfc3339.ts';
import { readForm } from '../forms.ts';

/** The latest time a date can be written for, on either side of 1970. */
const TIME_MS_MAX = 8.64e15;
/** Go counts durations in nanoseconds, in 63 bits. */
const DURATION_MS_MAX = 2 ** 63 / 1e6;

/** Query parameters and, for a POST, the form's; the form wins where both have a name, as Go's `Request.FormValue`. */
export function parametersOf(request: FastifyRequest): URLSearchParams {
  const at = request.url.indexOf('?');
  const query = readForm(at < 0 ? '' : request.url.slice(at + 1));
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

/** The same where the time may be left out, which Prometheus has other words for. */
export function optionalTime(parameters: URLSearchParams, name: string): number | undefined {
  try {
    return timeParameter(parameters, name);
  } catch {
    const text = JSON.stringify(parameters.get(name));
    throw invalid(name, `invalid time value for '${name}': cannot parse ${text} to a valid timestamp`);
  }
}

/** Milliseconds of seconds with a fraction, or of a Prometheus duration; undefined where it is left out or empty. */
export function durationParameter(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name) ?? '';
  if (text === '') return undefined;
  const durationMs = (parseFloatText(text) ?? Number.NaN) * 1000;
  if (Math.abs(durationMs) <= DURATION_MS_MAX) return durationMs;
  const why = `cannot parse ${JSON.stringify(text)} to a valid duration`;
  if (!Number.isNaN(durationMs)) throw invalid(name, `${why}. It overflows int64`);
  try {
    return parseDuration(text);
  } catch {
    throw invalid(name, why);
  }
}

/** `lookback_delta`; undefined where it is left out or empty. */
export function lookbackParameter(parameters: URLSearchParams): number | undefined {
  const name = 'lookback_delta';
  let lookbackMs: number | undefined;
  try {
    lookbackMs = durationParameter(parameters, name);
  } catch {
    const text = JSON.stringify(parameters.get(name));
    throw new BelfryError('BAD_REQUEST', `error parsing lookback delta duration: cannot parse ${text} to a valid duration`);
  }
  if (lookbackMs !== undefined && lookbackMs <= 0) throw invalid(name, 'must be above zero');
  return lookbackMs;
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
  if (/^-\d{1,15}$/.test(text) && Number(text) < 0) throw invalid(name, 'limit must be non-negative');
  if (!/^([+-]?\d{1,15})?$/.test(text)) throw invalid(name, `cannot parse ${JSON.stringify(text)} to a whole number that is not negative`);
  return Number(text) === 0 ? Infinity : Number(text);
}

/** Go prints the zero time for what never happened. */
export function rfc3339(ts: number): string {
  return ts <= 0 ? '0001-01-01T00:00:00Z' : new Date(ts).toISOString();
}

export function invalid(name: string, why: string): BelfryError {
  return new BelfryError('BAD_REQUEST', `invalid parameter "${name}": ${why}`);
}

/** What is wrong with a text of PromQL, not with what it was asked of. */
const OF_EXPRESSION: ReadonlySet<ErrorCode> = new Set(['PROMQL_SYNTAX', 'PROMQL_TYPE', 'PROMQL_UNSUPPORTED']);

/**
 * An error over an expression or selector in Prometheus's frame, `invalid parameter "query": 1:5: parse error: …`, so that
 * clients find the place; some of its pages do not name the parameter. Any other error as it is.
 */
export function expressionError(error: unknown, name?: string): unknown {
  if (!(error instanceof BelfryError)) return error;
  const frame = name === undefined ? '' : `invalid parameter "${name}": `;
  const { code, message, position, cause } = error;
  if (code === 'BAD_REQUEST') return new BelfryError(code, frame + message, { cause });
  if (!OF_EXPRESSION.has(code)) return error;
  const place = position === undefined ? '' : `${position.line}:${position.column}: `;
  return new BelfryError(code, `${frame}${place}parse error: ${message}`, { cause });
}

/** Reads an expression or a selector; throws as `expressionError` says. */
export function reading<T>(read: () => T, name?: string): T {
  try {
    return read();
  } catch (error) {
    throw expressionError(error, name);
  }
}

/** The same of what takes turns. */
export async function readingInTurns<T>(read: () => Promise<T>, name?: string): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw expressionError(error, name);
  }
}
