import type { PilotEvidenceRow } from '../core/autopilot-state.ts';
import type { ClusterPicture } from './picture.ts';
import { ownEvidence, wholeness } from './verification.ts';

/**
 * Brokers of a cluster that a rule or our own observation says are in trouble: with standing evidence while they are not
 * whole, or down by our own evidence. One that is up and only starts, or was stopped in an orderly way within its grace,
 * is not.
 */
export function troubledOf(picture: ClusterPicture, evidence: readonly PilotEvidenceRow[]): ReadonlySet<number> {
  const troubled = new Set<number>();
  for (const { brokerId, action } of evidence) {
    if (action !== 'repair' && action !== 'replace') continue;
    const broker = picture.brokers.get(brokerId);
    if (broker === undefined || broker.inStopGrace || broker.up === undefined) continue;
    if (!wholeness(picture, brokerId).holds) troubled.add(brokerId);
  }
  for (const { id, up } of picture.brokers.values()) if (up === false && ownEvidence(picture, id) !== undefined) troubled.add(id);
  return troubled;
}
