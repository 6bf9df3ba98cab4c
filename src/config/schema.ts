import { z } from 'zod';
import { autopilotSchema, clusterAutopilotSchema } from '../autopilot/schema.ts';
import { byteSize, duration, hostPort, listenAddress, notInThisVersion, plainHttpUrl, secretFields, strict } from '../core/schema-parts.ts';
import { BelfryError } from '../core/errors.ts';
import { saslSchema, tlsSchema } from '../kafka/schema.ts';
import { emailSchema, isTimeZone, ownerSchema, slackSchema } from '../notifiers/schema.ts';
import { deliverySchema } from '../outbox/schema.ts';
import { remoteWriteSchema } from '../remotewrite/schema.ts';
import { dampingSchema, inhibitRulesSchema } from '../routing/schema.ts';
import { MAINTENANCE_MAX_MS, parseSchedule } from '../timeintervals/maintenance.ts';
import { TOKEN_SCOPES } from './config.ts';

const name = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}$/, 'must be letters, digits, ".", "_" and "-", beginning with a letter or digit');
const labelName = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'must be a label name');
const filePath = z
  .string()
  .min(1)
  .refine((path) => !path.includes('\0'), 'no path holds a NUL');

/** The numbers of the default rules; each is the series `belfry_threshold{name, cluster}`. */
export const DEFAULT_THRESHOLDS = {
  disk_free_ratio: 0.15,
  disk_free_critical_ratio: 0.1,
  disk_forecast_free_ratio: 0.25,
  cpu_idle_ratio: 0.1,
  request_handler_idle_ratio: 0.2,
  consumer_lag_seconds: 600,
  quorum_voter_lag_seconds: 10,
  certificate_days: 30,
  certificate_critical_days: 7,
  broker_handlers_busy_ratio: 0.7,
  broker_cpu_busy_ratio: 0.7,
  broker_disk_used_ratio: 0.7,
  broker_network_busy_ratio: 0.8,
  broker_bytes_busy_ratio: 0.7,
  // What one broker can take in, bytes a second; 0: not known, so that nothing is judged by it.
  broker_bytes_per_second: 0,
} as const;

const thresholdNames = Object.keys(DEFAULT_THRESHOLDS);
const thresholdsSchema = strict(
  Object.fromEntries(
    thresholdNames.map((key) => [key, (key.endsWith('_ratio') ? z.number().min(0).max(1) : z.number().nonnegative()).optional()]),
  ),
);

const exporterSchema = strict({
  job: name,
  targets: z.array(hostPort()).min(1),
  interval: duration({ minMs: 1000 }).default(15_000),
  timeout: duration({ minMs: 100 }).optional(),
  path: z.string().startsWith('/').default('/metrics'),
  scheme: z.enum(['http', 'https']).default('http'),
  basic_auth: strict({ username: z.string().min(1), ...secretFields('password') }).optional(),
  ...secretFields('bearer_token'),
  tls: tlsSchema.optional(),
  labels: z.record(labelName, z.string()).default({}),
  honor_timestamps: z.boolean().default(true),
  body_size_limit: byteSize().optional(),
  series_limit: z.number().int().positive().optional(),
});

/** Durations of liveness, by cluster; each has a default that suits most. */
const livenessSchema = strict({
  ping_interval: duration({ minMs: 100 }).optional(),
  ping_timeout: duration({ minMs: 100 }).optional(),
  connect_timeout: duration({ minMs: 100 }).optional(),
  not_answering_after: duration().optional(),
  flapping_window: duration().optional(),
  isolation_hold: duration().optional(),
  crashed_hold: duration().optional(),
  retire_after: duration().optional(),
});

/** How often each kind of fact is read, by cluster. */
const cadenceSchema = strict({
  metadata: duration({ minMs: 500 }).optional(),
  metadata_many: duration({ minMs: 500 }).optional(),
  log_dirs: duration({ minMs: 1000 }).optional(),
  configs: duration({ minMs: 1000 }).optional(),
  consumer_groups: duration({ minMs: 1000 }).optional(),
});

