import { pino } from 'pino';
import { errorText } from '../core/errors.ts';
import type { LogFields, Logger } from '../core/log.ts';
import { Secret } from '../core/secret.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Keys whose values never reach a log, wherever they stand; a second fence behind the `Secret` type. */
const REDACTED = ['password', 'token', 'secret', 'authorization', 'cookie', 'api_key', 'apiKey', 'key', 'cert'];

/**
 * Structured lines on a stream: `{"level":"info","time":…,"event":"cluster_unreachable","cluster":"orders"}`. Written
 * synchronously, so that the last line before an end is not lost.
 */
export function createLogger(level: LogLevel, destination: { write(line: string): void }): Logger {
  const root = pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'event',
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '[secret]' },
    },
    destination,
  );
  return adapt(root);
}

function adapt(target: pino.Logger): Logger {
  return {
    debug: (event, fields) => target.debug(plain(fields), event),
    info: (event, fields) => target.info(plain(fields), event),
    warn: (event, fields) => target.warn(plain(fields), event),
    error: (event, fields) => target.error(plain(fields), event),
    child: (fields) => adapt(target.child(plain(fields))),
  };
}

/** Errors become their text, their causes appended, and their stack; a `Secret` prints itself as one. */
function plain(fields: LogFields = {}): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value instanceof Error) out[key] = { name: value.name, message: errorText(value), stack: value.stack };
    else out[key] = value instanceof Secret ? value.toString() : value;
  }
  return out;
}
