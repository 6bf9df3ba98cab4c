import { isEnded } from '../core/autopilot.ts';
import { humanDuration } from '../core/duration.ts';
import type { BrokerStep } from './broker-step.ts';
import { wholeness } from './verification.ts';

/** Verified: the spell is over, the act has succeeded. */
export function succeed(step: BrokerStep, sentence: string): void {
  const { row, now, facts } = step;
  const { intent } = facts;
  const took = humanDuration(now - row.suspectSince);
  if (intent !== undefined && intent.id === row.intentId) {
    if (!isEnded(intent.state)) step.settle.push({ intentId: intent.id, as: 'succeeded', word: sentence });
    step.outcome('needed', sentence);
  }
  const itself = facts.picture !== undefined && wholeness(facts.picture, row.brokerId).holds;
  if (row.verifying === 'replace' && !itself) step.forget = true;
  const how = row.verifying === '' ? 'healed by itself' : `is mended and verified`;
  step.note(`${step.name} ${how} after ${took}: ${sentence}`);
  step.toHealthy(sentence);
}

/** A repair that our own observation has found to have failed. */
export function failRepair(step: BrokerStep, why: string): void {
  const { intent, othersTroubled } = step.facts;
  const { row, now } = step;
  const worse = step.othersBehind > row.urpBefore;
  const word = worse
    ? `${why}; partitions that other brokers are behind in rose from at most ${row.urpBefore} to ${step.othersBehind}`
    : why;
  const own = intent !== undefined && intent.id === row.intentId;
  if (own && !isEnded(intent.state)) step.settle.push({ intentId: intent.id, as: 'failed', word });
  const cleared = { intentId: '', verifying: '', lastActAt: now };
  if (own) step.outcome(worse ? 'wrong' : 'needed', word);
  // That a restart does not bring the process back is foreseen: more of them, then a replacement. What came back and is not
  // whole, or made it worse for others, was misjudged.
  if (worse || row.state === 'verifying') step.demote = { action: 'repair', why: `the repair of ${step.name} was not verified: ${word}` };
  if (othersTroubled.length > 0) {
    step.change(cleared);
    return step.toNeedsHuman(`${word}, and other brokers are in trouble (${othersTroubled.join(', ')})`, { loud: true });
  }
  const failures = row.repairsFailed + (wasTried(step) ? 1 : 0);
  const nextActAt = now + step.backoff(row.attempts);
  step.to('unhealthy', `repair ${row.attempts} has failed: ${word}`, {
    ...cleared,
    repairsFailed: failures,
    nextActAt,
    unhealthySince: row.unhealthySince || now,
  });
  step.note(`the repair of ${step.name} has failed (${failures} so far): ${word}`, true);
}

/**
 * False where the lease was lost before its holder said that it had begun: an executor that dies is no broker that cannot be
 * restarted, and must not lead to its replacement.
 */
function wasTried({ facts: { intent, ack } }: BrokerStep): boolean {
  return intent?.state !== 'unknown' || ack?.status === 'running' || ack?.status === 'succeeded' || ack?.status === 'failed';
}

/** A replacement that our own observation has found to have failed: not tried again by a machine. */
export function failReplace(step: BrokerStep, why: string): void {
  const { intent } = step.facts;
  const worse = step.othersBehind > step.row.urpBefore;
  if (intent !== undefined && intent.id === step.row.intentId) {
    if (!isEnded(intent.state)) step.settle.push({ intentId: intent.id, as: 'failed', word: why });
    step.outcome(worse ? 'wrong' : 'needed', why);
  }
  step.demote = { action: 'replace', why: `the replacement of ${step.name} was not verified: ${why}` };
  step.change({ lastActAt: step.now });
  step.toNeedsHuman(`its replacement has failed: ${why}`, { loud: true });
}

/** The broker that was not known when the replacement was asked for; one that was only away then is no newcomer. */
export function findSuccessor(step: BrokerStep): void {
  const { intent, picture } = step.facts;
  if (step.row.replacedBy >= 0 || picture === undefined || intent === undefined || intent.id !== step.row.intentId) return;
  // Intents of before an upgrade, which may have waited for days, name those that were registered.
  const sample = intent.evidence.find(({ what }) => what === 'known_brokers' || what === 'registered_brokers');
  if (sample === undefined) return;
  const before = new Set(String(sample.value).split(','));
  const fresh = [...picture.brokers.values()].find((one) => one.registered && one.id !== step.row.brokerId && !before.has(String(one.id)));
  if (fresh === undefined) return;
  step.change({ replacedBy: fresh.id });
  step.note(`broker ${fresh.id} has joined and takes the place of ${step.name}`);
}
