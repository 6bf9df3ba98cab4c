import { isEnded, lowerMode, type Ack, type Action, type GuardVerdict, type Intent, type Mode } from '../../core/autopilot.ts';
import type { Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import { within } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { Counter, Meter } from '../../core/meter.ts';
import type { FleetPolicy } from '../policy.ts';
import { blocking } from '../guards/guards.ts';
import type { IntentJudge } from '../ports.ts';
import { FencingTokens, isHeld, type HeldIntent } from './fencing-tokens.ts';
import { isInFlight } from './intent-life.ts';
import { actOf, INTENTS_MAX, wordOf, type IntentLedger, type IntentStore } from './intent-ledger.ts';

/** Characters of an ack's text that are kept: its end, since that is where the output says how it went. */
export const ACK_TEXT_MAX = 4096;
const EXECUTOR_NAME_MAX = 200;
/** Two brokers are asked anew within this time, or there is no lease. */
const JUDGE_TIMEOUT_MS = 15_000;
/** Lines of the journal about one act that runs are at least so far apart, where nothing changes but the words. */
const ACK_LINE_EVERY_MS = 5000;
/** Executors that wait for their turn to be judged. */
const WAITING_MAX = 100;

export interface LeaseDeskOptions {
  readonly store: IntentStore;
  readonly judge: IntentJudge;
  readonly modeOf: (cluster: string, action: Action) => Mode;
  readonly fleet: () => FleetPolicy;
  readonly halted: () => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/** Grants leases, hears executors, and takes leases back. */
export class LeaseDesk {
  readonly #ledger: IntentLedger;
  readonly #options: LeaseDeskOptions;
  readonly #tokens: FencingTokens;
  readonly #waiting = new Map<string, { readonly executor: string; readonly lease: Promise<Intent> }>();
  readonly #leases: Counter;
  /** When a line was last written of what an executor says while it acts. */
  readonly #wroteAt = new Map<string, number>();
  /** Resolves when the lease before has been decided: one after the other, so that each is judged on what the last one left. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(ledger: IntentLedger, options: LeaseDeskOptions) {
    this.#ledger = ledger;
    this.#options = options;
    this.#tokens = new FencingTokens(options.store);
    this.#leases = options.meter.counter('belfry_autopilot_leases_total', 'Leases asked for and ended, by outcome', ['outcome']);
  }

  load(): void {
    this.#tokens.load(this.#ledger.all());
  }

  async lease(id: string, executor: string): Promise<Intent> {
    if (executor.trim() === '' || executor.length > EXECUTOR_NAME_MAX) {
      throw new BelfryError('BAD_REQUEST', `an executor's name has 1 to ${EXECUTOR_NAME_MAX} characters`);
    }
    const held = this.#heldBy(id, executor);
    if (held !== undefined) return held;
    this.#mayLease(id);
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) {
      if (waiting.executor === executor) return waiting.lease;
      throw this.#refusal(this.#ledger.find(id), `${waiting.executor} is being judged for it`);
    }
    if (this.#waiting.size >= WAITING_MAX) throw this.#refusal(this.#ledger.find(id), `${WAITING_MAX} others wait for their lease`);
    const lease = this.#turn.then(() => this.#judgeAndGrant(id, executor)).finally(() => this.#waiting.delete(id));
    this.#waiting.set(id, { executor, lease });
    // Whoever asked hears of a refusal; the next one's turn comes all the same.
    this.#turn = lease.then(
      () => undefined,
      () => undefined,
    );
    return lease;
  }

  heartbeat(id: string, fencingToken: number): Intent {
    const intent = this.#ledger.find(id);
    if (intent.lease?.fencingToken !== fencingToken) throw lost(intent, `the token ${fencingToken} is not that of its lease`);
    if (!isHeld(intent)) throw lost(intent, isEnded(intent.state) ? 'it has ended' : 'the lease was given back or taken away');
    const now = this.#options.clock.now();
    if (now >= intent.lease.expiresAt) throw lost(this.#expire(intent), 'the lease ran out');
    const halted = this.#options.halted();
    if (halted !== undefined) throw lost(this.#revoke(intent, halted), `halted: ${halted}`);
    const lease = { ...intent.lease, expiresAt: now + this.#options.fleet().leaseTtlMs };
    return this.#ledger.change(intent, { patch: { lease }, as: 'permission' });
  }

  ack(given: Ack): Intent {
    const ack: Ack = given.text.length > ACK_TEXT_MAX ? { ...given, text: given.text.slice(-ACK_TEXT_MAX) } : given;
    let intent = this.#ledger.find(ack.intentId);
    if (intent.lease?.fencingToken !== ack.fencingToken) {
      throw new BelfryError('CONFLICT', `${actOf(intent)}: the token ${ack.fencingToken} is not that of its lease`);
    }
    const word = `${ack.status}: ${ack.text}`;
    if (isHeld(intent)) {
      if (this.#options.clock.now() < intent.lease.expiresAt) return this.#hear(intent, ack, word);
      intent = this.#expire(intent);
    }
    // Transports deliver twice: what was heard already is no news.
    if (intent.lastWord === word) return intent;
    if (intent.state === 'unknown' && this.#mayWrite(intent.id)) {
      this.#ledger.note(intent, {
        kind: 'ack',
        text: `too late, ${intent.lease?.executor ?? ''} said ${ack.status}`,
        detail: { text: ack.text },
      });
    }
    throw new BelfryError('CONFLICT', `${actOf(intent)} is ${wordOf(intent.state)} and not leased any more: too late for ${ack.status}`);
  }

  /** Takes every lease back, of one cluster or of all. What their holders did until then nobody knows. */
  revokeAll(why: string, cluster?: string): readonly Intent[] {
    return this.#eachHeld(
      (intent) => cluster === undefined || intent.cluster === cluster,
      (intent) => this.#revoke(intent, why),
    );
  }

  /** Leases that ran out make their intents unknown. */
  tick(now: number): void {
    this.#eachHeld(
      ({ lease }) => now >= lease.expiresAt,
      (intent) => this.#expire(intent),
    );
  }

  /** Changes held intents as they stand when their turn comes: whoever is told of one may have ended another. */
  #eachHeld(chosen: (intent: HeldIntent) => boolean, change: (intent: Intent) => Intent): readonly Intent[] {
    const changed: Intent[] = [];
    for (const { id } of this.#ledger.where(isHeld)) {
      const intent = this.#ledger.find(id);
      if (isHeld(intent) && chosen(intent)) changed.push(change(intent));
    }
    return changed;
  }

  /** The intent, where this executor has its lease already. */
  #heldBy(id: string, executor: string): Intent | undefined {
    const intent = this.#ledger.find(id);
    if (!isHeld(intent)) return undefined;
    if (this.#options.clock.now() >= intent.lease.expiresAt) {
      this.#expire(intent);
      return undefined;
    }
    const halted = this.#options.halted();
    if (halted !== undefined) throw this.#refusal(this.#revoke(intent, halted), `halted: ${halted}`);
    if (intent.lease.executor === executor) return intent;
    throw this.#refusal(intent, `${intent.lease.executor} has the lease`);
  }

  /** The intent, if nothing but the guards stands between it and a lease. Throws `CONFLICT` with what does. */
  #mayLease(id: string): Intent {
    const intent = this.#ledger.find(id);
    const halted = this.#options.halted();
    if (halted !== undefined) throw this.#refusal(intent, `halted: ${halted}`);
    if (intent.state !== 'open') {
      const held = blocking(intent.guards, intent.approvedBy !== undefined);
      const why = intent.state === 'blocked' && held !== undefined ? ` by ${held.guard}: ${held.sentence}` : '';
      throw this.#refusal(intent, `it is ${wordOf(intent.state)}${why}`);
    }
    if (this.#options.clock.now() >= intent.expiresAt) throw this.#refusal(intent, 'it has expired');
    const mode = lowerMode(intent.mode, this.#options.modeOf(intent.cluster, intent.action));
    if (mode === 'off' || mode === 'observe') throw this.#refusal(intent, `the mode is ${mode} now`);
    if (mode === 'approve' && intent.approvedBy === undefined) throw this.#refusal(intent, 'nobody has approved it');
    const [other] = this.#ledger.where(
      ({ id: otherId, cluster, state }) => otherId !== id && cluster === intent.cluster && isInFlight(state),
    );
    if (other !== undefined) throw this.#refusal(intent, `one act at a time in a cluster: ${actOf(other)} is ${wordOf(other.state)}`);
    return intent;
  }

  async #judgeAndGrant(id: string, executor: string): Promise<Intent> {
    const asked = this.#mayLease(id);
    let verdicts: readonly GuardVerdict[];
    try {
      verdicts = await within(this.#options.clock, JUDGE_TIMEOUT_MS, () => this.#options.judge.lease(asked));
    } catch (error) {
      // No guard said so, and no line of the journal tells of it: an intent that stays open must not be a riddle.
      this.#options.log.warn('autopilot_lease_not_judged', { intent: id, executor, error: errorText(error) });
      throw this.#refusal(asked, `it could not be judged: ${errorText(error)}`);
    }
    // A halt, a rejection or the end of its time may have come in between.
    const intent = this.#mayLease(id);
    const blocked = blocking(verdicts, intent.approvedBy !== undefined);
    if (blocked !== undefined) throw this.#refuse(intent, verdicts, blocked);
    return this.#grant(intent, verdicts, executor);
  }

  #grant(intent: Intent, guards: readonly GuardVerdict[], executor: string): Intent {
    const now = this.#options.clock.now();
    const fencingToken = this.#tokens.next();
    const lease = { fencingToken, executor, grantedAt: now, expiresAt: now + this.#options.fleet().leaseTtlMs };
    const leased = this.#ledger.change(intent, {
      patch: { state: 'leased', guards, lease },
      line: { kind: 'lease', text: `${executor} has the lease of ${actOf(intent)}`, detail: { fencingToken, guards } },
      tell: ['leased'],
      also: () => this.#tokens.save(),
      as: 'permission',
    });
    this.#leases.add(1, { outcome: 'granted' });
    return leased;
  }

  /**
   * A guard holds. Where it holds by what is known without asking anew, the intent is blocked until it lets go; else it
   * stays open for another try.
   */
  #refuse(intent: Intent, verdicts: readonly GuardVerdict[], blocked: GuardVerdict): BelfryError {
    const known = this.#options.judge.made(intent);
    const stays = blocking(known, intent.approvedBy !== undefined) === undefined;
    const word = `lease refused by ${blocked.guard}`;
    if (stays && intent.lastWord === word) this.#ledger.refreshGuards(intent, verdicts);
    else {
      this.#ledger.change(intent, {
        patch: stays ? { guards: verdicts, lastWord: word } : { state: 'blocked', guards: known, lastWord: word },
        line: {
          kind: 'guard',
          text: `${actOf(intent)}: no lease, ${blocked.guard} holds: ${blocked.sentence}`,
          detail: { guards: verdicts },
        },
        tell: stays ? ['lease_refused'] : ['lease_refused', 'blocked'],
        as: 'stop',
      });
    }
    return this.#refusal(intent, `${blocked.guard} holds: ${blocked.sentence}`);
  }

  #hear(intent: Intent, ack: Ack, word: string): Intent {
    const { status } = ack;
    const returned = status === 'accepted' || status === 'running' ? intent.lease : given(intent);
    const state = status === 'rejected' ? 'rejected' : status === 'accepted' ? intent.state : 'running';
    if (state === intent.state && word === intent.lastWord && returned === intent.lease) {
      this.#ledger.tell({ kind: 'acked', intent, ack });
      return intent;
    }
    if (returned !== intent.lease) this.#leases.add(1, { outcome: 'returned' });
    const { process, progress } = ack;
    const isNews = state !== intent.state || returned !== intent.lease || process === 'stopped' || this.#mayWrite(intent.id);
    return this.#ledger.change(intent, {
      patch: { state, lease: returned, lastWord: word },
      ...(isNews
        ? {
            line: {
              kind: 'ack' as const,
              text: `${intent.lease?.executor ?? ''} says ${status} of ${actOf(intent)}`,
              detail: { text: ack.text, ...(process === undefined ? {} : { process }), ...(progress === undefined ? {} : { progress }) },
            },
          }
        : {}),
      acked: ack,
      tell: state === 'rejected' ? ['ended'] : [],
      as: 'stop',
    });
  }

  /** An executor that talks without end must not fill the journal: its last word is kept, and a line of it now and then. */
  #mayWrite(id: string): boolean {
    const now = this.#options.clock.now();
    if (now - (this.#wroteAt.get(id) ?? -Infinity) < ACK_LINE_EVERY_MS) return false;
    if (this.#wroteAt.size >= INTENTS_MAX) this.#wroteAt.clear();
    this.#wroteAt.set(id, now);
    return true;
  }

  #expire(intent: Intent): Intent {
    this.#leases.add(1, { outcome: 'expired' });
    const word = `the lease of ${intent.lease?.executor ?? ''} ran out: nobody knows what was done`;
    return this.#ledger.change(intent, {
      patch: { state: 'unknown', lastWord: word },
      line: { kind: 'lease', text: `${actOf(intent)}: ${word}`, detail: { fencingToken: intent.lease?.fencingToken ?? 0 } },
      tell: ['lease_expired'],
      as: 'stop',
    });
  }

  #revoke(intent: Intent, why: string): Intent {
    this.#leases.add(1, { outcome: 'revoked' });
    const word = `the lease of ${intent.lease?.executor ?? ''} was revoked (${why}): nobody knows what was done`;
    return this.#ledger.change(intent, {
      patch: { state: 'unknown', lease: given(intent), lastWord: word },
      line: { kind: 'lease', text: `${actOf(intent)}: ${word}`, detail: { fencingToken: intent.lease?.fencingToken ?? 0 } },
      tell: ['lease_revoked'],
      as: 'stop',
    });
  }

  #refusal(intent: Intent, why: string): BelfryError {
    this.#leases.add(1, { outcome: 'refused' });
    return new BelfryError('CONFLICT', `no lease of ${actOf(intent)}: ${why}`);
  }
}

/** The lease as it is remembered once it is over: who had it, with which token. */
function given({ lease }: Intent): Intent['lease'] {
  return lease === undefined ? undefined : { ...lease, expiresAt: 0 };
}

function lost(intent: Intent, why: string): BelfryError {
  return new BelfryError('LEASE_LOST', `the lease of ${actOf(intent)} is lost: ${why}`);
}
