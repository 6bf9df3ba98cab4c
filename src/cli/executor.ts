import { randomBytes } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { parsePlaced, valueOf } from '../config/parse-yaml.ts';
import { type ConfigProblem, problemsOf, problemText } from '../config/problems.ts';
import { readTextFile } from '../config/secrets.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { BelfryApi } from '../executor/belfry-api.ts';
import { dryRun, type DryRunFinding } from '../executor/dry-run.ts';
import { Executor, type ClusterPlan } from '../executor/executor.ts';
import { JsonClient } from '../executor/json-client.ts';
import { KafkaClusterActs } from '../executor/kafka-acts.ts';
import { planCluster, type PlanSurroundings } from '../executor/plan.ts';
import { executorFileSchema, type ExecutorFile } from '../executor/schema.ts';
import { absolutePath, fileReader, requiredSecret } from '../executor/secret-reader.ts';
import { StopFile } from '../executor/stop-file.ts';
import type { Logger } from '../core/log.ts';
import { createLogger, LOG_LEVELS, type LogLevel } from '../telemetry/logger.ts';
import type { CliContext } from './context.ts';
import { printable } from './table.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;

interface ExecutorCommandOptions {
  readonly config: string;
  readonly stopFile?: string;
  readonly check?: boolean;
  readonly dryRun?: boolean;
  readonly once?: boolean;
  readonly json?: boolean;
  readonly logLevel: LogLevel;
}

/** `belfry executor`: the hands of the auto-pilot. */
export function executorCommand(program: Command, context: CliContext): void {
  program
    .command('executor')
    .description("carry out the auto-pilot's intents: take the lease, look, act, report; until it is stopped")
    .option('--config <file>', 'what it may do, and how', 'executor.yaml')
    .option('--stop-file <file>', 'while this file is there nothing is begun, instead of stop_file')
    .option('--check', 'read the configuration, name every mistake with its place, and end')
    .option('--dry-run', 'look whether Belfry, programs, APIs and permissions are there, tell Belfry, change nothing, and end')
    .option('--once', 'ask one time for each cluster, do what is open, and end')
    .option('--json', 'findings as JSON, or one line of JSON when it is up')
    .addOption(new Option('--log-level <level>', 'how much is logged').choices(LOG_LEVELS).default('info'))
    .addHelpText(
      'after',
      '\n' +
        'An intent is an invitation. The executor begins nothing before Belfry has granted a lease, asks again before every\n' +
        'step, and stops before the next one as soon as the lease is lost, Belfry cannot be reached or the stop file is there.\n' +
        "Before a repair it looks at the broker's process: one that recovers its logs is left alone, however long it takes.\n\n" +
        'The smallest executor.yaml (more: examples/executor.yaml):\n' +
        '  name: ops-1\n' +
        '  belfry: {url: "http://127.0.0.1:9559", token_file: token, signing_key_file: data/autopilot-key}\n' +
        '  clusters:\n' +
        '    orders-dal:\n' +
        '      hosts: {1: kafka1, 2: kafka2, 3: kafka3}\n' +
        "      probe: ['ssh', '{host}', 'belfry-probe']         # ends with 0 runs, 1 stopped, 3 recovers (and prints a number)\n" +
        "      repair: [{command: ['ssh', '{host}', 'systemctl', 'restart', 'kafka']}]\n\n" +
        'Placeholders: {cluster} {broker} {host} {action} {intent} {desired} {token}. There is no shell.\n' +
        'To stop everything at once, without Belfry: touch executor.stop beside the configuration.\n' +
        'It ends on SIGTERM, SIGINT and SIGHUP: the step that runs has stop_within (5s) to finish; a second signal ends both at once.\n' +
        'Exit status: 0 when all is well, 1 when --check or --dry-run found something, or with --once when Belfry could not be\n' +
        'asked or an act failed.',
    )
    .action(async (options: ExecutorCommandOptions) => run(options, context));
}

async function run(options: ExecutorCommandOptions, context: CliContext): Promise<void> {
  const path = resolve(context.workingFolder, options.config);
  const { file, problems } = readExecutorFile(options.config, path);
  if (options.check === true) {
    for (const problem of problems) context.err.write(`${printable(problem)}\n`);
    context.out.write(`${options.config}: ${problems.length === 0 ? 'ok' : `mistakes: ${problems.length}`}\n`);
    if (problems.length > 0) context.setExitCode(1);
    return;
  }
  if (file === undefined) throw new BelfryError('CONFIG_INVALID', problems.join('\n'));
  const log = createLogger(options.logLevel, context.err);
  const parts = assemble(file, dirname(path), options, context, log);
  if (options.dryRun === true) {
    const findings = await dryRun(parts, context.signal);
    reportFindings(findings, options, context);
    return;
  }
  await work(parts.executor, { file, options, context, log });
}

