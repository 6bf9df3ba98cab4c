import { z } from 'zod';
import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Finding, Step, StepRun, Task } from '../driver.ts';
import { answerText, readBody, type JsonAnswer, type JsonClient } from '../json-client.ts';

const REQUEST_TIMEOUT_MS = 30_000;
/** Writes that another writer came before. */
const MAX_CONFLICTS = 5;
const MAX_FAILURES = 10;
const API = 'the API of Kubernetes';
const GROUP = 'kafka.strimzi.io';
const PAUSE = 'strimzi.io/pause-reconciliation';
const ROLL = 'strimzi.io/manual-rolling-update';
const NEXT_IDS = 'strimzi.io/next-node-ids';
const REMOVE_IDS = 'strimzi.io/remove-node-ids';
/** Ours: which act made the change, so that an older one cannot pass for it. */
const INTENT = 'belfry.dev/intent';
const TOKEN = 'belfry.dev/fencing-token';

const metadataSchema = z.object({
  name: z.string(),
  uid: z.string().default(''),
  resourceVersion: z.string(),
  generation: z.number().default(0),
  annotations: z.record(z.string(), z.string()).nullish(),
});
const statusSchema = z
  .object({
    observedGeneration: z.number().optional(),
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    nodeIds: z.array(z.number().int()).default([]),
  })
  .prefault({});
const resourceSchema = z.object({ metadata: metadataSchema, status: statusSchema });
const poolSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({ replicas: z.number().int(), roles: z.array(z.string()).default([]) }),
  status: statusSchema,
});
const poolsSchema = z.object({ items: z.array(poolSchema) });
const reviewSchema = z.object({ status: z.object({ allowed: z.boolean() }) });

type Resource = z.output<typeof resourceSchema>;
type Pool = z.output<typeof poolSchema>;

export interface StrimziOptions {
  readonly client: JsonClient;
  readonly clock: Clock;
  readonly namespace: string;
  readonly kafka: string;
  readonly nodePool: string;
  readonly apiVersion: string;
  readonly pollMs?: number;
}

export type StrimziAct = 'rolling_update' | 'scale_out' | 'scale_in';

/**
 * Acts through Strimzi's own switches and never past its operator: a pod is rolled by annotation, brokers come and go by
 * the replicas of their node pool with the ids named. Refused while the operator reconciles, is paused or says that the
 * cluster is not Ready. Each write names the version it saw; one that came too late is thought over again.
 */
export class StrimziStep implements Step {
  readonly name: string;
  readonly timeoutMs: number;
  readonly #act: StrimziAct;
  readonly #options: StrimziOptions;

  constructor(act: StrimziAct, timeoutMs: number, options: StrimziOptions) {
    this.name = `kubernetes ${act}`;
    this.timeoutMs = timeoutMs;
    this.#act = act;
    this.#options = options;
  }

