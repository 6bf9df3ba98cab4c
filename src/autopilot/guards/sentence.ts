import type { Action } from '../../core/autopilot.ts';
import { partitionName, type ClusterPicture, type PartitionPicture } from '../picture.ts';
import type { GuardContext } from './context.ts';

/** What one guard says of one context. */
export interface Judgement {
  readonly holds: boolean;
  readonly sentence: string;
}

export const holds = (sentence: string): Judgement => ({ holds: true, sentence });
export const passes = (sentence: string): Judgement => ({ holds: false, sentence });

/** Partitions that a sentence names before it only counts. */
const NAMED_MAX = 3;

/** `payments-3, payments-4 and 12 more`. */
export function namesOf(partitions: readonly Pick<PartitionPicture, 'topic' | 'partition'>[]): string {
  return listed(partitions.map(partitionName));
}

/** `brokers 1 and 4`, `broker 2`. */
export function brokerNames(ids: readonly number[]): string {
  const sorted = ids.toSorted((a, b) => a - b).map(String);
  return `${sorted.length === 1 ? 'broker' : 'brokers'} ${listed(sorted)}`;
}

function listed(names: readonly string[]): string {
  if (names.length <= 1) return names.join('');
  if (names.length <= NAMED_MAX) return `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
  return `${names.slice(0, NAMED_MAX).join(', ')} and ${names.length - NAMED_MAX} more`;
}

/** `1 partition`, `12 partitions`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

const ACT_NAMES: Readonly<Record<Action, string>> = {
  repair: 'a restart',
  replace: 'a replacement',
  scale_out: 'a scale-out',
  scale_in: 'a scale-in',
};

/** `a restart of broker 2`, `a scale-out`. */
export function actOf({ action, broker }: Pick<GuardContext, 'action' | 'broker'>): string {
  return broker === undefined ? ACT_NAMES[action] : `${ACT_NAMES[action]} of broker ${broker}`;
}

/**
 * What is judged: the newest picture when an intent is made; at its lease only what the two brokers said that were
 * asked anew.
 */
export function judgedPicture(context: GuardContext): ClusterPicture | undefined {
  return context.moment === 'lease' ? context.confirmation?.picture : context.picture;
}

/** A guard over the cluster's picture; it holds where there is none, as nothing follows from absence. */
export function onPicture(judge: (picture: ClusterPicture, context: GuardContext) => Judgement): (context: GuardContext) => Judgement {
  return (context) => {
    const picture = judgedPicture(context);
    return picture === undefined ? holds('not known: nothing of the cluster was seen') : judge(picture, context);
  };
}

/** A guard over the broker that is acted on. */
export function onTarget(
  judge: (broker: number, picture: ClusterPicture, context: GuardContext) => Judgement,
): (context: GuardContext) => Judgement {
  return onPicture((picture, context) =>
    context.broker === undefined ? holds('not known: the act names no broker') : judge(context.broker, picture, context),
  );
}
