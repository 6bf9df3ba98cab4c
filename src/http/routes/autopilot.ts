import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ACK_STATUSES, ACTIONS, INTENT_STATES, MODES, type Ack, type IntentState } from '../../core/autopilot.ts';
import { delay, type Clock } from '../../core/clock.ts';
import { parseDuration } from '../../core/duration.ts';
import { BelfryError } from '../../core/errors.ts';
import type { AutopilotPort, IntentView } from '../autopilot-ports.ts';
import type { Access } from '../auth.ts';
import type { RouteContext } from '../server.ts';
import { whileAwaited } from './awaited.ts';
import { durationParameter, parametersOf } from './parameters.ts';
import { parsed } from './parsed.ts';

const PREFIX = '/api/belfry/v1/autopilot';
const WAIT_MS_MAX = 30_000;
/** Long polls at once; each holds a connection. */
const WAITERS_MAX = 200;
/** Who has no token, which is enough to read on loopback, cannot take the places of executors; nor can one of these all of them. */
const WAITERS_WITHOUT_TOKEN_MAX = 20;
const WAITERS_OF_ONE_MAX = 50;
const JOURNAL_LINES = 100;
const JOURNAL_LINES_MAX = 1000;
const REPORT_DAYS = 30;

const text = z.string().trim().min(1).max(1000);
const name = z.string().trim().min(1).max(200);
const token = z.number().int().positive();
const broker = z.number().int().nonnegative();
const command = z.object({ by: name, reason: text });
const leaseBody = z.object({ executor: name });
const heartbeatBody = z.object({ fencingToken: token });
const ackBody = z.object({
  fencingToken: token,
  status: z.enum(ACK_STATUSES),
  text: z.string().max(4096).default(''),
  process: z.enum(['running', 'recovering', 'stopped', 'unknown']).optional(),
  progress: z.number().optional(),
  signature: z.string().max(200),
});
const confirmBody = command.extend({ cluster: name.optional() });
const holdBody = command.extend({ for: z.string().max(50) });
const releaseBody = z.object({ by: name });
const resetBody = command.extend({ broker });
const promoteBody = command.extend({ cluster: name, action: z.enum(ACTIONS), to: z.enum(MODES), force: z.boolean().default(false) });
const simulateBody = z.object({ cluster: name, faults: z.array(z.string().max(200)).min(1).max(50) });
const drillBody = z.object({ cluster: name, broker, by: name });
const dryRunBody = z.object({ ok: z.boolean(), text: z.string().max(4096) });
const idParameters = z.object({ id: name });
const nameParameters = z.object({ name });

export interface AutopilotRouteContext extends RouteContext {
  readonly autopilot: AutopilotPort;
  readonly clock: Clock;
}

/** `/api/belfry/v1/autopilot`: what it does, why, and how people and executors steer it. Changes by addition only. */
export function autopilotRoutes(context: AutopilotRouteContext): void {
  readingRoutes(context);
  executorRoutes(context);
  decisionRoutes(context);
  clusterRoutes(context);
}

