import type { Ack } from '../core/autopilot.ts';
import type { BrokerPicture } from './picture.ts';

/** A sign that a broker's process runs and starts up: left alone. */
export interface RecoverySign {
  /** When it was last seen to advance, whatever told so; 0 where nothing does. */
  readonly progress: number;
  readonly sentence: string;
}

/** What executors' probes say of one broker: numbers of their own kind, which can be compared with each other only. */
interface Probed {
  readonly intentId: string;
  readonly best: number;
  /** When it was first told. */
  readonly at: number;
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
  readonly #probed = new Map<number, Probed>();

  /** To be called once for each new picture. */
  look(broker: BrokerPicture): void {
    const { id, up, registered, downSince, lastQuorumFetchAt } = broker;
    if (up === true && registered) this.#probed.delete(id);
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
  sign(broker: BrokerPicture, ack: Ack | undefined, now: number): RecoverySign | undefined {
    if (broker.registered && broker.up === true) return undefined;
    if (ack?.process === 'recovering')
      return { progress: this.#advanceOf(broker.id, ack, now), sentence: `its process runs and recovers, says the executor's probe` };
    const fetches = this.#fetches.get(broker.id);
    if (broker.up === true && !broker.registered)
      return { progress: broker.lastQuorumFetchAt ?? 0, sentence: `it answers but the cluster does not count on it yet: it starts up` };
    if (fetches !== undefined && fetches.moves >= MOVES_THAT_PROVE_LIFE)
      return { progress: fetches.last, sentence: `it fetches metadata from the quorum: its process starts up` };
    return undefined;
  }

  forget(broker: number): void {
    this.#fetches.delete(broker);
    this.#probed.delete(broker);
  }

  /** When the probe's number last rose. */
  #advanceOf(broker: number, { intentId, progress = 0 }: Ack, now: number): number {
    const known = this.#probed.get(broker);
    if (known?.intentId === intentId && progress <= known.best) return known.at;
    this.#probed.set(broker, { intentId, best: progress, at: now });
    return now;
  }
}
