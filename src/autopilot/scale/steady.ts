import type { EvidenceSample } from '../../core/autopilot.ts';
import type { PilotEvidenceRow } from '../../core/autopilot-state.ts';
import { brokersWithReplicas, leadersByBroker, membersOf, unsettled } from './limits.ts';
import { assessLoad, type LoadAssessment, stepOut } from './load-model.ts';
import { evidenceOf, type Look, moves, noteOnce, stays, wantOf } from './look.ts';
import { EMPTY_MEMORY, type ScaleMemory } from './memory.ts';
import { chooseRemoval, percent } from './removal.ts';
import type { ScaleOutcome } from './types.ts';
import { covers, EMPTY_WINDOW, fed, highest } from './window.ts';

/** No act runs: looks whether one is called for. */
export function steady(look: Look): ScaleOutcome {
  const out = evidenceOf(look, 'scale_out');
  const inwards = evidenceOf(look, 'scale_in');
  const followed = followsPeople(look);
  if (out.length === 0 && inwards.length === 0) return stays(followed, calmed(followed.memory));
  // What is seen now is not the clients' load: nothing is concluded, and the windows stand still.
  if (unsettled(look.picture, look.input.troubled, look.memory.removed) !== undefined) return stays(followed);
  return out.length > 0 ? outwards(followed, out) : removes(followed, inwards);
}

/** Where a person has taken a broker away for good, `desired` does not ask for it back. */
function followsPeople(look: Look): Look {
  const { row, picture } = look;
  const removed = picture.brokers.get(look.memory.removed);
  const gone = look.memory.removed >= 0 && (removed === undefined || removed.registered);
  const count = membersOf(picture, look.memory.removed).length;
  const reached = look.memory.reached || (row.desired > 0 && count >= row.desired);
  const lower = reached && row.desired > count && count > 0;
  if (!gone && reached === look.memory.reached && !lower) return look;
  const memory = { ...look.memory, reached, removed: gone ? -1 : look.memory.removed };
  return { ...look, memory, row: { ...row, desired: lower ? count : row.desired, memory: { ...memory } } };
}

function calmed(memory: ScaleMemory): ScaleMemory {
  if (!memory.armed && memory.noted === '' && memory.out.slices.length === 0 && memory.in.slices.length === 0) return memory;
  return { ...memory, armed: false, noted: '', out: EMPTY_WINDOW, in: EMPTY_WINDOW };
}

function outwards(look: Look, evidence: readonly PilotEvidenceRow[]): ScaleOutcome {
  const { now, picture, row, input } = look;
  const policy = input.policy.scale;
  const current = membersOf(picture, look.memory.removed).length;
  const idle = newcomers(look);
  const assessment = assessLoad(
    input.loads.filter(({ broker }) => !idle.includes(broker)),
    policy,
  );
  const armed = assessment.over || (look.memory.armed && assessment.aboveReset);
  const forecast = !armed && forecastHolds(evidence, assessment);
  const step = armed ? stepOut(assessment.worst?.breach ?? 0, policy) : Math.min(forecast ? 1 : 0, policy.stepOutMax);
  const recommended = Math.max(current, Math.min(policy.max, current + step));
  const window = fed(look.memory.out, now, recommended, policy.stabiliseOutMs);
  const memory = changed(look.memory, { armed, out: window, in: EMPTY_WINDOW });
  if (idle.length > 0)
    return noteOnce(look, memory, 'newcomer', `broker ${idle.join(', ')} leads nothing yet: partitions are to be moved there first`);
  const asked = Math.min(highest(window, now, policy.stabiliseOutMs) ?? current, current + policy.stepOutMax);
  const desired = Math.min(asked, policy.max);
  if (desired <= current) return outwardsNote(look, memory, { assessment, wanted: step > 0, current });
  if (now < Math.max(row.lastScaleAt === 0 ? 0 : row.lastScaleAt + policy.cooldownOutMs, memory.notBeforeOut)) return stays(look, memory);
  const reason = `${outReason(assessment, forecast)}: ${current} → ${desired} brokers, then partitions move`;
  const used = [...picture.brokers.values()].reduce((sum, { usedBytes }) => sum + (usedBytes ?? 0), 0);
  const act = startOfAct(memory, {
    members: membersOf(picture, memory.removed),
    target: desired,
    resource: assessment.worst?.resource ?? '',
    busyBefore: assessment.worst?.mean ?? -1,
    bytesToMove: Math.round((used * (desired - current)) / desired),
  });
  return starts(look, 'scaling_out', act, reason, samplesOf(evidence, assessment, now));
}

function outwardsNote(
  look: Look,
  memory: ScaleMemory,
  seen: { assessment: LoadAssessment; wanted: boolean; current: number },
): ScaleOutcome {
  const { max } = look.input.policy.scale;
  const { assessment, wanted, current } = seen;
  if (wanted && current >= max)
    return noteOnce(
      look,
      memory,
      'limit',
      `${outReason(assessment, false)}, but ${current} brokers are the most there may be (${max})`,
      true,
    );
  if (assessment.hot.length > 0) {
    const text = `broker ${assessment.hot.join(', ')} is over-utilised while the cluster is not: a rebalance or one tenant's matter`;
    return noteOnce(look, memory, 'hot', text);
  }
  return stays(look, memory);
}

