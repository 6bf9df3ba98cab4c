import { type Ack, type Intent, isEnded } from '../core/autopilot.ts';
import type { PilotBrokerRow, PilotClusterRow, PilotEvidenceRow, PilotStore } from '../core/autopilot-state.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Counter } from '../core/meter.ts';
import { ulid } from '../core/ulid.ts';
import { type Advance, type BrokerFacts, healthyRow } from './broker-facts.ts';
import { advance } from './broker-machine.ts';
import type { Control } from './control/control.ts';
import type { EvidenceIntake } from './evidence.ts';
import type { IntentBook } from './intents/intent-book.ts';
import type { Journal } from './journal.ts';
import type { ClusterPicture } from './picture.ts';
import type { ClusterObserver, IncidentBoard, LoadReader, PolicySource } from './ports.ts';
import { RecoveryWatch } from './recovery.ts';
import { ScalePilot } from './scale-pilot.ts';
import { troubledOf } from './trouble.ts';
import { ownEvidence } from './verification.ts';

export interface ClusterPilotOptions {
  readonly cluster: string;
  readonly store: PilotStore;
  readonly journal: Journal;
  readonly book: IntentBook;
  readonly control: Control;
  readonly evidence: EvidenceIntake;
  readonly observer: ClusterObserver;
  readonly policies: PolicySource;
  readonly board: IncidentBoard;
  readonly loads: LoadReader;
  readonly startedAt: number;
  readonly log: Logger;
  /** belfry_autopilot_outcomes_total */
  readonly outcomes: Counter;
}

const IN_FLIGHT = new Set<Intent['state']>(['leased', 'running', 'unknown']);

/** One cluster: from its picture and its evidence to the machines of its brokers and its size, each step one transaction. */
export class ClusterPilot {
  readonly #options: ClusterPilotOptions;
  readonly #rows = new Map<number, PilotBrokerRow>();
  readonly #acks = new Map<string, Ack>();
  readonly #recovery = new RecoveryWatch();
  readonly #scale: ScalePilot;
  #seeingSince = 0;
  #looking = false;
  #again = false;

  constructor(options: ClusterPilotOptions, brokers: readonly PilotBrokerRow[], size: PilotClusterRow | undefined) {
    this.#options = options;
    for (const row of brokers) this.#rows.set(row.brokerId, row);
    this.#scale = new ScalePilot(options, size);
  }

