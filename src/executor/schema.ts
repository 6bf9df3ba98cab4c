import { z } from 'zod';
import { ACTIONS } from '../core/autopilot.ts';
import { byteSize, duration, hostPort, secretFields, strict } from '../core/schema-parts.ts';
import { saslSchema, tlsSchema } from '../kafka/schema.ts';
import { CLUSTER_NAME, EXECUTOR_NAME, HOST_NAME, placeholderProblem } from './drivers/argv.ts';

const MAX_CLUSTERS = 256;
const MAX_STEPS = 20;
/** The process ends by force 10 s after the signal; killing and acknowledging need the rest. */
const MAX_STOP_WITHIN_MS = 6000;
const MAX_ARGUMENTS = 64;

const filePath = z.string().min(1);

/** Refuses a secret that is given in two ways, and one that has to be there and is not. */
function requireSecret(fields: Readonly<Record<string, unknown>>, name: string, context: z.RefinementCtx): void {
  const given = [name, `${name}_file`, `${name}_env`].filter((key) => fields[key] !== undefined);
  const [, second] = given;
  if (second !== undefined)
    context.addIssue({ code: 'custom', path: [second], message: `only one of ${given.join(' and ')} may be given` });
  if (given.length === 0) context.addIssue({ code: 'custom', message: `needs one of ${name}_file, ${name}_env and ${name}` });
}
const httpAddress = z.string().refine((text) => URL.canParse(text) && /^https?:/.test(text), 'expected an http or https address');
const kubernetesName = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'expected a name as Kubernetes knows them');

/** A program and its arguments, each of which may hold placeholders. Never a line for a shell. */
const argv = z
  .array(z.string().max(4096), { error: "expected a list such as ['ssh', '{host}', 'systemctl', 'restart', 'kafka']" })
  .min(1)
  .max(MAX_ARGUMENTS)
  .superRefine((parts, context) => {
    for (const [index, part] of parts.entries()) {
      const problem = placeholderProblem(part, index === 0);
      if (problem !== undefined) context.addIssue({ code: 'custom', path: [index], message: problem });
    }
  });

const STEP_KINDS = ['command', 'rebalance', 'unregister', 'kubernetes', 'cruise_control', 'webhook'] as const;

const stepSchema = strict({
  /** A program is run. It succeeds with exit status 0; a last line `broker=4` names a broker that it made. */
  command: argv.optional(),
  /** Partitions are moved as the action asks: spread, drain, or from the lost broker to the new one. */
  rebalance: z.enum(['kafka', 'cruise_control']).optional(),
  /** The broker that was taken away is unregistered in the cluster. */
  unregister: z.literal(true).optional(),
  kubernetes: z.enum(['rolling_update', 'scale_out', 'scale_in']).optional(),
  cruise_control: z.enum(['add_broker', 'remove_broker', 'rebalance']).optional(),
  webhook: z.literal(true).optional(),
  timeout: duration({ minMs: 100 }).optional(),
}).superRefine((step, context) => {
  const given = STEP_KINDS.filter((kind) => step[kind] !== undefined);
  if (given.length !== 1) context.addIssue({ code: 'custom', message: `a step is exactly one of ${STEP_KINDS.join(', ')}` });
});

export type StepFile = z.output<typeof stepSchema>;

const steps = z.array(stepSchema).min(1).max(MAX_STEPS).optional();

const actingTlsSchema = tlsSchema.superRefine(({ cert_file, key_file }, context) => {
  if ((cert_file === undefined) !== (key_file === undefined))
    context.addIssue({ code: 'custom', message: 'cert_file and key_file go together' });
});

const actingSaslSchema = saslSchema.superRefine((sasl, context) =>
  requireSecret(sasl, sasl.mechanism === 'oauthbearer' ? 'client_secret' : 'password', context),
);

const kubernetesSchema = strict({
  /** Of the API server; inside a pod it is https://kubernetes.default.svc. */
  api: httpAddress.default('https://kubernetes.default.svc'),
  token_file: filePath.default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
  ca_file: filePath.default('/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'),
  namespace: kubernetesName,
  /** The name of Strimzi's Kafka resource, and of the node pool that holds the brokers. */
  kafka: kubernetesName,
  node_pool: kubernetesName,
  api_version: z.enum(['v1', 'v1beta2']).default('v1beta2'),
});

