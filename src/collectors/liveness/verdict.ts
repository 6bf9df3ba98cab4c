import type { BreakKind } from '../../kafka/observer.ts';
import type { BrokerFacts } from './broker-facts.ts';
import type { LivenessTimings } from './timings.ts';

/**
 * What a broken or silent connection means. Pure: from the facts gathered since the break to a verdict, and to when
 * the next look is due. The proof lies after the break: a planned stop is out of `brokers[]` before its sockets close,
 * while a killed broker stays listed until its session times out.
 */
export type Verdict = 'crashed' | 'stopped' | 'cut_short' | 'unreachable' | 'auth' | 'not_answering' | 'suspect' | 'unknown';

export const VERDICTS: readonly Verdict[] = [
  'crashed',
  'stopped',
  'cut_short',
  'unreachable',
  'auth',
  'not_answering',
  'suspect',
  'unknown',
];

/** A connect that failed, and the way it failed. */
export interface Attempt {
  readonly startedAt: number;
  readonly at: number;
  readonly kind: BreakKind;
  readonly detail: string;
  /** Not even the kernel of the broker's host said a word: no route, no such name, packets lost on the way. */
  readonly unheard?: boolean;
}

/** What one surviving broker said about the broken one. */
export interface SurvivorLook {
  readonly survivorId: number;
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly registered: boolean;
  /** Of the topics that were asked for; absent where only `brokers[]` was. */
  readonly facts: Readonly<BrokerFacts> | undefined;
  /** Whether those were all topics with a replica on the broker, so that counts are whole. */
  readonly whole: boolean;
}

/** The facts about one outage, as they came in. */
export interface Outage {
  /** When it began: the break, the sending of the first ping that was missed, or when the broker was found down. */
  readonly at: number;
  /** `found_down`: this process never held a connection to it, so that the moment it went is not known. */
  readonly origin: 'break' | 'silence' | 'found_down';
  /** When the first of the missed pings was sent, where the connection was silent before it broke. */
  readonly silentSince: number | undefined;
  /** Where the break was noticed after a time in which we did not run: since when; it may have happened at any moment of that. */
  readonly unseenSince: number | undefined;
  /** When the latest ping was found missed. */
  readonly lastMissAt: number;
  readonly attempts: readonly Attempt[];
  readonly looks: readonly SurvivorLook[];
  /** The verdict that holds so far, perhaps from before a restart. */
  readonly verdict: Verdict | undefined;
}

/** What the judgement needs to know besides the outage itself. */
export interface Circumstances {
  readonly now: number;
  /** False in the ZooKeeper era, where being listed alone proves nothing. */
  readonly kraft: boolean;
  /** Whether the latest metadata lists it; undefined before the first. */
  readonly registered: boolean | undefined;
  /** Other brokers that can be asked now. */
  readonly survivors: number;
  /** The most leaderships with another ISR member the broker had in the window before the break; undefined if unknown. */
  readonly mostMovableLeads: number | undefined;
}

export interface Judgement {
  /** Undefined while the facts are not in yet. */
  readonly verdict: Verdict | undefined;
  /** The look that proved it, for verdicts that rest on one. */
  readonly look: SurvivorLook | undefined;
  /** One line for people. */
  readonly words: string;
}

/** Two survivors are asked; one is enough where only one is left. */
export const SURVIVORS_ASKED = 2;

const KERNEL_SAYS_GONE: ReadonlySet<BreakKind> = new Set(['refused', 'reset']);
const BLIND: ReadonlySet<BreakKind> = new Set(['auth', 'tls']);

/** The verdict that the facts allow now. Call again with every new fact, and when `settleMs` is over. */
export function judge(outage: Outage, around: Circumstances, timings: LivenessTimings): Judgement {
  const latest = outage.attempts.at(-1);
  if (outage.origin === 'found_down') return judgeFoundDown(outage, latest, around.registered);
  // Proven verdicts outlive later facts, but for what the looks right after the break still correct.
  if (outage.verdict === 'stopped') return keep(outage, 'stopped');
  const proven = outage.verdict === 'crashed' || outage.verdict === 'cut_short';
  if (!proven && latest !== undefined && BLIND.has(latest.kind)) {
    return { verdict: 'auth', look: undefined, words: `it answers but refuses us: ${latest.detail}` };
  }
  if (outage.origin === 'silence') return judgeSilence(outage, outage.lastMissAt, timings);
  const judged = judgeBreak(outage, around, timings);
  const corrects = judged.verdict === 'stopped' || judged.verdict === 'crashed' || judged.verdict === 'cut_short';
  return proven && !corrects ? keep(outage, outage.verdict) : judged;
}