  get rows(): readonly PilotBrokerRow[] {
    return [...this.#rows.values()].toSorted((a, b) => a.brokerId - b.brokerId);
  }

  get size(): PilotClusterRow | undefined {
    return this.#scale.row;
  }

  /** An executor's word: kept until its intent has ended. */
  heard(ack: Ack): void {
    this.#acks.set(ack.intentId, ack);
  }

  ended(intentId: string): void {
    this.#acks.delete(intentId);
  }

  /** A recovery that stood still is not left alone any more. */
  recoveryStalled(broker: number): boolean {
    const row = this.#rows.get(broker);
    return row !== undefined && row.recoveringSince > 0 && (row.state === 'unhealthy' || row.state === 'replace_pending');
  }

  /** Looks once; asked for while it looks, it looks once more afterwards. */
  look(now: number): void {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    try {
      for (let rounds = 0; rounds < 3; rounds++) {
        this.#again = false;
        this.#lookOnce(now);
        // What a settled or made intent sets off is seen at once; more than that waits for the next tick.
        if (!this.#again) break;
      }
    } finally {
      this.#looking = false;
    }
  }

  /** A person says that the broker is to be looked at afresh. False where there is nothing to reset. */
  reset(broker: number, by: string, now: number): boolean {
    const row = this.#rows.get(broker);
    if (row === undefined) return false;
    const { store, journal, book, cluster } = this.#options;
    const text = `${by} has reset broker ${broker}`;
    store.durably(() => {
      const intent = book.get(row.intentId);
      if (intent !== undefined && !isEnded(intent.state)) book.settle(intent.id, 'cancelled', text);
      store.deleteBroker(cluster, broker);
      journal.write({ cluster, broker, kind: 'edge', from: row.state, to: 'healthy', text, detail: { by } });
    });
    this.#rows.delete(broker);
    this.#recovery.forget(broker);
    this.look(now);
    return true;
  }

  /** The cluster is no longer configured: nothing of it is kept, nobody is to act on it. */
  remove(now: number): void {
    const { store, book, cluster } = this.#options;
    store.durably(() => {
      for (const { id } of book.active(cluster)) book.settle(id, 'cancelled', 'the cluster is no longer configured');
      for (const { brokerId } of this.#rows.values()) store.deleteBroker(cluster, brokerId);
      this.#scale.remove(now);
    });
    this.#rows.clear();
  }

  #lookOnce(now: number): void {
    const { cluster, store, observer, policies, evidence, control } = this.#options;
    if (!store.durable) return;
    const policy = policies.cluster(cluster);
    const newest = observer.picture(cluster);
    // Whoever acts there by name may act on another cluster than was meant.
    if (newest?.clusterIdChanged === true) this.#options.book.revokeAll('another cluster answers under this name', cluster);
    const picture = seen(newest, now, policy.staleAfterMs);
    if (picture === undefined) {
      this.#seeingSince = 0;
      return;
    }
    if (this.#seeingSince === 0) this.#seeingSince = now;
    for (const broker of picture.brokers.values()) this.#recovery.look(broker);
    const standing = evidence.all(cluster);
    const troubled = troubledOf(picture, standing);
    const mayAct = control.halted() === undefined && now - this.#options.startedAt >= policies.fleet().startGraceMs;
    for (const id of this.#concerned(standing, troubled)) {
      const facts = this.#factsOf(id, { picture, standing, troubled, mayAct, at: now });
      const before = this.#rows.get(id) ?? healthyRow(cluster, id, now);
      this.#apply(before, advance(before, facts, now, policy.repair), now);
    }
    this.#scale.look({ picture, standing, troubled, mayAct, seeingSince: this.#seeingSince, now });
  }

  #concerned(standing: readonly PilotEvidenceRow[], troubled: ReadonlySet<number>): readonly number[] {
    const ids = new Set<number>([...this.#rows.keys(), ...troubled]);
    for (const { action, brokerId } of standing) if (brokerId >= 0 && (action === 'repair' || action === 'replace')) ids.add(brokerId);
    for (const { action, broker, state } of this.#options.book.active(this.#options.cluster))
      if (broker !== undefined && action === 'repair' && IN_FLIGHT.has(state)) ids.add(broker);
    return [...ids].toSorted((a, b) => a - b);
  }

  #factsOf(
    id: number,
    now: {
      readonly picture: ClusterPicture;
      readonly standing: readonly PilotEvidenceRow[];
      readonly troubled: ReadonlySet<number>;
      readonly mayAct: boolean;
      readonly at: number;
    },
  ): BrokerFacts {
    const { cluster, book, control, board } = this.#options;
    const { picture, standing, troubled, mayAct, at } = now;
    const row = this.#rows.get(id);
    const self = picture.brokers.get(id);
    const intent = this.#intentOf(id, row);
    const ack = intent === undefined ? undefined : this.#acks.get(intent.id);
    return {
      picture,
      self,
      evidence: standing.filter(({ brokerId, action }) => brokerId === id && (action === 'repair' || action === 'replace')),
      proof: ownEvidence(picture, id),
      troubled: troubled.has(id),
      othersTroubled: [...troubled].filter((other) => other !== id).toSorted((a, b) => a - b),
      recovering: self === undefined ? undefined : this.#recovery.sign(self, ack, at),
      intent: intent === undefined ? undefined : (book.get(intent.id) ?? intent),
      ack,
      modes: { repair: control.modeOf(cluster, 'repair'), replace: control.modeOf(cluster, 'replace') },
      mayAct,
      seeingSince: this.#seeingSince,
      incidentId: row === undefined || row.incidentId === '' ? board.incidentOf(cluster, id) : row.incidentId,
    };
  }

  /** The row's intent, else a repair of this broker that somebody acts on without the row knowing (a drill, a lost row). */
  #intentOf(id: number, row: PilotBrokerRow | undefined): Intent | undefined {
    const { cluster, book } = this.#options;
    if (row !== undefined && row.intentId !== '') return book.get(row.intentId);
    return book.active(cluster, id).find(({ action, state }) => action === 'repair' && IN_FLIGHT.has(state));
  }

  /** Writes one step, whole or not at all, and only then goes on from it. */
  #apply(before: PilotBrokerRow, step: Advance, now: number): void {
    if (step.row === before && step.want === undefined && step.outcomes.length === 0 && step.settle.length === 0) return;
    const { cluster, store, journal, book, control, observer, log, outcomes } = this.#options;
    let row = step.row;
    store.durably(() => {
      for (const { intentId, as, word } of step.settle) book.settle(intentId, as, word);
      if (step.want !== undefined) row = this.#request(row, step.want, now);
      for (const { from, to, text, evidence } of step.edges)
        journal.write({
          cluster,
          broker: row.brokerId,
          kind: 'edge',
          from,
          to,
          intentId: row.intentId || before.intentId,
          text,
          detail: { evidence },
        });
      for (const { intentId, action, outcome, text, tookMs, drill } of step.outcomes) {
        journal.write({
          cluster,
          broker: row.brokerId,
          kind: 'outcome',
          intentId,
          text,
          detail: { intentId, action, outcome, tookMs, drill },
        });
        outcomes.add(1, { cluster, action, outcome });
      }
      if (step.demote !== undefined) control.demote(cluster, step.demote.action, step.demote.why);
      // In the same transaction: an old broker that is still expected would be repaired again.
      if (step.forget) observer.forget(cluster, row.brokerId);
      if (row.state === 'healthy') store.deleteBroker(cluster, row.brokerId);
      else store.saveBroker(row);
    });
    if (row.state === 'healthy') this.#rows.delete(row.brokerId);
    else this.#rows.set(row.brokerId, row);
    for (const { from, to, text } of step.edges) log.info('autopilot_edge', { cluster, broker: row.brokerId, from, to, text });
    if (this.#mayTell(before, row)) for (const { text, loud } of step.notes) this.#note(row.brokerId, text, loud, now);
    if (row.state === 'healthy' && step.edges.length > 0) this.#noteOver(row.brokerId, now);
    // Also in the grace after a start: what broke meanwhile counts when acts are allowed again.
    // One of two that break at once goes straight to a person, and counts like any other.
    if (step.edges.some(({ from, to }) => from === 'suspect' && (to === 'unhealthy' || to === 'needs_human')))
      this.#tellBreaker(row.brokerId, now);
  }

  #request(row: PilotBrokerRow, want: NonNullable<Advance['want']>, now: number): PilotBrokerRow {
    const { cluster, book, board, log } = this.#options;
    const incidentId = row.incidentId || board.incidentOf(cluster, row.brokerId) || ulid(now);
    try {
      const intent = book.request({
        cluster,
        action: want.action,
        broker: row.brokerId,
        desiredBrokers: undefined,
        currentBrokers: undefined,
        incidentId,
        attempt: row.attempts + 1,
        reason: want.reason,
        evidence: want.evidence,
        drill: false,
      });
      return { ...row, incidentId, intentId: intent.id };
    } catch (error) {
      log.warn('autopilot_intent_not_made', { cluster, broker: row.brokerId, action: want.action, error: errorText(error) });
      return row;
    }
  }

  #tellBreaker(broker: number, now: number): void {
    const { cluster, observer, control } = this.#options;
    const picture = observer.picture(cluster);
    const rack = picture?.brokers.get(broker)?.rack;
    control.unhealthy(cluster, broker, { ...picture?.labels, ...(rack === undefined ? {} : { rack }) }, now);
  }

  #noteOver(broker: number, at: number): void {
    const { cluster, board, log } = this.#options;
    try {
      board.noteOver(cluster, broker, at);
    } catch (error) {
      log.error('autopilot_note_failed', { cluster, broker, error: errorText(error) });
    }
  }

  /** One that is off has nothing to ask of people: what it concludes stays in the journal. What was begun before is told to its end. */
  #mayTell(before: PilotBrokerRow, row: PilotBrokerRow): boolean {
    const { cluster, control } = this.#options;
    if (before.intentId !== '' || row.intentId !== '') return true;
    return control.modeOf(cluster, 'repair') !== 'off' || control.modeOf(cluster, 'replace') !== 'off';
  }

  #note(broker: number, text: string, loud: boolean, at: number): void {
    const { cluster, board, log } = this.#options;
    try {
      board.note({ cluster, broker, text, loud, at });
    } catch (error) {
      log.error('autopilot_note_failed', { cluster, broker, error: errorText(error) });
    }
  }
}

/** The picture, where something may be concluded from it. */
function seen(picture: ClusterPicture | undefined, now: number, staleAfterMs: number): ClusterPicture | undefined {
  if (picture === undefined || picture.blind !== undefined || picture.clusterIdChanged) return undefined;
  return now - picture.observedAt > staleAfterMs ? undefined : picture;
}