function readingRoutes({ server, access, autopilot, clock }: AutopilotRouteContext): void {
  const open = new OpenWaiters(autopilot, clock);
  server.get(PREFIX, async ({ headers }) => {
    access.require('read', headers);
    return autopilot.state();
  });

  server.get(`${PREFIX}/intents`, async (request) => {
    access.require('read', request.headers);
    const parameters = parametersOf(request);
    const waitMs = durationParameter(parameters, 'wait') ?? 0;
    const state = parameters.get('state') ?? '';
    if (state !== '' && !isIntentState(state))
      throw new BelfryError('BAD_REQUEST', `invalid parameter "state": ${INTENT_STATES.join(', ')}`);
    const cluster = parameters.get('cluster') ?? '';
    const wanted = (): readonly IntentView[] =>
      autopilot.intents().filter((intent) => (state === '' || intent.state === state) && (cluster === '' || intent.cluster === cluster));
    const isOpen = (): boolean => autopilot.intents().some((one) => one.state === 'open' && (cluster === '' || one.cluster === cluster));
    const asker = access.isKnown(request.headers) ? `${access.holderOf(request.headers) ?? ''} at ${request.ip}` : undefined;
    if (waitMs > 0) await open.wait(request, asker, isOpen, Math.min(waitMs, WAIT_MS_MAX));
    return { intents: wanted() };
  });

  server.get(`${PREFIX}/intents/:id`, async ({ headers, params }) => {
    access.require('read', headers);
    const { id } = parsed(idParameters, params);
    return { ...autopilot.intent(id), journal: autopilot.journal({ intentId: id, limit: JOURNAL_LINES }) };
  });

  server.get(`${PREFIX}/journal`, async (request) => {
    access.require('read', request.headers);
    const parameters = parametersOf(request);
    const [cluster, intentId] = [parameters.get('cluster') ?? '', parameters.get('intent') ?? ''];
    const before = wholeNumber(parameters, 'before');
    return {
      lines: autopilot.journal({
        limit: Math.min(wholeNumber(parameters, 'limit') ?? JOURNAL_LINES, JOURNAL_LINES_MAX),
        ...(cluster === '' ? {} : { cluster }),
        ...(intentId === '' ? {} : { intentId }),
        ...(before === undefined ? {} : { before }),
      }),
    };
  });

  server.get(`${PREFIX}/report`, async (request) => {
    access.require('read', request.headers);
    const parameters = parametersOf(request);
    const cluster = parameters.get('cluster') ?? '';
    return autopilot.report(cluster === '' ? undefined : cluster, wholeNumber(parameters, 'days') ?? REPORT_DAYS);
  });

  server.get(`${PREFIX}/clusters/:name/desired`, async ({ headers, params }) => {
    access.require('read', headers);
    return autopilot.desired(parsed(nameParameters, params).name);
  });

  server.post(`${PREFIX}/simulate`, async ({ headers, body }) => {
    access.require('read', headers);
    const { cluster, faults } = parsed(simulateBody, body);
    return autopilot.simulate(cluster, faults);
  });
}

function executorRoutes({ server, access, autopilot }: AutopilotRouteContext): void {
  server.post(`${PREFIX}/intents/:id/lease`, async ({ headers, params, body }) => {
    access.require('executor', headers);
    return autopilot.lease(parsed(idParameters, params).id, parsed(leaseBody, body).executor);
  });

  server.post(`${PREFIX}/intents/:id/heartbeat`, async ({ headers, params, body }) => {
    access.require('executor', headers);
    const { lease, signature } = autopilot.heartbeat(parsed(idParameters, params).id, parsed(heartbeatBody, body).fencingToken);
    return { lease, signature };
  });

  server.post(`${PREFIX}/intents/:id/ack`, async ({ headers, params, body }) => {
    access.require('executor', headers);
    const { id } = parsed(idParameters, params);
    const { signature, fencingToken, status, text: said, process, progress } = parsed(ackBody, body);
    const ack: Ack = {
      intentId: id,
      fencingToken,
      status,
      text: said,
      ...(process === undefined ? {} : { process }),
      ...(progress === undefined ? {} : { progress }),
    };
    return autopilot.ack(ack, signature);
  });

  server.post(`${PREFIX}/executors/:name/dry-run`, async ({ headers, params, body }, reply) => {
    access.require('executor', headers);
    const { ok, text: said } = parsed(dryRunBody, body);
    autopilot.noteDryRun(parsed(nameParameters, params).name, ok, said);
    return reply.status(204).send();
  });
}

function decisionRoutes({ server, access, autopilot }: AutopilotRouteContext): void {
  const decide = <Body extends { readonly by: string }>(
    path: string,
    schema: z.ZodType<Body>,
    act: (body: Body, request: FastifyRequest) => unknown,
  ): void => {
    server.post(`${PREFIX}${path}`, async (request) => {
      access.require('approve', request.headers);
      const body = parsed(schema, request.body);
      return act({ ...body, by: signedName(access, request, body.by) }, request) ?? autopilot.state();
    });
  };
  decide('/intents/:id/approve', command, ({ by, reason }, { params }) => autopilot.approve(parsed(idParameters, params).id, by, reason));
  decide('/intents/:id/reject', command, ({ by, reason }, { params }) => autopilot.reject(parsed(idParameters, params).id, by, reason));
  decide('/halt', command, ({ by, reason }) => autopilot.halt(by, reason));
  decide('/resume', command, ({ by, reason }) => autopilot.resume(by, reason));
  decide('/breaker/close', command, ({ by, reason }) => autopilot.closeBreaker(by, reason));
  decide('/confirm', confirmBody, ({ by, reason, cluster }) => ({
    raised: autopilot.confirm(by, reason, cluster),
    ...autopilot.state(),
  }));
  decide('/promote', promoteBody, (body) => autopilot.promote(body));
  decide('/drill', drillBody, ({ cluster, broker: id, by }) => autopilot.drill(cluster, id, by));
}