/** A trend that fills the disks asks in time: believed only where they are half-way to the trigger. */
function forecastHolds(evidence: readonly PilotEvidenceRow[], { resources }: LoadAssessment): boolean {
  const disk = resources.find(({ resource }) => resource === 'disk');
  return disk !== undefined && disk.mean >= disk.trigger / 2 && evidence.some(({ labels }) => labels['resource'] === 'disk_forecast');
}

function removes(look: Look, evidence: readonly PilotEvidenceRow[]): ScaleOutcome {
  const { now, picture, row, input } = look;
  const policy = input.policy.scale;
  if (policy.stepInMax < 1) return stays(look);
  const members = membersOf(picture, look.memory.removed);
  const removal = chooseRemoval(picture, input.loads, policy);
  const recommended = 'veto' in removal ? members.length : members.length - 1;
  const window = fed(look.memory.in, now, recommended, policy.stabiliseInMs);
  const memory = changed(look.memory, { armed: false, in: window, out: EMPTY_WINDOW });
  if ('veto' in removal) return noteOnce(look, memory, 'veto', `the cluster could do with fewer brokers, but ${removal.veto}`);
  const top = highest(window, now, policy.stabiliseInMs) ?? members.length;
  if (!covers(window, now, policy.stabiliseInMs) || top >= members.length) return stays(look, memory);
  if (now < Math.max(row.lastScaleAt === 0 ? 0 : row.lastScaleAt + policy.cooldownInMs, memory.notBeforeIn)) return stays(look, memory);
  const target = members.length - 1;
  const reason =
    `the cluster is under-utilised: broker ${removal.broker}, which holds the fewest bytes, is drained and then removed: ` +
    `${members.length} → ${target} brokers`;
  const act = startOfAct(memory, { members, target, resource: '', busyBefore: -1, bytesToMove: removal.usedBytes });
  const samples = samplesOf(evidence, assessLoad(input.loads, policy), now);
  return starts({ ...look, row: { ...row, drainingBroker: removal.broker } }, 'draining', act, reason, samples);
}

/** Brokers that lead nothing because they are new: they would pull every average down, and there is no use in one more before them. */
function newcomers({ picture, memory, input, now }: Look): readonly number[] {
  const holders = brokersWithReplicas(picture);
  const leaders = leadersByBroker(picture);
  const warming = new Set(memory.warming.filter(([, since]) => now - since < input.policy.scale.warmupMs).map(([broker]) => broker));
  return membersOf(picture, memory.removed).filter((id) => !leaders.has(id) && (warming.has(id) || !holders.has(id)));
}

type Act = Pick<ScaleMemory, 'members' | 'target' | 'resource' | 'busyBefore' | 'bytesToMove'>;

function startOfAct(memory: ScaleMemory, act: Act): ScaleMemory {
  const { reached, warming, removed, notBeforeIn, notBeforeOut } = memory;
  return { ...EMPTY_MEMORY, reached, warming, removed, notBeforeIn, notBeforeOut, ...act, attempt: 1 };
}

function starts(
  look: Look,
  to: 'scaling_out' | 'draining',
  memory: ScaleMemory,
  reason: string,
  samples: readonly EvidenceSample[],
): ScaleOutcome {
  const incidentId = `${to === 'draining' ? 'scale_in' : 'scale_out'}-${look.row.cluster}-${look.now}`;
  const moved = moves(look, to, reason, { intentId: '', incidentId, memory }, { samples });
  return { ...moved, want: wantOf(moved.row, memory, reason, samples) };
}

function changed(memory: ScaleMemory, changes: Pick<ScaleMemory, 'armed' | 'out' | 'in'>): ScaleMemory {
  const same = memory.armed === changes.armed && sameWindow(memory.out, changes.out) && sameWindow(memory.in, changes.in);
  return same ? memory : { ...memory, ...changes };
}

function sameWindow(a: ScaleMemory['out'], b: ScaleMemory['out']): boolean {
  return a === b || (a.slices.length === 0 && b.slices.length === 0);
}

function outReason({ worst }: LoadAssessment, forecast: boolean): string {
  if (forecast) return `the disks fill up; they are ${percent(worst?.mean ?? 0)} full on average`;
  if (worst === undefined) return 'the cluster is said to be over-utilised';
  const over = worst.over.length === 0 ? '' : `, broker ${worst.over.join(', ')} above it`;
  return `the cluster is over-utilised: ${worst.resource} at ${percent(worst.mean)} on average (trigger ${percent(worst.trigger)}${over})`;
}

function samplesOf(evidence: readonly PilotEvidenceRow[], { resources }: LoadAssessment, now: number): readonly EvidenceSample[] {
  const alerts = evidence.slice(0, 20).map(({ rule, value, startsAt }) => ({ what: `alert ${rule}`, value, at: startsAt }));
  const loads = resources.flatMap(({ resource, mean, max }) => [
    { what: `${resource}, mean of the brokers`, value: mean, at: now },
    { what: `${resource}, highest`, value: max, at: now },
  ]);
  return [...alerts, ...loads];
}
