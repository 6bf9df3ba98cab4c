import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { HostPort } from '../config/config.ts';
import type { LoadOptions } from '../config/load.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { hostPort, listenAddress } from '../core/schema-parts.ts';
import type { CliContext } from './context.ts';

export interface ConfigOptions {
  readonly config?: string;
  readonly brokers?: readonly HostPort[];
}

export function withConfigOptions(command: Command): Command {
  return command
    .option('--config <file>', 'the configuration (BELFRY_CONFIG; belfry.yaml of this folder where it is there)')
    .option('--brokers <host:port,…>', 'without a configuration: the brokers of the one cluster to watch (KAFKA_BROKERS)', parseBrokers);
}

/** Where the configuration is read from: the option, the environment, `belfry.yaml` here, or nowhere. */
export function loadOptionsOf(options: ConfigOptions, context: CliContext): LoadOptions {
  const { environment, workingFolder, installation } = context;
  if (options.config !== undefined && options.brokers !== undefined)
    throw new BelfryError('BAD_REQUEST', '--brokers is for running without a configuration: put the brokers into it');
  const path = options.config ?? (options.brokers === undefined ? (environment.configPath ?? fileHere(workingFolder)) : undefined);
  const brokers = options.brokers ?? (path === undefined ? brokersOf(environment.kafkaBrokers) : undefined);
  return {
    path,
    ...(brokers === undefined ? {} : { brokers }),
    environment,
    workingFolder,
    defaultRules: join(installation, 'rules.yaml'),
  };
}

function fileHere(folder: string): string | undefined {
  const here = join(folder, 'belfry.yaml');
  return existsSync(here) ? here : undefined;
}

/** Commander says what is wrong with an option, and nothing of a variable. */
function brokersOf(variable: string | undefined): readonly HostPort[] | undefined {
  try {
    return variable === undefined ? undefined : parseBrokers(variable);
  } catch (error) {
    throw new BelfryError('BAD_REQUEST', `KAFKA_BROKERS: ${errorText(error)}`, { cause: error });
  }
}

/** `host:port` to listen on, for commander. */
export function parseListen(text: string): HostPort {
  const parsed = listenAddress().safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`${parsed.error.issues[0]?.message ?? 'not an address'}.`);
}

function parseBrokers(text: string): readonly HostPort[] {
  return text.split(',').map((part) => {
    const parsed = hostPort(9092).safeParse(part.trim());
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(`${parsed.error.issues[0]?.message ?? 'not an address'}.`);
  });
}
