import type { Clock } from '../../core/clock.ts';
import { BelfryError } from '../../core/errors.ts';
import { Labels } from '../../core/labels.ts';
import { breakKindBehind } from '../../kafka/break.ts';
import type { BrokerConnection, QuorumDescription } from '../../kafka/observer.ts';
import type { BrokerPool, Purpose } from './pool.ts';
import type { SeriesRows } from './rows.ts';
import type { Survivors } from './survivors.ts';

/** A broker that has lost its controller answers after half a minute; nobody waits for that. */
const TIMEOUT_MS = 1500;
/** Brokers asked before it is said that no one knows a leader. */
const MAX_ASKED = 5;
const NONE: ReadonlySet<number> = new Set();
/** Series that change with every record are no reason to evaluate a rule. */
const WAKING = new Set(['belfry_kafka_quorum_has_leader', 'belfry_kafka_quorum_leader', 'belfry_kafka_quorum_leader_epoch']);

/** DescribeQuorum: who leads the controllers, and how far behind each voter is. */
export class QuorumCollection {
  readonly #pool: BrokerPool;
  readonly #survivors: Survivors;
  readonly #clock: Clock;
  readonly #rows: SeriesRows;
  readonly #cluster: string;
  readonly #onChange: (ts: number, metricNames: ReadonlySet<string>) => void;
  #last: QuorumDescription | undefined;

  constructor(options: {
    pool: BrokerPool;
    survivors: Survivors;
    clock: Clock;
    rows: SeriesRows;
    cluster: string;
    onChange: (ts: number, metricNames: ReadonlySet<string>) => void;
  }) {
    this.#pool = options.pool;
    this.#survivors = options.survivors;
    this.#clock = options.clock;
    this.#rows = options.rows;
    this.#cluster = options.cluster;
    this.#onChange = options.onChange;
  }

  /** The newest answer that named a leader; undefined where the latest named none. */
  get last(): QuorumDescription | undefined {
    return this.#last;
  }

  /**
   * Asks broker after broker until one names a leader. Where those that could be asked name none, that is the answer.
   * Rejects when none could be asked, or none may answer.
   */
  async collect(): Promise<void> {
    let asked = false;
    let lastError: unknown = new BelfryError('KAFKA_UNREACHABLE', 'no broker is known');
    for (const { brokerId, purpose } of this.#whomToAsk()) {
      try {
        const quorum = await this.#ask(await this.#pool.connection(brokerId, purpose));
        asked = true;
        if (quorum.leaderId >= 0) {
          this.#write(quorum);
          return;
        }
      } catch (error) {
        lastError = error;
        if (isFinal(error)) throw error;
        if (error instanceof BelfryError && error.code === 'KAFKA_REFUSED') asked = true;
        else {
          // It took the question and has no answer: it cannot reach a controller either.
          if (error instanceof BelfryError && error.code === 'KAFKA_TIMEOUT' && breakKindBehind(error) === undefined) asked = true;
          this.#pool.discard(brokerId, purpose);
        }
      }
    }
    if (!asked) throw lastError;
    this.#write(undefined);
  }

  #ask(connection: BrokerConnection): Promise<QuorumDescription> {
    return connection.describeQuorum(TIMEOUT_MS);
  }

  /** The broker that serves Metadata comes last, on that connection: at most three connections a broker. */
  #whomToAsk(): { brokerId: number; purpose: Purpose }[] {
    const others = this.#survivors.candidates('control', NONE).slice(0, MAX_ASKED - 1);
    const whom: { brokerId: number; purpose: Purpose }[] = others.map((brokerId) => ({ brokerId, purpose: 'control' }));
    const health = this.#survivors.preferred('health');
    if (health !== undefined) whom.push({ brokerId: health, purpose: 'health' });
    return whom;
  }

  #write(quorum: QuorumDescription | undefined): void {
    const cluster = this.#cluster;
    this.#last = quorum;
    this.#rows.begin();
    const one = (metric: string, value: number): void => {
      this.#rows.segment(metric, 1, () => [Labels.of({ __name__: metric, cluster })]).set(0, value);
    };
    one('belfry_kafka_quorum_has_leader', quorum === undefined ? 0 : 1);
    if (quorum !== undefined) {
      one('belfry_kafka_quorum_leader', quorum.leaderId);
      one('belfry_kafka_quorum_leader_epoch', quorum.leaderEpoch);
      this.#fillVoters(quorum);
    }
    const ts = this.#clock.now();
    const changed = this.#rows.commit(ts);
    const waking = new Set([...changed].filter((name) => WAKING.has(name)));
    if (waking.size > 0) this.#onChange(ts, waking);
  }

  #fillVoters(quorum: QuorumDescription): void {
    const cluster = this.#cluster;
    const leader = quorum.voters.find(({ nodeId }) => nodeId === quorum.leaderId);
    const end = leader?.logEndOffset ?? quorum.highWatermark;
    // Time by the leader's own clock, which also stamped the voters: ours may differ.
    const leaderNow = leader?.lastCaughtUpAt ?? -1;
    for (const voter of quorum.voters) {
      const node = String(voter.nodeId);
      const segment = this.#rows.segment(`voter/${node}`, 2, () => [
        Labels.of({ __name__: 'belfry_kafka_quorum_voter_lag_records', cluster, node }),
        Labels.of({ __name__: 'belfry_kafka_quorum_voter_lag_seconds', cluster, node }),
      ]);
      // A voter that has never fetched has no known end.
      if (voter.logEndOffset >= 0) segment.set(0, Math.max(0, end - voter.logEndOffset));
      if (voter.lastCaughtUpAt >= 0 && leaderNow >= 0) segment.set(1, Math.max(0, leaderNow - voter.lastCaughtUpAt) / 1000);
    }
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof BelfryError && ['KAFKA_PERMISSION_MISSING', 'KAFKA_UNSUPPORTED', 'STOPPING'].includes(error.code);
}
