import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { ClusterConfig } from '../config/config.ts';
import { kafkaSecurity } from '../config/kafka-security.ts';
import { loadConfigOrThrow } from '../config/load.ts';
import { readTextFile } from '../config/secrets.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { silentLogger } from '../core/log.ts';
import { KafkaRebalancer, type RebalancePlan } from '../executor/rebalance/kafka-rebalancer.ts';
import type { Move } from '../executor/rebalance/plan.ts';
import type { RebalanceRequest } from '../executor/ports.ts';
import { AdminConnector } from '../kafka/admin-connection.ts';
import type { KafkaSecurity } from '../kafka/observer.ts';
import { type ConfigOptions, loadOptionsOf, withConfigOptions } from './config-options.ts';
import type { CliContext } from './context.ts';
import { table } from './table.ts';

interface RebalanceOptions extends ConfigOptions {
  readonly cluster?: string;
  readonly drain?: readonly number[];
  readonly replace?: { readonly from: number; readonly to: number };
  readonly elect?: boolean;
  readonly clearThrottle?: boolean;
  /** Bytes per second. */
  readonly throttle?: number;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly apply?: boolean;
  readonly cancel?: boolean;
  readonly json?: boolean;
}

const MAX_PASSWORD_BYTES = 4096;
/** Moves shown one by one; the rest is counted. */
const MOVES_SHOWN = 25;
/** What a shell reports of a command that was ended by SIGINT. */
const EXIT_STOPPED = 130;

/** `belfry rebalance`: partitions where they belong, over the Kafka protocol. */
export function rebalanceCommand(program: Command, context: CliContext): void {
  withConfigOptions(program.command('rebalance'))
    .description('show, or with --apply make, the moves that spread a cluster, empty a broker or replace one')
    .option('--cluster <name>', 'which cluster of the configuration, where it has several')
    .option('--drain <ids>', 'take everything off these brokers, such as 3 or 3,4', parseIds)
    .option('--replace <from:to>', 'give the copies of one broker, dead or not, to another, such as 2:4', parsePair)
    .option('--elect', 'only make the preferred replicas leaders again')
    .option('--clear-throttle', 'only take off a throttle that a stopped run has left')
    .option('--throttle <rate>', 'bytes per second each broker may spend on it, such as 50MB', parseRate)
    .option('--username <name>', 'who acts, with --password-file: another user than the one that watches (SASL)')
    .option('--password-file <file>', "the acting user's password")
    .option('--apply', 'do it; without this option nothing is changed')
    .option('--cancel', 'when stopped, take running moves back instead of leaving them')
    .option('--json', 'the plan, and the progress line by line, as JSON')
    .addHelpText(
      'after',
      '\n' +
        'Without --drain, --replace or --elect copies and leaders are spread over all brokers, new ones included.\n' +
        'A run that was stopped or killed is simply started again. The acting user needs Alter and AlterConfigs on the\n' +
        'cluster and AlterConfigs on its topics; what is read, is read as the user that watches.',
    )
    .action(async (options: RebalanceOptions) => run(options, context));
}

async function run(options: RebalanceOptions, context: CliContext): Promise<void> {
  const request = requestOf(options);
  const rebalancer = rebalancerOf(options, context);
  if (options.clearThrottle === true) {
    const removed = await rebalancer.removeThrottle();
    context.out.write(
      options.json === true ? `${JSON.stringify({ removed })}\n` : `${removed ? 'the throttle is off' : 'there is no throttle of ours'}\n`,
    );
    return;
  }
  const plan = await rebalancer.plan(request);
  context.out.write(options.json === true ? `${JSON.stringify(planBody(request, plan))}\n` : planText(request, plan, options));
  if (options.apply !== true) return;
  try {
    await rebalancer.rebalance(
      request,
      (progress) => context.out.write(options.json === true ? `${JSON.stringify(progress)}\n` : `${progress.text}\n`),
      context.signal,
    );
  } catch (error) {
    if (!context.signal.aborted) throw error;
    // The process says nothing more by itself after a signal, and what runs on must be known.
    context.err.write(`${error instanceof BelfryError ? error.message : errorText(error)}\n`);
    context.setExitCode(EXIT_STOPPED);
  }
}

