import { type Action, ACTIONS, type Intent, type Mode, targetOf } from '../core/autopilot.ts';
import type { PilotBrokerRow, PilotClusterRow } from '../core/autopilot-state.ts';
import { blocking } from './guards/guards.ts';
import type { ClusterPicture } from './picture.ts';
import { type Desired, desiredOf } from './scale/desired.ts';

/** An intent as the API shows it; its signature is added where the key is. */
export interface IntentView extends Intent {
  readonly target: string;
  /** The guard that keeps it from being done, with its sentence; undefined where none does. */
  readonly blockedBy: { readonly guard: string; readonly sentence: string } | undefined;
}

export interface ClusterView {
  readonly name: string;
  readonly modes: Readonly<Record<Action, Mode>>;
  /** Raises of the configuration that wait for a person's word. */
  readonly pendingRaises: readonly unknown[];
  readonly holds: readonly string[];
  readonly maintenance: string | undefined;
  /** Why nothing may be concluded about it now. */
  readonly blind: string | undefined;
  /** Those that are not simply healthy. */
  readonly brokers: readonly PilotBrokerRow[];
  readonly scale: PilotClusterRow | undefined;
  readonly desired: number | undefined;
}

export interface AutopilotView {
  readonly halted: string | undefined;
  readonly breaker: string | undefined;
  readonly durable: boolean;
  readonly clusters: readonly ClusterView[];
  /** Those that have not ended. */
  readonly intents: readonly IntentView[];
}

/** What the views read of the switches. */
export interface ViewControl {
  halted(): string | undefined;
  breaker(): string | undefined;
  holdsFor(cluster: string): readonly string[];
  modeOf(cluster: string, action: Action): Mode;
  pendingRaises(): readonly { readonly cluster: string }[];
}

export function intentView(intent: Intent): IntentView {
  const held = blocking(intent.guards, intent.approvedBy !== undefined);
  return {
    ...intent,
    target: targetOf(intent),
    blockedBy: held === undefined ? undefined : { guard: held.guard, sentence: held.sentence },
  };
}

export function clusterView(
  name: string,
  control: ViewControl,
  {
    picture,
    isOld,
    brokers,
    size,
  }: {
    readonly picture: ClusterPicture | undefined;
    readonly isOld: boolean;
    readonly brokers: readonly PilotBrokerRow[];
    readonly size: PilotClusterRow | undefined;
  },
): ClusterView {
  const modes = Object.fromEntries(ACTIONS.map((action) => [action, control.modeOf(name, action)])) as Record<Action, Mode>;
  return {
    name,
    modes,
    pendingRaises: control.pendingRaises().filter(({ cluster }) => cluster === name),
    holds: control.holdsFor(name),
    maintenance: picture?.maintenance,
    blind: blindness(picture, isOld),
    brokers,
    scale: size,
    desired: desiredNow(name, control, { picture, isOld, size })?.desired,
  };
}

/** How many brokers there are to be, for whoever sizes a cluster by reading it; undefined where not even the present count is known. */
export function desiredNow(
  name: string,
  control: ViewControl,
  {
    picture,
    isOld,
    size,
  }: { readonly picture: ClusterPicture | undefined; readonly isOld: boolean; readonly size: PilotClusterRow | undefined },
): Desired | undefined {
  // Whoever is halted or blind wants no other size than there is.
  const stopped = isOld || control.halted() !== undefined || control.breaker() !== undefined;
  const modes = { scale_out: control.modeOf(name, 'scale_out'), scale_in: control.modeOf(name, 'scale_in') };
  return desiredOf(size, picture, { halted: stopped, modes });
}

function blindness(picture: ClusterPicture | undefined, isOld: boolean): string | undefined {
  if (picture === undefined) return 'nothing is known of it yet';
  if (isOld && picture.blind === undefined) return 'what was seen of it last is too old';
  return picture.clusterIdChanged ? 'another cluster answers under this name' : picture.blind;
}
