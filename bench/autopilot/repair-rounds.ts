import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterAdmin } from '../../testbed/admin.ts';
import { arrivalTime } from '../../testbed/arrivals.ts';
import type { SeenLine } from '../../testbed/autopilot-client.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { tellsEnd } from '../detect/told.ts';
import { kill, loseStep } from '../detect/victims.ts';
import type { PilotStage } from './pilot-stage.ts';

/** A repair that is not over by then is a miss. */
const MISS_AFTER_MS = 120_000;
const OBSERVE_EVERY_MS = 20;
const JOURNAL_EVERY_MS = 200;
/** Kills come this far apart from any beat of Belfry. */
const STEP_MS = 5000;

/**
 * The stations of a repair, in ms since the epoch: `registered` and `whole` as a survivor first told an observer of them,
 * `started` as the executor did it, `resolved` as the webhook got it, all else as Belfry journalled it.
 */
export interface Stations {
  readonly verdict: number | undefined;
  readonly unhealthy: number | undefined;
  readonly intent: number | undefined;
  readonly leased: number | undefined;
  readonly started: number | undefined;
  readonly registered: number | undefined;
  readonly whole: number | undefined;
  readonly verified: number | undefined;
  readonly resolved: number | undefined;
}

export interface RepairRound {
  readonly broker: number;
  readonly at: number;
  readonly socketsEndedMs: number;
  readonly stations: Stations;
  /** What went wrong, with the journal; undefined where all is there. */
  readonly missing: string | undefined;
}

/** Kills the broker and waits for the auto-pilot to mend it. */
export async function repairRound(cluster: Cluster, pilot: PilotStage, broker: number): Promise<RepairRound> {
  await loseStep(STEP_MS);
  const { stage, executor } = pilot;
  const since = {
    journal: (await pilot.api.journal(0)).at(-1)?.seq ?? 0,
    log: stage.belfry.log.count,
    calls: executor.calls.count,
    webhook: stage.webhook.requests.count,
  };
  const survivors = cluster.runningBrokerIds.filter((id) => id !== broker);
  await using observer = await ReturnObserver.connect(
    broker,
    survivors.map((id) => cluster.port(id)),
  );
  const done = await kill(cluster, broker);
  const [returned, resolved, lines] = await Promise.all([
    observer.returned(),
    stage.webhook
      .next((request) => request.at > done.at && tellsEnd(request, { alertname: 'BrokerCrashed', broker: String(broker) }), {
        since: since.webhook,
        timeoutMs: MISS_AFTER_MS,
      })
      .then(
        ({ at }) => at,
        () => undefined, // A miss is what is measured, not an error; it is told with the figures.
      ),
    journalOfRepair(pilot, broker, since.journal),
  ]);
  const verdict = stage.belfry.log.all.slice(since.log).find((line) => line.event === 'broker_verdict' && line['broker'] === broker);
  const started = executor.calls.all.slice(since.calls).find(({ verb, code }) => verb === 'restart' && code === 0);
  const when = (kind: string, to: string): number | undefined => lines.find((line) => line.kind === kind && line.to === to)?.at;
  const stations: Stations = {
    verdict: verdict === undefined ? undefined : Date.parse(String(verdict['time'])),
    unhealthy: when('edge', 'unhealthy'),
    intent: lines.find(({ kind, from }) => kind === 'intent' && from === '')?.at,
    leased: when('lease', 'leased'),
    started: started?.at,
    ...returned,
    verified: when('edge', 'healthy'),
    resolved,
  };
  return { ...done, stations, missing: missingOf(stations, lines) };
}

function missingOf(stations: Stations, lines: readonly SeenLine[]): string | undefined {
  const missed = Object.entries(stations).filter(([, at]) => at === undefined);
  if (missed.length === 0) return undefined;
  const story = lines
    .map(({ kind, from, to, text, detail }) => [`${kind} ${from}→${to}: ${text}`, ...heldBy(detail)].join('; '))
    .join('\n  ');
  return `no ${missed.map(([name]) => name).join(', ')} within ${MISS_AFTER_MS / 1000} s; the journal:\n  ${story}`;
}

/** The sentences of the guards that hold. */
function heldBy({ guards = [] }: SeenLine['detail']): readonly string[] {
  return guards.filter(({ holds }) => holds).map(({ sentence }) => sentence);
}

/** The journal of this broker, from the kill until it is healthy again or the time is over. */
async function journalOfRepair(pilot: PilotStage, broker: number, since: number): Promise<readonly SeenLine[]> {
  const deadline = performance.now() + MISS_AFTER_MS;
  for (;;) {
    const lines = (await pilot.api.journal(since)).filter(({ brokerId }) => brokerId === broker);
    if (lines.some(({ kind, to }) => kind === 'edge' && to === 'healthy') || performance.now() > deadline) return lines;
    await sleep(JOURNAL_EVERY_MS);
  }
}

/** Asks each survivor every 20 ms, on connections that Belfry knows nothing of, for the broker's return. */
class ReturnObserver implements AsyncDisposable {
  readonly #broker: number;
  readonly #admins: readonly ClusterAdmin[];

  private constructor(broker: number, admins: readonly ClusterAdmin[]) {
    this.#broker = broker;
    this.#admins = admins;
  }

  static async connect(broker: number, ports: readonly number[]): Promise<ReturnObserver> {
    return new ReturnObserver(broker, await Promise.all(ports.map((port) => ClusterAdmin.connect([port], {}))));
  }

  /** When a survivor first listed it again after it had gone, and first had it in every in-sync set. */
  async returned(): Promise<Pick<Stations, 'registered' | 'whole'>> {
    const seen = await Promise.all(this.#admins.map((admin) => this.#observe(admin)));
    return { registered: earliest(seen.map(({ registered }) => registered)), whole: earliest(seen.map(({ whole }) => whole)) };
  }

  async #observe(admin: ClusterAdmin): Promise<Pick<Stations, 'registered' | 'whole'>> {
    const deadline = performance.now() + MISS_AFTER_MS;
    let gone = false;
    let registered: number | undefined;
    while (performance.now() < deadline) {
      const { brokers, topics } = await admin.view();
      const isListed = brokers.includes(this.#broker);
      gone ||= !isListed;
      if (gone && isListed) registered ??= arrivalTime();
      const isWhole = [...topics.values()].every((partitions) => partitions.every(({ isr, replicas }) => isr.length === replicas.length));
      if (registered !== undefined && isWhole) return { registered, whole: arrivalTime() };
      await sleep(OBSERVE_EVERY_MS);
    }
    return { registered, whole: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#admins.map((admin) => admin.close()));
  }
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
