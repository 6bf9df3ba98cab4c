import { type BrokerPicture, type ClusterPicture, type PartitionPicture, partitionName } from '../picture.ts';
import type { ScalePolicy } from '../policy.ts';
import type { BrokerLoad } from '../ports.ts';
import { fewestBrokers, membersOf } from './limits.ts';
import { meanAfterRemovalMax, RESOURCES, shareOf, triggersOf } from './load-model.ts';

/** The broker to drain and remove, or why there is none. */
export type Removal = { readonly broker: number; readonly usedBytes: number } | { readonly veto: string };

/** Picks the broker with the fewest bytes among those that may go, if the others can carry its load. */
export function chooseRemoval(picture: ClusterPicture, loads: readonly BrokerLoad[], policy: ScalePolicy): Removal {
  const members = membersOf(picture);
  const veto = removalVeto(picture, loads, policy);
  if (veto !== undefined) return { veto };
  const refused: string[] = [];
  const candidates: (BrokerPicture & { usedBytes: number })[] = [];
  const blocked = new Map([...minIsrUnknown(picture), ...lastCopyHolders(picture)]);
  for (const id of members) {
    const broker = picture.brokers.get(id);
    if (broker === undefined) continue;
    const why = keeps(broker, picture) ?? mayKeep(broker, picture) ?? blocked.get(id);
    if (why !== undefined) refused.push(`broker ${id} ${why}`);
    else if (broker.usedBytes === undefined) refused.push(`what broker ${id} holds is not known`);
    else candidates.push({ ...broker, usedBytes: broker.usedBytes });
  }
  // The newest of equals: it is the one that came last.
  candidates.sort((a, b) => a.usedBytes - b.usedBytes || b.id - a.id);
  const [chosen] = candidates;
  if (chosen === undefined) return { veto: `no broker may go: ${refused.slice(0, 5).join('; ')}` };
  const { tooMuch, unknown } = project(chosen.id, members, loads, policy);
  const held = tooMuch ?? unknown;
  return held === undefined ? { broker: chosen.id, usedBytes: chosen.usedBytes } : { veto: held };
}

/**
 * Why the one that was chosen may not go any more; undefined where it still may. What is not known for a moment, as after
 * a start, is no reason: the guards hold the lease back until it is known. The load no guard looks at: `loadIsDue` says
 * that it was watched for long enough to be known.
 */
export function stillRemovable(
  id: number,
  picture: ClusterPicture,
  { loads, loadIsDue }: { readonly loads: readonly BrokerLoad[]; readonly loadIsDue: boolean },
  policy: ScalePolicy,
): string | undefined {
  const broker = picture.brokers.get(id);
  if (broker === undefined) return `broker ${id} is not there any more`;
  const kept = keeps(broker, picture) ?? lastCopyHolders(picture).get(id);
  if (kept !== undefined) return `broker ${id} ${kept}`;
  const { tooMuch, unknown } = project(id, membersOf(picture), loads, policy);
  return removalVeto(picture, loads, policy) ?? tooMuch ?? (loadIsDue ? unknown : undefined);
}

/** What vetoes any removal, whichever broker it is. */
function removalVeto(picture: ClusterPicture, loads: readonly BrokerLoad[], policy: ScalePolicy): string | undefined {
  const count = membersOf(picture).length;
  const fewest = fewestBrokers(picture, policy);
  if (count <= fewest) return `${count} brokers are the fewest there may be (${fewest})`;
  return overUtilised(loads, policy);
}

/** Any over-utilised member vetoes. */
function overUtilised(loads: readonly BrokerLoad[], policy: ScalePolicy): string | undefined {
  const triggers = triggersOf(policy);
  for (const load of loads)
    for (const resource of RESOURCES) {
      const share = shareOf(load, resource, policy);
      if (share !== undefined && share > triggers[resource]) return `broker ${load.broker} is at ${percent(share)} of its ${resource}`;
    }
  return undefined;
}