async function work(
  executor: Executor,
  { file, options, context, log }: { file: ExecutorFile; options: ExecutorCommandOptions; context: CliContext; log: Logger },
): Promise<void> {
  const clusters = Object.keys(file.clusters);
  const ended = executor.run({ once: options.once === true });
  log.info('executor_started', { name: file.name, clusters });
  const banner = `Executor ${file.name} takes intents for ${clusters.join(', ')}\n`;
  context.out.write(options.json === true ? `${JSON.stringify({ name: file.name, clusters })}\n` : banner);
  const stop = (): void => {
    executor.stop().catch((error: unknown) => log.error('executor_stop_failed', { error }));
  };
  context.signal.addEventListener('abort', stop, { once: true });
  if (context.signal.aborted) stop();
  // A terminal that is closed is a wish to end, and no reason to leave half an act behind.
  context.onHangup(stop);
  if (!(await ended)) context.setExitCode(1);
  log.info('executor_stopped', { name: file.name });
}

interface ExecutorParts {
  readonly executor: Executor;
  readonly api: BelfryApi;
  readonly signingKey: () => string;
  readonly stopFile: StopFile;
  readonly plans: readonly ClusterPlan[];
}

function assemble(file: ExecutorFile, folder: string, options: ExecutorCommandOptions, context: CliContext, log: Logger): ExecutorParts {
  const { clock, environment } = context;
  const surroundings: PlanSurroundings = {
    folder,
    clock,
    lookup: (variable) => environment.lookup(variable),
    passEnv: file.pass_env,
    openKafka: (cluster) => new KafkaClusterActs(cluster, { clock, log }),
  };
  const token = requiredSecret(file.belfry, 'token', surroundings);
  const signingKey = requiredSecret(file.belfry, 'signing_key', surroundings);
  const client = new JsonClient({
    baseUrl: file.belfry.url,
    clock,
    authorization: () => `Bearer ${token().trim()}`,
    ...(file.belfry.ca_file === undefined ? {} : { ca: fileReader(file.belfry.ca_file, surroundings) }),
  });
  const api = new BelfryApi({
    client,
    signingKey: () => signingKey().trim(),
    executor: file.name,
    instance: randomBytes(4).toString('hex'),
    timeoutMs: file.belfry.timeout,
  });
  const plans = Object.entries(file.clusters).map(([name, cluster]) => planCluster(name, cluster, surroundings));
  const stopPath =
    options.stopFile === undefined ? absolutePath(file.stop_file, surroundings) : resolve(context.workingFolder, options.stopFile);
  const stopFile = new StopFile(stopPath);
  const executor = new Executor({ api, plans, stopFile, pollMs: file.belfry.poll, stopWithinMs: file.stop_within, clock, log });
  return { executor, api, signingKey, stopFile, plans };
}

/** What the file says, or every mistake of it, a line each. */
function readExecutorFile(shown: string, path: string): { file: ExecutorFile | undefined; problems: readonly string[] } {
  const problems: ConfigProblem[] = [];
  let text: string;
  try {
    text = readTextFile(path, MAX_FILE_BYTES);
  } catch (error) {
    return { file: undefined, problems: [`${shown}:1:1 cannot read it: ${errorText(error)}`] };
  }
  const placed = parsePlaced(shown, text, problems);
  const value = placed === undefined ? undefined : valueOf(placed, problems);
  if (placed === undefined || problems.length > 0) return { file: undefined, problems: problems.map(problemText) };
  const parsed = executorFileSchema.safeParse(value ?? {});
  if (parsed.success) return { file: parsed.data, problems: [] };
  return { file: undefined, problems: problemsOf(placed, parsed.error.issues).map(problemText) };
}

function reportFindings(findings: readonly DryRunFinding[], { json }: ExecutorCommandOptions, context: CliContext): void {
  const { out } = context;
  const isGreen = findings.every(({ ok }) => ok);
  if (!isGreen) context.setExitCode(1);
  if (json === true) {
    out.write(`${JSON.stringify({ ok: isGreen, findings }, null, 2)}\n`);
    return;
  }
  for (const { ok, part, action, text } of findings)
    out.write(`${ok ? 'ok     ' : 'MISSING'}  ${part}${action === undefined ? '' : ` ${action}`}: ${printable(text)}\n`);
  out.write(isGreen ? 'all is there\n' : 'not all is there\n');
}
