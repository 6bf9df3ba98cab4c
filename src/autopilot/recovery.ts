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
  readonly last: number | undefined;
  /** Times that the last fetch was seen to have moved within this outage. */
  readonly moves: number;
}

/**
 * A dead broker's last fetch is learnt once more after its death, at the next look at the quorum; a process that starts
 * moves it again and again.
 */
const MOVES_THAT_PROVE_LIFE = 2;

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
      this.#fetches.set(id, { outageAt: downSince, last: lastQuorumFetchAt, moves: 0 });
      return;
    }
    if (known.last !== lastQuorumFetchAt && lastQuorumFetchAt > (known.last ?? 0))
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
      return { progress: fetches.last ?? 0, sentence: `it fetches metadata from the quorum: its process starts up` };
    return undefined;
  }

  forget(broker: number): void {
    this.#fetches.delete(broker);
  }
}
