import { z } from 'zod';
import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Finding, Step, StepRun, Task } from '../driver.ts';
import { answerText, readBody, type JsonAnswer, type JsonClient } from '../json-client.ts';
import type { RebalanceRequest } from '../ports.ts';
import { requestOf } from './rebalance-step.ts';

const REQUEST_TIMEOUT_MS = 60_000;
/** Questions about a running task that may fail one after the other: it runs on without us. */
const MAX_FAILURES = 10;

/** What its executor says of itself when it has nothing to do. */
export const CRUISE_CONTROL_IDLE = 'NO_TASK_IN_PROGRESS';

export type CruiseControlEndpoint = 'add_broker' | 'remove_broker' | 'rebalance';

const stateSchema = z.object({ ExecutorState: z.object({ state: z.string() }) });
const tasksSchema = z.object({ userTasks: z.array(z.object({ UserTaskId: z.string(), Status: z.string() })) });
const reviewSchema = z.object({ RequestInfo: z.array(z.object({ Id: z.number().int(), Status: z.string() })) });

interface Call {
  readonly endpoint: CruiseControlEndpoint;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface CruiseControlOptions {
  readonly client: JsonClient;
  readonly clock: Clock;
  /** Whether every request has to be approved by a person in its review board. */
  readonly review: boolean;
  readonly pollMs?: number;
}

/** What its executor does now, in Cruise Control's own words. Rejects with `EXECUTOR_FAILED`. */
export async function cruiseControlState(client: JsonClient, timeoutMs: number, signal?: AbortSignal): Promise<string> {
  const request = { method: 'GET', path: '/state?substates=executor&json=true', timeoutMs } as const;
  const answer = taken(await client.request(signal === undefined ? request : { ...request, signal }));
  return readBody(answer, stateSchema, 'Cruise Control').ExecutorState.state;
}

/**
 * One operation of Cruise Control over its REST API: not while it executes something else; a dry run first; then the
 * operation itself, whose user task is followed to its end. With the two-step review on, the request is filed, a person
 * approves it there, and it is submitted with its review id; the review takes the place of the dry run.
 */
export class CruiseControlStep implements Step {
  readonly name: string;
  readonly timeoutMs: number;
  readonly #options: CruiseControlOptions;
  readonly #endpoint: CruiseControlEndpoint | undefined;

  /** Without an endpoint the operation follows from the action, as for any rebalance. */
  constructor(endpoint: CruiseControlEndpoint | undefined, timeoutMs: number, options: CruiseControlOptions) {
    this.name = endpoint === undefined ? 'rebalance by cruise_control' : `cruise_control ${endpoint}`;
    this.timeoutMs = timeoutMs;
    this.#options = options;
    this.#endpoint = endpoint;
  }

  async run(run: StepRun): Promise<void> {
    const call = this.#endpoint === undefined ? callOf(requestOf(run.task)) : callFor(this.#endpoint, run.task);
    await this.#refuseWhileBusy(run.signal);
    const parameters = { ...call.parameters, reason: `belfry intent ${run.task.intentId} token ${run.task.fencingToken}` };
    let submitted: Readonly<Record<string, string>> = { ...parameters, dryrun: 'false' };
    // It takes everything from what was reviewed, and refuses a request that says more than the id.
    if (this.#options.review) submitted = { review_id: await this.#reviewed(call.endpoint, submitted, run) };
    else {
      run.report(`dry run of ${call.endpoint}`);
      await this.#answered(call.endpoint, { ...parameters, dryrun: 'true' }, run.proceed);
    }
    await run.confirm();
    await this.#refuseWhileBusy(run.signal);
    const answer = await this.#post(call.endpoint, submitted, run.signal);
    await this.#follow(taskIdOf(answer), call.endpoint, run);
  }

  async check(signal: AbortSignal): Promise<readonly Finding[]> {
    try {
      const state = await this.#state(signal);
      return [{ ok: true, text: `Cruise Control at ${this.#options.client.shownUrl} answers: ${state}` }];
    } catch (error) {
      return [{ ok: false, text: errorText(error) }];
    }
  }

  #state(signal: AbortSignal): Promise<string> {
    return cruiseControlState(this.#options.client, REQUEST_TIMEOUT_MS, signal);
  }

  async #refuseWhileBusy(signal: AbortSignal): Promise<void> {
    const state = await this.#state(signal);
    if (state !== CRUISE_CONTROL_IDLE) throw new BelfryError('CONFLICT', `Cruise Control is busy: ${state}`);
  }

  /** Repeats a request with its user task's id until the answer is whole. */
  async #answered(endpoint: string, parameters: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    let answer = await this.#post(endpoint, parameters, signal);
    while (answer.status === 202) {
      const taskId = taskIdOf(answer);
      await delay(this.#options.clock, this.#options.pollMs ?? 5000, signal);
      answer = await this.#post(endpoint, parameters, signal, { 'user-task-id': taskId });
    }
  }

