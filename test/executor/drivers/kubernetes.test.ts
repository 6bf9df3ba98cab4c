import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../../src/core/clock.ts';
import { StrimziStep, type StrimziAct } from '../../../src/executor/drivers/kubernetes.ts';
import { JsonClient } from '../../../src/executor/json-client.ts';
import { type ApiAnswer, type ApiRequest, ApiStandIn, stepRun } from '../api-stand-in.ts';

const clock = new SystemClock();
const FOLDER = '/apis/kafka.strimzi.io/v1beta2/namespaces/kafka';

interface Pod {
  uid: string;
  annotations: Record<string, string>;
}

/** Strimzi's resources and its operator, which does what it is asked at the second look. */
class Strimzi {
  pool = {
    generation: 1,
    observed: 1,
    replicas: 3,
    nodeIds: [0, 1, 2],
    annotations: {} as Record<string, string>,
    roles: ['broker'],
    version: 1,
  };
  kafka = { annotations: {} as Record<string, string>, ready: 'True', generation: 5, observed: 5 };
  readonly pods = new Map<number, Pod>([0, 1, 2].map((id) => [id, { uid: `pod-${id}`, annotations: {} }]));
  conflicts = 0;

  handle({ method, path, text }: ApiRequest): ApiAnswer {
    const pod = /\/pods\/main-brokers-(\d+)$/.exec(path);
    if (method === 'PATCH') return this.#patch(pod === null ? undefined : Number(pod[1]), JSON.parse(text) as Patch);
    if (path.endsWith('selfsubjectaccessreviews')) return { body: { status: { allowed: true } } };
    if (pod !== null) return this.#pod(Number(pod[1]));
    if (path === `${FOLDER}/kafkas/main`) return { body: this.#kafka() };
    if (path === `${FOLDER}/kafkanodepools/brokers`) {
      const body = this.#pool();
      this.#reconcile();
      return { body };
    }
    return path === `${FOLDER}/kafkanodepools`
      ? { body: { items: [this.#pool(), this.#pool({ name: 'controllers', nodeIds: [100], roles: ['controller'] })] } }
      : { status: 404, body: {} };
  }

  #patch(pod: number | undefined, patch: Patch): ApiAnswer {
    if (this.conflicts-- > 0) {
      this.pool.version += 1;
      return { status: 409, body: { message: 'the object has been modified' } };
    }
    if (pod !== undefined) {
      Object.assign(this.pods.get(pod)?.annotations ?? {}, patch.metadata.annotations);
      return { body: {} };
    }
    if (patch.metadata.resourceVersion !== String(this.pool.version)) return { status: 409, body: {} };
    Object.assign(this.pool.annotations, patch.metadata.annotations);
    this.pool.replicas = patch.spec?.replicas ?? this.pool.replicas;
    this.pool.generation += 1;
    return { body: {} };
  }

  #reconcile(): void {
    if (this.pool.observed === this.pool.generation) return;
    this.pool.observed = this.pool.generation;
    const ids = JSON.parse(this.pool.annotations['strimzi.io/next-node-ids'] ?? '[]') as number[];
    const gone = JSON.parse(this.pool.annotations['strimzi.io/remove-node-ids'] ?? '[]') as number[];
    this.pool.nodeIds = [...new Set([...this.pool.nodeIds, ...ids])].filter((id) => !gone.includes(id));
    for (const id of ids) this.pods.set(id, { uid: `pod-${id}`, annotations: {} });
  }

  #pod(id: number): ApiAnswer {
    const pod = this.pods.get(id);
    if (pod === undefined) return { status: 404, body: { message: 'not found' } };
    const metadata = { name: `main-brokers-${id}`, uid: pod.uid, resourceVersion: '9', annotations: pod.annotations };
    if (pod.annotations['strimzi.io/manual-rolling-update'] === 'true') this.pods.set(id, { uid: `${pod.uid}-new`, annotations: {} });
    return { body: { metadata, status: { conditions: [{ type: 'Ready', status: 'True' }] } } };
  }

  #kafka(): unknown {
    const { annotations, ready, generation, observed } = this.kafka;
    const status = { observedGeneration: observed, conditions: [{ type: 'Ready', status: ready }] };
    return { metadata: { name: 'main', resourceVersion: '1', generation, annotations }, status };
  }

  #pool(more: { name?: string; nodeIds?: number[]; roles?: string[] } = {}): unknown {
    const { name, generation, observed, replicas, nodeIds, annotations, roles, version } = { name: 'brokers', ...this.pool, ...more };
    const metadata = { name, resourceVersion: String(version), generation, annotations };
    return { metadata, spec: { replicas, roles }, status: { observedGeneration: observed, nodeIds } };
  }
}

interface Patch {
  metadata: { resourceVersion: string; annotations: Record<string, string> };
  spec?: { replicas: number };
}

let strimzi: Strimzi;
let api: ApiStandIn;

beforeEach(async () => {
  strimzi = new Strimzi();
  api = await ApiStandIn.start((request) => strimzi.handle(request));
});
afterEach(async () => api.close());

function step(act: StrimziAct): StrimziStep {
  const client = new JsonClient({ baseUrl: api.url, clock, authorization: () => 'Bearer of-the-service-account' });
  return new StrimziStep(act, 1000, {
    client,
    clock,
    namespace: 'kafka',
    kafka: 'main',
    nodePool: 'brokers',
    apiVersion: 'v1beta2',
    pollMs: 5,
  });
}

