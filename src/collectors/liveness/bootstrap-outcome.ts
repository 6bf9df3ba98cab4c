import { breakKindBehind } from '../../kafka/break.ts';
import { NOT_A_WORD } from './cluster-judgement.ts';

/** How the search by the bootstrap addresses went, as far as it has gone wrong. */
export class BootstrapOutcome {
  #outcome: 'not_tried' | 'failed' | 'refused' = 'not_tried';
  /** Since when they have given no sign of life at all; undefined where they have, or were not asked. */
  silentSince: number | undefined;

  /** No address answered. */
  get failed(): boolean {
    return this.#outcome === 'failed';
  }

  /** One answered and refused our login or our certificate: a cluster is there, whoever collects from it is blind. */
  get refused(): boolean {
    return this.#outcome === 'refused';
  }

  get tried(): boolean {
    return this.#outcome !== 'not_tried';
  }

  gaveNothing(error: unknown, now: number): void {
    const kind = breakKindBehind(error);
    this.#outcome = kind === 'auth' || kind === 'tls' ? 'refused' : 'failed';
    this.silentSince = kind !== undefined && NOT_A_WORD.has(kind) ? (this.silentSince ?? now) : undefined;
  }
}