/** When the next look at survivors is due; undefined when no more are made. `made` counts the rounds so far. */
export function nextLookAt(outage: Outage, made: number, timings: LivenessTimings): number | undefined {
  if (outage.origin === 'found_down') return undefined;
  // One look tells where a silent broker stands; whoever collects metadata follows it from there.
  if (outage.origin === 'silence') return made === 0 ? outage.at : undefined;
  const always = timings.lookAtMs[made];
  if (always !== undefined) return outage.at + always;
  const undecided = outage.verdict === undefined || outage.verdict === 'unknown' || outage.verdict === 'unreachable';
  const more = timings.moreLooksAtMs[made - timings.lookAtMs.length];
  return undecided && more !== undefined ? outage.at + more : undefined;
}

/** When an outage is to be judged although no new fact has come, counted from its beginning. */
export function settleTimes({ settleMs, lookAtMs, doubtMs }: LivenessTimings): readonly number[] {
  return [settleMs, (lookAtMs.at(-1) ?? 0) + settleMs, doubtMs + settleMs];
}

function judgeFoundDown(outage: Outage, latest: Attempt | undefined, registered: boolean | undefined): Judgement {
  const detail = latest?.detail ?? 'no answer';
  if (latest !== undefined && BLIND.has(latest.kind)) {
    return { verdict: 'auth', look: undefined, words: `it answers but refuses us: ${detail}` };
  }
  // The verdict of this same outage from before a restart is kept; the others describe a moment that is over.
  const { verdict } = outage;
  if (verdict !== undefined && verdict !== 'auth' && verdict !== 'suspect' && verdict !== 'unknown') return keep(outage, verdict);
  // The cluster counts on it and the kernel has not said that it is gone: an advertised name that we cannot resolve, say.
  if (registered === true && latest !== undefined && !KERNEL_SAYS_GONE.has(latest.kind)) {
    return { verdict: 'unreachable', look: undefined, words: `no way to it from here: ${detail}` };
  }
  return { verdict: 'unknown', look: undefined, words: `it was down already when first looked for: ${detail}` };
}

function judgeSilence(outage: Outage, lastMissAt: number, timings: LivenessTimings): Judgement {
  const silentMs = lastMissAt - (outage.silentSince ?? outage.at);
  const look = outage.looks.at(-1);
  if (silentMs < timings.notAnsweringAfterMs) return { verdict: 'suspect', look, words: `connected, but no answer for ${silentMs} ms` };
  const latest = outage.attempts.at(-1);
  // A broker that hangs is still connected to by its kernel; here the way to it is gone.
  if (latest?.unheard === true)
    return { verdict: 'unreachable', look, words: `silent for ${silentMs} ms, and no way to it: ${latest.detail}` };
  return { verdict: 'not_answering', look, words: `connected, but no answer for ${silentMs} ms` };
}

function judgeBreak(outage: Outage, around: Circumstances, timings: LivenessTimings): Judgement {
  const processGone = outage.attempts.some(({ kind }) => KERNEL_SAYS_GONE.has(kind));
  const triedAll = outage.attempts.length >= timings.reconnectAtMs.length;
  const sinceMs = around.now - outage.at;
  const { alive, gone, silent } = readLooks(outage, around.kraft, timings);
  const answered = alive.length + gone.length + silent;
  // With one survivor its word is enough: nobody is left who could contradict it. With none there is no proof.
  const wanted = Math.max(1, Math.min(SURVIVORS_ASKED, around.survivors));
  const doubtful = gone.length === 0 && isDoubtful(outage, alive, sinceMs, timings);
  const waiting = doubtful || (sinceMs < timings.settleMs && (answered < wanted || (alive.length > 0 && gone.length > 0)));

  if (gone.length > 0 && !waiting) {
    if (gonePrecedesTimeout(outage, gone, timings)) {
      // A survivor that still lists it lags behind the one that does not: within the looks no session times out.
      return { verdict: 'stopped', look: gone.at(-1), words: 'it left the cluster in an orderly way' };
    }
    return { verdict: silentVerdict(outage, timings) ?? 'unknown', look: gone.at(-1), words: 'fenced, which proves nothing this late' };
  }
  if (alive.length > 0 && gone.length === 0 && !waiting && processGone) {
    const look = alive.at(-1);
    return leadershipsWereFalling(alive, around.mostMovableLeads)
      ? { verdict: 'cut_short', look, words: 'its stop was cut short: some leaderships had moved, the rest has not' }
      : { verdict: 'crashed', look, words: 'its port is closed and the cluster still counts on it' };
  }
  if (!triedAll) return { verdict: outage.verdict, look: undefined, words: 'still trying' };
  if (!processGone) {
    const verdict = timedOutOnly(outage) ? silentVerdict(outage, timings) : undefined;
    return { verdict: verdict ?? 'unreachable', look: alive.at(-1), words: `no way to it: ${outage.attempts.at(-1)?.detail ?? ''}` };
  }
  if (waiting && around.survivors > 0) return { verdict: outage.verdict, look: undefined, words: 'asking survivors' };
  const reason = answered > 0 ? 'it has no partition that could tell' : 'no surviving broker answers';
  return { verdict: silentVerdict(outage, timings) ?? 'unknown', look: undefined, words: `its port is closed; ${reason}` };
}

