import { isEnded, type Intent } from '../../core/autopilot.ts';
import { membersOf } from './limits.ts';
import { ends, evidenceOf, type Look, moves, stays, wantOf } from './look.ts';
import type { ScaleMemory } from './memory.ts';
import { stillRemovable } from './removal.ts';
import { arrived, drained, holdsReplicas, inPending, left, outPending, underMinIsr } from './settled.ts';
import type { ScaleAction, ScaleOutcome } from './types.ts';

/** An act is asked for again so often when its executor was lost. */
const ATTEMPTS_MAX = 3;
/** Loads are averages over some minutes: watched for so long, whatever tells them at all has told them. */
const LOAD_KNOWN_AFTER_MS = 10 * 60_000;

/** An act runs, or waits for a lease: follows it by what is seen of the cluster, never by what an executor says. */
export function act(look: Look): ScaleOutcome {
  const { intent } = look.input;
  if (intent === undefined) return withoutIntent(look);
  if (isEnded(intent.state)) return ended(look, intent);
  if (isHeld(intent) && look.memory.leasedAt === 0) return leased(look, intent);
  if (look.memory.leasedAt === 0) return waits(look);
  return isInward(look) ? drains(look, intent) : grows(look, intent);
}

function isInward({ row }: Look): boolean {
  return row.state === 'draining' || row.state === 'scaling_in';
}

function actionOf(look: Look): ScaleAction {
  return isInward(look) ? 'scale_in' : 'scale_out';
}

function isHeld({ state }: Intent): boolean {
  return state === 'leased' || state === 'running' || state === 'unknown';
}

function withoutIntent(look: Look): ScaleOutcome {
  const { row, memory } = look;
  // Decided, but no intent was written: asked for once more, under the same key.
  if (row.intentId === '') return stays(look, memory, { want: wantOf(row, memory, 'asked for again', []) });
  return ends(look, 'steady', `the intent ${row.intentId} is no longer known`, { memory: rested(look) });
}

/** Nobody has taken the lease: it is called off when what called for it has gone. */
function waits(look: Look): ScaleOutcome {
  const why = isInward(look) ? removalOver(look) : outOver(look);
  if (why === undefined) return stays(look);
  return ends(look, 'steady', `called off: ${why}`, {}, { settle: { to: 'cancelled', word: why } });
}

function outOver(look: Look): string | undefined {
  return evidenceOf(look, 'scale_out').length === 0 ? 'the cluster is no longer over-utilised' : undefined;
}

function removalOver(look: Look): string | undefined {
  const { input, picture, row, now } = look;
  if (evidenceOf(look, 'scale_in').length === 0) return 'the cluster is no longer under-utilised';
  if (input.evidence.some(({ action }) => action === 'scale_out')) return 'the cluster is over-utilised';
  const loadIsDue = now - input.seeingSince >= LOAD_KNOWN_AFTER_MS;
  return stillRemovable(row.drainingBroker, picture, { loads: input.loads, loadIsDue }, input.policy.scale);
}

/** The first lease: from now on `desired` asks for more brokers; for fewer only after the drain. */
function leased(look: Look, intent: Intent): ScaleOutcome {
  const { row, now } = look;
  const memory: ScaleMemory = { ...look.memory, leasedAt: intent.lease?.grantedAt ?? now };
  if (isInward(look)) return stays(look, memory);
  const raised = { ...memory, reached: false };
  return { row: { ...row, desired: Math.max(row.desired, memory.target), memory: { ...raised } }, edges: [] };
}

function grows(look: Look, intent: Intent): ScaleOutcome {
  const { row, memory, now } = look;
  const fresh = arrived(look);
  const warming = fresh.map((id) => [id, now] as const);
  const pending = outPending(look) ?? atWork(intent);
  if (pending === undefined) {
    const text = `${memory.target} brokers carry the load; broker ${fresh.join(', ')} leads partitions`;
    const changes = { lastScaleAt: now, memory: { ...memory, reached: true, warming } };
    return ends(look, 'steady', text, changes, { settle: { to: 'succeeded', word: text }, note: { text, loud: false } });
  }
  if (row.state === 'scaling_out' && memory.members.length + fresh.length >= memory.target)
    return moves(look, 'rebalancing', `broker ${fresh.join(', ')} has joined; partitions are to move there`, { memory });
  return lost(look, intent, pending) ?? overdue({ ...look, memory: { ...memory, warming } }, pending) ?? stays(look);
}

