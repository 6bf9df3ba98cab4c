import type { Autopilot } from '../autopilot/autopilot.ts';
import { blocking } from '../autopilot/guards/guards.ts';
import type { Action, Intent } from '../core/autopilot.ts';

type Seen = {
  readonly book: Pick<Autopilot['book'], 'active'>;
  readonly control: Pick<Autopilot['control'], 'halted' | 'breaker' | 'modeOf'>;
};

const DOING: Readonly<Record<Action, string>> = {
  repair: 'restarting',
  replace: 'replacing',
  scale_out: 'adding brokers',
  scale_in: 'draining',
};

/** Line 2 of a message: what the auto-pilot does now about a cluster or one of its brokers. */
export function autopilotSentence({ book, control }: Seen, cluster: string, broker: number | undefined): string {
  if (cluster === '') return '';
  const mode = control.modeOf(cluster, 'repair');
  if (mode === 'off') return '';
  if (control.halted() !== undefined) return 'Auto-pilot is halted.';
  if (control.breaker() !== undefined) return 'Auto-pilot has stopped itself: its breaker is open.';
  const active = book.active(cluster);
  const own = active.find((intent) => intent.broker === broker) ?? active[0];
  if (own !== undefined) return sentenceOf(own);
  return mode === 'observe' ? 'Auto-pilot observes only.' : '';
}

function sentenceOf(intent: Intent): string {
  const { id, state, action, broker, attempt } = intent;
  const doing = broker === undefined ? DOING[action] : `${DOING[action]} broker ${broker}`;
  if (state === 'awaiting_approval') return `Auto-pilot asks for your approval of ${doing}: belfry autopilot approve ${id}`;
  if (state === 'announced') return `Auto-pilot will begin ${doing} soon; to stop it: belfry autopilot reject ${id}`;
  if (state === 'blocked') {
    const held = blocking(intent.guards, intent.approvedBy !== undefined);
    return `Auto-pilot holds back from ${doing}${held === undefined ? '.' : `: ${held.sentence}.`}`;
  }
  if (state === 'open') return `Auto-pilot waits for an executor for ${doing} (attempt ${attempt}).`;
  if (state === 'unknown') return `Auto-pilot has lost its executor and looks what became of ${doing}.`;
  return `Auto-pilot: ${doing} (attempt ${attempt}).`;
}
