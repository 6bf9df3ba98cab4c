/**
 * The words of the auto-pilot, shared by the room that decides, the executor that acts, the API and the store. Times
 * are milliseconds of Belfry time.
 */

/** What may be asked of an executor. `repair` restarts and keeps the disk; `replace` gives a broker's place to a new one. */
export const ACTIONS = ['repair', 'replace', 'scale_out', 'scale_in'] as const;

export type Action = (typeof ACTIONS)[number];

/** From the most careful to the boldest: nothing; journal only; ask a person; act. */
export const MODES = ['off', 'observe', 'approve', 'auto'] as const;

export type Mode = (typeof MODES)[number];

/** Where the auto-pilot stands with one broker. */
export const BROKER_STATES = [
  'healthy',
  'suspect',
  'unhealthy',
  'repairing',
  'recovering',
  'verifying',
  'replace_pending',
  'replacing',
  'needs_human',
] as const;

export type BrokerPilotState = (typeof BROKER_STATES)[number];

/** Where it stands with the size of one cluster. */
export const SCALE_STATES = ['steady', 'scaling_out', 'draining', 'scaling_in', 'rebalancing', 'needs_human'] as const;

export type ScaleState = (typeof SCALE_STATES)[number];

/**
 * The life of an intent. `observed`: what would have been done, in mode observe. `blocked`: a guard holds; judged again
 * at every tick. `announced`: automatic, but told ahead with time to stop it. `open`: a lease may be taken. `unknown`:
 * its lease ran out, nobody knows what was done. The last six are ends.
 */
export const INTENT_STATES = [
  'blocked',
  'awaiting_approval',
  'announced',
  'open',
  'leased',
  'running',
  'unknown',
  'observed',
  'succeeded',
  'failed',
  'rejected',
  'expired',
  'cancelled',
] as const;

export type IntentState = (typeof INTENT_STATES)[number];

const ENDED: ReadonlySet<IntentState> = new Set(['observed', 'succeeded', 'failed', 'rejected', 'expired', 'cancelled']);

export function isEnded(state: IntentState): boolean {
  return ENDED.has(state);
}

/** What one guard says: a plain sentence with its numbers, whether it holds the act back or not. */
export interface GuardVerdict {
  /** Such as `last_copy`; the rows of docs/guards.md. */
  readonly guard: string;
  readonly holds: boolean;
  /** Why it blocks, or why it lets pass. */
  readonly sentence: string;
  /** A person's approval of this very intent overrides it. */
  readonly approvable?: boolean;
}

/** One sample that justified a decision. */
export interface EvidenceSample {
  /** The series or fact, such as `up{cluster="orders-dal",broker="2"}` or `verdict`. */
  readonly what: string;
  readonly value: number | string;
  readonly at: number;
}

/** The right to act on one intent, for a while. */
export interface Lease {
  /** Rises with every lease of this Belfry: an executor with a lower one has lost. */
  readonly fencingToken: number;
  /** The executor's own name. */
  readonly executor: string;
  readonly grantedAt: number;
  /** 0 once it was given back with the executor's last word, revoked, or the intent has ended: then it says only who had it. */
  readonly expiresAt: number;
}

/** An invitation to act. Nobody acts on it before a lease was granted. */
export interface Intent {
  /** ULID. */
  readonly id: string;
  /** Idempotency key: a hash of cluster, target, action, incident and attempt. */
  readonly key: string;
  readonly cluster: string;
  readonly action: Action;
  /** The broker to repair, replace, or drain and remove; undefined for scale_out. */
  readonly broker: number | undefined;
  /** For scale_out and scale_in: how many brokers there are to be, and how many there are. */
  readonly desiredBrokers: number | undefined;
  readonly currentBrokers: number | undefined;
  /** The incident it belongs to; for scaling an id of its own. */
  readonly incidentId: string;
  /** 1 for the first of its incident and action. */
  readonly attempt: number;
  readonly mode: Mode;
  readonly state: IntentState;
  /** A sentence for people: why. */
  readonly reason: string;
  readonly createdAt: number;
  readonly changedAt: number;
  /** Not to be leased after this time; 0 while it is blocked and was not approved: that waits as long as it takes. */
  readonly expiresAt: number;
  /** When it opens, or opened, unless someone stops it; 0 where it was not announced. */
  readonly opensAt: number;
  /** As judged last. */
  readonly guards: readonly GuardVerdict[];
  readonly evidence: readonly EvidenceSample[];
  readonly lease: Lease | undefined;
  readonly approvedBy: string | undefined;
  /** The last word about it: of the executor, of whoever rejected it, or of what ended it. */
  readonly lastWord: string;
  /** True for one of `belfry autopilot drill`. */
  readonly drill: boolean;
}

export const ACK_STATUSES = ['accepted', 'running', 'succeeded', 'failed', 'rejected'] as const;

export type AckStatus = (typeof ACK_STATUSES)[number];

/** What an executor reports. Never believed for health: that is Belfry's own observation. */
export interface Ack {
  readonly intentId: string;
  readonly fencingToken: number;
  readonly status: AckStatus;
  /** A sentence, or the tail of the output; at most 4,096 characters. */
  readonly text: string;
  /**
   * What a probe of the process found before acting: `recovering` means that it runs and starts (log recovery), and was
   * left alone. With `progress` (any number that rises while it advances).
   */
  readonly process?: 'running' | 'recovering' | 'stopped' | 'unknown';
  readonly progress?: number;
}

/** `broker 2`, or `the cluster`: an intent's target as it is signed and shown. */
export function targetOf(intent: Pick<Intent, 'broker' | 'desiredBrokers'>): string {
  if (intent.broker !== undefined) return `broker/${intent.broker}`;
  return `brokers=${intent.desiredBrokers ?? 0}`;
}

/** The more careful of two modes. */
export function lowerMode(a: Mode, b: Mode): Mode {
  return MODES.indexOf(a) <= MODES.indexOf(b) ? a : b;
}