const cruiseControlSchema = strict({
  /** With its path, as http://cruise-control:9090/kafkacruisecontrol. */
  url: httpAddress,
  username: z.string().min(1).optional(),
  ...secretFields('password'),
  ca_file: filePath.optional(),
  /** Whether its two-step review is on (two.step.verification.enabled). */
  review: z.boolean().default(false),
}).superRefine((section, context) => {
  const isGiven = section.password !== undefined || section.password_file !== undefined || section.password_env !== undefined;
  if (section.username !== undefined) requireSecret(section, 'password', context);
  else if (isGiven) context.addIssue({ code: 'custom', message: 'needs a username beside the password' });
});

const webhookSchema = strict({
  url: httpAddress,
  ...secretFields('secret'),
  ca_file: filePath.optional(),
}).superRefine((section, context) => requireSecret(section, 'secret', context));

const timeoutsSchema = strict({
  probe: duration({ minMs: 10 }).default(30_000),
  command: duration({ minMs: 10 }).default(600_000),
  rebalance: duration({ minMs: 10 }).default(21_600_000),
  kubernetes: duration({ minMs: 10 }).default(3_600_000),
  webhook: duration({ minMs: 10 }).default(3_600_000),
});

const probingSchema = strict({
  every: duration({ minMs: 10 }).default(10_000),
  /** A recovery that has not advanced for so long has failed. */
  stalled_after: duration({ minMs: 10 }).default(900_000),
  /** A process that runs and says nothing of a recovery is restarted after so long; without it, never. */
  hung_after: duration({ minMs: 10 }).optional(),
});

const clusterSchema = strict({
  brokers: z.array(hostPort(9092)).min(1).optional(),
  tls: actingTlsSchema.optional(),
  /** The credential that acts; not the one that watches. */
  sasl: actingSaslSchema.optional(),
  /** The machine of each broker id. */
  hosts: z.record(z.string().regex(/^\d{1,10}$/, 'expected a broker id'), z.string().regex(HOST_NAME, 'expected a host name')).default({}),
  /** Ends with 0 where the broker's process runs, 1 where it is stopped, 3 where it recovers, with a number on its output. */
  probe: argv.optional(),
  probing: probingSchema.prefault({}),
  ...(Object.fromEntries(ACTIONS.map((action) => [action, steps])) as Record<(typeof ACTIONS)[number], typeof steps>),
  timeouts: timeoutsSchema.prefault({}),
  /** Bytes a second that a rebalance may use of each broker. */
  throttle_bytes: byteSize()
    .refine((bytes) => bytes >= 10_000, 'must be at least 10000 bytes a second')
    .optional(),
  kubernetes: kubernetesSchema.optional(),
  cruise_control: cruiseControlSchema.optional(),
  webhook: webhookSchema.optional(),
}).superRefine((cluster, context) => {
  for (const action of ACTIONS) {
    for (const [index, step] of (cluster[action] ?? []).entries()) {
      const problem = stepProblem(action, step, cluster) ?? orderProblem(action, index, cluster[action] ?? []);
      if (problem !== undefined) context.addIssue({ code: 'custom', path: [action, index], message: problem });
    }
  }
  if (cluster.probe !== undefined) {
    const problem = placeholdersProblem('probe', cluster.probe, cluster);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['probe'], message: problem });
  }
  if (!ACTIONS.some((action) => cluster[action] !== undefined))
    context.addIssue({ code: 'custom', message: `needs steps for at least one of ${ACTIONS.join(', ')}` });
  if (cluster.repair?.some(({ command }) => command !== undefined) === true && cluster.probe === undefined)
    context.addIssue({ code: 'custom', path: ['repair'], message: 'needs a probe: a broker that is recovering must not be restarted' });
});

export type ExecutorClusterFile = z.output<typeof clusterSchema>;

interface ClusterParts {
  readonly hosts: Readonly<Record<string, string>>;
  readonly brokers?: unknown;
  readonly kubernetes?: unknown;
  readonly cruise_control?: unknown;
  readonly webhook?: unknown;
}