function requestOf({ drain, replace, elect, clearThrottle }: RebalanceOptions): RebalanceRequest {
  const asked = [drain, replace, elect, clearThrottle].filter((option) => option !== undefined);
  if (asked.length > 1) throw new BelfryError('BAD_REQUEST', '--drain, --replace, --elect and --clear-throttle are one at a time');
  if (drain !== undefined) return { kind: 'drain', brokers: drain };
  if (replace !== undefined) return { kind: 'replace', ...replace };
  return { kind: elect === true ? 'elect_preferred' : 'spread' };
}

function rebalancerOf(options: RebalanceOptions, context: CliContext): KafkaRebalancer {
  const { clock } = context;
  const cluster = clusterOf(loadConfigOrThrow(loadOptionsOf(options, context)).config.clusters, options.cluster);
  const watching = kafkaSecurity(cluster, clock);
  return new KafkaRebalancer({
    reader: new AdminConnector({ clock, security: watching }),
    connector: new AdminConnector({ clock, security: actingSecurity(watching, options, context) }),
    bootstrap: cluster.brokers,
    addresses: cluster.addresses,
    clock,
    log: silentLogger,
    onAbort: options.cancel === true ? 'cancel' : 'leave',
    ...(options.throttle === undefined ? {} : { throttleBytesPerSecond: options.throttle }),
  });
}

function clusterOf(clusters: readonly ClusterConfig[], name: string | undefined): ClusterConfig {
  const [only] = clusters;
  if (name === undefined && only !== undefined && clusters.length === 1) return only;
  const found = clusters.find((cluster) => cluster.name === name);
  if (found !== undefined) return found;
  const names = clusters.map((cluster) => cluster.name).join(', ');
  throw new BelfryError(
    'BAD_REQUEST',
    name === undefined ? `say which with --cluster: ${names}` : `no cluster ${name}; there are: ${names}`,
  );
}

function actingSecurity(
  watching: KafkaSecurity,
  { username, passwordFile }: RebalanceOptions,
  { workingFolder }: CliContext,
): KafkaSecurity {
  if (username === undefined && passwordFile === undefined) return watching;
  if (username === undefined || passwordFile === undefined)
    throw new BelfryError('BAD_REQUEST', '--username and --password-file go together');
  let password: string;
  try {
    password = readTextFile(resolve(workingFolder, passwordFile), MAX_PASSWORD_BYTES).trim();
  } catch (error) {
    throw new BelfryError('SECRET_UNREADABLE', `cannot read ${passwordFile}`, { cause: error });
  }
  const { sasl } = watching;
  const mechanism = sasl === undefined || sasl.mechanism === 'OAUTHBEARER' ? 'SCRAM-SHA-512' : sasl.mechanism;
  return { ...watching, sasl: { mechanism, username, password } };
}

interface BrokerLoad {
  readonly id: number;
  readonly copies: number;
  readonly leaders: number;
  readonly bytes: number;
}

/** What each broker holds, and prefers to lead, before or after the moves. */
function loadsOf({ moves, picture }: RebalancePlan, after: boolean): readonly BrokerLoad[] {
  const to = new Map(moves.map((move) => [`${move.topic}-${move.partition}`, move.to]));
  const loads = new Map(picture.brokers.map(({ id }) => [id, { id, copies: 0, leaders: 0, bytes: 0 }]));
  for (const { topic, partition, replicas, bytes } of picture.partitions) {
    const now = (after ? to.get(`${topic}-${partition}`) : undefined) ?? replicas;
    for (const [place, id] of now.entries()) {
      const load = loads.get(id) ?? { id, copies: 0, leaders: 0, bytes: 0 };
      load.copies += 1;
      load.bytes += bytes;
      if (place === 0) load.leaders += 1;
      loads.set(id, load);
    }
  }
  return [...loads.values()].toSorted((a, b) => a.id - b.id);
}

