import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { HostPort } from '../config/config.ts';
import type { LoadOptions } from '../config/load.ts';
import { hostPort } from '../core/schema-parts.ts';
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
  const here = join(workingFolder, 'belfry.yaml');
  const path = options.config ?? environment.configPath ?? (options.brokers === undefined && existsSync(here) ? here : undefined);
  const brokers = options.brokers ?? (environment.kafkaBrokers === undefined ? undefined : parseBrokers(environment.kafkaBrokers));
  return {
    path,
    ...(brokers === undefined ? {} : { brokers }),
    environment,
    workingFolder,
    defaultRules: join(installation, 'rules.yaml'),
  };
}

function parseBrokers(text: string): readonly HostPort[] {
  return text.split(',').map((part) => {
    const parsed = hostPort(9092).safeParse(part.trim());
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(`${parsed.error.issues[0]?.message ?? 'not an address'}.`);
  });
}
