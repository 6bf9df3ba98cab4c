import { createHash } from 'node:crypto';
import { targetOf, type Intent, type Lease } from '../../core/autopilot.ts';
import type { IntentRow } from '../../core/autopilot-state.ts';
import type { IntentRequest } from '../ports.ts';

/** Equal for requests of the same act: a lowercase hexadecimal SHA-256 of cluster, target, action, incident and attempt. */
export function intentKey(
  request: Pick<IntentRequest, 'cluster' | 'broker' | 'desiredBrokers' | 'action' | 'incidentId' | 'attempt'>,
): string {
  const { cluster, action, incidentId, attempt } = request;
  return createHash('sha256')
    .update(JSON.stringify([cluster, targetOf(request), action, incidentId, attempt]))
    .digest('hex');
}

/** The row of an intent. Numbers that are not set are -1, as in all rows of the auto-pilot; a lease that is not there is 0. */
export function rowOf(intent: Intent): IntentRow {
  const { cluster, broker, desiredBrokers, currentBrokers, lease, approvedBy, ...same } = intent;
  return {
    ...same,
    shard: cluster,
    brokerId: broker ?? -1,
    desiredBrokers: desiredBrokers ?? -1,
    currentBrokers: currentBrokers ?? -1,
    fencingToken: lease?.fencingToken ?? 0,
    executor: lease?.executor ?? '',
    leasedAt: lease?.grantedAt ?? 0,
    leaseExpiresAt: lease?.expiresAt ?? 0,
    approvedBy: approvedBy ?? '',
  };
}

export function intentOf(row: IntentRow): Intent {
  const { shard, brokerId, desiredBrokers, currentBrokers, fencingToken, executor, leasedAt, leaseExpiresAt, approvedBy, ...same } = row;
  const lease: Lease | undefined =
    fencingToken === 0 ? undefined : { fencingToken, executor, grantedAt: leasedAt, expiresAt: leaseExpiresAt };
  return {
    ...same,
    cluster: shard,
    broker: numberOf(brokerId),
    desiredBrokers: numberOf(desiredBrokers),
    currentBrokers: numberOf(currentBrokers),
    lease,
    approvedBy: approvedBy === '' ? undefined : approvedBy,
  };
}

function numberOf(stored: number): number | undefined {
  return stored < 0 ? undefined : stored;
}
