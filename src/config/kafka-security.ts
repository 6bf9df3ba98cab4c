import type { Clock } from '../core/clock.ts';
import { ClientCredentialsTokens } from '../kafka/oauth-token.ts';
import type { KafkaSecurity } from '../kafka/observer.ts';
import type { ClusterConfig, SaslConfig } from './config.ts';

/** A cluster's TLS and SASL as the connections take them, secrets revealed. */
export function kafkaSecurity({ tls, sasl }: Pick<ClusterConfig, 'tls' | 'sasl'>, clock: Clock): KafkaSecurity {
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
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl, clock) }),
  };
}

function saslOf(sasl: SaslConfig, clock: Clock): NonNullable<KafkaSecurity['sasl']> {
  if (sasl.mechanism !== 'OAUTHBEARER') return { mechanism: sasl.mechanism, username: sasl.username, password: sasl.password.reveal() };
  const { tokenEndpoint: endpoint, clientId, clientSecret, scope, audience, ca } = sasl;
  const credentials = {
    endpoint,
    clientId,
    clientSecret: clientSecret.reveal(),
    ...(scope === undefined ? {} : { scope }),
    ...(audience === undefined ? {} : { audience }),
    ...(ca === undefined ? {} : { ca }),
  };
  return { mechanism: 'OAUTHBEARER', tokens: new ClientCredentialsTokens(credentials, clock) };
}