  /** Files the request and waits until a person has approved it; its review id. */
  async #reviewed(endpoint: string, parameters: Readonly<Record<string, string>>, run: StepRun): Promise<string> {
    const [filed] = readBody(await this.#post(endpoint, parameters, run.proceed), reviewSchema, 'Cruise Control').RequestInfo;
    if (filed === undefined) throw new BelfryError('EXECUTOR_FAILED', 'Cruise Control filed no review');
    for (;;) {
      const board = readBody(
        await this.#get('review_board', { review_ids: String(filed.Id) }, run.proceed),
        reviewSchema,
        'Cruise Control',
      );
      const status = board.RequestInfo.find(({ Id }) => Id === filed.Id)?.Status;
      if (status === 'APPROVED') return String(filed.Id);
      if (status !== 'PENDING_REVIEW') throw new BelfryError('CONFLICT', `review ${filed.Id} is ${status ?? 'gone'}`);
      run.report(`review ${filed.Id} waits to be approved in Cruise Control`);
      await delay(this.#options.clock, this.#options.pollMs ?? 5000, run.proceed);
    }
  }

  /** Until the task has ended. What runs is left running when the lease is lost: a half-done move is worse than a done one. */
  async #follow(taskId: string, endpoint: string, run: StepRun): Promise<void> {
    let failures = 0;
    for (;;) {
      let status: string | undefined;
      try {
        const { userTasks } = readBody(
          await this.#get('user_tasks', { user_task_ids: taskId }, run.proceed),
          tasksSchema,
          'Cruise Control',
        );
        status = userTasks.find(({ UserTaskId }) => UserTaskId === taskId)?.Status;
        failures = 0;
      } catch (error) {
        if (run.proceed.aborted || ++failures >= MAX_FAILURES) throw error;
      }
      if (status === 'Completed' && (await this.#state(run.proceed)) === CRUISE_CONTROL_IDLE) return;
      if (status === 'CompletedWithError') throw new BelfryError('EXECUTOR_FAILED', `task ${taskId} completed with an error`);
      run.report(`${endpoint}: task ${taskId} is ${status ?? 'not listed'}`);
      await delay(this.#options.clock, this.#options.pollMs ?? 5000, run.proceed);
    }
  }

  async #get(endpoint: string, parameters: Readonly<Record<string, string>>, signal: AbortSignal): Promise<JsonAnswer> {
    const path = `/${endpoint}?${new URLSearchParams({ ...parameters, json: 'true' }).toString()}`;
    return taken(await this.#options.client.request({ method: 'GET', path, timeoutMs: REQUEST_TIMEOUT_MS, signal }));
  }

  async #post(
    endpoint: string,
    parameters: Readonly<Record<string, string>>,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<JsonAnswer> {
    const format = 'review_id' in parameters ? {} : { json: 'true' };
    const path = `/${endpoint}?${new URLSearchParams({ ...parameters, ...format }).toString()}`;
    return taken(await this.#options.client.request({ method: 'POST', path, headers, timeoutMs: REQUEST_TIMEOUT_MS, signal }));
  }
}

function callFor(endpoint: CruiseControlEndpoint, task: Task): Call {
  if (endpoint === 'rebalance') return { endpoint, parameters: {} };
  const brokers = endpoint === 'add_broker' ? [...task.added] : task.broker === undefined ? [] : [task.broker];
  if (brokers.length === 0) throw new BelfryError('EXECUTOR_FAILED', `${endpoint}: which broker is not known`);
  return { endpoint, parameters: { brokerid: brokers.join(',') } };
}

function callOf(request: RebalanceRequest): Call {
  switch (request.kind) {
    case 'spread':
      return { endpoint: 'rebalance', parameters: {} };
    case 'drain':
      return { endpoint: 'remove_broker', parameters: { brokerid: request.brokers.join(',') } };
    case 'replace':
      return { endpoint: 'remove_broker', parameters: { brokerid: String(request.from) } };
    case 'elect_preferred':
      return { endpoint: 'rebalance', parameters: { goals: 'PreferredLeaderElectionGoal', skip_hard_goal_check: 'true' } };
    default:
      throw new BelfryError('INTERNAL', `no operation for ${JSON.stringify(request satisfies never)}`);
  }
}

function taken(answer: JsonAnswer): JsonAnswer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw new BelfryError('EXECUTOR_FAILED', `Cruise Control answers with status ${answer.status}: ${answerText(answer)}`);
}

function taskIdOf({ headers }: JsonAnswer): string {
  const id = headers['user-task-id'];
  if (typeof id === 'string' && /^[0-9A-Za-z-]{1,100}$/.test(id)) return id;
  throw new BelfryError('EXECUTOR_FAILED', 'Cruise Control gave no User-Task-ID');
}