function clusterRoutes({ server, access, autopilot }: AutopilotRouteContext): void {
  server.post(`${PREFIX}/clusters/:name/hold`, async (request) => {
    access.require('approve', request.headers);
    const { for: duration, by, reason } = parsed(holdBody, request.body);
    return autopilot.hold(parsed(nameParameters, request.params).name, parseDuration(duration), signedName(access, request, by), reason);
  });

  server.delete(`${PREFIX}/clusters/:name/hold`, async (request, reply) => {
    access.require('approve', request.headers);
    const { by } = parsed(releaseBody, request.body ?? Object.fromEntries(parametersOf(request)));
    autopilot.release(parsed(nameParameters, request.params).name, signedName(access, request, by));
    return reply.status(204).send();
  });

  server.post(`${PREFIX}/clusters/:name/reset`, async (request, reply) => {
    access.require('approve', request.headers);
    const { broker: id, by, reason } = parsed(resetBody, request.body);
    autopilot.reset(parsed(nameParameters, request.params).name, id, signedName(access, request, by), reason);
    return reply.status(204).send();
  });
}

/** Requests that wait until an intent is open. */
class OpenWaiters {
  readonly #port: AutopilotPort;
  readonly #clock: Clock;
  /** By who asks; undefined for all without a token. */
  readonly #of = new Map<string | undefined, number>();
  #count = 0;

  constructor(port: AutopilotPort, clock: Clock) {
    this.#port = port;
    this.#clock = clock;
  }

  /**
   * Resolves when it is so, when the time is over, or when the asker has gone. Throws `NOT_READY` with too many at once,
   * `TOO_MANY_REQUESTS` with too many of one asker.
   */
  async wait(request: FastifyRequest, asker: string | undefined, isSo: () => boolean, waitMs: number): Promise<void> {
    if (isSo()) return;
    const [most, who] =
      asker === undefined ? [WAITERS_WITHOUT_TOKEN_MAX, 'without a token'] : [WAITERS_OF_ONE_MAX, 'of this token and address'];
    const before = this.#of.get(asker) ?? 0;
    if (before >= most) throw new BelfryError('TOO_MANY_REQUESTS', `${most} requests ${who} wait for an intent already`);
    if (this.#count >= WAITERS_MAX) throw new BelfryError('NOT_READY', `more than ${WAITERS_MAX} requests wait for an intent already`);
    const stop = new AbortController();
    const unlisten = this.#port.onIntent(() => {
      if (isSo()) stop.abort();
    });
    this.#count++;
    this.#of.set(asker, before + 1);
    try {
      await whileAwaited(request, (signal) => delay(this.#clock, waitMs, signal), stop);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      this.#count--;
      const left = (this.#of.get(asker) ?? 1) - 1;
      if (left > 0) this.#of.set(asker, left);
      else this.#of.delete(asker);
      unlisten();
    }
  }
}

/** Who it was, by their own word and by the token they hold. */
function signedName(access: Access, { headers }: FastifyRequest, by: string): string {
  const holder = access.holderOf(headers);
  return holder === undefined ? by : `${by} (token ${holder})`;
}

function isIntentState(state: string): state is IntentState {
  return (INTENT_STATES as readonly string[]).includes(state);
}

function wholeNumber(parameters: URLSearchParams, key: string): number | undefined {
  const value = parameters.get(key) ?? '';
  if (value === '') return undefined;
  if (/^\d{1,15}$/.test(value) && Number(value) > 0) return Number(value);
  throw new BelfryError('BAD_REQUEST', `invalid parameter "${key}": ${JSON.stringify(value)} is no whole number above 0`);
}
