import type { Clock } from '../core/clock.ts';
import { ACTIONS, type Action } from '../core/autopilot.ts';
import { BelfryError } from '../core/errors.ts';
import type { KafkaSecurity } from '../kafka/observer.ts';
import { ClientCredentialsTokens } from '../kafka/oauth-token.ts';
import { PASSWORD_MECHANISMS } from '../kafka/schema.ts';
import { CommandProbe, CommandStep, type CommandSurroundings } from './drivers/command.ts';
import { CruiseControlStep, type CruiseControlOptions } from './drivers/cruise-control.ts';
import { StrimziStep, type StrimziOptions } from './drivers/kubernetes.ts';
import { RebalanceStep, UnregisterStep } from './drivers/rebalance-step.ts';
import { WebhookStep, type WebhookOptions } from './drivers/webhook.ts';
import type { Step } from './driver.ts';
import type { ClusterPlan } from './executor.ts';
import { JsonClient } from './json-client.ts';
import type { Rebalancer } from './ports.ts';
import type { ExecutorClusterFile, StepFile } from './schema.ts';
import { fileReader, requiredSecret, secretReader, type SecretReader, type Surroundings } from './secret-reader.ts';

/** A cluster as the planner over the Kafka protocol needs it. */
export interface KafkaCluster {
  readonly name: string;
  readonly brokers: readonly { readonly host: string; readonly port: number }[];
  readonly security: KafkaSecurity;
  /** Bytes a second that moves may use of each broker; undefined: its own default. */
  readonly throttleBytes: number | undefined;
}

/** What moves partitions over the Kafka protocol, and takes a broker out of the cluster's books. */
export interface KafkaActs extends Rebalancer {
  unregister(broker: number, signal: AbortSignal, confirm: () => Promise<void>): Promise<void>;
  /** Whether the cluster answers and would let this credential plan and act; changes nothing. Rejects with what is missing. */
  look(signal: AbortSignal): Promise<void>;
}

export interface PlanSurroundings extends Surroundings {
  readonly clock: Clock;
  readonly passEnv: readonly string[];
  /** Opened for each use, so that changed credentials count. */
  openKafka(cluster: KafkaCluster): KafkaActs;
}

/** What executor.yaml says of one cluster, as steps. Throws `CONFIG_INVALID`. */
export function planCluster(name: string, file: ExecutorClusterFile, surroundings: PlanSurroundings): ClusterPlan {
  const commands: CommandSurroundings = { ...surroundings, hosts: file.hosts, lookup: (variable) => surroundings.lookup(variable) };
  const parts: Parts = { name, file, surroundings, commands };
  const steps = new Map<Action, readonly Step[]>();
  for (const action of ACTIONS) {
    const given = file[action];
    if (given !== undefined)
      steps.set(
        action,
        given.map((step) => stepOf(step, parts)),
      );
  }
  return {
    name,
    steps,
    probe: file.probe === undefined ? undefined : new CommandProbe(file.probe, file.timeouts.probe, commands),
    probing: { everyMs: file.probing.every, stalledAfterMs: file.probing.stalled_after, hungAfterMs: file.probing.hung_after },
    brokers: Object.keys(file.hosts).map(Number),
  };
}

interface Parts {
  readonly name: string;
  readonly file: ExecutorClusterFile;
  readonly surroundings: PlanSurroundings;
  readonly commands: CommandSurroundings;
}

function stepOf(step: StepFile, parts: Parts): Step {
  const { file, commands } = parts;
  const timeoutMs = (usual: number): number => step.timeout ?? usual;
  if (step.command !== undefined) return new CommandStep(step.command, timeoutMs(file.timeouts.command), commands);
  if (step.rebalance === 'kafka') return new RebalanceStep('kafka', timeoutMs(file.timeouts.rebalance), openerOf(parts));
  if (step.unregister === true) return new UnregisterStep(timeoutMs(file.timeouts.command), openerOf(parts));
  if (step.kubernetes !== undefined) return new StrimziStep(step.kubernetes, timeoutMs(file.timeouts.kubernetes), strimziOf(parts));
  if (step.rebalance === 'cruise_control' || step.cruise_control !== undefined)
    return new CruiseControlStep(step.cruise_control, timeoutMs(file.timeouts.rebalance), cruiseControlOf(parts));
  if (step.webhook === true) return new WebhookStep(timeoutMs(file.timeouts.webhook), webhookOf(parts));
  throw new BelfryError('CONFIG_INVALID', `${parts.name}: a step of a kind that is not known`);
}

