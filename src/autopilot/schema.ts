import { z } from 'zod';
import { MODES, type Action } from '../core/autopilot.ts';
import { byteSize, duration, hostPort, plainHttpUrl, secretFields, strict } from '../core/schema-parts.ts';

const mode = z.enum(MODES, { error: `expected ${MODES.join(', ')}` });
const share = z.number().min(0).max(1);
const count = z.number().int().min(1).max(1000);

/** By action; for those not named the general `mode` decides. */
const actionsSchema = strict({
  repair: mode.optional(),
  replace: mode.optional(),
  scale_out: mode.optional(),
  scale_in: mode.optional(),
} satisfies Record<Action, unknown>);

const repairSchema = strict({
  first_after: duration().optional(),
  backoff: z
    .array(duration({ minMs: 1000 }))
    .min(1)
    .max(20)
    .optional(),
  failures_before_replace: count.optional(),
  unhealthy_before_replace: duration().optional(),
  verify_window: duration({ minMs: 1000 }).optional(),
  catch_up_rate: byteSize()
    .refine((bytes) => bytes > 0, 'must be more than 0')
    .optional(),
  recovery_max: duration().optional(),
  recovery_stall: duration({ minMs: 1000 }).optional(),
});

const scaleSchema = strict({
  min: count.optional(),
  max: count.optional(),
  step_out: count.optional(),
  step_in: count.optional(),
  stabilise_out: duration().optional(),
  stabilise_in: duration().optional(),
  cooldown_out: duration().optional(),
  cooldown_in: duration().optional(),
  warmup: duration().optional(),
  projection_max: share.optional(),
  bytes_per_second_per_broker: byteSize()
    .refine((bytes) => bytes > 0, 'must be more than 0')
    .optional(),
  settle: duration({ minMs: 1000 }).optional(),
});

/** What both the file and a cluster may say; nothing has a default here, as a cluster's own goes over the file's. */
const clusterFields = {
  mode: mode.optional(),
  actions: actionsSchema.default({}),
  repair: repairSchema.default({}),
  scale: scaleSchema.default({}),
  cooldown: duration().optional(),
  stale_after: duration({ minMs: 1000 }).optional(),
};

/** `autopilot:` of one of `clusters:`. */
export const clusterAutopilotSchema = strict({
  ...clusterFields,
  /** Its REST API, such as `http://cc:9090/kafkacruisecontrol`: asked whether it executes something. */
  cruise_control: plainHttpUrl().optional(),
});

/** `tls` and `sasl` as they are written for a cluster, for intents on brokers of their own. */
export interface ConnectionSchemas<Tls extends z.ZodType, Sasl extends z.ZodType> {
  readonly tls: Tls;
  readonly sasl: Sasl;
}

/** `autopilot:` at the top of belfry.yaml. Secrets come as they are written: the reader of the file resolves them. */
export function autopilotSchema<Tls extends z.ZodType, Sasl extends z.ZodType>({ tls, sasl }: ConnectionSchemas<Tls, Sasl>) {
  return strict({
    ...clusterFields,
    limits: strict({ in_flight: count.optional(), per_hour: count.optional() }).default({}),
    breaker: strict({
      clusters: count.optional(),
      brokers_ratio: share.optional(),
      within: duration({ minMs: 1000 }).optional(),
    }).default({}),
    start_grace: duration().optional(),
    approval_expires: duration({ minMs: 1000 }).optional(),
    intent_expires: duration({ minMs: 1000 }).optional(),
    lease_ttl: duration({ minMs: 5000 }).optional(),
    announce: strict({ first: z.number().int().min(0).max(1_000_000).optional(), ahead: duration().optional() }).default({}),
    tick: duration({ minMs: 100 }).optional(),
    ...secretFields('signing_key'),
    publish: strict({
      kafka: strict({
        cluster: z.string().min(1).optional(),
        brokers: z.array(hostPort(9092)).min(1).optional(),
        tls: tls.optional(),
        sasl: sasl.optional(),
        topic: topic('belfry.intents'),
        acks_topic: topic('belfry.acks'),
      }).optional(),
      webhook: strict({ ...secretFields('url'), ...secretFields('secret') }).optional(),
    }).default({}),
  });
}

function topic(name: string) {
  return z
    .string()
    .regex(/^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/, 'must be the name of a topic')
    .default(name);
}

/** What a cluster's `autopilot:` says. */
export type ClusterAutopilotSettings = z.output<typeof clusterAutopilotSchema>;

/** What the file's `autopilot:` says, without its secrets and without where intents go. */
export type AutopilotSettings = Omit<
  z.output<ReturnType<typeof autopilotSchema>>,
  'publish' | 'signing_key' | 'signing_key_file' | 'signing_key_env'
>;
