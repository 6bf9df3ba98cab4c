import { z } from 'zod';
import { duration, notInThisVersion, secretFields, strict } from '../core/schema-parts.ts';
import type { Secret } from '../core/secret.ts';
import { RELABEL_ACTIONS, relabelMistake, type RelabelRule } from './relabel.ts';

/** Where samples are sent to, and how. Durations in milliseconds. */
export interface RemoteWriteOptions {
  /** Of its metrics, its log lines, and of where it goes on after a restart; the only such name. */
  readonly name: string;
  readonly url: Secret;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Put on every series that has no label of the name. */
  readonly externalLabels: Readonly<Record<string, string>>;
  readonly relabel: readonly RelabelRule[];
  readonly basicAuth: { readonly username: string; readonly password: Secret } | undefined;
  readonly authorization: { readonly type: string; readonly credentials: Secret } | undefined;
  readonly tls: RemoteWriteTls | undefined;
  readonly queue: QueueOptions;
  readonly metadata: { readonly send: boolean; readonly intervalMs: number };
}

export interface RemoteWriteTls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: Secret | undefined;
  readonly serverName: string | undefined;
  readonly rejectUnauthorized: boolean;
}

export interface QueueOptions {
  /** Samples that wait in one shard at most. */
  readonly capacity: number;
  readonly minShards: number;
  readonly maxShards: number;
  readonly samplesPerSend: number;
  readonly deadlineMs: number;
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  /** Whether what is refused with a 4xx other than 429 may be sent again: as a whole, or in parts. */
  readonly retriesOn4xx: boolean;
  /** Older ones are not sent any more. */
  readonly ageMaxMs: number;
}

const labelName = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'must be a label name');

const relabelSchema = strict({
  source_labels: z.array(z.string().min(1)).default([]),
  separator: z.string().default(';'),
  target_label: z.string().default(''),
  regex: z.string().default('(.*)'),
  modulus: z.number().int().nonnegative().default(0),
  replacement: z.string().default('$1'),
  action: z.enum(RELABEL_ACTIONS, { error: `expected ${RELABEL_ACTIONS.join(', ')}` }).default('replace'),
}).superRefine((rule, context) => {
  const mistake = relabelMistake(rule);
  if (mistake !== undefined) context.addIssue({ code: 'custom', message: mistake });
});

/** What a request has of its own. */
const OWN_HEADERS = [
  'authorization',
  'host',
  'content-encoding',
  'content-length',
  'content-type',
  'user-agent',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'www-authenticate',
  'accept-encoding',
  'transfer-encoding',
  'x-prometheus-remote-write-version',
];

const headersSchema = z
  .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/, 'must be the name of a header'), z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/))
  .refine((headers) => !Object.keys(headers).some((name) => OWN_HEADERS.includes(name.toLowerCase())), {
    error: `may not set ${OWN_HEADERS.join(', ')}`,
  });

const count = (least: number, most: number) => z.number().int().min(least).max(most);

const queueSchema = strict({
  capacity: count(1, 1_000_000).default(10_000),
  min_shards: count(1, 200).default(1),
  max_shards: count(1, 200).default(50),
  max_samples_per_send: count(1, 50_000).default(2000),
  batch_send_deadline: duration({ minMs: 100 }).default(5000),
  min_backoff: duration({ minMs: 1 }).default(30),
  max_backoff: duration({ minMs: 1 }).default(5000),
  retry_on_http_429: z.literal(true, { error: 'always retried here' }).default(true),
  retry_on_http_4xx: z.boolean().default(false),
  sample_age_limit: duration({ minMs: 60_000 }).default(86_400_000),
});

/** `remote_write:` in belfry.yaml: Prometheus's keys, as far as they have a sense here. */
export function remoteWriteSchema<Tls extends z.ZodType>({ tls }: { tls: Tls }) {
  return z
    .array(
      strict({
        ...secretFields('url'),
        name: z
          .string()
          .regex(/^[a-zA-Z0-9][a-zA-Z0-9._:-]{0,99}$/, 'must be letters, digits, ".", "_", ":" and "-", beginning with a letter or digit')
          .optional(),
        remote_timeout: duration({ minMs: 100 }).default(30_000),
        headers: headersSchema.default({}),
        external_labels: z.record(labelName, z.string()).default({}),
        write_relabel_configs: z.array(relabelSchema).max(1000).default([]),
        basic_auth: strict({ username: z.string().min(1), ...secretFields('password') }).optional(),
        authorization: strict({ type: z.string().min(1).default('Bearer'), ...secretFields('credentials') }).optional(),
        ...secretFields('bearer_token'),
        tls_config: tls.optional(),
        queue_config: queueSchema.prefault({}),
        metadata_config: strict({ send: z.boolean().default(true), send_interval: duration({ minMs: 1000 }).default(60_000) }).prefault({}),
        protobuf_message: z
          .literal('prometheus.WriteRequest', { error: 'only prometheus.WriteRequest (remote write 1.0) is sent' })
          .optional(),
        send_exemplars: z.literal(false, { error: 'not in this version of Belfry' }).optional(),
        send_native_histograms: z.literal(false, { error: 'not in this version of Belfry' }).optional(),
        proxy_url: notInThisVersion(),
        oauth2: notInThisVersion(),
        sigv4: notInThisVersion(),
        azuread: notInThisVersion(),
      }),
    )
    .max(20)
    .default([]);
}