  async run(run: StepRun): Promise<void> {
    if (this.#act === 'rolling_update') await this.#roll(run);
    else if (this.#act === 'scale_out') await this.#scaleOut(run);
    else await this.#scaleIn(run);
  }

  async check(signal: AbortSignal): Promise<readonly Finding[]> {
    const resource = this.#act === 'rolling_update' ? 'pods' : 'kafkanodepools';
    try {
      await this.#requireSettled(signal);
      const spec = {
        resourceAttributes: { namespace: this.#options.namespace, verb: 'patch', group: resource === 'pods' ? '' : GROUP, resource },
      };
      const body = JSON.stringify({ apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec });
      const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
      const answer = await this.#options.client.request({ method: 'POST', path, body, timeoutMs: REQUEST_TIMEOUT_MS, signal });
      const { allowed } = readBody(taken(answer, path), reviewSchema, API).status;
      return [{ ok: allowed, text: `the service account may ${allowed ? '' : 'not '}patch ${resource} in ${this.#options.namespace}` }];
    } catch (error) {
      return [{ ok: false, text: errorText(error) }];
    }
  }

  async #roll(run: StepRun): Promise<void> {
    const broker = known(run.task);
    const path = this.#podPath(broker);
    const before = await this.#changed(run, path, resourceSchema, ({ metadata }) => {
      return metadata.annotations?.[ROLL] === 'true' ? undefined : { metadata: { annotations: { [ROLL]: 'true', ...marks(run.task) } } };
    });
    await this.#wait(run, `pod ${before.metadata.name} is being rolled`, async () => {
      const pod = await this.#find(path, run.proceed);
      return pod !== undefined && pod.metadata.uid !== before.metadata.uid && isReady(pod);
    });
  }

  async #scaleOut(run: StepRun): Promise<void> {
    const ids = await this.#startMore(run);
    await this.#wait(run, `brokers ${ids.join(', ')} are being started`, async () => {
      const pool = readBody(await this.#get(this.#poolPath, run.proceed), poolSchema, API);
      if (!isObserved(pool) || !ids.every((id) => pool.status.nodeIds.includes(id))) return false;
      const pods = await Promise.all(ids.map((id) => this.#find(this.#podPath(id), run.proceed)));
      return pods.every((pod) => pod !== undefined && isReady(pod));
    });
    for (const id of ids) run.task.added.add(id);
  }

  /**
   * Raises the replicas of the pool; the ids of the new nodes. What there is, is counted here: the intent's word for it is
   * not signed, and of an act that was begun once before, by this very intent, only the waiting is left.
   */
  async #startMore(run: StepRun): Promise<readonly number[]> {
    const { desiredBrokers, intentId } = run.task;
    if (desiredBrokers === undefined) throw new BelfryError('EXECUTOR_FAILED', 'the intent names no number of brokers');
    const { items } = readBody(await this.#get(this.#path('kafkanodepools', ''), run.signal), poolsSchema, API);
    const begun = items.find(({ metadata }) => metadata.name === this.#options.nodePool)?.metadata.annotations;
    if (begun?.[INTENT] === intentId && begun[NEXT_IDS] !== undefined) return idsOf(begun[NEXT_IDS]);
    const there = items.filter(({ spec }) => spec.roles.includes('broker')).reduce((sum, pool) => sum + sizeOf(pool), 0);
    const more = desiredBrokers - there;
    if (more < 1) throw new BelfryError('CONFLICT', `${desiredBrokers} brokers are wanted, and there are ${there} already`);
    const highest = Math.max(-1, ...items.flatMap(({ status }) => status.nodeIds));
    // Ids that never were: one that comes back could be taken for the broker that had it.
    const ids = Array.from({ length: more }, (_, i) => highest + 1 + i);
    const seen = items.find(({ metadata }) => metadata.name === this.#options.nodePool)?.spec.replicas;
    await this.#changed(run, this.#poolPath, poolSchema, ({ spec }) => {
      if (spec.replicas !== seen) throw new BelfryError('CONFLICT', `someone else changes the size of ${this.#options.nodePool} too`);
      return {
        metadata: { annotations: { [NEXT_IDS]: JSON.stringify(ids), ...marks(run.task) } },
        spec: { replicas: spec.replicas + more },
      };
    });
    return ids;
  }

  async #scaleIn(run: StepRun): Promise<void> {
    const broker = known(run.task);
    await this.#changed(run, this.#poolPath, poolSchema, (pool) => {
      refuseVoters(pool);
      if (!pool.status.nodeIds.includes(broker))
        throw new BelfryError('CONFLICT', `broker ${broker} is none of node pool ${pool.metadata.name}`);
      if (isLeaving(pool, broker)) return undefined;
      return {
        metadata: { annotations: { [REMOVE_IDS]: onlyId(broker), ...marks(run.task) } },
        spec: { replicas: pool.spec.replicas - 1 },
      };
    });
    await this.#wait(run, `broker ${broker} is being taken away`, async () => {
      const pool = readBody(await this.#get(this.#poolPath, run.proceed), poolSchema, API);
      return isObserved(pool) && !pool.status.nodeIds.includes(broker);
    });
  }

  /** Writes what `change` wants of the resource as it is now, or nothing where it wants nothing; the resource before. */
  async #changed<R extends Pick<Resource, 'metadata'>>(
    run: StepRun,
    path: string,
    schema: z.ZodType<R>,
    change: (resource: R) => { metadata: object; spec?: object } | undefined,
  ): Promise<R> {
    for (let conflicts = 0; ;) {
      await this.#requireSettled(run.signal);
      const resource = readBody(await this.#get(path, run.signal), schema, API);
      const wanted = change(resource);
      if (wanted === undefined) return resource;
      const { resourceVersion } = resource.metadata;
      const body = JSON.stringify({ ...wanted, metadata: { ...wanted.metadata, resourceVersion } });
      await run.confirm();
      const contentType = 'application/merge-patch+json';
      const answer = await this.#options.client.request({
        method: 'PATCH',
        path,
        body,
        contentType,
        timeoutMs: REQUEST_TIMEOUT_MS,
        signal: run.signal,
      });
      if (answer.status !== 409 || ++conflicts >= MAX_CONFLICTS) {
        taken(answer, path);
        return resource;
      }
    }
  }

  async #requireSettled(signal: AbortSignal): Promise<void> {
    const kafka = readBody(await this.#get(this.#path('kafkas', this.#options.kafka), signal), resourceSchema, API);
    const pool = readBody(await this.#get(this.#poolPath, signal), poolSchema, API);
    for (const { metadata, status } of [kafka, pool]) {
      const name = metadata.name;
      if (metadata.annotations?.[PAUSE] === 'true') throw new BelfryError('CONFLICT', `the reconciliation of ${name} is paused`);
      if (!isObserved({ metadata, status })) throw new BelfryError('CONFLICT', `${name} is being reconciled`);
    }
    if (!isReady(kafka)) throw new BelfryError('CONFLICT', `${kafka.metadata.name} is not Ready`);
  }

  async #wait(run: StepRun, text: string, isDone: () => Promise<boolean>): Promise<void> {
    for (let failures = 0; ;) {
      try {
        if (await isDone()) return;
        failures = 0;
      } catch (error) {
        if (run.proceed.aborted || ++failures >= MAX_FAILURES) throw error;
      }
      run.report(text);
      await delay(this.#options.clock, this.#options.pollMs ?? 2000, run.proceed);
    }
  }

  get #poolPath(): string {
    return this.#path('kafkanodepools', this.#options.nodePool);
  }

  /** Of one resource; with an empty name, of all those of this cluster. */
  #path(kind: 'kafkas' | 'kafkanodepools', name: string): string {
    const { apiVersion, namespace, kafka } = this.#options;
    const folder = `/apis/${GROUP}/${apiVersion}/namespaces/${namespace}/${kind}`;
    return name === '' ? `${folder}?labelSelector=${encodeURIComponent(`strimzi.io/cluster=${kafka}`)}` : `${folder}/${name}`;
  }

  #podPath(broker: number): string {
    const { namespace, kafka, nodePool } = this.#options;
    return `/api/v1/namespaces/${namespace}/pods/${kafka}-${nodePool}-${broker}`;
  }

  async #get(path: string, signal: AbortSignal): Promise<JsonAnswer> {
    return taken(await this.#options.client.request({ method: 'GET', path, timeoutMs: REQUEST_TIMEOUT_MS, signal }), path);
  }

  /** Undefined where there is none, as between the end of a pod and the start of the next. */
  async #find(path: string, signal: AbortSignal): Promise<Resource | undefined> {
    const answer = await this.#options.client.request({ method: 'GET', path, timeoutMs: REQUEST_TIMEOUT_MS, signal });
    return answer.status === 404 ? undefined : readBody(taken(answer, path), resourceSchema, API);
  }
}

