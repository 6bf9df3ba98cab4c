import { isEnded } from '../core/autopilot.ts';
import type { PilotBrokerRow } from '../core/autopilot-state.ts';
import { humanDuration } from '../core/duration.ts';
import { acting, repairing, replacing } from './broker-acts.ts';
import type { Advance, BrokerFacts } from './broker-facts.ts';
import { BrokerStep } from './broker-step.ts';
import type { RepairPolicy } from './policy.ts';
import { recovering, startsUp, verifying, verifyItself } from './broker-watching.ts';
import { wholeness } from './verification.ts';

/** States that one look may pass through; a machine that moves more often than that has gone wrong. */
const EDGES_MAX = 6;
/** After a refusal, or an approval that nobody gave. */
const ASK_AGAIN_MAX_MS = 4 * 3_600_000;

const HANDLERS: Readonly<Record<PilotBrokerRow['state'], (step: BrokerStep) => void>> = {
  healthy,
  suspect,
  unhealthy,
  repairing,
  recovering,
  verifying,
  replace_pending: replacePending,
  replacing,
  needs_human: needsHuman,
};

/**
 * The auto-pilot's judgement of one broker, one look at a time: from its row and what is seen now to its next row, with
 * the edges, and what is to be asked, settled and told. Pure. While nothing may be concluded it stands still: absence of
 * data is no evidence, neither of a fault nor of a success, and time that was not watched does not count against a broker.
 */
export function advance(row: PilotBrokerRow, facts: BrokerFacts, now: number, policy: RepairPolicy): Advance {
  const step = new BrokerStep(row, facts, now, policy);
  if (facts.picture === undefined) return step.result();
  if (facts.self === undefined && !isReplaced(row)) {
    vanished(step);
    return step.result();
  }
  for (let edges = 0; edges < EDGES_MAX; edges++) {
    const before = step.row.state;
    if (!retired(step)) HANDLERS[before](step);
    // A spell that is over is over: what begins anew begins at another look.
    if (step.row.state === before || step.row.state === 'healthy' || step.want !== undefined) break;
  }
  return step.result();
}

/** A broker that a person has taken out of service is nobody's patient any more; one that is replaced is told apart there. */
function retired(step: BrokerStep): boolean {
  const { self, picture } = step.facts;
  const { state } = step.row;
  if (state === 'healthy' || acting(step) || isReplaced(step.row)) return false;
  if (self === undefined || self.expected || picture?.partitions.some(({ replicas }) => replicas.includes(self.id)) === true) return false;
  step.drop('it is no longer expected', undefined);
  step.toHealthy(`${step.name} is no longer expected: it was taken out of service`);
  return true;
}

/** Its place is being given to another: that it goes is no surprise. */
function isReplaced({ state, verifying: kind }: PilotBrokerRow): boolean {
  return state === 'replacing' || (state === 'verifying' && kind === 'replace');
}

/** A broker of which a whole picture, watched for long enough, says nothing at all was forgotten by a person. */
function vanished(step: BrokerStep): void {
  const { facts, row, now, policy } = step;
  if (row.state === 'healthy' || (facts.picture?.brokers.size ?? 0) === 0 || now - facts.seeingSince < policy.verifyMs) return;
  step.drop('it is not known any more', undefined);
  step.toHealthy(`${step.name} is not known any more: it was forgotten`);
}

function healthy(step: BrokerStep): void {
  const { evidence, self, proof, othersTroubled, incidentId } = step.facts;
  if (acting(step)) {
    // A drill, or an act of which the row was lost: watched to its end like any other.
    const { intent } = step.facts;
    step.to('repairing', `${intent?.lease?.executor ?? 'an executor'} has the lease to repair ${step.name}`, {
      suspectSince: step.now,
      intentId: intent?.id ?? '',
      incidentId: intent?.incidentId ?? '',
      attempts: intent?.attempt ?? 1,
      urpBefore: step.urp,
    });
    return;
  }
  if (self?.up === undefined || !self.expected || isWhole(step)) return;
  if (evidence.length === 0 && (proof === undefined || othersTroubled.length === 0)) return;
  const [first] = evidence;
  step.to('suspect', first === undefined ? `${step.name} is down` : `the alert ${first.rule} stands against ${step.name}`, {
    suspectSince: step.now,
    incidentId,
  });
}

