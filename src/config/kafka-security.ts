import type { KafkaSecurity } from '../kafka/observer.ts';
import type { ClusterConfig } from './config.ts';

/** A cluster's TLS and SASL as the connections take them, secrets revealed. */
export function kafkaSecurity({ tls, sasl }: Pick<ClusterConfig, 'tls' | 'sasl'>): KafkaSecurity {
  return {
    ...(tls === undefined
      ? {}
      : {
          tls: {
            rejectUnauthorized: tls.rejectUnauthorized,
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key.reveal() }),
            ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
          },
        }),
    ...(sasl === undefined ? {} : { sasl: { mechanism: sasl.mechanism, username: sasl.username, password: sasl.password.reveal() } }),
  };
}