function sizeOf({ spec, status }: Pool): number {
  return Math.max(spec.replicas, status.nodeIds.length);
}

/** The ids that an annotation of ours names. */
function idsOf(annotation: string): readonly number[] {
  const read = z.array(z.number().int().nonnegative()).min(1).safeParse(JSON.parse(annotation));
  if (read.success) return read.data;
  throw new BelfryError('EXECUTOR_FAILED', `the annotation ${NEXT_IDS} names no ids`);
}

function known({ broker }: Task): number {
  if (broker === undefined) throw new BelfryError('EXECUTOR_FAILED', 'the intent names no broker');
  return broker;
}

function marks({ intentId, fencingToken }: Task): Readonly<Record<string, string>> {
  return { [INTENT]: intentId, [TOKEN]: String(fencingToken) };
}

function isObserved({ metadata, status }: Pick<Resource, 'metadata' | 'status'>): boolean {
  return status.observedGeneration === undefined ? metadata.generation === 0 : status.observedGeneration >= metadata.generation;
}

function isReady({ status }: Resource): boolean {
  return status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
}

/** What names this node and no other: people write lists too, and ranges, of which the operator takes the first that is there. */
function onlyId(broker: number): string {
  return JSON.stringify([broker]);
}

/**
 * Whether the pool is to lose this very node already: an act before was lost after its write, and the same write again
 * would take away one more. Throws `CONFLICT` where it is to lose another.
 */
function isLeaving({ metadata, spec, status }: Pool, broker: number): boolean {
  if (spec.replicas >= status.nodeIds.length) return false;
  if (metadata.annotations?.[REMOVE_IDS] === onlyId(broker)) return true;
  const sizes = `has ${status.nodeIds.length} nodes and is to have ${spec.replicas}`;
  throw new BelfryError('CONFLICT', `${metadata.name} ${sizes}: someone else changes its size too`);
}

function refuseVoters({ metadata, spec }: Pool): void {
  if (spec.roles.includes('controller'))
    throw new BelfryError('CONFLICT', `the nodes of ${metadata.name} are voters of the quorum: they are not scaled in`);
}

function taken(answer: JsonAnswer, path: string): JsonAnswer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  const what = path.replace(/\?.*$/, '').split('/').slice(-2).join('/');
  throw new BelfryError('EXECUTOR_FAILED', `${what}: the API server answers with status ${answer.status}: ${answerText(answer)}`);
}
