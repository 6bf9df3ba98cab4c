import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterAdmin } from '../../testbed/admin.ts';
import { arrivalTime } from '../../testbed/arrivals.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import type { Stage } from '../../testbed/stage.ts';
import type { BenchContext } from '../bench.ts';
import { milliseconds } from '../statistics.ts';
import { MISS_AFTER_MS, untilOver } from './kill-rounds.ts';
import { tellsAlert, tellsEnd, type Kill } from './told.ts';
import { kill, loseStep, restore } from './victims.ts';

const OBSERVE_EVERY_MS = 20;
/** The session time-out ends a dead broker's leaderships; one that has not ended by then is an error of the bench. */
const LEADERLESS_WITHIN_MS = 60_000;
const QUIET_TIMEOUT_MS = 120_000;
const ALERT = 'LeaderLoss';
/** A topic of one copy a partition: each broker leads some, and nobody else can. */
export const ONE_COPY_TOPIC = 'single';

export interface LeaderlessRound {
  readonly broker: number;
  readonly at: number;
  /** From the signal until a survivor's answer to the observer first had a partition without leader. */
  readonly seenMs: number;
  /** From the observer's sight to the webhook; below 0 where Belfry was first. Undefined is a miss. */
  readonly toldMs: number | undefined;
}

/** Kills each broker in turn and compares Belfry's alert with an observer of its own connections. */
export async function leaderlessRounds(cluster: Cluster, stage: Stage, count: number, context: BenchContext) {
  const rounds: LeaderlessRound[] = [];
  for (let index = 0; index < count && !context.signal.aborted; index += 1) {
    const broker = cluster.brokerIds[index % cluster.brokerIds.length] ?? 1;
    await loseStep(1000);
    const round = await leaderlessRound(cluster, stage, broker);
    rounds.push(round);
    const told = milliseconds(round.toldMs ?? Infinity);
    context.progress(
      `leader loss ${index + 1}/${count}, broker ${broker}: seen after ${milliseconds(round.seenMs)}, webhook ${told} later`,
    );
    await comeBack(cluster, stage, round);
  }
  return rounds;
}

async function leaderlessRound(cluster: Cluster, stage: Stage, broker: number): Promise<LeaderlessRound> {
  const survivors = cluster.runningBrokerIds.filter((id) => id !== broker);
  const since = stage.webhook.requests.count;
  await using observer = await LeaderObserver.connect(survivors.map((id) => cluster.port(id)));
  const done = await kill(cluster, broker);
  const seenAt = await observer.firstLeaderless();
  const toldAt = await firstTold(stage, done, since);
  return { broker, at: done.at, seenMs: seenAt - done.at, toldMs: toldAt === undefined ? undefined : toldAt - seenAt };
}

async function firstTold({ webhook }: Stage, { at }: Kill, since: number): Promise<number | undefined> {
  try {
    return (await webhook.next((request) => tellsAlert(request, { alertname: ALERT }, at), { since, timeoutMs: MISS_AFTER_MS })).at;
  } catch {
    return undefined; // A miss is what is measured, not an error; it is told with the figures.
  }
}

async function comeBack(cluster: Cluster, stage: Stage, { broker, at, toldMs }: LeaderlessRound): Promise<void> {
  await restore(cluster, broker);
  await untilOver(stage, 'BrokerCrashed');
  await untilOver(stage, ALERT);
  if (toldMs === undefined) return;
  await stage.webhook.next((request) => request.at > at && tellsEnd(request, { alertname: ALERT }), { timeoutMs: QUIET_TIMEOUT_MS });
}

/** Asks each survivor every 20 ms, on connections that Belfry knows nothing of. */
class LeaderObserver implements AsyncDisposable {
  readonly #admins: readonly ClusterAdmin[];

  private constructor(admins: readonly ClusterAdmin[]) {
    this.#admins = admins;
  }

  static async connect(ports: readonly number[]): Promise<LeaderObserver> {
    return new LeaderObserver(await Promise.all(ports.map((port) => ClusterAdmin.connect([port], {}))));
  }

  /** When the first answer came in which a partition of the topic has no leader. */
  async firstLeaderless(): Promise<number> {
    const end = new AbortController();
    try {
      return await Promise.race(this.#admins.map((admin) => observe(admin, end.signal)));
    } finally {
      end.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#admins.map((admin) => admin.close()));
  }
}

async function observe(admin: ClusterAdmin, signal: AbortSignal): Promise<number> {
  const deadline = performance.now() + LEADERLESS_WITHIN_MS;
  while (!signal.aborted) {
    const partitions = (await admin.view([ONE_COPY_TOPIC])).topics.get(ONE_COPY_TOPIC) ?? [];
    if (partitions.some(({ leader }) => leader < 0)) return arrivalTime();
    if (performance.now() > deadline)
      throw new Error(`no partition of ${ONE_COPY_TOPIC} lost its leader within ${LEADERLESS_WITHIN_MS} ms`);
    await sleep(OBSERVE_EVERY_MS);
  }
  return Infinity; // Another survivor told it first: nobody reads this.
}
