import { errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { ClusterMetadata, QuorumDescription, Reassignment } from '../../kafka/observer.ts';
import type { BrokerPool } from './pool.ts';
import type { Survivors } from './survivors.ts';

/** What one broker said when it was asked anew. */
export interface FreshAnswer {
  readonly broker: number;
  readonly metadata: ClusterMetadata;
}

/** What an act rests on, all of it asked after one moment. */
export interface FreshLook {
  /** Of two brokers; fewer where no more answer. */
  readonly answers: readonly FreshAnswer[];
  /** Undefined what nobody told in time, whatever was known before. */
  readonly facts: { readonly reassignments: readonly Reassignment[] | undefined; readonly quorum: QuorumDescription | undefined };
}

/** Answers that are waited for. */
const WANTED = 2;
/** Brokers that are asked for them. */
const MAX_ASKED = 5;
const NONE: ReadonlySet<number> = new Set();

/**
 * Asks brokers for Metadata, each after the call, until two have answered or five were asked: a decision that cannot be
 * taken back must not rest on one broker's word, nor on an old one. Never rejects.
 */
export async function askAnew(parts: {
  readonly pool: BrokerPool;
  readonly survivors: Survivors;
  readonly log: Logger;
  readonly timeoutMs: number;
}): Promise<readonly FreshAnswer[]> {
  const { pool, survivors, log, timeoutMs } = parts;
  const answers: FreshAnswer[] = [];
  const left = survivors.candidates('health', NONE).slice(0, MAX_ASKED);
  const askNext = async (): Promise<void> => {
    for (let broker = left.shift(); broker !== undefined; broker = left.shift()) {
      const held = pool.holds(broker, 'health');
      try {
        const connection = await pool.connection(broker, 'health');
        answers.push({ broker, metadata: await connection.metadata(undefined, timeoutMs) });
        return;
      } catch (error) {
        log.warn('fresh_look_failed', { broker, error: errorText(error) });
        pool.discard(broker, 'health');
      } finally {
        // A broker has at most three connections from here: one that was made for this goes again.
        if (!held && broker !== survivors.preferred('health')) pool.discard(broker, 'health');
      }
    }
  };
  await Promise.all(Array.from({ length: WANTED }, askNext));
  return answers;
}
