import type { KafkaConfig, Mechanism } from 'kafkajs';
import { BelfryError, errorText } from '../core/errors.ts';
import type { KafkaSecurity, TokenSource } from './observer.ts';
import { bearerMessage, tokenErrorText } from './sasl.ts';

const TOKEN_TIMEOUT_MS = 10_000;

/** TLS and SASL as kafkajs takes them. */
export function securityOf({ tls, sasl }: KafkaSecurity): Pick<KafkaConfig, 'ssl' | 'sasl'> {
  return {
    ...(tls === undefined
      ? {}
      : {
          ssl: {
            rejectUnauthorized: tls.rejectUnauthorized,
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
            ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
          },
        }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
  };
}

function saslOf(sasl: NonNullable<KafkaSecurity['sasl']>): NonNullable<KafkaConfig['sasl']> {
  if (sasl.mechanism === 'OAUTHBEARER') return bearerOf(sasl.tokens);
  const { mechanism, username, password } = sasl;
  switch (mechanism) {
    case 'PLAIN':
      return { mechanism: 'plain', username, password };
    case 'SCRAM-SHA-256':
      return { mechanism: 'scram-sha-256', username, password };
    case 'SCRAM-SHA-512':
      return { mechanism: 'scram-sha-512', username, password };
  }
}

/** kafkajs's own does not read what the broker answers to a token: one that was refused would look like a lost connection. */
function bearerOf(tokens: TokenSource): Mechanism {
  return {
    mechanism: 'OAUTHBEARER',
    authenticationProvider: ({ host, port, saslAuthenticate }) => ({
      authenticate: async () => {
        const token = await tokens.token(TOKEN_TIMEOUT_MS).catch((error: unknown) => {
          throw refusal(errorText(error));
        });
        const answer = await saslAuthenticate({
          request: { encode: () => sizedBytes(bearerMessage(token)) },
          // Behind a size of four bytes, as before KIP-152.
          response: { decode: (bytes: Buffer) => bytes.subarray(4), parse: (bytes: Buffer) => bytes },
        });
        if (answer === undefined || answer.length === 0) return;
        tokens.refused(token);
        throw refusal(`${host}:${port}: ${tokenErrorText(answer)}`);
      },
    }),
  };
}

/** One that kafkajs does not try again by itself: whoever sends or consumes does, with a pause. */
function refusal(why: string): BelfryError {
  return Object.assign(new BelfryError('KAFKA_AUTH_FAILED', `authentication refused: ${why}`), { retriable: false });
}

function sizedBytes(text: string): Buffer {
  const bytes = Buffer.from(text);
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}
