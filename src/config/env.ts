/** Every environment variable Belfry reads, by name. The only file that reads the environment. */
export interface Environment {
  /** `KAFKA_BROKERS`: bootstrap addresses where there is no configuration file. */
  readonly kafkaBrokers: string | undefined;
  /** `BELFRY_CONFIG`: path of the configuration file. */
  readonly configPath: string | undefined;
  /** `BELFRY_LOG_LEVEL`: debug, info, warn or error. */
  readonly logLevel: string | undefined;
  /** `BELFRY_URL`: where commands find the running process. */
  readonly url: string | undefined;
  /** `BELFRY_TOKEN`: the bearer token commands use, instead of the one in the data folder. */
  readonly token: string | undefined;
  /** Any other variable, for the `…_env` form of secrets. */
  lookup(name: string): string | undefined;
}

/** What a service manager (systemd) has put into the environment. */
export interface ServiceManagerEnvironment {
  /** `WATCHDOG_USEC`, in ms: after so long without a word it ends the process; undefined where it does not. */
  readonly watchdogMs: number | undefined;
}

/** Undefined where no service manager listens (`NOTIFY_SOCKET`). */
export function serviceManagerOf(environment: Environment): ServiceManagerEnvironment | undefined {
  if (environment.lookup('NOTIFY_SOCKET') === undefined) return undefined;
  const watchdogUs = Number(environment.lookup('WATCHDOG_USEC') ?? 0);
  return { watchdogMs: watchdogUs > 0 ? watchdogUs / 1000 : undefined };
}

export function readEnvironment(): Environment {
  const lookup = (name: string): string | undefined => (process.env[name] === '' ? undefined : process.env[name]);
  return {
    kafkaBrokers: lookup('KAFKA_BROKERS'),
    configPath: lookup('BELFRY_CONFIG'),
    logLevel: lookup('BELFRY_LOG_LEVEL'),
    url: lookup('BELFRY_URL'),
    token: lookup('BELFRY_TOKEN'),
    lookup,
  };
}