function drains(look: Look, intent: Intent): ScaleOutcome {
  const { row, memory, now, picture } = look;
  const broker = row.drainingBroker;
  // An executor stops the broker as soon as the drain is done, which may be before the next list of moves says so.
  const holds = holdsReplicas(picture, broker);
  const empty = drained(picture, broker);
  const thin = empty ? [] : underMinIsr(picture);
  if (thin.length > 0 || (holds && left(picture, broker))) {
    const why =
      thin.length > 0
        ? `${thin.length} partitions are below their minimum of in-sync copies (${thin.slice(0, 3).join(', ')})`
        : `broker ${broker} went away while it still held replicas`;
    return toPerson(look, `the removal of broker ${broker} was stopped: ${why}`);
  }
  if ((holds || (row.state === 'draining' && !empty)) && look.input.evidence.some(({ action }) => action === 'scale_out')) {
    const text = `the drain of broker ${broker} was stopped: the cluster is over-utilised`;
    const changes = { lastScaleAt: now, desired: kept(look) };
    return ends(look, 'steady', text, changes, { settle: { to: 'cancelled', word: text }, note: { text, loud: true } });
  }
  if (row.state === 'draining' && empty) {
    const text = `broker ${broker} holds no replica any more; it is to be removed`;
    return moves(look, 'scaling_in', text, { desired: memory.target, memory: { ...memory, reached: false } });
  }
  if (row.state === 'scaling_in' && holds)
    return moves(look, 'draining', `replicas were put on broker ${broker} again`, { desired: kept(look), memory });
  const pending = inPending(look) ?? atWork(intent);
  if (pending === undefined) {
    const text = `broker ${broker} is drained and gone; ${memory.target} brokers carry the load`;
    const changes = { lastScaleAt: now, desired: memory.target, memory: { ...memory, removed: broker } };
    return ends(look, 'steady', text, changes, { settle: { to: 'succeeded', word: text }, note: { text, loud: false }, forget: broker });
  }
  return lost(look, intent, pending) ?? overdue(look, pending) ?? stays(look);
}

/** Whoever has the lease may have more to do than is seen, such as leaders to elect: it is heard out, or its lease runs out. */
function atWork({ state, lease }: Intent): string | undefined {
  const holds = (state === 'leased' || state === 'running') && lease !== undefined && lease.expiresAt > 0;
  return holds ? `${lease.executor} has not said that it is done yet` : undefined;
}

/** `desired` of a removal that did not come to its end: all there are. */
function kept({ row, picture, memory }: Look): number {
  return row.desired === 0 ? 0 : membersOf(picture, memory.removed).length;
}

/** The lease ran out and nothing moves: after a while of watching the same is asked for anew. */
function lost(look: Look, intent: Intent, pending: string): ScaleOutcome | undefined {
  const { row, memory, now, picture, input } = look;
  if (intent.state !== 'unknown' || picture.askedAt < intent.changedAt) return undefined;
  if (now - intent.changedAt < 2 * input.policy.staleAfterMs) return undefined;
  if (picture.reassigning === undefined || picture.reassigning.length > 0) return undefined;
  const word = `its executor was lost, and ${pending}`;
  if (memory.attempt >= ATTEMPTS_MAX) return toPerson(look, `${word}, after ${memory.attempt} attempts`);
  const again: ScaleMemory = { ...memory, attempt: memory.attempt + 1, leasedAt: now };
  const next = { ...row, intentId: '', memory: { ...again } };
  return { row: next, edges: [], settle: { to: 'failed', word }, want: wantOf(next, again, `asked for again: ${word}`, []) };
}

/**
 * Too long since the lease; longer where there is much to move. Right after a start or a blind spell, and while it is not
 * known for a moment whether partitions move, what is pending may be done and only not seen.
 */
function overdue(look: Look, pending: string): ScaleOutcome | undefined {
  const { memory, now, input, picture } = look;
  const { settleMs } = input.policy.scale;
  const moveMs = (memory.bytesToMove / Math.max(1, input.policy.repair.catchUpBytesPerSecond)) * 1000;
  const lateMs = now - memory.leasedAt - settleMs - moveMs;
  if (lateMs <= 0 || now - input.seeingSince < 2 * input.policy.staleAfterMs) return undefined;
  if (picture.reassigning === undefined && lateMs <= settleMs) return undefined;
  return toPerson(look, `the cluster has not come to ${memory.target} brokers in time: ${pending}`);
}

function toPerson(look: Look, text: string): ScaleOutcome {
  const changes = { lastScaleAt: look.now, memory: look.memory, ...(isInward(look) ? { desired: kept(look) } : {}) };
  return ends(look, 'needs_human', text, changes, { settle: { to: 'failed', word: text }, note: { text, loud: true } });
}

/** Someone else has ended it: a person, a time-out, the mode. */
function ended(look: Look, intent: Intent): ScaleOutcome {
  const { memory, row, picture, now } = look;
  const text = `the intent was ${intent.state}${intent.lastWord === '' ? '' : `: ${intent.lastWord}`}`;
  if (memory.leasedAt === 0) return ends(look, 'steady', text, { memory: rested(look) });
  const half = isInward(look) ? look.row.state === 'scaling_in' || left(picture, row.drainingBroker) : arrived(look).length > 0;
  const desired = isInward(look) ? { desired: kept(look) } : {};
  if (!half) return ends(look, 'steady', text, { ...desired, lastScaleAt: now, memory: rested(look) });
  return ends(
    look,
    'needs_human',
    `${text}, half-way`,
    { ...desired, lastScaleAt: now },
    { note: { text: `${text}, half-way`, loud: true } },
  );
}

/** Not asked for again within the cooldown of its action. */
function rested(look: Look): ScaleMemory {
  const { cooldownInMs, cooldownOutMs } = look.input.policy.scale;
  return actionOf(look) === 'scale_in'
    ? { ...look.memory, notBeforeIn: look.now + cooldownInMs }
    : { ...look.memory, notBeforeOut: look.now + cooldownOutMs };
}