function suspect(step: BrokerStep): void {
  const { evidence, proof, self, incidentId } = step.facts;
  if (acting(step)) return begin(step, 'repairing', 'repair');
  if (isWhole(step)) return step.toHealthy(`${wholeSentence(step)} before anything was needed`);
  if (notAlone(step)) return;
  if (evidence.length > 0 && proof !== undefined) {
    step.to(
      'unhealthy',
      `our own observation confirms the alert: ${step.name} is ${String(proof.value)}`,
      { unhealthySince: step.row.unhealthySince || step.now, incidentId: step.row.incidentId || incidentId },
      [proof],
    );
    return;
  }
  if (evidence.length === 0 && proof === undefined && self?.up !== undefined)
    step.toHealthy(`nothing stands against ${step.name} any more`);
}

function unhealthy(step: BrokerStep): void {
  if (acting(step)) return begin(step, 'repairing', 'repair');
  if (leaves(step)) return;
  afterRefusal(step);
  const { row, policy, now, facts } = step;
  watchObserved(step);
  const failed = row.repairsFailed >= policy.failuresBeforeReplace;
  if (failed && now - row.unhealthySince >= policy.unhealthyBeforeReplaceMs) return giveUpRepair(step);
  if (facts.modes.repair === 'off' || !mayAsk(step)) return;
  const dueAt = Math.max(row.unhealthySince + policy.firstAfterMs, row.nextActAt);
  if (now < dueAt || waits(step, facts.modes.repair)) return;
  const proof = facts.proof === undefined ? [] : [facts.proof];
  step.want = {
    action: 'repair',
    reason:
      `${step.name} has been unhealthy for ${humanDuration(now - row.unhealthySince)} (${String(facts.proof?.value ?? '')}); ` +
      `a restart that keeps its disk is wanted, attempt ${row.attempts + 1}`,
    evidence: [...step.samples(), ...proof],
  };
}

function giveUpRepair(step: BrokerStep): void {
  const { row, facts, now } = step;
  const why = `${row.repairsFailed} repairs of ${step.name} have failed in ${humanDuration(now - row.unhealthySince)}`;
  step.drop('replacing it is considered instead', undefined);
  if (facts.modes.replace === 'off') return step.toNeedsHuman(`${why}, and replacing is off`, { loud: true });
  step.to('replace_pending', why, { nextActAt: 0 });
}

function replacePending(step: BrokerStep): void {
  if (acting(step)) return begin(step, 'replacing', 'replace');
  if (leaves(step)) return;
  afterRefusal(step);
  const { row, facts, now } = step;
  const { intent } = facts;
  const sacred = intent?.id === row.intentId ? intent.guards.find(({ guard, holds }) => guard === 'last_copy' && holds) : undefined;
  if (sacred !== undefined) {
    step.drop(`not to be replaced: ${sacred.sentence}`, 'blocked');
    return step.toNeedsHuman(`it is not to be replaced: ${sacred.sentence}`, { loud: true });
  }
  watchObserved(step);
  if (facts.modes.replace === 'off' || !mayAsk(step) || now < row.nextActAt || waits(step, facts.modes.replace)) return;
  const known = [...(facts.picture?.brokers.keys() ?? [])];
  step.want = {
    action: 'replace',
    reason:
      `${row.repairsFailed} repairs of ${step.name} failed and it has been unhealthy for ${humanDuration(now - row.unhealthySince)}; ` +
      'a new broker in its place is wanted',
    evidence: [...step.samples(), { what: 'known_brokers', value: known.join(','), at: now }],
  };
}

function needsHuman(step: BrokerStep): void {
  const { picture, evidence, proof } = step.facts;
  if (picture === undefined || !isWhole(step) || proof !== undefined || evidence.length > 0) return;
  step.note(`${wholeSentence(step)}; nobody is needed any more`);
  step.toHealthy(`${wholeSentence(step)}, nothing stands against it`);
}

