import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../../src/core/clock.ts';
import { CruiseControlStep, type CruiseControlEndpoint } from '../../../src/executor/drivers/cruise-control.ts';
import { JsonClient } from '../../../src/executor/json-client.ts';
import { type ApiAnswer, type ApiRequest, ApiStandIn, stepRun } from '../api-stand-in.ts';

const clock = new SystemClock();
let api: ApiStandIn;
let state = 'NO_TASK_IN_PROGRESS';
let taskStatuses: string[] = [];
let reviews: string[] = [];

beforeEach(async () => {
  [state, taskStatuses, reviews] = ['NO_TASK_IN_PROGRESS', ['Active', 'InExecution', 'Completed'], ['PENDING_REVIEW', 'APPROVED']];
  api = await ApiStandIn.start(handle);
});
afterEach(async () => api.close());

function handle({ method, path, query, headers }: ApiRequest): ApiAnswer {
  if (path === '/state') return { body: { ExecutorState: { state } } };
  if (path === '/user_tasks') return { body: { userTasks: [{ UserTaskId: 'task-1', Status: taskStatuses.shift() ?? 'Completed' }] } };
  if (path === '/review_board') return { body: { RequestInfo: [{ Id: 4, Status: reviews.shift() ?? 'APPROVED' }] } };
  if (method !== 'POST') return { status: 404 };
  if (reviewing && !query.has('review_id')) return { body: { RequestInfo: [{ Id: 4, Status: 'PENDING_REVIEW' }] } };
  // ParameterUtils.reviewId of Cruise Control: nothing else may be said with it.
  if (query.has('review_id') && query.size !== 1) return { status: 400, body: { errorMessage: 'must be mutually exclusive' } };
  const isFirst = query.get('dryrun') === 'true' && headers['user-task-id'] === undefined;
  return { status: isFirst ? 202 : 200, headers: { 'User-Task-ID': isFirst ? 'dry-1' : 'task-1' }, body: {} };
}

let reviewing = false;

function step(endpoint: CruiseControlEndpoint | undefined, review = false): CruiseControlStep {
  reviewing = review;
  return new CruiseControlStep(endpoint, 1000, { client: new JsonClient({ baseUrl: api.url, clock }), clock, review, pollMs: 5 });
}

const posts = (): readonly string[] =>
  api.requests
    .filter(({ method }) => method === 'POST')
    .map(
      ({ path, query }) =>
        `${path} broker=${query.get('brokerid') ?? ''} dryrun=${query.get('dryrun') ?? ''} review=${query.get('review_id') ?? ''}`,
    );

describe('Cruise Control', () => {
  it('tries an operation dry, then follows it to its end', async () => {
    const run = stepRun({ action: 'scale_in', broker: 3 });
    await step(undefined).run(run);
    expect(posts()).toEqual([
      '/remove_broker broker=3 dryrun=true review=',
      '/remove_broker broker=3 dryrun=true review=',
      '/remove_broker broker=3 dryrun=false review=',
    ]);
    expect(run.confirms.count).toBe(1);
    expect(run.told).toContain('remove_broker: task task-1 is InExecution');
  });

  it('adds the brokers that the steps before have made', async () => {
    await step('add_broker').run(stepRun({ action: 'scale_out', broker: undefined, added: new Set([4, 5]) }));
    expect(posts().at(-1)).toBe('/add_broker broker=4,5 dryrun=false review=');
  });

  it('waits for a person where its review is on, and submits what was approved', async () => {
    const run = stepRun({ action: 'scale_out', broker: undefined });
    await step(undefined, true).run(run);
    expect(posts()).toEqual(['/rebalance broker= dryrun=false review=', '/rebalance broker= dryrun= review=4']);
    expect(run.told[0]).toBe('review 4 waits to be approved in Cruise Control');
  });

  it('does not submit what was discarded', async () => {
    reviews = ['DISCARDED'];
    await expect(step(undefined, true).run(stepRun({ action: 'scale_in', broker: 3 }))).rejects.toThrow('review 4 is DISCARDED');
    expect(posts()).toHaveLength(1);
  });

  it('asks for nothing while it executes something else', async () => {
    state = 'INTER_BROKER_REPLICA_MOVEMENT_TASK_IN_PROGRESS';
    await expect(step('rebalance').run(stepRun({}))).rejects.toThrow('Cruise Control is busy');
    expect(posts()).toEqual([]);
  });

  it('executes nothing once the lease is lost', async () => {
    const run = stepRun({ action: 'scale_in', broker: 3 });
    run.confirms.lost = true;
    await expect(step(undefined).run(run)).rejects.toThrow('the lease was lost');
    expect(posts().filter((post) => post.includes('dryrun=false'))).toEqual([]);
  });

  it('fails when its task does', async () => {
    taskStatuses = ['CompletedWithError'];
    await expect(step('rebalance').run(stepRun({}))).rejects.toThrow('completed with an error');
  });
});
