import type { Intent, Lease } from '../../core/autopilot.ts';
import type { IntentStore } from './intent-ledger.ts';

const SETTING = 'fencing_token';

/**
 * Tokens rise by one with every lease, over restarts too; one that was given out is never given again, even when its lease
 * was not granted in the end.
 */
export class FencingTokens {
  readonly #store: Pick<IntentStore, 'setting' | 'saveSetting'>;
  #last = 0;

  constructor(store: Pick<IntentStore, 'setting' | 'saveSetting'>) {
    this.#store = store;
  }

  /** Goes on after the highest that is written anywhere. */
  load(intents: readonly Intent[]): void {
    const written = Number(this.#store.setting(SETTING) ?? 0);
    this.#last = Math.max(this.#last, Number.isSafeInteger(written) ? written : 0, ...intents.map(({ lease }) => lease?.fencingToken ?? 0));
  }

  next(): number {
    return ++this.#last;
  }

  /** Within the transaction that grants the lease. */
  save(): void {
    this.#store.saveSetting(SETTING, String(this.#last));
  }
}

/** An intent that somebody has the lease of. */
export type HeldIntent = Intent & { readonly lease: Lease };

/** Whether somebody has the right to act now, as far as was noticed. A lease that was given back or revoked has `expiresAt` 0. */
export function isHeld(intent: Intent): intent is HeldIntent {
  return (intent.state === 'leased' || intent.state === 'running') && intent.lease !== undefined && intent.lease.expiresAt > 0;
}
