import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '../../testbed/cluster.ts';
import type { Mail } from '../../testbed/mail-sink.ts';
import type { SlackEvent } from '../../testbed/slack-stand-in.ts';
import { Stage } from '../../testbed/stage.ts';
import type { StageOptions } from '../../testbed/stage.ts';
import type { WebhookRequest } from '../../testbed/webhook-sink.ts';

/** One alert in the body that webhooks get. */
export interface ToldAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
}

interface WebhookBody {
  readonly receiver: string;
  readonly status: 'firing' | 'resolved';
  readonly groupKey: string;
  readonly alerts: readonly ToldAlert[];
}

/** What a message must be about: the whole of it has this status, and one of its alerts these labels. */
export interface Wanted {
  readonly status?: 'firing' | 'resolved';
  readonly [label: string]: string | undefined;
}

export interface Waiting {
  readonly timeoutMs?: number;
  /** A `webhook.requests.count` of before: only what came after it is looked at. */
  readonly since?: number;
}

/** The same news as three channels got it. */
export interface Told {
  readonly webhook: WebhookRequest;
  readonly body: WebhookBody;
  readonly alert: ToldAlert;
  readonly slack: SlackEvent;
  readonly mail: Mail;
  readonly incident: string;
}

const ENTRY = fileURLToPath(new URL('../../bin/belfry.mjs', import.meta.url));

