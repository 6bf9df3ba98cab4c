import { z } from 'zod';
import { plainHttpUrl, secretFields, strict } from '../core/schema-parts.ts';

const filePath = z
  .string()
  .min(1)
  .refine((path) => !path.includes('\0'), 'no path holds a NUL');

/** `tls:` of a Kafka cluster or an exporter. */
export const tlsSchema = strict({
  ca_file: filePath.optional(),
  cert_file: filePath.optional(),
  key_file: filePath.optional(),
  server_name: z.string().min(1).optional(),
  insecure_skip_verify: z.boolean().default(false),
});

/** `sasl:` of a Kafka cluster. Secrets come as they are written: the reader of the file resolves them. */
export const saslSchema = z.discriminatedUnion(
  'mechanism',
  [
    strict({ mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']), username: z.string().min(1), ...secretFields('password') }),
    strict({
      mechanism: z.literal('oauthbearer'),
      token_endpoint: plainHttpUrl(),
      client_id: z.string().min(1),
      ...secretFields('client_secret'),
      scope: z.string().min(1).optional(),
      audience: z.string().min(1).optional(),
      ca_file: filePath.optional(),
    }),
  ],
  { error: 'expected plain, scram-sha-256, scram-sha-512 or oauthbearer' },
);

/** The mechanisms with a password, as Kafka writes them. */
export const PASSWORD_MECHANISMS = { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const;
