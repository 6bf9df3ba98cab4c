import {
  isEnded,
  lowerMode,
  type Ack,
  type Action,
  type GuardVerdict,
  type Intent,
  type IntentState,
  type Mode,
} from '../../core/autopilot.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import { ulid } from '../../core/ulid.ts';
import { checkCommand } from '../control/durable.ts';
import { blocking } from '../guards/guards.ts';
import type { IntentEvent, IntentRequest } from '../ports.ts';
import { isInFlight } from './intent-life.ts';
import { actOf, IntentLedger, wordOf, type IntentLedgerOptions } from './intent-ledger.ts';
import { intentKey } from './intent-row.ts';
import { LeaseDesk, type LeaseDeskOptions } from './lease-desk.ts';

/** Ended intents that are loaded at a start, for those who look at the last days. */
const KEEP_ENDED_MS = 7 * 24 * 3_600_000;
const FORGOTTEN_AFTER_MS = 15 * 60_000;

export interface IntentBookOptions extends IntentLedgerOptions, LeaseDeskOptions {
  /** Automatic acts of this cluster and action that were announced ahead so far. */
  readonly announcedSoFar: (cluster: string, action: Action) => number;
}

/** How an act ended, as the auto-pilot has seen it. */
export type IntentOutcome = 'succeeded' | 'failed' | 'cancelled';

type Told = Exclude<IntentEvent['kind'], 'acked'>;

/**
 * Every intent from its making to its end, and the leases. The mode decides the first state, guards judge, and each change
 * is written with its line of the journal in one transaction before anybody is told.
 */
export class IntentBook {
  readonly #options: IntentBookOptions;
  readonly #ledger: IntentLedger;
  readonly #desk: LeaseDesk;

  constructor(options: IntentBookOptions) {
    this.#options = options;
    this.#ledger = new IntentLedger(options);
    this.#desk = new LeaseDesk(this.#ledger, options);
  }

  /** Reads what an earlier run left; called once, before anything else. */
  load(): void {
    this.#ledger.load(this.#options.clock.now() - KEEP_ENDED_MS);
    this.#desk.load();
  }

