import { humanDuration } from '../core/duration.ts';
import { failRepair, failReplace, findSuccessor, succeed } from './broker-ends.ts';
import type { BrokerStep } from './broker-step.ts';
import { isHeld } from './intents/fencing-tokens.ts';
import type { RecoverySign } from './recovery.ts';
import { repairVerified, replaceVerified, verifyWindowMs, wholeness } from './verification.ts';

/** A replacement whose moves go on, or a broker with much to catch up, is waited for, but not for ever. */
const VERIFY_MAX_MS = 24 * 3_600_000;

/** From here on only our own observation counts, for as long as it takes to catch up. */
export function verifyAct(step: BrokerStep, kind: 'repair' | 'replace', text: string): void {
  step.to('verifying', text, { verifying: kind, verifyUntil: step.now + verifyWindowMs(step.policy, step.facts.self) });
}

/** The same for a broker that came back without an act of ours. */
export function verifyItself(step: BrokerStep, text: string): void {
  step.to('verifying', text, { verifying: '', verifyUntil: step.now + verifyWindowMs(step.policy, step.facts.self) });
}

/** A broker that starts up is left alone: no act is wanted any more. True where the step has moved on. */
export function startsUp(step: BrokerStep): boolean {
  const sign = freshSign(step);
  if (sign === undefined) return false;
  step.drop(`it recovers by itself: ${sign.sentence}`, 'healed');
  leaveAlone(step, sign, '');
  return true;
}

/** The same while an act is under way or verified: the act goes on to be watched. True where the step has moved on. */
export function recoversNow(step: BrokerStep): boolean {
  const sign = freshSign(step);
  if (sign === undefined) return false;
  leaveAlone(step, sign, step.row.state === 'repairing' ? 'repair' : step.row.verifying);
  return true;
}

function leaveAlone(step: BrokerStep, sign: RecoverySign, verifying: string): void {
  const { row, now } = step;
  const recoveringSince = row.recoveringSince || now;
  step.to('recovering', `${step.name} recovers and is left alone: ${sign.sentence}`, {
    verifying,
    recoveringSince,
    progress: sign.progress,
    progressAt: now,
  });
  if (row.recoveringSince === 0) step.note(`${step.name} recovers and is left alone: ${sign.sentence}`);
}

/** A sign of recovery that says more than the one by which it stood still before. */
function freshSign(step: BrokerStep): RecoverySign | undefined {
  const { recovering: sign } = step.facts;
  const { recoveringSince, progress } = step.row;
  if (sign === undefined) return undefined;
  return sign.progress > progress || (recoveringSince === 0 && progress === 0) ? sign : undefined;
}

/** Left alone while it advances. It has failed when it stands still, or its process is gone. */
export function recovering(step: BrokerStep): void {
  const { row, now, policy, facts } = step;
  const { self, recovering: sign, ack, seeingSince } = facts;
  if (self?.up === true && self.registered) {
    const text = `${step.name} has recovered: it answers and is registered`;
    return row.verifying === 'repair' ? verifyAct(step, 'repair', text) : verifyItself(step, text);
  }
  if (now - row.recoveringSince >= policy.recoveryMaxMs) {
    step.drop('it recovers for too long', undefined);
    return step.toNeedsHuman(`it has been recovering for ${humanDuration(now - row.recoveringSince)}`, { loud: true });
  }
  if (self?.up === false && ack?.process === 'stopped') return standsStill(step, `its process has ended while it recovered`);
  if (sign !== undefined && sign.progress > row.progress) return step.change({ progress: sign.progress, progressAt: now });
  const stoodMs = now - Math.max(row.progressAt, seeingSince);
  // Where no probe says so it is the quorum that tells whether it advances: while that is not known nothing stands still.
  if (facts.picture?.quorum === undefined && ack?.process !== 'recovering') {
    if (stoodMs >= policy.recoveryStallMs / 2) step.change({ progressAt: now });
    return;
  }
  if (stoodMs >= policy.recoveryStallMs) standsStill(step, `its recovery has stood still for ${humanDuration(stoodMs)}`);
}

function standsStill(step: BrokerStep, why: string): void {
  if (step.row.verifying === 'repair') return failRepair(step, why);
  step.to('unhealthy', `${step.name}: ${why}`, { verifying: '', unhealthySince: step.row.unhealthySince || step.now });
}

/** Waits until our own observation says that it is whole, or that it is not going to be. */
export function verifying(step: BrokerStep): void {
  const { row, now, facts } = step;
  const { picture, self, proof } = facts;
  if (picture === undefined) return;
  const kind = row.verifying;
  if (kind === 'replace') findSuccessor(step);
  const finding =
    kind === 'replace'
      ? replaceVerified(picture, row.brokerId, step.row.replacedBy, row.urpBefore)
      : kind === 'repair'
        ? repairVerified(picture, row.brokerId, row.urpBefore)
        : wholeness(picture, row.brokerId);
  if (finding.holds) {
    // Only what was asked since then shows what the act has done; and whoever acts may have a step more to do.
    const isNews = picture.askedAt >= row.since || kind === '';
    if (isNews && !(isAtWork(step) && now < deadlineOf(step))) succeed(step, finding.sentence);
    return;
  }
  if (kind !== 'replace' && recoversNow(step)) return;
  const downAgain = kind !== 'replace' && proof !== undefined && self?.up === false && (self.downSince ?? 0) > row.since;
  if (!downAgain && now < deadlineOf(step)) return;
  const why = downAgain ? `${step.name} went down again` : `not verified within ${humanDuration(now - row.since)}: ${finding.sentence}`;
  if (kind === 'repair') return failRepair(step, why);
  if (kind === 'replace') return failReplace(step, why);
  if (self?.up === true && self.registered) return step.toNeedsHuman(`it is up but does not catch up: ${finding.sentence}`, { loud: true });
  step.to('unhealthy', `${step.name} did not come back: ${why}`, { unhealthySince: row.unhealthySince || now });
}

/** Somebody has the lease of the act and has not said that it is done. */
function isAtWork({ facts: { intent }, row }: BrokerStep): boolean {
  return intent !== undefined && intent.id === row.intentId && isHeld(intent);
}

/**
 * Time that was not watched does not count: after a restart or a blind spell the window begins anew. What the broker holds,
 * and so how long it may take to catch up, is at times learnt only once it is back.
 */
function deadlineOf(step: BrokerStep): number {
  const { row, facts, now, policy } = step;
  const { self, picture, seeingSince } = facts;
  const windowMs = Math.max(row.verifyUntil - row.since, Math.min(VERIFY_MAX_MS, verifyWindowMs(policy, self)));
  const deadline = Math.max(row.since, seeingSince) + windowMs;
  const moves = picture?.reassigning;
  // Not known is not none: a replacement is waited for until it is known that nothing of it moves any more.
  if (row.verifying === 'replace' && moves?.length !== 0) return now < row.since + VERIFY_MAX_MS ? Math.max(deadline, now + 1) : deadline;
  // A copy that is being added looks like one that fell behind while the list of moves is not known.
  return moves === undefined && self?.up === true && self.registered ? deadline + windowMs : deadline;
}