function planBody(request: RebalanceRequest, plan: RebalancePlan): unknown {
  const { moves, picture } = plan;
  return { request, moves, running: picture.running, brokers: { before: loadsOf(plan, false), after: loadsOf(plan, true) } };
}

function planText(request: RebalanceRequest, plan: RebalancePlan, { apply }: RebalanceOptions): string {
  const { moves, picture } = plan;
  const lines: string[] = [];
  if (request.kind === 'elect_preferred') {
    const others = picture.partitions.filter(({ leader, replicas }) => leader !== replicas[0]).length;
    lines.push(`${others} of ${picture.partitions.length} partitions are not led by their preferred replica\n`);
  } else {
    if (moves.length > 0) lines.push(movesText(moves), '\n', brokersText(plan), '\n');
    const bytes = moves.reduce((sum, move) => sum + move.bytes, 0);
    const copies = moves.filter(({ adding }) => adding.length > 0).length;
    lines.push(
      `${copies} partitions to move, ${formatBytes(bytes)} to copy; ${moves.length - copies} only change their preferred leader\n`,
    );
    if (picture.running.length > 0) lines.push(`${picture.running.length} moves run already and are waited for\n`);
  }
  if (apply !== true) lines.push('Nothing was changed: this is the plan. --apply carries it out.\n');
  return lines.join('');
}

function movesText(moves: readonly Move[]): string {
  const shown = [...moves].toSorted((a, b) => b.bytes - a.bytes).slice(0, MOVES_SHOWN);
  const rows = shown.map((move) => [`${move.topic}-${move.partition}`, move.from.join(','), move.to.join(','), formatBytes(move.bytes)]);
  const more = moves.length > shown.length ? `… and ${moves.length - shown.length} more (--json shows all)\n` : '';
  return `${table([['PARTITION', 'FROM', 'TO', 'TO COPY'], ...rows])}${more}`;
}

function brokersText(plan: RebalancePlan): string {
  const after = new Map(loadsOf(plan, true).map((load) => [load.id, load]));
  const before = new Map(loadsOf(plan, false).map((load) => [load.id, load]));
  const ids = [...new Set([...before.keys(), ...after.keys()])].toSorted((a, b) => a - b);
  const pair = (id: number, show: (load: BrokerLoad) => string): string => {
    const none: BrokerLoad = { id, copies: 0, leaders: 0, bytes: 0 };
    return `${show(before.get(id) ?? none)} → ${show(after.get(id) ?? none)}`;
  };
  const rows = ids.map((id) => [
    String(id),
    plan.picture.brokers.find((broker) => broker.id === id)?.rack ?? '',
    pair(id, ({ copies }) => String(copies)),
    pair(id, ({ leaders }) => String(leaders)),
    pair(id, ({ bytes }) => formatBytes(bytes)),
  ]);
  return table([['BROKER', 'RACK', 'COPIES', 'LEADERS', 'BYTES'], ...rows]);
}

/** For people, in units of a thousand, as `--throttle` reads them. */
function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function parseRate(text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)\s*([kMG])?B?(?:\/s)?$/.exec(text);
  const rate = Number(match?.[1] ?? 0) * { k: 1e3, M: 1e6, G: 1e9, '': 1 }[(match?.[2] ?? '') as 'k' | 'M' | 'G' | ''];
  if (rate < 10_000) throw new InvalidArgumentError('expected bytes per second, at least 10kB, such as 50MB.');
  return rate;
}

function parseIds(text: string): readonly number[] {
  if (!/^\d{1,9}(,\d{1,9})*$/.test(text)) throw new InvalidArgumentError('expected broker ids, such as 3 or 3,4.');
  return text.split(',').map(Number);
}

function parsePair(text: string): { from: number; to: number } {
  const match = /^(\d{1,9}):(\d{1,9})$/.exec(text);
  if (match === null) throw new InvalidArgumentError('expected the broker to replace and its substitute, such as 2:4.');
  return { from: Number(match[1]), to: Number(match[2]) };
}
