import { INTENT_STATES, isEnded, type Ack, type Intent } from '../../core/autopilot.ts';
import type { PilotStore } from '../../core/autopilot-state.ts';
import type { Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Counter, Gauge, Meter } from '../../core/meter.ts';
import type { Journal, JournalLine } from '../journal.ts';
import type { IntentEvent } from '../ports.ts';
import { FIRST_STATES, mayBecome } from './intent-life.ts';
import { intentOf, rowOf } from './intent-row.ts';

/** Intents held in memory, ended ones included. */
export const INTENTS_MAX = 1000;

export type IntentStore = Pick<PilotStore, 'durably' | 'durable' | 'loadIntents' | 'saveIntent' | 'setting' | 'saveSetting'>;

export interface IntentLedgerOptions {
  readonly store: IntentStore;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/** What of an intent may change after it was made. */
export type IntentPatch = Partial<Pick<Intent, 'state' | 'expiresAt' | 'opensAt' | 'guards' | 'lease' | 'approvedBy' | 'lastWord'>>;

export interface IntentChange {
  readonly patch: IntentPatch;
  /** The line of the journal; none for what changes nothing that anybody would look up, such as a heartbeat. */
  readonly line?: Pick<JournalLine, 'kind' | 'text' | 'detail'>;
  /** Told after the write, in this order. */
  readonly tell?: readonly Exclude<IntentEvent['kind'], 'acked'>[];
  readonly acked?: Ack;
  /** Other writes of the same transaction. */
  readonly also?: () => void;
  /**
   * What allows more than before (`permission`) is refused with CONFLICT when it cannot be journalled; what takes it back
   * or only says what was seen (`stop`) holds in memory all the same, and the store writes it when it can.
   */
  readonly as: 'permission' | 'stop';
}

/** All intents there are. Every change of one goes through here: checked against its life, written with its journal line, then told. */
export class IntentLedger {
  readonly #options: IntentLedgerOptions;
  readonly #intents = new Map<string, Intent>();
  readonly #listeners = new Set<(event: IntentEvent) => void>();
  readonly #entered: Counter;
  readonly #standing: Gauge;

  constructor(options: IntentLedgerOptions) {
    this.#options = options;
    this.#entered = options.meter.counter('belfry_autopilot_intents_total', 'Intents that came into a state', ['action', 'state']);
    this.#standing = options.meter.gauge('belfry_autopilot_intents', 'Intents that have not ended, by state', ['state']);
  }

  load(changedAfter: number): void {
    for (const row of this.#options.store.loadIntents(changedAfter).toSorted((a, b) => a.createdAt - b.createdAt)) {
      this.#intents.set(row.id, intentOf(row));
    }
    this.#makeRoom(0);
    this.#count();
  }

  get(id: string): Intent | undefined {
    return this.#intents.get(id);
  }

  /** The intent, or `NOT_FOUND`. */
  find(id: string): Intent {
    const intent = this.#intents.get(id);
    if (intent === undefined) throw new BelfryError('NOT_FOUND', `there is no intent ${JSON.stringify(id.slice(0, 64))}`);
    return intent;
  }

