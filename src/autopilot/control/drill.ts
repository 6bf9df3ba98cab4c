import type { Intent } from '../../core/autopilot.ts';
import { BelfryError } from '../../core/errors.ts';
import { ulid } from '../../core/ulid.ts';
import type { ClusterPicture } from '../picture.ts';
import type { IntentRequest } from '../ports.ts';

/** The label of a cluster on which drills are allowed: `drill: yes`. */
const DRILL_LABEL = 'drill';

/**
 * A repair of a live broker, to see whether everything works from the intent to its verification. Throws `CONFLICT`
 * for a cluster that is not meant for it, cannot be seen or has intents that have not ended (`active`), and for a broker
 * that is not well; `NOT_FOUND`.
 */
export function drillRequest(
  picture: ClusterPicture | undefined,
  broker: number,
  by: string,
  now: number,
  active: readonly Pick<Intent, 'id'>[] = [],
): IntentRequest {
  if (picture === undefined) throw new BelfryError('CONFLICT', 'nothing is known of the cluster yet');
  const { cluster, labels, blind, brokers } = picture;
  if (labels[DRILL_LABEL] !== 'yes')
    throw new BelfryError('CONFLICT', `${cluster} is not labelled drill: yes, so there are no drills on it`);
  if (blind !== undefined) throw new BelfryError('CONFLICT', `${cluster} cannot be seen: ${blind}`);
  const [other] = active;
  if (other !== undefined)
    throw new BelfryError('CONFLICT', `${cluster} has an intent that has not ended (${other.id}): no drill beside it`);
  const target = brokers.get(broker);
  if (target === undefined || !target.expected) throw new BelfryError('NOT_FOUND', `${cluster} has no broker ${broker}`);
  if (target.up !== true || !target.registered)
    throw new BelfryError('CONFLICT', `broker ${broker} of ${cluster} is not well: this is no drill`);
  return {
    cluster,
    action: 'repair',
    broker,
    desiredBrokers: undefined,
    currentBrokers: undefined,
    incidentId: `drill-${ulid(now)}`,
    attempt: 1,
    reason: `a drill, asked for by ${by}: broker ${broker} is well and is restarted to see whether that works`,
    evidence: [{ what: 'drill', value: by, at: now }],
    drill: true,
  };
}
