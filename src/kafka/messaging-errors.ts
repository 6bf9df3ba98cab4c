import { BelfryError, type ErrorCode } from '../core/errors.ts';
import { breakKindOf } from './break.ts';

const CODE_BY_NAME: Readonly<Record<string, ErrorCode>> = {
  KafkaJSSASLAuthenticationError: 'KAFKA_AUTH_FAILED',
  KafkaJSConnectionError: 'KAFKA_UNREACHABLE',
  KafkaJSConnectionClosedError: 'KAFKA_UNREACHABLE',
  KafkaJSNoBrokerAvailableError: 'KAFKA_UNREACHABLE',
  KafkaJSBrokerNotFound: 'KAFKA_UNREACHABLE',
  KafkaJSRequestTimeoutError: 'KAFKA_TIMEOUT',
  KafkaJSTimeout: 'KAFKA_TIMEOUT',
  KafkaJSServerDoesNotSupportApiKey: 'KAFKA_UNSUPPORTED',
};

/** Kafka's names of what a broker has answered. */
const CODE_BY_TYPE: Readonly<Record<string, ErrorCode>> = {
  UNSUPPORTED_SASL_MECHANISM: 'KAFKA_AUTH_FAILED',
  ILLEGAL_SASL_STATE: 'KAFKA_AUTH_FAILED',
  SASL_AUTHENTICATION_FAILED: 'KAFKA_AUTH_FAILED',
};

/** Names and types of an error and of what is behind it. */
export function namesBehind(error: unknown): readonly string[] {
  const names: string[] = [];
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = causeOf(at), depth++)
    names.push(at.name, 'type' in at ? String(at.type) : '');
  return names;
}

/** Of several errors, such as one a topic, the first. */
function causeOf(error: Error): unknown {
  if (!('errors' in error) || !Array.isArray(error.errors)) return error.cause;
  const [first] = error.errors as readonly unknown[];
  return first;
}

/** The innermost cause that has a code of ours decides; what no table knows was refused by a broker. */
export function messagingError(what: string, error: unknown): BelfryError {
  let code: ErrorCode = 'KAFKA_REFUSED';
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = causeOf(at), depth++) {
    if (at instanceof BelfryError) return new BelfryError(at.code, what, { cause: error });
    // A certificate that is not believed, ours or the broker's: kafkajs calls it a connection error like any other.
    if (breakKindOf(at) === 'tls') return new BelfryError('KAFKA_AUTH_FAILED', what, { cause: error });
    const type = 'type' in at ? String(at.type) : '';
    code = type.endsWith('_AUTHORIZATION_FAILED') ? 'KAFKA_PERMISSION_MISSING' : (CODE_BY_NAME[at.name] ?? CODE_BY_TYPE[type] ?? code);
  }
  return new BelfryError(code, what, { cause: error });
}