/** What a step needs and its cluster does not have, or an action it is not for. */
function stepProblem(action: string, step: StepFile, cluster: ClusterParts): string | undefined {
  if ((step.rebalance === 'kafka' || step.unregister === true) && cluster.brokers === undefined) return 'needs brokers of the cluster';
  if ((step.rebalance === 'cruise_control' || step.cruise_control !== undefined) && cluster.cruise_control === undefined)
    return 'needs a cruise_control section';
  if (step.kubernetes !== undefined && cluster.kubernetes === undefined) return 'needs a kubernetes section';
  if (step.webhook === true && cluster.webhook === undefined) return 'needs a webhook section';
  if (step.unregister === true && action !== 'replace' && action !== 'scale_in') return 'unregister is for replace and scale_in';
  const wanted = { rolling_update: 'repair', scale_out: 'scale_out', scale_in: 'scale_in' } as const;
  if (step.kubernetes !== undefined && wanted[step.kubernetes] !== action)
    return `kubernetes: ${step.kubernetes} is for ${wanted[step.kubernetes]}`;
  return step.command === undefined ? undefined : placeholdersProblem(action, step.command, cluster);
}

/** Placeholders for which an intent of the action never has a value. */
function placeholdersProblem(action: string, template: readonly string[], { hosts }: ClusterParts): string | undefined {
  const used = new Set(template.flatMap((part) => [...part.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)));
  const unknown = action === 'scale_out' ? ['broker', 'host'] : action.startsWith('scale') ? [] : ['desired'];
  const never = unknown.find((name) => used.has(name));
  if (never !== undefined) return `{${never}} has no value in ${action}`;
  return used.has('host') && Object.keys(hosts).length === 0 ? '{host} needs hosts: the machine of each broker id' : undefined;
}

/** A step that needs the id of a new broker, with none before it that could name one. */
function orderProblem(action: string, index: number, given: readonly StepFile[]): string | undefined {
  const step = given[index];
  if (step?.cruise_control === 'remove_broker' && action === 'scale_out') return 'remove_broker is not for scale_out';
  const needsNew = step?.cruise_control === 'add_broker' || (step?.rebalance === 'kafka' && action === 'replace');
  const isNamed = given
    .slice(0, index)
    .some(({ command, webhook, kubernetes }) => command !== undefined || webhook === true || kubernetes === 'scale_out');
  return needsNew && !isNamed ? 'needs a step before it that names the new broker (a command whose last line is broker=ID)' : undefined;
}

/** executor.yaml, whole. */
export const executorFileSchema = strict({
  /** Of this executor, as Belfry and its journal will know it. */
  name: z.string().regex(EXECUTOR_NAME, 'expected letters, digits, dots, dashes and underscores'),
  belfry: strict({
    url: httpAddress,
    /** A token with the scope executor. */
    ...secretFields('token'),
    /** The key by which intents and acknowledgements are signed: the file autopilot-key of Belfry's data folder, or a copy. */
    ...secretFields('signing_key'),
    ca_file: filePath.optional(),
    poll: duration({ minMs: 10 }).default(20_000),
    timeout: duration({ minMs: 10 }).default(10_000),
  }).superRefine((section, context) => {
    requireSecret(section, 'token', context);
    requireSecret(section, 'signing_key', context);
  }),
  /** While this file is there, nothing is started and what runs stops before its next step. */
  stop_file: filePath.default('executor.stop'),
  /** How long a step that runs may go on after the executor was told to stop. */
  stop_within: duration()
    .refine((ms) => ms <= MAX_STOP_WITHIN_MS, 'must be at most 6s: the process ends 10 s after it was told to')
    .default(5000),
  /** Variables of the executor's own environment that commands may see, besides PATH, HOME, USER and LANG. */
  pass_env: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/))
    .max(50)
    .default([]),
  clusters: z
    .record(z.string().regex(CLUSTER_NAME, 'expected letters, digits, dots, dashes and underscores'), clusterSchema)
    .refine((clusters) => Object.keys(clusters).length > 0, 'names no cluster')
    .refine((clusters) => Object.keys(clusters).length <= MAX_CLUSTERS, `has more than ${MAX_CLUSTERS} clusters`),
});

export type ExecutorFile = z.output<typeof executorFileSchema>;