/** The schema has seen to it that the section of a step is there. */
function sectionOf<Section>(section: Section | undefined, name: string): Section {
  if (section === undefined) throw new BelfryError('CONFIG_INVALID', `needs a section ${name}`);
  return section;
}

function caOf(path: string | undefined, surroundings: Surroundings): { ca?: SecretReader } {
  return path === undefined ? {} : { ca: fileReader(path, surroundings) };
}

function strimziOf({ file, surroundings }: Parts): StrimziOptions {
  const section = sectionOf(file.kubernetes, 'kubernetes');
  const token = fileReader(section.token_file, surroundings);
  const client = new JsonClient({
    baseUrl: section.api,
    clock: surroundings.clock,
    authorization: () => `Bearer ${token().trim()}`,
    ...(section.api.startsWith('https:') ? caOf(section.ca_file, surroundings) : {}),
  });
  const { namespace, kafka, node_pool: nodePool, api_version: version } = section;
  return { client, clock: surroundings.clock, namespace, kafka, nodePool, apiVersion: version };
}

function cruiseControlOf({ file, surroundings }: Parts): CruiseControlOptions {
  const section = sectionOf(file.cruise_control, 'cruise_control');
  const password = secretReader(section, 'password', surroundings);
  const { username } = section;
  const basic = (): string => `Basic ${Buffer.from(`${username ?? ''}:${password?.() ?? ''}`).toString('base64')}`;
  const client = new JsonClient({
    baseUrl: section.url,
    clock: surroundings.clock,
    ...(username === undefined ? {} : { authorization: basic }),
    ...caOf(section.ca_file, surroundings),
  });
  return { client, clock: surroundings.clock, review: section.review };
}

function webhookOf({ file, surroundings }: Parts): WebhookOptions {
  const section = sectionOf(file.webhook, 'webhook');
  const secret = requiredSecret(section, 'secret', surroundings);
  return { url: section.url, secret, clock: surroundings.clock, ...caOf(section.ca_file, surroundings) };
}

function openerOf({ name, file, surroundings }: Parts): () => KafkaActs {
  const brokers = file.brokers ?? [];
  return () => surroundings.openKafka({ name, brokers, security: securityOf(file, surroundings), throttleBytes: file.throttle_bytes });
}

/** Read anew at each use. Throws `SECRET_UNREADABLE`. */
function securityOf({ tls, sasl }: ExecutorClusterFile, surroundings: PlanSurroundings): KafkaSecurity {
  const text = (path: string): string => fileReader(path, surroundings)();
  return {
    ...(tls === undefined
      ? {}
      : {
          tls: {
            rejectUnauthorized: !tls.insecure_skip_verify,
            ...(tls.ca_file === undefined ? {} : { ca: text(tls.ca_file) }),
            ...(tls.cert_file === undefined ? {} : { cert: text(tls.cert_file) }),
            ...(tls.key_file === undefined ? {} : { key: text(tls.key_file) }),
            ...(tls.server_name === undefined ? {} : { serverName: tls.server_name }),
          },
        }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl, surroundings) }),
  };
}

function saslOf(sasl: NonNullable<ExecutorClusterFile['sasl']>, surroundings: PlanSurroundings): NonNullable<KafkaSecurity['sasl']> {
  if (sasl.mechanism !== 'oauthbearer') {
    const password = requiredSecret(sasl, 'password', surroundings)();
    return { mechanism: PASSWORD_MECHANISMS[sasl.mechanism], username: sasl.username, password };
  }
  const { token_endpoint: endpoint, client_id: clientId, scope, audience, ca_file } = sasl;
  const credentials = {
    endpoint,
    clientId,
    clientSecret: requiredSecret(sasl, 'client_secret', surroundings)(),
    ...(scope === undefined ? {} : { scope }),
    ...(audience === undefined ? {} : { audience }),
    ...(ca_file === undefined ? {} : { ca: fileReader(ca_file, surroundings)() }),
  };
  return { mechanism: 'OAUTHBEARER', tokens: new ClientCredentialsTokens(credentials, surroundings.clock) };
}
