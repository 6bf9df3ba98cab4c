import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { ReplicaAssignment, TopicPartition } from '../../kafka/admin-requests.ts';
import { KAFKA_ERROR, kafkaErrorName } from '../../kafka/error-codes.ts';
import type { Reassignment } from '../../kafka/observer.ts';
import type { RebalanceProgress, RebalanceRequest } from '../ports.ts';
import { electPreferred } from './elect.ts';
import { nameOf, readPartitions, readPicture, underReplicatedOutside, type PicturedPartition, type RebalancePicture } from './picture.ts';
import { planReassignment, type Move } from './plan.ts';
import { REQUEST_TIMEOUT_MS, type AdminSession } from './session.ts';
import { ReplicationThrottle } from './throttle.ts';

export interface RunOptions {
  readonly read: AdminSession;
  readonly act: AdminSession;
  readonly request: RebalanceRequest;
  readonly clock: Clock;
  readonly log: Logger;
  readonly throttleBytesPerSecond?: number;
  readonly movesInFlight: number;
  readonly bytesInFlight: number;
  readonly pollMs: number;
  readonly patienceMs: number;
  readonly onAbort: 'leave' | 'cancel';
  readonly signal: AbortSignal;
  readonly report: (progress: RebalanceProgress) => void;
  /** Rejects where nothing may be begun any more. */
  readonly confirm: () => Promise<void>;
}

/** A second plan is made where moves of others were in the way, a third where those ended badly; then something is wrong. */
const MAX_ROUNDS = 5;
/** How old a look at the cluster's health may be when moves are begun, and how often it is taken while they wait. */
const HEALTH_MS = 5000;
/** Within this time running moves are taken back when a run is stopped. */
const CANCEL_MS = 5000;

interface InFlight {
  readonly row: TopicPartition;
  readonly bytes: number;
  readonly ours: boolean;
}

