import type { BelfryConfig } from '../config/config.ts';
import type { NotifierSet } from '../notifiers/notifier-set.ts';
import type { OwnerTableConfig } from '../routing/owners.ts';

/** Who is told of what, from the configuration and the ways that there are to reach each owner. */
export function ownerTableOf(config: BelfryConfig, notifiers: NotifierSet): OwnerTableConfig {
  const owners = config.owners.map(({ name, receiver }) => {
    const ways = notifiers.integrations(receiver.name).map((integration) => ({ integration, index: 0 }));
    return [name, ways] as const;
  });
  const ownerOfCluster = config.clusters.flatMap(({ name, owner }) => (owner === undefined ? [] : [[name, owner] as const]));
  return { owners: new Map(owners), ownerOfCluster: new Map(ownerOfCluster), defaultOwner: config.defaultOwner ?? '' };
}
