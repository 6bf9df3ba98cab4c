import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type App, startApp } from '../app.ts';
import type { BelfryConfig, HostPort } from '../config/config.ts';
import { serviceManagerOf } from '../config/env.ts';
import { loadConfig, loadConfigOrThrow } from '../config/load.ts';
import { problemText } from '../config/problems.ts';
import { FileWatcher } from '../config/watch.ts';
import type { Logger } from '../core/log.ts';
import { isLoopback } from '../core/loopback.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { createLogger, LOG_LEVELS, type LogLevel } from '../telemetry/logger.ts';
import { PrometheusMeter } from '../telemetry/prometheus-meter.ts';
import { ServiceManager } from '../watchdog/service-manager.ts';
import { type ConfigOptions, loadOptionsOf, parseListen, withConfigOptions } from './config-options.ts';
import type { CliContext } from './context.ts';

interface StartOptions extends ConfigOptions {
  readonly data?: string;
  readonly listen?: HostPort;
  readonly insecure?: boolean;
  /** Undefined where the variable names none. */
  readonly logLevel?: LogLevel;
  readonly json?: boolean;
  readonly 'rules.strictSlots'?: boolean;
}

/** `belfry start`: the service. */
export function startCommand(program: Command, context: CliContext): void {
  withConfigOptions(program.command('start'))
    .description('watch: collect, evaluate the rules, tell the owners; until it is stopped')
    .option('--data <folder>', 'where state and samples are kept, instead of storage.path')
    .option('--listen <host:port>', 'where the HTTP API listens, instead of http.listen', parseListen)
    .option('--insecure', 'listen on other addresses than loopback without TLS')
    .addOption(new Option('--log-level <level>', 'how much is logged (BELFRY_LOG_LEVEL)').choices(LOG_LEVELS).default(logLevelOf(context)))
    .option('--json', 'one line of JSON on standard output when it is up; the log goes to standard error')
    .option('--rules.strict-slots', 'evaluate rules at their intervals only, as Prometheus does, not also when something changes')
    .addHelpText(
      'after',
      '\n' +
        'Without a configuration it watches localhost:9092 (or --brokers) and this host, and tells nobody: look with ' +
        'belfry alerts.\n' +
        'It reads the configuration again on SIGHUP, on POST /-/reload and when a file changes. SIGTERM ends it within ' +
        'five seconds.',
    )
    .action(async (options: StartOptions) => run(options, context));
}

async function run(options: StartOptions, context: CliContext): Promise<void> {
  const { clock } = context;
  if (options.logLevel === undefined) throw new BelfryError('BAD_REQUEST', `BELFRY_LOG_LEVEL: expected one of ${LOG_LEVELS.join(', ')}`);
  const log = createLogger(options.logLevel, context.err);
  const loadOptions = loadOptionsOf(options, context);
  const first = loadConfigOrThrow(loadOptions);
  let files = first.files;
  const readConfig = (): { config: BelfryConfig | undefined; problems: readonly string[] } => {
    const result = loadConfig(loadOptions);
    if (result.config === undefined) return { config: undefined, problems: result.problems.map(problemText) };
    files = result.files;
    try {
      return { config: override(result.config, options, context), problems: [] };
    } catch (error) {
      return { config: undefined, problems: [errorText(error)] };
    }
  };
  const app = await startApp({
    config: override(first.config, options, context),
    readConfig,
    strictSlots: options['rules.strictSlots'] === true,
    version: context.version,
    installation: context.installation,
    clock,
    log,
    meter: new PrometheusMeter(),
  });
  const serviceManager = serviceManagerFor(app, context, log);
  const watcher = new FileWatcher({ clock, log, changed: () => reload() });
  const reload = (): void => {
    serviceManager?.reloading();
    app
      .reload()
      .then(
        () => watcher.watch(files),
        (error: unknown) => log.error('config_reload_failed', { error }),
      )
      .finally(() => serviceManager?.reloaded());
  };
  context.onHangup(reload);
  watcher.watch(files);
  log.info('started', {
    url: app.url,
    version: context.version,
    clusters: first.config.clusters.map(({ name }) => name),
    hash: first.config.hash,
  });
  context.out.write(options.json === true ? `${JSON.stringify({ url: app.url })}\n` : banner(app.url, first.config));
  await aborted(context.signal);
  log.info('stopping', {});
  void serviceManager?.stopping();
  watcher.close();
  await app.stop();
  log.info('stopped', {});
}

/** Where systemd has started it and wants to hear from it. */
function serviceManagerFor(app: App, { environment, clock }: CliContext, log: Logger): ServiceManager | undefined {
  const settings = serviceManagerOf(environment);
  if (settings === undefined) return undefined;
  const manager = new ServiceManager({ notReady: () => app.notReady(), ...settings, clock, log });
  manager.start();
  return manager;
}

function banner(url: string, config: BelfryConfig): string {
  const clusters = config.clusters.map(({ name, brokers }) => `${name} (${brokers.map(({ host, port }) => `${host}:${port}`).join(', ')})`);
  const watching = clusters.length === 0 ? 'no cluster' : clusters.join(', ');
  const owners = config.owners.length;
  const told =
    owners === 0 ? 'nobody is told: see belfry alerts --watch' : owners === 1 ? 'one owner is told' : `${owners} owners are told`;
  return `Belfry watches ${watching}; ${told}. API: ${url}\n`;
}

/** What the command line says wins over the file. */
function override(config: BelfryConfig, options: StartOptions, { workingFolder }: CliContext): BelfryConfig {
  const listen = options.listen ?? config.http.listen;
  const insecure = config.http.insecure || options.insecure === true;
  if (!isLoopback(listen.host) && config.http.tls === undefined && !insecure) {
    throw new BelfryError('CONFIG_INVALID', `${listen.host} is reachable from other machines: give http.tls, or say --insecure`);
  }
  return {
    ...config,
    http: { ...config.http, listen, insecure },
    storage: { ...config.storage, path: options.data === undefined ? config.storage.path : resolve(workingFolder, options.data) },
  };
}

/** The level that the environment names; undefined where there is no such level. */
function logLevelOf({ environment }: CliContext): LogLevel | undefined {
  const level = environment.logLevel ?? 'info';
  return LOG_LEVELS.find((known) => known === level);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
