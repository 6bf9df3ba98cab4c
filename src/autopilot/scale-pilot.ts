import type { PilotClusterRow, PilotEvidenceRow } from '../core/autopilot-state.ts';
import { isEnded } from '../core/autopilot.ts';
import { errorText } from '../core/errors.ts';
import type { ClusterPilotOptions } from './cluster-pilot.ts';
import { isInFlight } from './intents/intent-life.ts';
import type { ClusterPicture } from './picture.ts';
import type { ScalePolicy } from './policy.ts';
import { freshRow } from './scale/look.ts';
import { advance } from './scale/scaler.ts';
import type { ScaleOutcome, ScaleWant } from './scale/types.ts';

/** Loads are averaged over as long as a recommendation must stand, within these bounds, so that one spike is none. */
const LOAD_WINDOW_MIN_MS = 10_000;
const LOAD_WINDOW_MAX_MS = 5 * 60_000;

/** A cluster at rest is looked at once for each answer of its brokers, and after so long in any case. */
const LOOK_AGAIN_AFTER_MS = 10_000;

/** What one look at a cluster's size rests on. */
export interface SizeLook {
  readonly picture: ClusterPicture;
  readonly standing: readonly PilotEvidenceRow[];
  readonly troubled: ReadonlySet<number>;
  readonly mayAct: boolean;
  /** Since when pictures have been whole without a gap. */
  readonly seeingSince: number;
  readonly now: number;
}

function windowOf({ stabiliseOutMs }: ScalePolicy): number {
  return Math.min(LOAD_WINDOW_MAX_MS, Math.max(LOAD_WINDOW_MIN_MS, stabiliseOutMs));
}

/** The size of one cluster: runs the scaler and writes what it decides, each step one transaction. */
export class ScalePilot {
  readonly #options: ClusterPilotOptions;
  #row: PilotClusterRow | undefined;
  #looked = { askedAt: -1, at: 0, evidence: 0 };

  constructor(options: ClusterPilotOptions, row: PilotClusterRow | undefined) {
    this.#options = options;
    this.#row = row;
  }

  get row(): PilotClusterRow | undefined {
    return this.#row;
  }

  look({ picture, standing, troubled, mayAct, seeingSince, now }: SizeLook): void {
    const { cluster, book, control, loads, policies } = this.#options;
    const row = this.#row;
    // What rests is not looked at while nothing may be done; what is under way is watched to its end.
    if (!mayAct && (row === undefined || row.state === 'steady')) return;
    const policy = policies.cluster(cluster);
    const evidence = standing.filter(({ action }) => action === 'scale_out' || action === 'scale_in');
    // A cluster at rest that nothing calls another size for is not asked how busy it is.
    const atRest = evidence.length === 0 && (row === undefined || row.state === 'steady');
    if (this.#hasNothingNew(picture, evidence.length, now)) return;
    const outcome = advance(
      {
        cluster,
        row,
        picture,
        loads: atRest ? [] : loads.loads(cluster, now, windowOf(policy.scale)),
        evidence,
        policy,
        modes: { scale_out: control.modeOf(cluster, 'scale_out'), scale_in: control.modeOf(cluster, 'scale_in') },
        intent: row === undefined || row.intentId === '' ? undefined : book.get(row.intentId),
        troubled,
        seeingSince,
      },
      now,
    );
    this.#apply(outcome, mayAct, now);
  }

  /** At rest, nothing follows from the same answer twice: a large cluster that could do with fewer brokers is a matter of days. */
  #hasNothingNew({ askedAt }: ClusterPicture, evidence: number, now: number): boolean {
    const last = this.#looked;
    if (this.#row?.state === 'steady' && last.askedAt === askedAt && last.evidence === evidence && now - last.at < LOOK_AGAIN_AFTER_MS)
      return true;
    this.#looked = { askedAt, at: now, evidence };
    return false;
  }

  /** The cluster is no longer configured: should it come back, nothing of its old size is wanted. */
  remove(now: number): void {
    const { cluster, store } = this.#options;
    if (this.#row !== undefined) store.saveCluster(freshRow(cluster, now));
    this.#row = undefined;
  }

  #apply(outcome: ScaleOutcome, mayAct: boolean, now: number): void {
    const { cluster, store, journal, board, observer, log } = this.#options;
    const before = this.#row;
    const { edges, want, settle, note, forget } = outcome;
    if (outcome.row === before && want === undefined && settle === undefined && note === undefined) return;
    // A request that may not be made now is made at a later look: the row that counts on it is not taken over.
    if (want !== undefined && !mayAct) return;
    let row = outcome.row;
    store.durably(() => {
      if (settle !== undefined) this.#settle(before?.intentId ?? '', settle, want !== undefined, now);
      if (want !== undefined) row = this.#request(row, want);
      for (const { from, to, text, evidence } of edges)
        journal.write({ cluster, kind: 'edge', from, to, intentId: row.intentId || (before?.intentId ?? ''), text, detail: { evidence } });
      if (forget !== undefined) observer.forget(cluster, forget);
      store.saveCluster(row);
    });
    this.#row = row;
    for (const { from, to, text } of edges) log.info('autopilot_edge', { cluster, from, to, text });
    if (note !== undefined) board.note({ cluster, broker: undefined, text: note.text, loud: note.loud, at: now });
  }

  /** Ends the act, says how it turned out, and asks a person before the next one where it was not verified. */
  #settle(id: string, { to, word }: NonNullable<ScaleOutcome['settle']>, isAskedAgain: boolean, now: number): void {
    const { cluster, book, journal, control, outcomes } = this.#options;
    const intent = book.get(id);
    if (intent === undefined || isEnded(intent.state)) return;
    const { action, broker, lease, drill } = intent;
    // One that was asked for again may be done, or too late, before anybody has its lease: that is no act that ended so.
    book.settle(id, isInFlight(intent.state) ? to : 'cancelled', word);
    const blocked = lease === undefined && intent.guards.some(({ holds }) => holds);
    const outcome = blocked ? 'blocked' : to === 'cancelled' ? (lease === undefined ? 'healed' : 'wrong') : 'needed';
    const tookMs = now - intent.createdAt;
    journal.write({ cluster, broker, kind: 'outcome', intentId: id, text: word, detail: { intentId: id, action, outcome, tookMs, drill } });
    outcomes.add(1, { cluster, action, outcome });
    if (to === 'failed' && !isAskedAgain) control.demote(cluster, action, word);
  }

  #request(row: PilotClusterRow, want: ScaleWant): PilotClusterRow {
    const { cluster, book, log } = this.#options;
    const { action, broker, desired, current, incidentId, attempt, reason, evidence } = want;
    try {
      const request = { cluster, action, broker, incidentId, attempt, reason, evidence, drill: false };
      const intent = book.request({ ...request, desiredBrokers: desired, currentBrokers: current });
      return { ...row, intentId: intent.id };
    } catch (error) {
      log.warn('autopilot_intent_not_made', { cluster, action, error: errorText(error) });
      return row;
    }
  }
}
