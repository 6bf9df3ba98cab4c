import { BelfryError, type ErrorCode } from '../core/errors.ts';

/** Codes that the code branches on. */
export const KAFKA_ERROR = {
  none: 0,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
  unsupportedSaslMechanism: 33,
  illegalSaslState: 34,
  unsupportedVersion: 35,
  kafkaStorageError: 56,
  saslAuthenticationFailed: 58,
  groupIdNotFound: 69,
  preferredLeaderNotAvailable: 80,
  electionNotNeeded: 84,
  noReassignmentInProgress: 85,
  brokerIdNotRegistered: 102,
} as const;

/** Kafka's error codes by their names in the protocol guide, those that an observer can meet. */
const NAMES: Readonly<Record<number, string>> = {
  [-1]: 'UNKNOWN_SERVER_ERROR',
  1: 'OFFSET_OUT_OF_RANGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  7: 'REQUEST_TIMED_OUT',
  8: 'BROKER_NOT_AVAILABLE',
  9: 'REPLICA_NOT_AVAILABLE',
  13: 'NETWORK_EXCEPTION',
  14: 'COORDINATOR_LOAD_IN_PROGRESS',
  15: 'COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR',
  17: 'INVALID_TOPIC_EXCEPTION',
  24: 'INVALID_GROUP_ID',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  33: 'UNSUPPORTED_SASL_MECHANISM',
  34: 'ILLEGAL_SASL_STATE',
  35: 'UNSUPPORTED_VERSION',
  37: 'INVALID_PARTITIONS',
  38: 'INVALID_REPLICATION_FACTOR',
  39: 'INVALID_REPLICA_ASSIGNMENT',
  40: 'INVALID_CONFIG',
  41: 'NOT_CONTROLLER',
  42: 'INVALID_REQUEST',
  44: 'POLICY_VIOLATION',
  56: 'KAFKA_STORAGE_ERROR',
  57: 'LOG_DIR_NOT_FOUND',
  58: 'SASL_AUTHENTICATION_FAILED',
  60: 'REASSIGNMENT_IN_PROGRESS',
  69: 'GROUP_ID_NOT_FOUND',
  72: 'LISTENER_NOT_FOUND',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
  80: 'PREFERRED_LEADER_NOT_AVAILABLE',
  83: 'ELIGIBLE_LEADERS_NOT_AVAILABLE',
  84: 'ELECTION_NOT_NEEDED',
  85: 'NO_REASSIGNMENT_IN_PROGRESS',
  86: 'GROUP_SUBSCRIBED_TO_TOPIC',
  89: 'THROTTLING_QUOTA_EXCEEDED',
  94: 'INCONSISTENT_VOTER_SET',
  100: 'UNKNOWN_TOPIC_ID',
  102: 'BROKER_ID_NOT_REGISTERED',
  104: 'INCONSISTENT_CLUSTER_ID',
};

/** The name of a Kafka error code, or `error N`. */
export function kafkaErrorName(code: number): string {
  return NAMES[code] ?? `error ${code}`;
}

const BELFRY_CODES: Readonly<Record<number, ErrorCode>> = {
  [KAFKA_ERROR.topicAuthorizationFailed]: 'KAFKA_PERMISSION_MISSING',
  [KAFKA_ERROR.groupAuthorizationFailed]: 'KAFKA_PERMISSION_MISSING',
  [KAFKA_ERROR.clusterAuthorizationFailed]: 'KAFKA_PERMISSION_MISSING',
  [KAFKA_ERROR.unsupportedSaslMechanism]: 'KAFKA_AUTH_FAILED',
  [KAFKA_ERROR.illegalSaslState]: 'KAFKA_AUTH_FAILED',
  [KAFKA_ERROR.saslAuthenticationFailed]: 'KAFKA_AUTH_FAILED',
  [KAFKA_ERROR.unsupportedVersion]: 'KAFKA_UNSUPPORTED',
};

/** What a user needs for the requests that are refused as a whole. */
const NEEDED: Readonly<Record<string, string>> = {
  DescribeQuorum: 'Describe on Cluster',
  DescribeLogDirs: 'Describe on Cluster',
  ListPartitionReassignments: 'Describe on Cluster',
  AlterPartitionReassignments: 'Alter on Cluster',
  ElectLeaders: 'Alter on Cluster',
  UnregisterBroker: 'Alter on Cluster',
};

/** Throws when a whole answer (not one partition of it) says that the request was refused. */
export function throwOnError(api: string, code: number, message?: string): void {
  if (code === KAFKA_ERROR.none) return;
  const needed = code === KAFKA_ERROR.clusterAuthorizationFailed && NEEDED[api] !== undefined ? ` (needs ${NEEDED[api]})` : '';
  const text = needed + (message === undefined || message === '' ? '' : `: ${message.slice(0, 200)}`);
  throw new BelfryError(BELFRY_CODES[code] ?? 'KAFKA_REFUSED', `${api} was answered with ${kafkaErrorName(code)}${text}`);
}