const clusterSchema = strict({
  name,
  brokers: z.array(hostPort(9092)).min(1),
  owner: name.optional(),
  labels: z.record(labelName, z.string()).default({}),
  thresholds: thresholdsSchema.default({}),
  addresses: z.record(z.string().regex(/^\d+$/, 'must be a broker id'), hostPort()).default({}),
  stop_grace: duration().default(300_000),
  tls: tlsSchema.optional(),
  sasl: saslSchema.optional(),
  exporters: z.array(exporterSchema).default([]),
  consumer_groups: strict({ include: z.string().optional(), exclude: z.string().optional(), alert: z.string().optional() }).optional(),
  liveness: livenessSchema.default({}),
  cadence: cadenceSchema.default({}),
  autopilot: clusterAutopilotSchema.prefault({}),
});

const schedule = z.string({ error: 'expected the five fields of cron' }).transform((text, context) => {
  try {
    return parseSchedule(text);
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
});

const maintenanceSchema = strict({
  cluster: z.union([z.literal('*'), name]),
  schedule,
  for: duration({ minMs: 60_000 }).refine((forMs) => forMs <= MAINTENANCE_MAX_MS, 'must be at most 7d'),
  timezone: z.string().refine(isTimeZone, 'expected a time zone such as Europe/Berlin').default('UTC'),
  name: z.string().min(1).max(100).default('maintenance'),
});

const tokenSchema = strict({
  name,
  scopes: z.array(z.enum(TOKEN_SCOPES, { error: `expected ${TOKEN_SCOPES.join(', ')}` })).min(1),
  ...secretFields('token'),
});

const heartbeatSchema = strict({
  ...secretFields('url'),
  every: duration({ minMs: 1000 }).default(30_000),
  timeout: duration({ minMs: 100 }).default(10_000),
  worked_within: duration({ minMs: 1000 }).default(60_000),
  watchdog_receiver: name.optional(),
});

const peerSchema = strict({
  name,
  url: plainHttpUrl(),
  ca_file: filePath.optional(),
  every: duration({ minMs: 1000 }).default(15_000),
});

/** `belfry.yaml`, whole. Durations come out in milliseconds, sizes in bytes, addresses as host and port. */
export const configFileSchema = strict({
  rules: z.array(filePath).min(1).optional(),
  evaluation_interval: duration({ minMs: 100 }).default(5000),
  promql: strict({
    experimental_functions: z.boolean().default(false),
    duration_expressions: z.boolean().default(false),
    extended_range_selectors: z.boolean().default(false),
    binop_fill_modifiers: z.boolean().default(false),
  }).prefault({}),
  storage: strict({
    path: filePath.default('data'),
    retention: duration({ minMs: 60_000 }).default(15 * 86_400_000),
    retention_size: byteSize().optional(),
  }).prefault({}),
  http: strict({
    listen: listenAddress().default({ host: '127.0.0.1', port: 9559 }),
    external_url: plainHttpUrl().optional(),
    insecure: z.boolean().default(false),
    tls: strict({ cert_file: filePath, key_file: filePath }).optional(),
    tokens: z.array(tokenSchema).max(1000).default([]),
  }).prefault({}),
  host: strict({
    collect: z.boolean().default(true),
    cluster: name.optional(),
    interval: duration({ minMs: 1000 }).default(15_000),
  }).prefault({}),
  thresholds: thresholdsSchema.default({}),
  clusters: z.array(clusterSchema).default([]),
  owners: z.record(name, ownerSchema).default({}),
  default_owner: name.optional(),
  slack: slackSchema.optional(),
  email: emailSchema.optional(),
  watch: strict({
    references: z.array(hostPort()).max(20).default([]),
    start_grace: duration().default(15_000),
    inhibition_hold: duration().default(15_000),
  }).prefault({}),
  peers: z.array(peerSchema).max(20).default([]),
  heartbeat: heartbeatSchema.optional(),
  autopilot: autopilotSchema({ tls: tlsSchema, sasl: saslSchema }).prefault({}),
  remote_write: remoteWriteSchema({ tls: tlsSchema }),
  maintenance: z.array(maintenanceSchema).max(1000).default([]),
  inhibit_rules: inhibitRulesSchema,
  default_inhibit_rules: z.boolean().default(true),
  damping: dampingSchema,
  delivery: deliverySchema,
  route: notInThisVersion(),
  receivers: notInThisVersion(),
  time_intervals: notInThisVersion(),
  templates: notInThisVersion(),
});

export type ConfigFile = z.output<typeof configFileSchema>;
export type ClusterFile = ConfigFile['clusters'][number];