/** One run: plan, move, plan again until nothing is left, then let the preferred replicas lead. */
export class RebalanceRun {
  readonly #options: RunOptions;
  readonly #throttle: ReplicationThrottle;
  readonly #inFlight = new Map<string, InFlight>();
  readonly #touched = new Map<string, TopicPartition>();
  #waiting: Move[] = [];
  #done = 0;
  #total = 0;
  #healthyAt = -Infinity;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#throttle = new ReplicationThrottle(options.read, options.act);
  }

  async run(): Promise<void> {
    const { request, read, act, report, log } = this.#options;
    try {
      if (this.#options.signal.aborted) throw new BelfryError('STOPPING', 'stopped before it began');
      if (request.kind !== 'elect_preferred') await this.#moveAll();
      else await this.#removeStale(await readPicture(read));
      await this.#throttle.remove();
      await this.#options.confirm();
      const text = await electPreferred(read, act, request.kind === 'elect_preferred' ? undefined : this.#touched);
      report({ doneMoves: this.#done, totalMoves: this.#total, text });
    } catch (error) {
      const left = await this.#letGo();
      if (!this.#options.signal.aborted) {
        if (left === '') throw error;
        throw new BelfryError(error instanceof BelfryError ? error.code : 'INTERNAL', `${errorText(error)}; ${left}`, { cause: error });
      }
      log.info('rebalance_stopped', { done: this.#done, total: this.#total });
      const after = `stopped: ${this.#done} of ${this.#total} moves are done`;
      throw new BelfryError('STOPPING', left === '' ? `${after}, none runs on` : `${after}; ${left}`, { cause: error });
    }
  }

  async #moveAll(): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const picture = await this.#unhinge(await readPicture(this.#options.read));
      const moves = planReassignment({ brokers: picture.brokers, partitions: picture.partitions, request: this.#options.request });
      if (round === 0) await this.#removeStale(picture);
      if (moves.length === 0 && picture.running.length === 0) return;
      await this.#begin(picture, moves);
      await this.#drive();
    }
    throw new BelfryError(
      'CONFLICT',
      `planned ${MAX_ROUNDS} times and there is still something to move: someone else moves partitions too`,
    );
  }

  /**
   * Takes back moves towards a dead broker that the request wants empty: they would never end, and what they move has to
   * go elsewhere.
   */
  async #unhinge(picture: RebalancePicture): Promise<RebalancePicture> {
    const { request, read } = this.#options;
    const leaving: readonly number[] = request.kind === 'drain' ? request.brokers : request.kind === 'replace' ? [request.from] : [];
    const dead = leaving.filter((id) => picture.brokers.every((broker) => broker.id !== id));
    const stuck = picture.running.filter(({ adding }) => adding.some((id) => dead.includes(id)));
    if (stuck.length === 0) return picture;
    await this.#options.confirm();
    await this.#alter(stuck.map(({ topic, partition }) => ({ topic, partition, replicas: undefined })));
    return readPicture(read);
  }

  async #removeStale({ brokers, partitions }: RebalancePicture): Promise<void> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    const ids = brokers.map(({ id }) => id);
    if (await this.#throttle.removeStale(ids, topics)) this.#options.log.info('rebalance_stale_throttle_removed', {});
  }

  async #begin(picture: RebalancePicture, moves: readonly Move[]): Promise<void> {
    const sick = this.#sickness(picture, moves, picture.running);
    if (sick !== undefined) throw new BelfryError('CONFLICT', `${sick}: nothing is moved before that is mended`);
    const byName = new Map(picture.partitions.map((one) => [nameOf(one), one]));
    // Such a move would never end, and what it takes away may be the last copy there is.
    const lost = moves.filter((move) => move.adding.length > 0 && byName.get(nameOf(move))?.leader === -1);
    if (lost.length > 0) {
      const named = lost.slice(0, 3).map(nameOf).join(', ');
      throw new BelfryError('CONFLICT', `${lost.length} partitions to move have no leader to copy from (${named}): nothing is moved`);
    }
    this.#healthyAt = this.#options.clock.elapsed();
    this.#waiting = [...moves];
    this.#inFlight.clear();
    for (const row of picture.running) {
      const bytes = (byName.get(nameOf(row))?.bytes ?? 0) * row.adding.length;
      this.#inFlight.set(nameOf(row), { row, bytes, ours: false });
      this.#touched.set(nameOf(row), row);
    }
    this.#total += moves.length + picture.running.length;
    await this.#setThrottle(picture, moves, byName);
    this.#tell();
  }

  async #setThrottle(picture: RebalancePicture, moves: readonly Move[], byName: ReadonlyMap<string, PicturedPartition>): Promise<void> {
    const { throttleBytesPerSecond } = this.#options;
    if (throttleBytesPerSecond === undefined) return;
    const throttled = [
      ...moves.map(({ topic, partition, from, adding }) => ({ topic, partition, sources: from, adding })),
      ...picture.running.map((row) => ({ ...row, sources: byName.get(nameOf(row))?.original ?? [] })),
    ];
    const ids = picture.brokers.map(({ id }) => id);
    await this.#throttle.set(throttleBytesPerSecond, throttled, ids);
  }

  /** Begins what may be begun and waits for what runs, until neither is left. */
  async #drive(): Promise<void> {
    const { clock, read, signal, pollMs } = this.#options;
    for (;;) {
      await this.#beginWaiting();
      if (this.#inFlight.size === 0 && this.#waiting.length === 0) return;
      await delay(clock, pollMs, signal);
      const running = await read.ofAny((any) => any.listPartitionReassignments(REQUEST_TIMEOUT_MS));
      this.#settle(running);
    }
  }

  #settle(running: readonly Reassignment[]): void {
    const names = new Set(running.map(nameOf));
    const before = this.#done;
    for (const name of this.#inFlight.keys()) {
      if (names.has(name)) continue;
      this.#inFlight.delete(name);
      this.#done += 1;
    }
    if (this.#done > before) this.#tell();
  }

  async #beginWaiting(): Promise<void> {
    const { movesInFlight, bytesInFlight, signal } = this.#options;
    if (this.#waiting.length === 0 || this.#inFlight.size >= movesInFlight) return;
    if (!(await this.#isHealthy())) return;
    signal.throwIfAborted();
    let bytes = 0;
    for (const flying of this.#inFlight.values()) bytes += flying.bytes;
    const batch: Move[] = [];
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[batch.length]) {
      const count = this.#inFlight.size + batch.length;
      if (count >= movesInFlight || (count > 0 && bytes + next.bytes > bytesInFlight)) break;
      batch.push(next);
      bytes += next.bytes;
    }
    if (batch.length === 0) return;
    await this.#options.confirm();
    // Before the request: whether it was done is not known where its answer gets lost.
    for (const row of batch) this.#inFlight.set(nameOf(row), { row, bytes: row.bytes, ours: true });
    this.#waiting.splice(0, batch.length);
    for (const row of batch) this.#touched.set(nameOf(row), row);
    await this.#alter(batch.map(({ topic, partition, to }) => ({ topic, partition, replicas: to })));
    this.#tell();
  }

  /** Whether moves may be begun now. Waits, a look at a time, for what fell behind; throws when the patience is over. */
  async #isHealthy(): Promise<boolean> {
    const { clock, read, patienceMs } = this.#options;
    if (clock.elapsed() - this.#healthyAt < HEALTH_MS) return true;
    const picture = await readPartitions(read, new Map());
    const inFlight = [...this.#inFlight.values()].map(({ row }) => row);
    const sick = this.#sickness(picture, this.#waiting, [...inFlight, ...picture.running]);
    if (sick === undefined) {
      this.#healthyAt = clock.elapsed();
      return true;
    }
    if (clock.elapsed() - this.#healthyAt > patienceMs) throw new BelfryError('CONFLICT', `${sick}: no move is begun any more`);
    this.#tell(`holds back: ${sick}`);
    return false;
  }

  /** A sentence where something outside of the plan is behind, so that moving would take what it needs to catch up. */
  #sickness(picture: RebalancePicture, moves: readonly TopicPartition[], running: readonly TopicPartition[]): string | undefined {
    if (this.#options.request.kind === 'replace') return undefined;
    const planned = new Set([...moves, ...running, ...this.#touched.values()].map(nameOf));
    const behind = underReplicatedOutside(picture, planned);
    if (behind.length === 0) return undefined;
    const named = behind.slice(0, 3).map(nameOf).join(', ');
    const more = behind.length > 3 ? ` and ${behind.length - 3} more` : '';
    return `${named}${more} ${behind.length === 1 ? 'is' : 'are'} under-replicated`;
  }

  async #alter(assignments: readonly ReplicaAssignment[]): Promise<void> {
    const refusals = await this.#options.act.ofAny((any) => any.alterReassignments(assignments, REQUEST_TIMEOUT_MS));
    // A topic that was deleted meanwhile, or a move that has ended by itself, is nothing to do any more.
    const nothingToDo: readonly number[] = [KAFKA_ERROR.unknownTopicOrPartition, KAFKA_ERROR.noReassignmentInProgress];
    const [first] = refusals.filter(({ errorCode }) => !nothingToDo.includes(errorCode));
    if (first === undefined) return;
    for (const row of refusals) this.#inFlight.delete(nameOf(row));
    const code = first.errorCode === KAFKA_ERROR.clusterAuthorizationFailed ? 'KAFKA_PERMISSION_MISSING' : 'KAFKA_REFUSED';
    throw new BelfryError(code, `${nameOf(first)} cannot be moved: ${first.message || kafkaErrorName(first.errorCode)}`);
  }

  /**
   * After a failure or a stop. While moves run on their throttle stays on, or they would take the network whole; the next
   * run takes it off. Returns what is left in words, '' where nothing is.
   */
  async #letGo(): Promise<string> {
    const words: string[] = [];
    try {
      if (this.#inFlight.size > 0) await this.#forgetEnded();
      if (this.#options.signal.aborted && this.#options.onAbort === 'cancel') await this.#cancel();
      if (this.#inFlight.size === 0) await this.#throttle.remove();
    } catch (error) {
      words.push(`not cleaned up: ${errorText(error)}`);
    }
    if (this.#inFlight.size > 0) words.push(`${this.#inFlight.size} running moves go on by themselves`);
    if (this.#throttle.isSet) words.push('their throttle stays on until the next run');
    return words.join(', ');
  }

  async #forgetEnded(): Promise<void> {
    const running = await this.#options.read.ofAny((any) => any.listPartitionReassignments(REQUEST_TIMEOUT_MS));
    // After a failure it is not known whether what does not run any more has ever begun.
    if (this.#options.signal.aborted) this.#settle(running);
    const names = new Set(running.map(nameOf));
    for (const name of this.#inFlight.keys()) if (!names.has(name)) this.#inFlight.delete(name);
  }

  async #cancel(): Promise<void> {
    const { clock, read, pollMs } = this.#options;
    const ours = [...this.#inFlight].filter(([, flying]) => flying.ours);
    if (ours.length === 0) return;
    await this.#alter(ours.map(([, { row }]) => ({ topic: row.topic, partition: row.partition, replicas: undefined })));
    for (const deadline = clock.elapsed() + CANCEL_MS; clock.elapsed() < deadline;) {
      const names = new Set((await read.ofAny((any) => any.listPartitionReassignments(REQUEST_TIMEOUT_MS))).map(nameOf));
      for (const [name] of ours) if (!names.has(name)) this.#inFlight.delete(name);
      if (ours.every(([name]) => !names.has(name))) return;
      await delay(clock, Math.min(pollMs, 200));
    }
  }

  #tell(what?: string): void {
    const running = this.#inFlight.size;
    const text = what ?? `${this.#done} of ${this.#total} moves done, ${running} running`;
    this.#options.report({ doneMoves: this.#done, totalMoves: this.#total, text });
  }
}