  /** Oldest first. */
  all(): readonly Intent[] {
    return [...this.#intents.values()];
  }

  /** Those that a predicate chooses, oldest first. */
  where(is: (intent: Intent) => boolean): readonly Intent[] {
    return this.all().filter(is);
  }

  on(listener: (event: IntentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  add(intent: Intent, tell: readonly Exclude<IntentEvent['kind'], 'acked'>[]): Intent {
    if (!FIRST_STATES.includes(intent.state)) throw new BelfryError('INTERNAL', `an intent cannot begin as ${intent.state}`);
    this.#makeRoom(1);
    const { attempt, mode, guards, evidence, reason } = intent;
    const text = `${actOf(intent)} is ${wordOf(intent.state)}: ${reason}`;
    const line = { kind: 'intent', text, detail: { attempt, mode, guards, evidence } } as const;
    if (!this.#permit(() => this.#write(intent, line, ''))) {
      this.#takeBack({ ...intent, state: 'cancelled', lastWord: 'it could not be journalled' }, intent.state);
      throw notJournalled(intent, intent.state);
    }
    this.#keep(intent, true);
    this.#tell(tell.map((kind) => ({ kind, intent })));
    return intent;
  }

  /** Applies a change to an intent as it stands. Throws `CONFLICT` when its life does not allow it, or when it cannot be journalled. */
  change(intent: Intent, { patch, line, tell = [], acked, also, as }: IntentChange): Intent {
    if (this.#intents.get(intent.id) !== intent) throw new BelfryError('INTERNAL', `intent ${intent.id} has changed in the meantime`);
    const moved = patch.state !== undefined && patch.state !== intent.state;
    if (moved && patch.state !== undefined && !mayBecome(intent.state, patch.state)) {
      throw new BelfryError('CONFLICT', `${actOf(intent)} is ${wordOf(intent.state)}: it cannot become ${wordOf(patch.state)}`);
    }
    // Two changes within a millisecond are two: the time of a change is part of the id of its event.
    const changedAt = moved ? Math.max(this.#options.clock.now(), intent.changedAt + 1) : intent.changedAt;
    const next: Intent = { ...intent, ...patch, changedAt };
    const write = (): void => {
      also?.();
      this.#write(next, line, intent.state);
    };
    if (as === 'permission' && !this.#permit(write)) {
      this.#takeBack(intent, next.state);
      throw notJournalled(intent, next.state);
    }
    if (as === 'stop' && !this.#options.store.durably(write)) {
      this.#options.log.error('intent_not_journalled', { intent: intent.id, cluster: intent.cluster, state: next.state });
    }
    this.#keep(next, moved);
    if (acked !== undefined) this.#tell([{ kind: 'acked', intent: next, ack: acked }]);
    this.#tell(tell.map((kind) => ({ kind, intent: next })));
    return next;
  }

  /** The numbers in the sentences of guards that go on holding: worth showing, not worth a write. */
  refreshGuards(intent: Intent, guards: Intent['guards']): void {
    this.#intents.set(intent.id, { ...intent, guards });
  }

  /** A line about an intent that changes nothing in it. */
  note(intent: Intent, line: Pick<JournalLine, 'kind' | 'text' | 'detail'>): void {
    this.#options.store.durably(() => this.#journal(intent, line, intent.state));
  }

  /** An event that changed nothing: an executor said the same again. */
  tell(event: IntentEvent): void {
    this.#tell([event]);
  }

  /** Whether something was durably written. Nothing is even tried while the file is known not to take writes. */
  #permit(write: () => void): boolean {
    return this.#options.store.durable && this.#options.store.durably(write);
  }

  /**
   * The store goes on to write, when it can, what it could not write now. What was refused must not appear then: the row as
   * it was before is written after it.
   */
  #takeBack(before: Intent, refused: Intent['state']): void {
    const text = `${actOf(before)} did not become ${wordOf(refused)}: it could not be journalled in time`;
    this.#options.store.durably(() => this.#write(before, { kind: 'intent', text }, refused));
  }

  #write(next: Intent, line: IntentChange['line'], from: string): void {
    this.#options.store.saveIntent(rowOf(next));
    if (line !== undefined) this.#journal(next, line, from);
  }

  #journal(intent: Intent, line: Pick<JournalLine, 'kind' | 'text' | 'detail'>, from: string): void {
    const { cluster, broker, id, state } = intent;
    this.#options.journal.write({ cluster, broker, intentId: id, from, to: state, ...line });
  }

  #keep(intent: Intent, moved: boolean): void {
    this.#intents.set(intent.id, intent);
    if (!moved) return;
    this.#entered.add(1, { action: intent.action, state: intent.state });
    this.#count();
  }

  #count(): void {
    const counts = new Map<string, number>();
    for (const { state } of this.#intents.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    for (const state of INTENT_STATES) if (!isEnded(state)) this.#standing.set(counts.get(state) ?? 0, { state });
  }

  /** Lets go of those that ended first; active ones are never dropped. */
  #makeRoom(forMore: number): void {
    const excess = this.#intents.size + forMore - INTENTS_MAX;
    if (excess <= 0) return;
    const ended = this.where(({ state }) => isEnded(state)).toSorted((a, b) => a.changedAt - b.changedAt);
    for (const { id } of ended.slice(0, excess)) this.#intents.delete(id);
    if (forMore > 0 && this.#intents.size + forMore > INTENTS_MAX) {
      throw new BelfryError('LIMIT_EXCEEDED', `${INTENTS_MAX} intents are waiting already`);
    }
  }

  #tell(events: readonly IntentEvent[]): void {
    for (const event of events) {
      for (const listener of this.#listeners) {
        try {
          listener(event);
        } catch (error) {
          this.#options.log.error('intent_listener_failed', { kind: event.kind, intent: event.intent.id, error: errorText(error) });
        }
      }
    }
  }
}

/** `repair of broker/2 in orders-dal`: an act as sentences name it. */
export function actOf({
  action,
  cluster,
  broker,
  desiredBrokers,
}: Pick<Intent, 'action' | 'cluster' | 'broker' | 'desiredBrokers'>): string {
  const verb = action.replace('_', ' ');
  if (action === 'scale_out' || broker === undefined) return `${verb} of ${cluster} to ${desiredBrokers ?? 0} brokers`;
  return `${verb} of broker ${broker} in ${cluster}`;
}

/** A state as sentences say it. */
export function wordOf(state: Intent['state']): string {
  return state.replace('_', ' ');
}

function notJournalled(intent: Intent, to: Intent['state']): BelfryError {
  return new BelfryError('CONFLICT', `${actOf(intent)} cannot be journalled as ${wordOf(to)}: state.db cannot be written`);
}
