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
