import { setTimeout as sleep } from 'node:timers/promises';
import type { Arrivals } from '../../testbed/arrivals.ts';
import type { LogLine } from '../../testbed/belfry-process.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import type { Stage } from '../../testbed/stage.ts';
import type { BenchContext } from '../bench.ts';
import { milliseconds } from '../statistics.ts';
import { isMailOf, isSlackOf, isWebhookOf, tellsEnd, type Kill } from './told.ts';
import { kill, loseStep, restore } from './victims.ts';

/** A delivery that has not come by then is a miss. */
export const MISS_AFTER_MS = 10_000;
const QUIET_TIMEOUT_MS = 120_000;
const POLL_MS = 100;
/** Kills come this far apart from any beat of Belfry or of its peers. */
const STEP_MS = 1000;

export const SINKS = ['slack', 'email', 'webhook'] as const;
export type Sink = (typeof SINKS)[number];

/** One kill and what became of it, in ms from the signal; undefined is a miss (or a line that the log lacks). */
export interface KillRound {
  readonly broker: number;
  readonly at: number;
  readonly socketsEndedMs: number;
  /** First verdict of Belfry on this broker. */
  readonly verdict: string | undefined;
  readonly verdictMs: number | undefined;
  readonly decidedMs: number | undefined;
  readonly toldMs: Readonly<Record<Sink, number | undefined>>;
}

/** Kills the brokers in turn, `count` times, and brings each back; ends early when the user wants it. */
export async function killRounds(cluster: Cluster, stage: Stage, count: number, context: BenchContext): Promise<readonly KillRound[]> {
  const rounds: KillRound[] = [];
  for (let index = 0; index < count && !context.signal.aborted; index += 1) {
    const broker = cluster.brokerIds[index % cluster.brokerIds.length] ?? 1;
    await loseStep(STEP_MS);
    const round = await killRound(cluster, stage, broker);
    rounds.push(round);
    const told = SINKS.map((sink) => `${sink} ${milliseconds(round.toldMs[sink] ?? Infinity)}`).join(', ');
    context.progress(`kill ${index + 1}/${count}, broker ${broker}: sockets ended ${milliseconds(round.socketsEndedMs)}, ${told}`);
    for (const line of arrivedInstead(stage, round)) context.progress(`  ${line}`);
    await comeBack(cluster, stage, round);
  }
  return rounds;
}

async function killRound(cluster: Cluster, stage: Stage, broker: number): Promise<KillRound> {
  const since = {
    log: stage.belfry.log.count,
    slack: stage.slack.events.count,
    mail: stage.mail.mails.count,
    webhook: stage.webhook.requests.count,
  };
  const done = await kill(cluster, broker);
  const [slack, email, webhook] = await Promise.all([
    firstAt(stage.slack.events, (event) => isSlackOf(event, done), since.slack),
    firstAt(stage.mail.mails, (mail) => isMailOf(mail, done), since.mail),
    firstAt(stage.webhook.requests, (request) => isWebhookOf(request, done), since.webhook),
  ]);
  const from = (at: number | undefined): number | undefined => (at === undefined ? undefined : at - done.at);
  return {
    ...done,
    ...stagesOf(stage.belfry.log.all.slice(since.log), done),
    toldMs: { slack: from(slack), email: from(email), webhook: from(webhook) },
  };
}

/** What a sink that missed the kill got instead: whoever looks into a miss begins there. */
function arrivedInstead({ slack, mail, webhook }: Stage, { at, toldMs }: KillRound): readonly string[] {
  const arrived = {
    slack: slack.events.all.map((event) => ({ at: event.at, what: `${event.type} ${event.message?.text ?? event.error ?? ''}` })),
    email: mail.mails.all.map((one) => ({ at: one.at, what: one.subject })),
    webhook: webhook.requests.all.map((request) => ({ at: request.at, what: request.body })),
  };
  return SINKS.filter((sink) => toldMs[sink] === undefined).flatMap((sink) => {
    const since = arrived[sink].filter((item) => item.at >= at);
    return [
      `${sink} missed it and got ${since.length} others`,
      ...since.map((item) => `${Math.round(item.at - at)} ms: ${item.what.slice(0, 300)}`),
    ];
  });
}

/** When the first item of this kind arrived; undefined after the time for it. */
async function firstAt<T extends { readonly at: number }>(arrivals: Arrivals<T>, matches: (item: T) => boolean, since: number) {
  try {
    return (await arrivals.next(matches, { since, timeoutMs: MISS_AFTER_MS })).at;
  } catch {
    return undefined; // A miss is what is measured, not an error; it is told with the figures.
  }
}

/** The stations of Belfry's own log on the way: its verdict, and the decision to tell somebody. */
function stagesOf(lines: readonly LogLine[], { broker, at }: Kill): Pick<KillRound, 'verdict' | 'verdictMs' | 'decidedMs'> {
  const after = (line: LogLine | undefined): number | undefined => (line === undefined ? undefined : Date.parse(String(line['time'])) - at);
  const verdict = lines.find((line) => line.event === 'broker_verdict' && line['broker'] === broker);
  const decided = lines.find((line) => line.event === 'notification_decided' && line['loud'] === true && line['reason'] !== 'all_resolved');
  return {
    verdict: verdict === undefined ? undefined : String(verdict['verdict']),
    verdictMs: after(verdict),
    decidedMs: after(decided),
  };
}

/** The broker is back, Belfry says so, and nothing of the story is still on its way. */
async function comeBack(cluster: Cluster, stage: Stage, { broker, at, toldMs }: KillRound): Promise<void> {
  await restore(cluster, broker);
  await untilOver(stage, 'BrokerCrashed');
  if (toldMs.webhook === undefined) return;
  await stage.webhook.next((request) => request.at > at && tellsEnd(request, { alertname: 'BrokerCrashed', broker: String(broker) }), {
    timeoutMs: QUIET_TIMEOUT_MS,
  });
}

interface ShownAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly state: string;
}

async function alertsOf(stage: Stage): Promise<readonly ShownAlert[]> {
  const response = await stage.belfry.request('GET', '/api/v1/alerts');
  const { data } = (await response.json()) as { data?: { alerts: ShownAlert[] } };
  return data?.alerts ?? [];
}

/** Resolves when no alert of this name fires. */
export async function untilOver(stage: Stage, alertName: string): Promise<void> {
  const deadline = performance.now() + QUIET_TIMEOUT_MS;
  for (;;) {
    const firing = (await alertsOf(stage)).filter(({ labels, state }) => labels['alertname'] === alertName && state === 'firing');
    if (firing.length === 0) return;
    if (performance.now() > deadline) throw new Error(`does not end: ${JSON.stringify(firing).slice(0, 500)}`);
    await sleep(POLL_MS);
  }
}
