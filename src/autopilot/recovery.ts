import type { Ack } from '../core/autopilot.ts';
import type { BrokerPicture } from './picture.ts';

/** A sign that a broker's process runs and starts up: left alone. */
export interface RecoverySign {
  /** Rises while it advances; 0 where nothing says how far it is. */
  readonly progress: number;
  readonly sentence: string;
}

interface Fetches {
  readonly outageAt: number;
  /** The last fetch, and not before the outage. */
  readonly last: number;
  /** Times that it was seen to have moved within this outage. */
  readonly moves: number;
}

/**
 * Times of fetches are reckoned from the quorum leader's clock and from when its answer came: that of a dead broker moves a
 * little from answer to answer. A fetch counts only when it is later than what is known by this much.
 */
const RECKONING_MS = 1000;
/** A process that starts fetches again and again; one late answer must not look like it. */
const MOVES_THAT_PROVE_LIFE = 2;

/** When it last fetched metadata from the quorum, where that was after it went down: what it did alive is no sign of a start. */
export function fetchedInOutage({ downSince, lastQuorumFetchAt }: BrokerPicture): number | undefined {
  if (lastQuorumFetchAt === undefined || (downSince !== undefined && lastQuorumFetchAt < downSince + RECKONING_MS)) return undefined;
  return lastQuorumFetchAt;
}

/**
 * Sees which brokers recover: registered but fenced, fetching metadata from the quorum, or found so by an executor's
 * probe. A restart of Belfry begins to look anew, which only delays the sign.
 */
export class RecoveryWatch {
  readonly #fetches = new Map<number, Fetches>();

  /** To be called once for each new picture. */
  look(broker: BrokerPicture): void {
    const { id, downSince, lastQuorumFetchAt } = broker;
    if (downSince === undefined || lastQuorumFetchAt === undefined) {
      if (downSince === undefined) this.#fetches.delete(id);
      return;
    }
    const known = this.#fetches.get(id);
    if (known === undefined || known.outageAt !== downSince) {
      this.#fetches.set(id, { outageAt: downSince, last: Math.max(lastQuorumFetchAt, downSince), moves: 0 });
      return;
    }
    if (lastQuorumFetchAt - known.last >= RECKONING_MS)
      this.#fetches.set(id, { ...known, last: lastQuorumFetchAt, moves: known.moves + 1 });
  }

  /** Undefined where nothing says that it recovers. `ack` is the last word of the executor that acts on it. */
  sign(broker: BrokerPicture, ack: Ack | undefined): RecoverySign | undefined {
    if (broker.registered && broker.up === true) return undefined;
    if (ack?.process === 'recovering')
      return { progress: ack.progress ?? 0, sentence: `its process runs and recovers, says the executor's probe` };
    const fetches = this.#fetches.get(broker.id);
    if (broker.up === true && !broker.registered)
      return { progress: broker.lastQuorumFetchAt ?? 0, sentence: `it answers but the cluster does not count on it yet: it starts up` };
    if (fetches !== undefined && fetches.moves >= MOVES_THAT_PROVE_LIFE)
      return { progress: fetches.last, sentence: `it fetches metadata from the quorum: its process starts up` };
    return undefined;
  }

  forget(broker: number): void {
    this.#fetches.delete(broker);
  }
}
