import { ACK_STATUSES, type Ack } from '../../core/autopilot.ts';
import { BelfryError } from '../../core/errors.ts';

/** Bytes of one ack on a topic. */
export const ACK_BYTES_MAX = 64 * 1024;
const ID_MAX = 100;
const PROCESSES = ['running', 'recovering', 'stopped', 'unknown'] as const;

export interface SignedAckMessage {
  readonly ack: Ack;
  readonly signature: string;
}

/**
 * Reads an ack of the acks topic: `{intentId, fencingToken, status, text, process?, progress?, signature}`. Throws
 * `BAD_REQUEST` or `LIMIT_EXCEEDED`.
 */
export function parseAckMessage(json: Buffer): SignedAckMessage {
  if (json.length > ACK_BYTES_MAX) throw new BelfryError('LIMIT_EXCEEDED', `an ack of ${json.length} bytes; the limit is ${ACK_BYTES_MAX}`);
  let given: unknown;
  try {
    given = JSON.parse(json.toString('utf8'));
  } catch (error) {
    throw new BelfryError('BAD_REQUEST', 'an ack that is not JSON', { cause: error });
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new BelfryError('BAD_REQUEST', 'an ack that is not an object');
  const { intentId, fencingToken, status, text = '', process, progress, signature }: Record<string, unknown> = { ...given };
  const known = ACK_STATUSES.find((one) => one === status);
  const found = PROCESSES.find((one) => one === process);
  if (typeof intentId !== 'string' || intentId === '' || intentId.length > ID_MAX) throw wrong('intentId');
  if (typeof fencingToken !== 'number' || !Number.isSafeInteger(fencingToken) || fencingToken < 1) throw wrong('fencingToken');
  if (known === undefined) throw wrong('status');
  if (typeof text !== 'string') throw wrong('text');
  if (process !== undefined && found === undefined) throw wrong('process');
  if (progress !== undefined && (typeof progress !== 'number' || !Number.isFinite(progress))) throw wrong('progress');
  if (typeof signature !== 'string') throw wrong('signature');
  const ack: Ack = {
    intentId,
    fencingToken,
    status: known,
    text,
    ...(found === undefined ? {} : { process: found }),
    ...(progress === undefined ? {} : { progress }),
  };
  return { ack, signature };
}

function wrong(field: string): BelfryError {
  return new BelfryError('BAD_REQUEST', `an ack whose ${field} is missing or wrong`);
}
