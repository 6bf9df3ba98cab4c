import { type EvidenceSample, isEnded } from '../core/autopilot.ts';
import type { PilotBrokerRow } from '../core/autopilot-state.ts';
import { type Advance, type BrokerFacts, type Edge, healthyRow, type Outcome } from './broker-facts.ts';
import { underReplicated } from './picture.ts';
import type { RepairPolicy } from './policy.ts';
import { samplesOf } from './verification.ts';

type State = PilotBrokerRow['state'];

/** One step of one broker's machine while it is made: the row as it becomes, and what is to be done with it. */
export class BrokerStep {
  row: PilotBrokerRow;
  readonly facts: BrokerFacts;
  readonly now: number;
  readonly policy: RepairPolicy;
  readonly edges: Edge[] = [];
  readonly notes: { text: string; loud: boolean }[] = [];
  readonly settle: { intentId: string; as: 'succeeded' | 'failed' | 'cancelled'; word: string }[] = [];
  readonly outcomes: Outcome[] = [];
  want: Advance['want'];
  demote: Advance['demote'];
  forget = false;

  constructor(row: PilotBrokerRow, facts: BrokerFacts, now: number, policy: RepairPolicy) {
    this.row = row;
    this.facts = facts;
    this.now = now;
    this.policy = policy;
  }

  get name(): string {
    return `broker ${this.row.brokerId}`;
  }

  /** Moves to another state, for the reason in the sentence. */
  to(state: State, text: string, changes: Partial<PilotBrokerRow> = {}, more: readonly EvidenceSample[] = []): void {
    this.edges.push({ from: this.row.state, to: state, text, evidence: [...this.samples(), ...more] });
    this.row = { ...this.row, ...changes, state, since: this.now };
  }

  change(changes: Partial<PilotBrokerRow>): void {
    this.row = { ...this.row, ...changes };
  }

  note(text: string, loud = false): void {
    this.notes.push({ text, loud });
  }

  /** Back to normal: nothing of this spell is kept. */
  toHealthy(text: string): void {
    this.to('healthy', text);
    this.row = healthyRow(this.row.cluster, this.row.brokerId, this.now);
  }

  /** A person is needed: nothing more is done by the machine. */
  toNeedsHuman(why: string, options: { readonly loud: boolean }): void {
    this.to('needs_human', why, { intentId: '', verifying: '', note: why });
    this.note(`${this.name} needs a person: ${why}`, options.loud);
  }

  /** Ends the row's intent where it has not ended, with how it turned out where that says something. */
  drop(word: string, outcome: Outcome['outcome'] | undefined): void {
    const { intent } = this.facts;
    if (intent !== undefined && intent.id === this.row.intentId) {
      if (!isEnded(intent.state)) this.settle.push({ intentId: intent.id, as: 'cancelled', word });
      if (outcome !== undefined && !this.#told()) this.outcome(outcome, word);
    }
    this.change({ intentId: '' });
  }

  outcome(outcome: Outcome['outcome'], text: string): void {
    const { intent } = this.facts;
    if (intent === undefined) return;
    const blocked = intent.lease === undefined && intent.guards.some(({ holds }) => holds);
    const said = outcome !== 'wrong' && blocked ? 'blocked' : outcome;
    const tookMs = this.row.suspectSince === 0 ? 0 : this.now - this.row.suspectSince;
    this.outcomes.push({ intentId: intent.id, action: intent.action, outcome: said, text, tookMs, drill: intent.drill });
  }

  /** How an observed intent turned out was told already: `lastActAt` says when. */
  #told(): boolean {
    const { intent } = this.facts;
    return intent?.state === 'observed' && this.row.lastActAt > intent.createdAt;
  }

  /** Under-replicated partitions of the cluster now. */
  get urp(): number {
    return this.facts.picture === undefined ? 0 : underReplicated(this.facts.picture).length;
  }

  /**
   * Those of them that lack a copy of another broker than this one: its own fall out in its own time, whatever is done. None
   * while the list of moves is not known: copies that are only being added cannot be told from them.
   */
  get othersBehind(): number {
    if (this.facts.picture?.reassigning === undefined) return 0;
    return underReplicated(this.facts.picture).filter(({ replicas, isr }) =>
      replicas.some((id) => id !== this.row.brokerId && !isr.includes(id)),
    ).length;
  }

  /** The wait after the given number of acts of a spell: by the table, then its last entry doubled each time. */
  backoff(acts: number): number {
    const table = this.policy.backoffMs;
    const last = table.at(-1) ?? 0;
    const index = Math.max(0, acts - 1);
    return table[index] ?? last * 2 ** Math.min(16, index - table.length + 1);
  }

  result(): Advance {
    const { row, edges, want, settle, outcomes, demote, forget, notes } = this;
    return { row, edges, want, settle, outcomes, demote, forget, notes };
  }

  /** What is seen of the broker now, as the journal keeps it. */
  samples(): readonly EvidenceSample[] {
    const { picture, evidence } = this.facts;
    const alerts = evidence.map(({ rule, value, startsAt }) => ({ what: `alert ${rule}`, value, at: startsAt }));
    return [...alerts, ...(picture === undefined ? [] : samplesOf(picture, this.row.brokerId))];
  }
}
