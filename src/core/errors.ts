/**
 * The closed list of Belfry's error codes. Every code has a row in `docs/errors.md` (a test compares the two):
 * `retryable` says whether the same attempt may succeed later, `status` is the HTTP status an API answers with.
 */
const ERROR_CODES = {
  // Configuration and files operators write.
  CONFIG_INVALID: { retryable: false, status: 400 },
  CONFIG_UNREADABLE: { retryable: true, status: 500 },
  SECRET_UNREADABLE: { retryable: true, status: 500 },
  RULES_INVALID: { retryable: false, status: 400 },
  TEMPLATE_INVALID: { retryable: false, status: 400 },
  // PromQL.
  PROMQL_SYNTAX: { retryable: false, status: 400 },
  PROMQL_TYPE: { retryable: false, status: 400 },
  PROMQL_UNSUPPORTED: { retryable: false, status: 400 },
  PROMQL_EXECUTION: { retryable: false, status: 422 },
  PROMQL_LIMIT: { retryable: false, status: 422 },
  PROMQL_TIMEOUT: { retryable: true, status: 503 },
  PROMQL_CANCELED: { retryable: true, status: 499 },
  // Collecting.
  SCRAPE_FAILED: { retryable: true, status: 502 },
  SCRAPE_TIMEOUT: { retryable: true, status: 504 },
  SCRAPE_BODY_TOO_LARGE: { retryable: false, status: 502 },
  SCRAPE_TOO_MANY_SERIES: { retryable: false, status: 502 },
  SCRAPE_LABEL_TOO_LONG: { retryable: false, status: 502 },
  EXPOSITION_MALFORMED: { retryable: false, status: 502 },
  KAFKA_UNREACHABLE: { retryable: true, status: 502 },
  KAFKA_TIMEOUT: { retryable: true, status: 504 },
  KAFKA_AUTH_FAILED: { retryable: true, status: 502 },
  KAFKA_MALFORMED: { retryable: true, status: 502 },
  KAFKA_REFUSED: { retryable: true, status: 502 },
  KAFKA_UNSUPPORTED: { retryable: false, status: 502 },
  KAFKA_PERMISSION_MISSING: { retryable: true, status: 502 },
  // Storage.
  STORE_LIMIT: { retryable: false, status: 507 },
  STORE_OUT_OF_ORDER: { retryable: false, status: 400 },
  STORE_DUPLICATE: { retryable: false, status: 400 },
  STORE_CORRUPT: { retryable: false, status: 500 },
  STORE_NEWER: { retryable: false, status: 500 },
  STORE_LOCKED: { retryable: true, status: 500 },
  STATE_NOT_DURABLE: { retryable: true, status: 500 },
  // Rules, routing, delivery.
  RULE_LIMIT: { retryable: true, status: 422 },
  RULE_DUPLICATE_ALERT: { retryable: true, status: 422 },
  OUTBOX_FULL: { retryable: true, status: 503 },
  DELIVERY_FAILED: { retryable: true, status: 502 },
  DELIVERY_REFUSED: { retryable: false, status: 502 },
  // The auto-pilot and its executors.
  CONFLICT: { retryable: false, status: 409 },
  LEASE_LOST: { retryable: false, status: 409 },
  EXECUTOR_FAILED: { retryable: false, status: 502 },
  // HTTP and the process.
  BAD_REQUEST: { retryable: false, status: 400 },
  UNAUTHORIZED: { retryable: false, status: 401 },
  FORBIDDEN: { retryable: false, status: 403 },
  NOT_FOUND: { retryable: false, status: 404 },
  NOT_READY: { retryable: true, status: 503 },
  LIMIT_EXCEEDED: { retryable: false, status: 413 },
  TOO_MANY_REQUESTS: { retryable: true, status: 429 },
  STOPPING: { retryable: true, status: 503 },
  INTERNAL: { retryable: false, status: 500 },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Every code there is, for the test that compares them with `docs/errors.md`. */
export const errorCodes: Readonly<Record<ErrorCode, { retryable: boolean; status: number }>> = ERROR_CODES;

/** A place in a file or an expression: 1-based line and column (counted in UTF-16 units). */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The only error class that crosses a room's wall. Branch on `code`, never on the text. */
export class BelfryError extends Error {
  override readonly name = 'BelfryError';
  readonly code: ErrorCode;
  /** Where in the text that was parsed the error stands, for errors that have such a place. */
  readonly position: Position | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; position?: Position } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.position = options.position;
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }

  get status(): number {
    return errorCodes[this.code].status;
  }
}

/** The one-line text of anything that was thrown, its causes appended: `request failed: connect ECONNREFUSED`. */
export function errorText(error: unknown): string {
  const seen = new Set<unknown>();
  const parts: string[] = [];
  for (let at = error; at !== undefined && at !== null && !seen.has(at) && parts.length < 5; at = isErrorLike(at) ? at.cause : undefined) {
    seen.add(at);
    const text = thrownText(at);
    if (parts.at(-1)?.includes(text) !== true) parts.push(text);
  }
  return parts.join(': ').replaceAll(/\s*\n\s*/g, ' ');
}

/** By shape, not by class: errors of another realm (a worker's, a test sandbox's) are errors too. */
function isErrorLike(value: unknown): value is { name: string; message: string; cause?: unknown } {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';
}

function thrownText(value: unknown): string {
  if (isErrorLike(value)) return value.message || value.name;
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? typeof value);
}