  /**
   * Makes an intent. The same request again gives the same intent until it has ended; one that was only observed is not
   * made again while the mode is observe. Throws `CONFLICT` in mode off or when it cannot be journalled, `LIMIT_EXCEEDED`
   * when too many wait.
   */
  request(request: IntentRequest): Intent {
    const mode = this.#options.modeOf(request.cluster, request.action);
    const key = intentKey(request);
    const [same] = this.#ledger.where(
      (intent) => intent.key === key && (!isEnded(intent.state) || (intent.state === 'observed' && mode === 'observe')),
    );
    if (same !== undefined) return same;
    if (mode === 'off') throw new BelfryError('CONFLICT', `${actOf(request)}: the mode is off`);
    const now = this.#options.clock.now();
    const draft: Intent = {
      ...request,
      id: ulid(now),
      key,
      mode,
      state: 'observed',
      createdAt: now,
      changedAt: now,
      expiresAt: 0,
      opensAt: 0,
      guards: [],
      lease: undefined,
      approvedBy: undefined,
      lastWord: '',
    };
    const guards = this.#options.judge.made(draft);
    const state = mode === 'observe' ? 'observed' : this.#standing(draft, guards, now);
    return this.#ledger.add({ ...draft, guards, state, ...this.#times(draft, state, now) }, ['made', ...newsOf(state)]);
  }

  get(id: string): Intent | undefined {
    return this.#ledger.get(id);
  }

  /** Oldest first; of those that ended, the last ones. */
  all(): readonly Intent[] {
    return this.#ledger.all();
  }

  /** Not ended; of one broker, or of the whole cluster. */
  active(cluster: string, broker?: number): readonly Intent[] {
    return this.#ledger.where((one) => one.cluster === cluster && !isEnded(one.state) && (broker === undefined || one.broker === broker));
  }

  /** Somebody acts, or may have acted: leased, running or unknown. */
  inFlight(): readonly Intent[] {
    return this.#ledger.where(({ state }) => isInFlight(state));
  }

  /** Leases granted at or after a time, oldest first. */
  actsSince(
    at: number,
  ): readonly { readonly at: number; readonly cluster: string; readonly broker: number | undefined; readonly incidentId: string }[] {
    return this.#ledger
      .all()
      .flatMap(({ lease, cluster, broker, incidentId }) =>
        lease === undefined || lease.grantedAt < at ? [] : [{ at: lease.grantedAt, cluster, broker, incidentId }],
      )
      .toSorted((a, b) => a.at - b.at);
  }

  /** A person says yes. It overrides approvable guards, opens what was announced, and holds as long as an open intent does. */
  approve(id: string, by: string, reason: string): Intent {
    checkCommand({ by, reason });
    const intent = this.#waiting(id, 'approved');
    if (intent.approvedBy !== undefined) return intent;
    const now = this.#options.clock.now();
    const approved = { ...intent, approvedBy: by, expiresAt: now + this.#options.fleet().intentExpiresMs };
    const guards = this.#options.judge.made(approved);
    const state = blocking(guards, true) === undefined ? 'open' : 'blocked';
    return this.#ledger.change(intent, {
      patch: {
        state,
        approvedBy: by,
        expiresAt: approved.expiresAt,
        guards,
        lastWord: `approved by ${by}: ${reason}`,
      },
      line: { kind: 'intent', text: `${by} approved ${actOf(intent)}: ${reason}`, detail: { by, reason, guards } },
      tell: ['approved', ...(state === intent.state ? [] : newsOf(state))],
      as: 'permission',
    });
  }

  /** A person says no, before anybody has acted. */
  reject(id: string, by: string, reason: string): Intent {
    checkCommand({ by, reason });
    return this.#end(this.#waiting(id, 'rejected'), 'rejected', `rejected by ${by}: ${reason}`, { by, reason });
  }

  /** It is not wanted any more, and nobody has acted. Throws `CONFLICT` once it is in flight: that is for `settle`. */
  cancel(id: string, why: string): Intent {
    return this.#end(this.#waiting(id, 'cancelled'), 'cancelled', why);
  }

  /**
   * Gives the executor the right to act. The guards are judged on answers of two brokers asked after this call. Throws
   * `CONFLICT` with the sentence of what stands against it, `NOT_FOUND`, `BAD_REQUEST`.
   */
  lease(id: string, executor: string): Promise<Intent> {
    return this.#desk.lease(id, executor);
  }

  /** Extends a lease. Throws `LEASE_LOST` when it is over: nothing irreversible may be done any more. */
  heartbeat(id: string, fencingToken: number): Intent {
    return this.#desk.heartbeat(id, fencingToken);
  }

  /** Takes an executor's word. Throws `CONFLICT` when the token is not that of the intent's lease, or comes too late. */
  ack(ack: Ack): Intent {
    return this.#desk.ack(ack);
  }

  /** Of one cluster, or of all. */
  revokeAll(why: string, cluster?: string): readonly Intent[] {
    return this.#desk.revokeAll(why, cluster);
  }

  /** Ends an act by what was observed. The same end again changes nothing. */
  settle(id: string, outcome: IntentOutcome, word: string): Intent {
    const intent = this.#ledger.find(id);
    return intent.state === outcome ? intent : this.#end(intent, outcome, word);
  }

  on(listener: (event: IntentEvent) => void): () => void {
    return this.#ledger.on(listener);
  }

  /** What time brings. One intent that cannot be judged does not hold up the others. */
  tick(now: number): void {
    this.#desk.tick(now);
    for (const intent of this.#ledger.where(({ state }) => !isEnded(state) && !isInFlight(state))) {
      // Whoever was told of the one before may have ended this one.
      if (this.#ledger.get(intent.id) !== intent) continue;
      try {
        this.#look(intent, now);
      } catch (error) {
        this.#options.log.error('intent_not_judged', { intent: intent.id, cluster: intent.cluster, error: errorText(error) });
      }
    }
  }

  #look(intent: Intent, now: number): void {
    const mode = this.#modeNow(intent);
    if (mode === 'off' || mode === 'observe') {
      this.#end(intent, 'cancelled', `the mode of ${intent.action} in ${intent.cluster} is ${mode} now`);
      return;
    }
    if (intent.expiresAt > 0 && now >= intent.expiresAt) {
      this.#end(intent, 'expired', intent.state === 'awaiting_approval' ? 'nobody approved it in time' : 'nobody took it in time');
      return;
    }
    // An open intent is judged when its lease is asked for: guards that come and go need not tell everybody each time.
    if (intent.state === 'open' && (mode === 'auto' || intent.approvedBy !== undefined)) return;
    const guards = this.#options.judge.made(intent);
    const state = this.#standing(intent, guards, now);
    const held = blocking(guards, intent.approvedBy !== undefined);
    if (state === intent.state && held?.guard === blocking(intent.guards, intent.approvedBy !== undefined)?.guard) {
      this.#ledger.refreshGuards(intent, guards);
      return;
    }
    const because = held === undefined ? 'no guard holds' : `${held.guard} holds: ${held.sentence}`;
    this.#ledger.change(intent, {
      patch: { state, guards, ...(state === intent.state ? {} : this.#times(intent, state, now)) },
      line: { kind: 'guard', text: `${actOf(intent)} is ${wordOf(state)}: ${because}`, detail: { guards } },
      tell:
        state === 'blocked'
          ? ['blocked']
          : state === intent.state
            ? []
            : [...(intent.state === 'blocked' ? ['unblocked' as const] : []), ...newsOf(state)],
      as: state === 'open' || state === 'announced' ? 'permission' : 'stop',
    });
  }

  /** Where an intent that nobody acts on belongs, by its mode now, its approval, its guards and the time. */
  #standing(intent: Intent, guards: readonly GuardVerdict[], now: number): IntentState {
    const approved = intent.approvedBy !== undefined;
    const mode = this.#modeNow(intent);
    if (mode !== 'auto' && !approved) return 'awaiting_approval';
    if (blocking(guards, approved) !== undefined) return 'blocked';
    if (approved) return 'open';
    if (intent.opensAt > 0) return now < intent.opensAt || isForgotten(intent, now) ? 'announced' : 'open';
    const { announceFirst } = this.#options.fleet();
    return this.#options.announcedSoFar(intent.cluster, intent.action) < announceFirst ? 'announced' : 'open';
  }

  /** When it opens and when it expires, on coming into a state. What is blocked waits; an approval, once given, does not wait for ever. */
  #times(intent: Intent, state: IntentState, now: number): Pick<Intent, 'opensAt' | 'expiresAt'> {
    const { approvalExpiresMs, intentExpiresMs, announceAheadMs } = this.#options.fleet();
    const approvedUntil = intent.approvedBy === undefined ? undefined : intent.expiresAt;
    if (state === 'awaiting_approval') return { opensAt: intent.opensAt, expiresAt: now + approvalExpiresMs };
    if (state === 'announced') {
      const opensAt = intent.opensAt > now ? intent.opensAt : now + announceAheadMs;
      return { opensAt, expiresAt: opensAt + intentExpiresMs };
    }
    return { opensAt: intent.opensAt, expiresAt: approvedUntil ?? (state === 'open' ? now + intentExpiresMs : 0) };
  }

  #modeNow({ mode, cluster, action }: Intent): Mode {
    return lowerMode(mode, this.#options.modeOf(cluster, action));
  }

  /** The intent, if it is at a point where a person or the auto-pilot may still stop or approve it. */
  #waiting(id: string, what: string): Intent {
    const intent = this.#ledger.find(id);
    if (!isEnded(intent.state) && !isInFlight(intent.state)) return intent;
    throw new BelfryError('CONFLICT', `${actOf(intent)} is ${wordOf(intent.state)}: it cannot be ${what}`);
  }

  #end(
    intent: Intent,
    state: IntentOutcome | 'expired' | 'rejected',
    word: string,
    detail: Readonly<Record<string, unknown>> = {},
  ): Intent {
    const { lease } = intent;
    return this.#ledger.change(intent, {
      patch: { state, lastWord: word, ...(lease === undefined ? {} : { lease: { ...lease, expiresAt: 0 } }) },
      line: { kind: isInFlight(intent.state) ? 'outcome' : 'intent', text: `${actOf(intent)} is ${wordOf(state)}: ${word}`, detail },
      tell: ['ended'],
      as: 'stop',
    });
  }
}

/** Announced, and then held back for so long that nobody expects it any more: it is announced anew. */
function isForgotten({ state, changedAt }: Intent, now: number): boolean {
  return state === 'blocked' && now - changedAt >= FORGOTTEN_AFTER_MS;
}

/** What is told of an intent that comes into a state in which nobody has acted yet. */
const NEWS: Partial<Record<IntentState, Told>> = {
  blocked: 'blocked',
  awaiting_approval: 'approval_needed',
  announced: 'announced',
  open: 'opened',
};

function newsOf(state: IntentState): readonly Told[] {
  const news = NEWS[state];
  return news === undefined ? [] : [news];
}