/** Why a broker stays whatever its load, by what is known. */
function keeps({ id, registered, up, rack }: BrokerPicture, picture: ClusterPicture): string | undefined {
  if (picture.quorum?.voters.some((voter) => voter.id === id) === true) return 'is a voter of the quorum';
  if (!registered || up === false) return 'is not up';
  if (rack === undefined) return undefined;
  const alone = ![...picture.brokers.values()].some((other) => other.id !== id && other.rack === rack && other.registered);
  return alone ? `is the last one in rack ${rack}` : undefined;
}

/** Why it may have to stay: what must be known before one is chosen. */
function mayKeep({ up }: BrokerPicture, { quorum }: ClusterPicture): string | undefined {
  if (quorum === undefined) return 'may be a voter of the quorum: the quorum is not known';
  return up === undefined ? 'has not been heard of yet' : undefined;
}

function lastCopyHolders({ partitions }: ClusterPicture): ReadonlyMap<number, string> {
  const holders = new Map<number, string>();
  for (const partition of partitions)
    for (const id of lastCopies(partition)) holders.set(id, `holds the last copy of ${partitionName(partition)}`);
  return holders;
}

function minIsrUnknown({ partitions }: ClusterPicture): ReadonlyMap<number, string> {
  const holders = new Map<number, string>();
  for (const partition of partitions)
    if (partition.minIsr === undefined)
      for (const id of partition.replicas) holders.set(id, `holds ${partitionName(partition)}, whose min.insync.replicas is not known`);
  return holders;
}

function lastCopies({ leader, isr, lastIsr, replicas }: PartitionPicture): readonly number[] {
  if (leader < 0) return lastIsr.length > 0 ? lastIsr : replicas;
  return isr.length === 1 ? isr : [];
}

interface Projection {
  /** What would be too much without it. */
  readonly tooMuch: string | undefined;
  /** What is not known, and would have to be. */
  readonly unknown: string | undefined;
}

/**
 * Spreads the load of the one that goes over those that stay: no resource of any of them may pass `projectionMax`, nor
 * the mean what calls for a broker more.
 */
function project(gone: number, members: readonly number[], loads: readonly BrokerLoad[], policy: ScalePolicy): Projection {
  const byId = new Map(loads.map((load) => [load.broker, load]));
  const triggers = triggersOf(policy);
  const known = new Set<string>();
  let unknown: string | undefined;
  for (const resource of RESOURCES) {
    const shares = members.map((id) => {
      const load = byId.get(id);
      return [id, load === undefined ? undefined : shareOf(load, resource, policy)] as const;
    });
    if (shares.every(([, share]) => share === undefined)) continue;
    known.add(resource);
    const missing = shares.filter(([, share]) => share === undefined).map(([id]) => id);
    if (missing.length > 0) {
      unknown ??= `the ${resource} of broker ${missing.join(', ')} is not known`;
      continue;
    }
    const given = (shares.find(([id]) => id === gone)?.[1] ?? 0) / (members.length - 1);
    const stay = shares.filter(([id]) => id !== gone).map(([id, share]) => [id, (share ?? 0) + given] as const);
    const tooMuch = tooMuchOf(gone, resource, stay, { max: policy.projectionMax, meanMax: meanAfterRemovalMax(triggers[resource]) });
    if (tooMuch !== undefined) return { tooMuch, unknown };
  }
  if (!known.has('disk')) unknown ??= 'how full the disks are is not known';
  // Bytes in say what clients do where no exporter does; with neither, quiet is only silence.
  if (!known.has('bytes') && !(known.has('handlers') && known.has('cpu') && known.has('network')))
    unknown ??= 'neither bytes per second nor handlers, processors and network are known';
  return { tooMuch: undefined, unknown };
}

function tooMuchOf(
  gone: number,
  resource: string,
  stay: readonly (readonly [id: number, share: number])[],
  { max, meanMax }: { readonly max: number; readonly meanMax: number },
): string | undefined {
  const worst = stay.reduce((a, b) => (b[1] > a[1] ? b : a));
  if (worst[1] > max)
    return `without broker ${gone}, broker ${worst[0]} would be at ${percent(worst[1])} of its ${resource} (at most ${percent(max)})`;
  const mean = stay.reduce((sum, [, share]) => sum + share, 0) / stay.length;
  return mean > meanMax
    ? `without broker ${gone} the mean ${resource} would be ${percent(mean)}, close to what calls for one more`
    : undefined;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