describe('Strimzi', () => {
  it('rolls a pod by annotation and waits for the pod that takes its place', async () => {
    const run = stepRun({ action: 'repair', broker: 2 });
    await step('rolling_update').run(run);
    const [patch] = api.requests.filter(({ method }) => method === 'PATCH');
    expect(JSON.parse(patch?.text ?? '')).toEqual({
      metadata: {
        resourceVersion: '9',
        annotations: {
          'strimzi.io/manual-rolling-update': 'true',
          'belfry.dev/intent': run.task.intentId,
          'belfry.dev/fencing-token': '7',
        },
      },
    });
    expect(patch?.headers).toMatchObject({
      'content-type': 'application/merge-patch+json',
      authorization: 'Bearer of-the-service-account',
    });
    expect(run.confirms.count).toBe(1);
  });

  it('adds brokers with ids that no node of the cluster ever had', async () => {
    const run = stepRun({ action: 'scale_out', broker: undefined, currentBrokers: 3, desiredBrokers: 5 });
    await step('scale_out').run(run);
    expect(strimzi.pool).toMatchObject({ replicas: 5, nodeIds: [0, 1, 2, 101, 102] });
    expect([...run.task.added]).toEqual([101, 102]);
  });

  it('goes on with what it has begun before, and begins it no second time', async () => {
    const task = { action: 'scale_out', broker: undefined, currentBrokers: 3, desiredBrokers: 5 } as const;
    await step('scale_out').run(stepRun(task));
    const again = stepRun(task);
    await step('scale_out').run(again);
    expect(strimzi.pool.replicas).toBe(5);
    expect([...again.task.added]).toEqual([101, 102]);
    expect(api.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
  });

  it('counts the brokers itself, whatever the intent says of them', async () => {
    strimzi.pool.replicas = 4;
    await step('scale_out').run(stepRun({ action: 'scale_out', broker: undefined, currentBrokers: 0, desiredBrokers: 5 }));
    expect(strimzi.pool.replicas).toBe(5);
    const enough = stepRun({ action: 'scale_out', intentId: 'another', broker: undefined, currentBrokers: 0, desiredBrokers: 5 });
    await expect(step('scale_out').run(enough)).rejects.toThrow('5 brokers are wanted, and there are 5 already');
  });

  it('takes away the very broker that was drained', async () => {
    await step('scale_in').run(stepRun({ action: 'scale_in', broker: 1 }));
    expect(strimzi.pool).toMatchObject({ replicas: 2, nodeIds: [0, 2] });
  });

  it('does not take one more away where an act before was lost after its write: the node is still waited for', async () => {
    // The operator has seen it, and keeps the node for now.
    Object.assign(strimzi.pool, { replicas: 2, annotations: { 'strimzi.io/remove-node-ids': '[1]' } });
    let looks = 0;
    const before = strimzi.handle.bind(strimzi);
    strimzi.handle = (request) => {
      if (request.path.endsWith('/kafkanodepools/brokers') && ++looks === 4) strimzi.pool.nodeIds = [0, 2];
      return before(request);
    };
    await step('scale_in').run(stepRun({ action: 'scale_in', intentId: 'another', broker: 1 }));
    expect([api.writes, strimzi.pool.replicas]).toEqual([[], 2]);
  });

  // Of the ids that people write, ranges among them, the operator takes the first that is there.
  it.each(['[0]', '[0, 1]', '[0-1]'])('takes nobody away while another node is being taken away, of %s', async (ids) => {
    Object.assign(strimzi.pool, { replicas: 2, annotations: { 'strimzi.io/remove-node-ids': ids } });
    const run = stepRun({ action: 'scale_in', broker: 1 });
    await expect(step('scale_in').run(run)).rejects.toThrow('brokers has 3 nodes and is to have 2: someone else changes its size too');
    expect(api.writes).toEqual([]);
  });

  it('thinks a write over that came too late, and asks for the lease again', async () => {
    strimzi.conflicts = 2;
    const run = stepRun({ action: 'scale_in', broker: 1 });
    await step('scale_in').run(run);
    expect(strimzi.pool.replicas).toBe(2);
    expect(run.confirms.count).toBe(3);
  });

  it.each<[string, StrimziAct, () => void]>([
    ['is paused', 'scale_in', () => (strimzi.kafka.annotations['strimzi.io/pause-reconciliation'] = 'true')],
    ['is being reconciled', 'rolling_update', () => (strimzi.kafka.observed = 4)],
    ['is not Ready', 'rolling_update', () => (strimzi.kafka.ready = 'False')],
    ['are voters of the quorum', 'scale_in', () => (strimzi.pool.roles = ['broker', 'controller'])],
    ['is none of node pool', 'scale_in', () => (strimzi.pool.nodeIds = [0, 1])],
  ])('writes nothing while it %s', async (text, act, arrange) => {
    arrange();
    await expect(step(act).run(stepRun({ action: 'scale_in', broker: 2 }))).rejects.toThrow(text);
    expect(api.writes).toEqual([]);
  });

  it('writes nothing once the lease is lost', async () => {
    const run = stepRun({ action: 'scale_in', broker: 2 });
    run.confirms.lost = true;
    await expect(step('scale_in').run(run)).rejects.toThrow('the lease was lost');
    expect(api.writes).toEqual([]);
  });

  it('looks, in a dry run, whether it may', async () => {
    expect(await step('scale_in').check(new AbortController().signal)).toEqual([
      { ok: true, text: 'the service account may patch kafkanodepools in kafka' },
    ]);
  });
});