/** The latest look of each survivor, of those sent after the break and within the time in which they prove something. */
function readLooks(
  outage: Outage,
  kraft: boolean,
  timings: LivenessTimings,
): { alive: SurvivorLook[]; gone: SurvivorLook[]; silent: number } {
  const latest = new Map<number, SurvivorLook>();
  // Still listed by the last of the looks that are always made: what fences it later is its session running out.
  const lastRoundAt = outage.at + (timings.lookAtMs.at(-1) ?? 0);
  const outlived = outage.looks.some((look) => look.askedAt >= lastRoundAt && whatLookSays(look, kraft) === 'alive');
  for (const look of outage.looks) {
    if (look.askedAt < outage.at || look.askedAt > outage.at + timings.proofWindowMs) continue;
    if (outlived && look.askedAt > lastRoundAt + timings.settleMs && whatLookSays(look, kraft) === 'gone') continue;
    if ((latest.get(look.survivorId)?.askedAt ?? 0) <= look.askedAt) latest.set(look.survivorId, look);
  }
  const alive: SurvivorLook[] = [];
  const gone: SurvivorLook[] = [];
  let silent = 0;
  for (const look of latest.values()) {
    const says = whatLookSays(look, kraft);
    if (says === 'alive') alive.push(look);
    else if (says === 'gone') gone.push(look);
    else silent++;
  }
  return { alive, gone, silent };
}

/**
 * KRaft: a granted shutdown is fenced before its sockets close, so being listed is the whole test. In the ZooKeeper
 * era a registration outlives the stop by its session; there a stopped broker has handed over what could be moved.
 */
function whatLookSays(look: SurvivorLook, kraft: boolean): 'alive' | 'gone' | 'nothing' {
  if (!look.registered) return 'gone';
  if (kraft) return 'alive';
  const { facts } = look;
  if (facts === undefined || facts.movableReplicas === 0) return 'nothing';
  return facts.movableLeads > 0 || facts.movableIsr > 0 ? 'alive' : 'gone';
}

/**
 * Whether a broker that is still listed may yet turn out to have stopped: survivors have been seen to list one for
 * 50 ms and more after its sockets closed (docs/decisions/0004). One that leads what others could lead has not begun to stop, for that
 * moves first and is granted a heartbeat later. Without leaderships a stop takes 50 ms in all: the looks of all rounds
 * are waited for, and longer where even its ISRs have let it go. There is time, since nobody waits for such a broker.
 */
function isDoubtful(outage: Outage, alive: readonly SurvivorLook[], sinceMs: number, timings: LivenessTimings): boolean {
  if (alive.every(({ facts }) => facts !== undefined && facts.movableLeads > 0)) return false;
  const inIsr = alive.every(({ facts }) => facts !== undefined && facts.movableIsr > 0);
  const untilMs = inIsr ? (timings.lookAtMs.at(-1) ?? 0) : timings.doubtMs;
  const asked = alive.every(({ askedAt }) => askedAt - outage.at >= untilMs);
  return !asked && sinceMs < untilMs + timings.settleMs;
}

/** Whether the fencing was first seen so early that no session time-out can have made it. */
function gonePrecedesTimeout(outage: Outage, gone: readonly SurvivorLook[], timings: LivenessTimings): boolean {
  // A broker that was silent before it broke may have lost its session meanwhile: its clock runs from the silence.
  // The same holds for a break that happened while we did not look.
  const began = Math.min(outage.silentSince ?? outage.at, outage.unseenSince ?? outage.at);
  return Math.min(...gone.map(({ askedAt }) => askedAt)) - began <= timings.proofWindowMs;
}

/**
 * A controlled shutdown moves leaderships away and takes the broker out of those ISRs. Leaderships gone with their ISR
 * membership, some leadership left: a stop under way. An election of preferred leaders leaves it in the ISRs.
 */
function leadershipsWereFalling(alive: readonly SurvivorLook[], most: number | undefined): boolean {
  const facts = alive.findLast(({ whole }) => whole)?.facts;
  if (facts === undefined || most === undefined) return false;
  const fallen = most - facts.movableLeads;
  return fallen > 0 && facts.leads > 0 && facts.outOfSync >= fallen;
}

function timedOutOnly(outage: Outage): boolean {
  return outage.attempts.every(({ kind }) => kind === 'timeout');
}

/** For a broker that was silent before: it still does not answer, whatever became of the connection. */
function silentVerdict(outage: Outage, timings: LivenessTimings): Verdict | undefined {
  if (outage.silentSince === undefined) return undefined;
  return judgeSilence(outage, Math.max(outage.lastMissAt, outage.attempts.at(-1)?.at ?? 0), timings).verdict;
}

function keep(outage: Outage, verdict: Verdict | undefined): Judgement {
  return { verdict, look: outage.looks.at(-1), words: 'as proven before' };
}