/** What ends an unhealthy spell, or changes it, before anybody acts. True where the step has moved on. */
function leaves(step: BrokerStep): boolean {
  const { self, evidence, proof } = step.facts;
  if (isWhole(step)) {
    if (step.facts.intent?.id === step.row.intentId) step.note(`${wholeSentence(step)}: it healed by itself`);
    step.drop('healed by itself', 'healed');
    step.toHealthy(`${wholeSentence(step)}: it healed by itself`);
    return true;
  }
  if (notAlone(step)) return true;
  if (startsUp(step)) return true;
  if (self?.up === true && self.registered) {
    step.drop('it comes back by itself', 'healed');
    verifyItself(step, `${step.name} answers and is registered again; its copies catch up`);
    return true;
  }
  if (self?.up === undefined || (evidence.length > 0 && proof !== undefined)) return false;
  const planned = self.inStopGrace;
  const why = planned ? `${step.name} was stopped in an orderly way` : `the evidence against ${step.name} does not stand any more`;
  step.drop(why, planned ? 'wrong' : undefined);
  step.to('suspect', why);
  return true;
}

/** Two brokers of a cluster in trouble: whatever it is, it is not one broker's fault. */
function notAlone(step: BrokerStep): boolean {
  const { troubled, othersTroubled } = step.facts;
  if (!troubled || othersTroubled.length === 0) return false;
  const why =
    othersTroubled.length === 1
      ? `broker ${othersTroubled[0] ?? ''} is in trouble too`
      : `brokers ${othersTroubled.join(', ')} are in trouble too`;
  step.drop(why, 'blocked');
  step.toNeedsHuman(why, { loud: othersTroubled.every((id) => id > step.row.brokerId) });
  return true;
}

function begin(step: BrokerStep, state: 'repairing' | 'replacing', what: string): void {
  const { intent } = step.facts;
  const text = `${intent?.lease?.executor ?? 'an executor'} has the lease to ${what} ${step.name}`;
  step.to(state, text, {
    attempts: step.row.attempts + 1,
    intentId: intent?.id ?? '',
    urpBefore: step.urp,
    recoveringSince: 0,
    replacedBy: -1,
  });
  step.note(`${text}: it is being done now`);
}

/** Somebody said no, or let it run out, or stopped it: asked again after the back-off. */
function afterRefusal(step: BrokerStep): void {
  const { intent } = step.facts;
  const { row, now } = step;
  if (row.intentId === '' || (intent !== undefined && intent.id !== row.intentId)) return;
  if (intent === undefined) return step.change({ intentId: '' });
  if (!isEnded(intent.state) || intent.state === 'observed') return;
  // Whom nobody answers does not ask every hour of a weekend: each time after twice as long, as an open alert repeats at last.
  const patience = Math.min(ASK_AGAIN_MAX_MS, now - row.unhealthySince);
  step.change({ intentId: '', lastActAt: now, nextActAt: now + Math.max(patience, step.backoff(Math.max(1, row.attempts))) });
  if (intent.state === 'rejected') step.note(`${intent.action} of ${step.name} was refused (${intent.lastWord}); asked again later`);
}

/** Nothing is asked for without a rule's evidence and our own, both standing now. */
function mayAsk({ facts }: BrokerStep): boolean {
  return facts.mayAct && facts.evidence.length > 0 && facts.proof !== undefined;
}

/** Whether an intent of this row is under way already. One that was only observed is asked again once the mode allows more. */
function waits(step: BrokerStep, mode: string): boolean {
  const { intent } = step.facts;
  if (step.row.intentId === '' || intent === undefined || intent.id !== step.row.intentId) return false;
  return intent.state !== 'observed' || mode === 'observe';
}

/** In mode observe: once the time that a repair would have had is over, the broker had not healed by itself. */
function watchObserved(step: BrokerStep): void {
  const { intent } = step.facts;
  if (intent?.state !== 'observed' || intent.id !== step.row.intentId || step.row.lastActAt > intent.createdAt) return;
  if (step.now < Math.max(intent.createdAt, step.facts.seeingSince) + step.policy.verifyMs) return;
  step.outcome('needed', `${step.name} has not healed by itself`);
  step.change({ lastActAt: step.now });
}

function isWhole(step: BrokerStep): boolean {
  const { picture } = step.facts;
  return picture !== undefined && wholeness(picture, step.row.brokerId).holds;
}

function wholeSentence(step: BrokerStep): string {
  const { picture } = step.facts;
  return picture === undefined ? step.name : wholeness(picture, step.row.brokerId).sentence;
}
