import { type AckStatus, ACK_STATUSES, isEnded } from '../core/autopilot.ts';
import { failRepair, failReplace, findSuccessor } from './broker-ends.ts';
import type { BrokerStep } from './broker-step.ts';
import { recoversNow, verifyAct } from './broker-watching.ts';

/** Somebody acts, or may have acted, on the broker: its lease was granted. */
export function acting(step: BrokerStep): boolean {
  const { intent } = step.facts;
  if (intent === undefined || step.settle.some(({ intentId }) => intentId === intent.id)) return false;
  if (step.row.intentId !== '' && intent.id !== step.row.intentId) return false;
  return intent.state === 'leased' || intent.state === 'running' || intent.state === 'unknown';
}

/** A repair is under way: watched, never believed. */
export function repairing(step: BrokerStep): void {
  const { intent, self, ack, picture } = step.facts;
  if (recoversNow(step)) return;
  // Only what was asked after the lease shows what the act has done; a drill restarts a broker that is up.
  const fresh = (picture?.askedAt ?? 0) >= step.row.since;
  const back = fresh && self?.up === true && self.registered && intent?.drill !== true;
  if (back) return verifyAct(step, 'repair', `${step.name} answers and is registered again`);
  if (intent === undefined || intent.id !== step.row.intentId)
    return verifyAct(step, 'repair', 'its intent is not known any more: what was done is observed');
  const said = lastStatus(step);
  if (intent.state === 'unknown') return verifyAct(step, 'repair', `${intent.lastWord}; it is observed before anything else`);
  if (intent.state === 'rejected' && ack?.process !== 'recovering') return refused(step);
  if (isEnded(intent.state)) return verifyAct(step, 'repair', `the act has ended (${intent.lastWord}): what was done is observed`);
  if (said === 'succeeded') return verifyAct(step, 'repair', 'the executor says that it is done: verified by our own observation');
  if (said !== 'failed' || !fresh) return;
  if (self?.up === false) return failRepair(step, `the executor says that it failed, and ${step.name} does not answer`);
  // A drill of a broker that is up: nobody holds its lease any more, and waiting for more words would hold up the cluster.
  verifyAct(step, 'repair', 'the executor says that it failed: what was done is observed');
}

/** The executor would not: no failure of the repair, but it is not asked again at once. */
function refused(step: BrokerStep): void {
  const { row, now, facts } = step;
  const text = `the executor refused to repair ${step.name}: ${facts.intent?.lastWord ?? ''}`;
  step.to('unhealthy', text, {
    intentId: '',
    lastActAt: now,
    nextActAt: now + step.backoff(row.attempts),
    unhealthySince: row.unhealthySince || now,
  });
  step.note(`${text}; asked again later`);
}

/** A replacement is under way: whoever has newly registered since it was asked for is taken for the successor. */
export function replacing(step: BrokerStep): void {
  const { intent, self, ack } = step.facts;
  findSuccessor(step);
  if (self?.up === true && self.registered) return verifyAct(step, 'replace', `${step.name} answers and is registered again`);
  if (intent === undefined || intent.id !== step.row.intentId)
    return verifyAct(step, 'replace', 'its intent is not known any more: what was done is observed');
  if (intent.state === 'unknown') return verifyAct(step, 'replace', `${intent.lastWord}; it is observed before anything else`);
  if (intent.state === 'rejected') {
    const { row, now } = step;
    const text = `the executor refused to replace ${step.name}: ${intent.lastWord}`;
    step.to('replace_pending', text, { intentId: '', lastActAt: now, nextActAt: now + step.backoff(row.attempts) });
    return step.note(`${text}; asked again later`);
  }
  if (isEnded(intent.state)) return verifyAct(step, 'replace', `the act has ended (${intent.lastWord}): what was done is observed`);
  const said = lastStatus(step);
  if (said === 'succeeded') return verifyAct(step, 'replace', 'the executor says that it is done: verified by our own observation');
  if (said !== 'failed') return;
  if (step.row.replacedBy >= 0) return verifyAct(step, 'replace', 'the executor says that it failed, but a new broker is there: observed');
  failReplace(step, `the executor says that it failed (${ack?.text.slice(-200) ?? intent.lastWord}), and no new broker has registered`);
}

/** What the executor said last: heard by this process, else from the intent's last word, which outlives a restart. */
function lastStatus(step: BrokerStep): AckStatus | undefined {
  const { ack, intent } = step.facts;
  return ack?.status ?? ACK_STATUSES.find((status) => intent?.lastWord.startsWith(`${status}: `) === true);
}
