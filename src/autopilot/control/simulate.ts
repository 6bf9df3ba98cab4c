import { type Action, type GuardVerdict, type Intent, type IntentState, type Mode, targetOf } from '../../core/autopilot.ts';
import { humanDuration } from '../../core/duration.ts';
import { blocking } from '../guards/guards.ts';
import { type ClusterPicture, partitionName, underReplicated } from '../picture.ts';
import type { ClusterPolicy } from '../policy.ts';
import { type Fault, parseFault, withFaults } from './faults.ts';

export interface SimulationInput {
  /** As it is now. */
  readonly picture: ClusterPicture;
  readonly policy: ClusterPolicy;
  readonly now: number;
  readonly modeOf: (action: Action) => Mode;
  /** Asks the guards about an intent on a picture. */
  readonly judge: (intent: Intent, picture: ClusterPicture) => readonly GuardVerdict[];
}

export interface SimulatedIntent {
  readonly action: Action;
  /** `broker/2`. */
  readonly target: string;
  readonly mode: Mode;
  /** What its first state would be; `off` where none would be made. */
  readonly state: IntentState | 'off';
  readonly guards: readonly GuardVerdict[];
}

export interface Simulation {
  readonly cluster: string;
  readonly faults: readonly string[];
  /** What would happen, in its order. */
  readonly sentences: readonly string[];
  readonly intents: readonly SimulatedIntent[];
}

/** Says what the auto-pilot would do if the faults were there now; nothing is done or written. Throws `BAD_REQUEST`, `NOT_FOUND`. */
export function simulate(input: SimulationInput, faultTexts: readonly string[]): Simulation {
  const faults = faultTexts.map(parseFault);
  const picture = withFaults(input.picture, faults, input.now);
  const told = { cluster: picture.cluster, faults: faultTexts };
  const effects = effectsOf(picture);
  if (picture.blind !== undefined)
    return {
      ...told,
      sentences: [`${picture.cluster} could not be seen: ${picture.blind}. Nothing is concluded and nothing is done.`],
      intents: [],
    };
  const down = brokersOf(faults, 'down');
  const fenced = brokersOf(faults, 'fenced');
  const sentences = [...effects, ...fenced.map((id) => fencedSentence(id, input.policy))];
  if (down.length > 1) {
    sentences.push(`Brokers ${down.join(' and ')} would be in trouble at once: needs_human. No act is asked for.`);
    return { ...told, sentences, intents: [] };
  }
  const [broker] = down;
  if (broker === undefined) {
    sentences.push('No broker would be unhealthy: no act is asked for.');
    return { ...told, sentences, intents: [] };
  }
  const intents = (['repair', 'replace'] as const).map((action) => simulatedIntent(input, picture, action, broker));
  const { repair } = input.policy;
  const [first, then] = intents;
  sentences.push(
    `Broker ${broker} would be suspect, and unhealthy as soon as a rule with the action repair fires for it.`,
    `A repair is asked for when it has been unhealthy for ${humanDuration(repair.firstAfterMs)}: ${fateOf(first)}`,
    `A replace is asked for after ${repair.failuresBeforeReplace} failed repairs and ${humanDuration(repair.unhealthyBeforeReplaceMs)}: ` +
      fateOf(then),
  );
  return { ...told, sentences, intents };
}

function brokersOf(faults: readonly Fault[], kind: 'down' | 'fenced'): readonly number[] {
  const ids = faults.flatMap((fault) => (fault.kind === kind && 'broker' in fault ? [fault.broker] : []));
  return [...new Set(ids)].toSorted((a, b) => a - b);
}

function effectsOf(picture: ClusterPicture): readonly string[] {
  const leaderless = picture.partitions.filter(({ leader }) => leader < 0);
  const underMin = picture.partitions.filter(({ isr, minIsr, leader }) => leader >= 0 && minIsr !== undefined && isr.length < minIsr);
  return [
    `${underReplicated(picture).length} partitions would be under-replicated.`,
    ...(leaderless.length === 0 ? [] : [`${leaderless.length} partitions would have no leader: ${someOf(leaderless)}.`]),
    ...(underMin.length === 0 ? [] : [`${underMin.length} partitions would be under their min.insync.replicas: ${someOf(underMin)}.`]),
  ];
}

function someOf(partitions: ClusterPicture['partitions']): string {
  const names = partitions.slice(0, 5).map(partitionName).join(', ');
  return partitions.length > 5 ? `${names} and ${partitions.length - 5} more` : names;
}

function fencedSentence(id: number, { repair }: ClusterPolicy): string {
  return (
    `Broker ${id} runs and is not registered yet: it would be recovering and left alone; ` +
    `a person is asked after ${humanDuration(repair.recoveryMaxMs)}.`
  );
}

function simulatedIntent(input: SimulationInput, picture: ClusterPicture, action: 'repair' | 'replace', broker: number): SimulatedIntent {
  const mode = input.modeOf(action);
  const intent: Intent = {
    id: 'simulated',
    key: 'simulated',
    cluster: picture.cluster,
    action,
    broker,
    desiredBrokers: undefined,
    currentBrokers: undefined,
    incidentId: 'simulated',
    attempt: 1,
    mode,
    state: 'observed',
    reason: 'a simulation',
    createdAt: input.now,
    changedAt: input.now,
    expiresAt: 0,
    opensAt: 0,
    guards: [],
    evidence: [],
    lease: undefined,
    approvedBy: undefined,
    lastWord: '',
    drill: false,
  };
  const guards = input.judge(intent, picture);
  return { action, target: targetOf(intent), mode, state: firstState(mode, guards), guards };
}

function firstState(mode: Mode, guards: readonly GuardVerdict[]): IntentState | 'off' {
  if (mode === 'off') return 'off';
  if (mode === 'observe') return 'observed';
  if (mode === 'approve') return 'awaiting_approval';
  return blocking(guards, false) === undefined ? 'open' : 'blocked';
}

function fateOf(intent: SimulatedIntent | undefined): string {
  if (intent === undefined) return 'nothing.';
  const held = blocking(intent.guards, false);
  const guard = held === undefined ? 'no guard holds.' : `the guard ${held.guard} would hold: ${held.sentence}`;
  const { mode } = intent;
  if (mode === 'off') return 'its mode is off, so nothing is done.';
  if (mode === 'observe') return `its mode is observe, so it is only written to the journal; ${guard}`;
  if (mode === 'approve') return `it waits for a person's approval; ${guard}`;
  return `its mode is auto; ${guard}`;
}
