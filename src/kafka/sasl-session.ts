import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { ConnectionBreakError, type KafkaSecurity } from './observer.ts';
import { authenticate, type Proof } from './sasl.ts';
import type { Transport } from './transport.ts';

/** Before a session of limited lifetime ends, at this share of it, we prove anew who we are. */
const RENEW_AT = 0.8;
/** A broker refuses a second proof within a second of the first. */
const SOONEST_RENEWAL_MS = 1100;
/** While a session is good still, a token that could not be had is asked for again after so long. */
const TOKEN_AGAIN_MS = 5000;
const TOKEN_TIMEOUT_MS = 10_000;

export interface SaslSessionParts {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly sasl: NonNullable<KafkaSecurity['sasl']>;
}

/** Who we are on one connection: proved when it begins, and anew before a session of limited lifetime ends (KIP-368). */
export class SaslSession {
  readonly #parts: SaslSessionParts;
  /** By `Clock.elapsed`; undefined where the session does not end. */
  #limit: { readonly renewAt: number; readonly endsAt: number } | undefined;
  /** From looking for a token until the proof is taken. */
  #renewal: Promise<void> | undefined;
  /** While a proof is shown, no request may be sent. */
  #proving: Promise<void> | undefined;

  constructor(parts: SaslSessionParts) {
    this.#parts = parts;
  }

  /** Rejects with a `ConnectionBreakError` of kind `auth` where it is refused, or with the error of the connection. */
  async begin(leftMs: () => number): Promise<void> {
    const proof = await this.#proof(leftMs());
    await this.#prove(proof, leftMs());
  }

  /**
   * Before each request. As long as the session is good, requests go on while a token is fetched: an endpoint that
   * gives out none must not look like a broker that does not answer. What fails ends the connection, and with it the request.
   */
  async keep(timeoutMs: number): Promise<void> {
    const { clock } = this.#parts;
    if (this.#limit !== undefined && clock.elapsed() >= this.#limit.renewAt) {
      const { endsAt } = this.#limit;
      this.#renewal ??= this.#renew(endsAt, timeoutMs).finally(() => {
        this.#renewal = undefined;
      });
      if (clock.elapsed() >= endsAt) await this.#renewal;
    }
    if (this.#proving !== undefined) await this.#proving;
  }

  /** Never rejects. */
  async #renew(endsAt: number, timeoutMs: number): Promise<void> {
    const { clock, sasl } = this.#parts;
    let proof: Proof;
    try {
      // A password is at hand: no request may get in before it is shown.
      proof = sasl.mechanism === 'OAUTHBEARER' ? await this.#proof(TOKEN_TIMEOUT_MS) : sasl;
    } catch (error) {
      if (clock.elapsed() >= endsAt) this.#end(error);
      else this.#limit = { renewAt: Math.min(clock.elapsed() + TOKEN_AGAIN_MS, endsAt), endsAt };
      return;
    }
    this.#proving = this.#prove(proof, timeoutMs)
      .catch((error: unknown) => this.#end(error))
      .finally(() => {
        this.#proving = undefined;
      });
    await this.#proving;
  }

  async #proof(timeoutMs: number): Promise<Proof> {
    const { sasl } = this.#parts;
    return sasl.mechanism === 'OAUTHBEARER' ? { mechanism: sasl.mechanism, token: await sasl.tokens.token(timeoutMs) } : sasl;
  }

  async #prove(proof: Proof, timeoutMs: number): Promise<void> {
    const { transport, clock, sasl } = this.#parts;
    try {
      const lifetimeMs = await authenticate(transport, proof, timeoutMs);
      const now = clock.elapsed();
      const renewAt = now + Math.max(lifetimeMs * RENEW_AT, SOONEST_RENEWAL_MS);
      this.#limit = lifetimeMs > 0 ? { renewAt, endsAt: now + lifetimeMs } : undefined;
    } catch (error) {
      if (sasl.mechanism === 'OAUTHBEARER' && proof.mechanism === 'OAUTHBEARER') sasl.tokens.refused(proof.token);
      throw error;
    }
  }

  #end(error: unknown): void {
    // Half a proof cannot be taken up again: whatever kept it from being whole, this connection is over.
    const reason =
      error instanceof ConnectionBreakError ? error : new ConnectionBreakError('timeout', errorText(error).slice(0, 300), { cause: error });
    this.#parts.transport.fail(reason);
  }
}