/** A Belfry that has seen every broker of its one cluster, and all its topics' leaders. */
export async function startWatching(
  name: string,
  brokers: readonly string[],
  options: Omit<StageOptions, 'clusters'> & { readonly cluster?: Readonly<Record<string, unknown>>; readonly expected?: number } = {},
): Promise<Stage> {
  const { cluster, expected = brokers.length, ...rest } = options;
  const stage = await Stage.start({ clusters: [{ name, brokers, ...cluster }], ...rest });
  try {
    await allUp(stage, expected);
    return stage;
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

/** Resolves once so many brokers are up and back in all their ISRs, and nothing lacks a leader. */
export async function allUp(stage: Stage, brokers: number, timeoutMs = 60_000): Promise<void> {
  const { belfry } = stage;
  await belfry.queryUntil('sum(up{job="kafka"})', ([sum]) => sum?.value === brokers, timeoutMs);
  await belfry.queryUntil('sum(belfry_broker_isr_restored)', ([sum]) => sum?.value === brokers, timeoutMs);
  await belfry.queryUntil(
    'sum(belfry_kafka_leaderless_partitions) + sum(belfry_kafka_under_replicated_partitions)',
    ([sum]) => sum?.value === 0,
    timeoutMs,
  );
}

/** Undoes what a test that failed has left of a cluster: every broker runs, and is in all its ISRs. */
export async function mended(cluster: Cluster): Promise<void> {
  for (const id of cluster.brokerIds) if (cluster.isRunning(id) && !cluster.runningBrokerIds.includes(id)) cluster.resume(id);
  await cluster.startAll();
  await cluster.waitUntil(
    ({ topics }) => [...topics.values()].flat().every(({ leader, isr, replicas }) => leader >= 0 && isr.length === replicas.length),
    { timeoutMs: 60_000 },
  );
}

/** The body of what a webhook got. */
export function bodyOf(request: WebhookRequest): WebhookBody {
  return request.json as WebhookBody;
}

/** The alert of a request that is wanted; undefined where it has none. */
export function wantedIn(request: WebhookRequest, wanted: Wanted): ToldAlert | undefined {
  const { status, ...labels } = wanted;
  const body = bodyOf(request);
  if (status !== undefined && body.status !== status) return undefined;
  return body.alerts.find((alert) => Object.entries(labels).every(([name, value]) => alert.labels[name] === value));
}

/** Waits until webhook, Slack and mail have all told of it: the first of each, of one incident. */
export async function toldEverywhere(stage: Stage, wanted: Wanted, { timeoutMs = 60_000 }: Pick<Waiting, 'timeoutMs'> = {}): Promise<Told> {
  const webhook = await stage.webhook.next((request) => request.status === 200 && wantedIn(request, wanted) !== undefined, { timeoutMs });
  const body = bodyOf(webhook);
  const incident = body.groupKey.replace(/^incident\//, '');
  const isResolve = body.status === 'resolved';
  const slack = await stage.slack.next(
    ({ type, message }) =>
      type === (isResolve ? 'update' : 'post') &&
      JSON.stringify(message?.blocks ?? []).includes(incident) &&
      (message?.text.startsWith('RESOLVED') ?? false) === isResolve,
    { timeoutMs },
  );
  const mail = await stage.mail.next(
    ({ headers, subject }) => headers['x-belfry-incident'] === incident && subject.startsWith('[RESOLVED]') === isResolve,
    { timeoutMs },
  );
  const alert = wantedIn(webhook, wanted);
  if (alert === undefined) throw new Error('the alert was there a moment ago');
  return { webhook, body, alert, slack, mail, incident };
}

/** Waits for a webhook message about it. */
export async function told(stage: Stage, wanted: Wanted, { timeoutMs = 60_000, since = 0 }: Waiting = {}): Promise<ToldAlert> {
  const about = (request: WebhookRequest): boolean => request.status === 200 && wantedIn(request, wanted) !== undefined;
  const request = await stage.webhook.next(about, { timeoutMs, since }).catch(() => {
    throw new Error(`not told of ${JSON.stringify(wanted)} within ${timeoutMs} ms, but of: ${ledger(stage).join(', ')}`);
  });
  const alert = wantedIn(request, wanted);
  if (alert === undefined) throw new Error('the alert was there a moment ago');
  return alert;
}

/** Every alert the webhook was told of, as `STATUS NAME cluster/broker`, oldest first: the ledger of a stage. */
export function ledger(stage: Stage): string[] {
  return stage.webhook.requests.all
    .filter(({ status }) => status === 200)
    .flatMap((request) =>
      bodyOf(request).alerts.map(
        ({ status, labels }) => `${status} ${labels['alertname'] ?? ''} ${labels['cluster'] ?? ''}/${labels['broker'] ?? ''}`,
      ),
    );
}

/**
 * A ledger without updates: what grows while it fires, or whose effect on clients is known better after a second look, is
 * told again, and how often depends on how busy the machine is.
 */
export function withoutUpdates(lines: readonly string[]): string[] {
  return lines.filter((line, i) => line !== lines[i - 1]);
}

/** Messages that stand in the channel by themselves, their text as of now. */
export function slackRoots(stage: Stage): string[] {
  return stage.slack
    .messages()
    .filter(({ threadTs }) => threadTs === undefined)
    .map(({ text }) => text);
}

/** Subjects of all mails. */
export function subjects(stage: Stage): string[] {
  return stage.mail.mails.all.map(({ subject }) => subject);
}

/**
 * Proves silence without waiting for nothing: sends a test message to the owner through the same sinks, and answers what
 * else they hold.
 */
export async function everythingElse(stage: Stage): Promise<{ webhook: string[]; slack: string[]; mail: string[] }> {
  const response = await stage.belfry.request('POST', '/api/belfry/v1/owners/team/test');
  if (!response.ok) throw new Error(`no test message: ${response.status} ${await response.text()}`);
  const isTest = (text: string): boolean => /\btest\b|BelfryTest/i.test(text);
  const slack = slackRoots(stage);
  const mail = subjects(stage);
  const webhook = ledger(stage);
  if (![slack, mail, webhook].every((all) => all.some(isTest)))
    throw new Error(`the test message did not reach all sinks: ${JSON.stringify({ webhook, slack, mail })}`);
  return {
    webhook: webhook.filter((line) => !isTest(line)),
    slack: slack.filter((line) => !isTest(line)),
    mail: mail.filter((line) => !isTest(line)),
  };
}

export const SILENCE = { webhook: [], slack: [], mail: [] };

/** Waits until the rule groups (default those of five seconds and less) have been evaluated on what is known now. */
export async function evaluatedOnce(
  stage: Stage,
  groups: readonly string[] = ['brokers', 'partitions'],
  timeoutMs = 60_000,
): Promise<void> {
  const from = Date.now();
  await until(
    async () => {
      const answer = (await (await stage.belfry.request('GET', '/api/v1/rules')).json()) as {
        data: { groups: { name: string; lastEvaluation: string }[] };
      };
      const evaluated = answer.data.groups.filter(({ name }) => groups.includes(name)).map((group) => Date.parse(group.lastEvaluation));
      return evaluated.length >= groups.length && evaluated.every((at) => at > from);
    },
    `evaluations of ${groups.join(', ')}`,
    timeoutMs,
  );
}

/** Resolves once the condition holds, asking every 50 ms. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A line on the terminal, past jest's console. */
export function report(text: string): void {
  process.stderr.write(`    ${text}\n`);
}

/** Now, on the clock of the sinks: ms since the epoch. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

export interface CliResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line as a person does: its own process. */
export async function belfry(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<CliResult> {
  const child = spawn(process.execPath, [ENTRY, ...args], { cwd: options.cwd, env: { ...process.env, ...options.env }, timeout: 120_000 });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...text };
}

/** A cluster for tests that are about something else: nothing listens at its broker, and no rule they load asks for it. */
export const NO_KAFKA = { name: 'fixture', brokers: ['127.0.0.1:1'] } as const;

/** Waits until Belfry's clock has moved on by so many milliseconds, and its rule groups have been evaluated on that. */
export async function passed(stage: Stage, ms: number, groups?: readonly string[]): Promise<void> {
  const since = Date.now();
  await stage.belfry.queryUntil('vector(time())', ([time]) => (time?.value ?? 0) * 1000 > since + ms);
  await evaluatedOnce(stage, groups);
}

/** Lines of a metric on Belfry's own page. */
export async function ownMetric(stage: Stage, name: string): Promise<string[]> {
  const page = await (await stage.belfry.request('GET', '/metrics')).text();
  return page.split('\n').filter((line) => line.startsWith(name));
}
