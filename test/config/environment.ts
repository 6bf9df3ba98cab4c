import type { Environment } from '../../src/config/env.ts';

/** An environment that holds nothing but what secrets are looked up by. */
export function environmentOf(lookup: (name: string) => string | undefined = () => undefined): Environment {
  return { kafkaBrokers: undefined, configPath: undefined, logLevel: undefined, url: undefined, token: undefined, lookup };
}
