import type { Intent } from '../core/autopilot.ts';
import type { Clock } from '../core/clock.ts';
import { humanDuration } from '../core/duration.ts';
import { blocking } from './guards/guards.ts';
import type { IncidentBoard, IntentEvent } from './ports.ts';

/** Intents whose guards have been told of; the oldest is forgotten first. */
const REMEMBERED_MAX = 1000;

/** Tells an incident's owner what becomes of the intents in it: each thing once, in words an owner understands. */
export class IntentNews {
  readonly #board: Pick<IncidentBoard, 'note'>;
  readonly #clock: Clock;
  readonly #guardsTold = new Map<string, Set<string>>();

  constructor(board: Pick<IncidentBoard, 'note'>, clock: Clock) {
    this.#board = board;
    this.#clock = clock;
  }

  tell(event: IntentEvent): void {
    const { intent, kind } = event;
    const what = wishOf(intent);
    if (kind === 'made' && intent.state === 'observed')
      this.#note(intent, `The auto-pilot only observes; it would ${what}. ${intent.reason}.`);
    else if (kind === 'made') this.#note(intent, `The auto-pilot wants to ${what}. ${intent.reason}.`);
    else if (kind === 'approval_needed') this.#askApproval(intent, what);
    else if (kind === 'announced')
      this.#note(
        intent,
        `It will ${what} in ${this.#until(intent.opensAt)} unless somebody stops it: belfry autopilot reject ${intent.id}.`,
        true,
      );
    else if (kind === 'approved') this.#note(intent, `${intent.approvedBy ?? 'Somebody'} approved that it may ${what}.`);
    else if (kind === 'blocked' || kind === 'lease_refused') this.#blocked(intent, what);
    else if (kind === 'lease_expired' || kind === 'lease_revoked')
      this.#note(intent, `To ${what}: ${intent.lastWord}. It is observed before anything else.`);
    else if (kind === 'ended') this.#ended(intent, what);
  }

  #askApproval(intent: Intent, what: string): void {
    const held = blocking(intent.guards, true);
    const asks = blocking(intent.guards, false);
    let also = '';
    if (held !== undefined) also = ` Even then the guard ${held.guard} holds it back for now: ${held.sentence}.`;
    else if (asks !== undefined) also = ` To be known before: ${asks.sentence} (guard ${asks.guard}).`;
    const until = intent.expiresAt > 0 ? `, within ${this.#until(intent.expiresAt)}` : '';
    this.#note(intent, `A person's approval is needed to ${what}${until}: belfry autopilot approve ${intent.id}.${also}`, true);
  }

  #until(at: number): string {
    return humanDuration(wholeSeconds(at - this.#clock.now()));
  }

  #blocked(intent: Intent, what: string): void {
    const held = blocking(intent.guards, intent.approvedBy !== undefined);
    if (held === undefined) return;
    const told = this.#guardsTold.get(intent.id) ?? new Set<string>();
    if (told.has(held.guard)) return;
    told.add(held.guard);
    this.#guardsTold.set(intent.id, told);
    for (const oldest of this.#guardsTold.keys()) {
      if (this.#guardsTold.size <= REMEMBERED_MAX) break;
      this.#guardsTold.delete(oldest);
    }
    this.#note(intent, `It does not ${what} yet: the guard ${held.guard} holds it back, because ${held.sentence}.`);
  }

  /** How an act turned out is told by whoever has verified it; here only what ended before anybody acted. */
  #ended(intent: Intent, what: string): void {
    this.#guardsTold.delete(intent.id);
    if (intent.lease !== undefined) return;
    if (intent.state === 'rejected' || intent.state === 'expired' || intent.state === 'cancelled')
      this.#note(intent, `It does not ${what}: ${intent.lastWord}.`);
  }

  #note({ cluster, broker }: Intent, text: string, loud = false): void {
    this.#board.note({ cluster, broker, text, loud, at: this.#clock.now() });
  }
}

/** Rounded up: what ends in half an hour was not begun a second ago. */
function wholeSeconds(ms: number): number {
  return Math.ceil(Math.max(0, ms) / 1000) * 1000;
}

/** `restart broker 2`: an intent as a wish. */
function wishOf({ action, broker, currentBrokers, desiredBrokers }: Intent): string {
  switch (action) {
    case 'repair':
      return `restart broker ${broker ?? ''}`;
    case 'replace':
      return `replace broker ${broker ?? ''} by a new one`;
    case 'scale_out':
      return `grow the cluster from ${currentBrokers ?? '?'} to ${desiredBrokers ?? '?'} brokers`;
    case 'scale_in':
      return `take broker ${broker ?? ''} out of the cluster, from ${currentBrokers ?? '?'} to ${desiredBrokers ?? '?'} brokers`;
  }
}
