import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { BelfryError, errorText } from '../../core/errors.ts';
import { Matcher } from '../../core/matcher.ts';
import { compileRegex } from '../../core/regex.ts';
import { parseRfc3339 } from '../../core/rfc3339.ts';
import { silenceStateAt, type Silence, type SilenceDraft } from '../../core/silence.ts';
import { filterParameter } from './alertmanager-parameters.ts';
import { InvalidValue, PlainRefusal, type AlertmanagerContext } from './alertmanager-context.ts';
import { parametersOf } from './parameters.ts';

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const idParameters = z.object({ id: z.string() });

/** Beside RFC 3339 what go-openapi/strfmt takes: no zone (UTC), no seconds, a space for the T, a zone without colon. */
const LOOSE_TIME = new RegExp(
  [
    String.raw`^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d(?:[.,]\d+)?)?Z?`,
    String.raw`T(\d\d:\d\d:\d\d\.(?:\d{3}|\d{6}))([+-]\d\d)(\d\d)`,
    String.raw` (\d\d:\d\d:\d\d(?:[.,]\d+)?))$`,
  ].join('|'),
);

/** `null` counts as left out, as in Go. */
const text = z.string().nullish();
const flag = z.boolean().nullish();
const matcherSchema = z.object({ name: text, value: text, isRegex: flag, isEqual: flag });
const silenceSchema = z.object({
  id: text,
  matchers: z.array(matcherSchema).nullish(),
  startsAt: text,
  endsAt: text,
  createdBy: text,
  comment: text,
  annotations: z.record(z.string(), z.string()).nullish(),
});
type SilenceBody = z.output<typeof silenceSchema>;

/** The order in which what is left out is named (models.Silence.Validate). */
const REQUIRED = ['comment', 'createdBy', 'endsAt', 'matchers', 'startsAt'] as const;
const REQUIRED_OF_MATCHER = ['isRegex', 'name', 'value'] as const;
const STATE_ORDER = ['active', 'pending', 'expired'];

/** `/api/v2/silences` and `/api/v2/silence/{id}`. */
export function alertmanagerSilenceRoutes(scope: FastifyInstance, { access, ports: { silences }, clock }: AlertmanagerContext): void {
  scope.get('/silences', async (request) => {
    access.require('read', request.headers);
    const filter = filterParameter(parametersOf(request));
    const now = clock.wall();
    return silences
      .list()
      .filter((silence) => filter.every((matcher) => hasMatcher(silence, matcher)))
      .toSorted((a, b) => compare(a, b, now))
      .map((silence) => silenceView(silence, now));
  });

  scope.post('/silences', {
    onRequest: async ({ headers }) => access.require('operate', headers),
    handler: async ({ body, headers }) => {
      const by = access.holderOf(headers) ?? '';
      const draft = draftOf(parsedBody(body), clock.wall());
      if (draft.id !== undefined && silences.get(draft.id) === undefined) throw new PlainRefusal('NOT_FOUND', 'silence not found');
      const silence = set({ ...draft, createdBy: draft.createdBy === '' ? by : draft.createdBy }, (asked) => silences.set(asked));
      return { silenceID: silence.id };
    },
  });

  scope.get('/silence/:id', async ({ headers, params }, reply) => {
    access.require('read', headers);
    const silence = silences.get(idOf(params));
    return silence === undefined ? nothing(reply, 404) : silenceView(silence, clock.wall());
  });

  scope.delete('/silence/:id', {
    onRequest: async ({ headers }) => access.require('operate', headers),
    handler: async ({ params }, reply) => {
      const id = idOf(params);
      if (silences.get(id) === undefined) return nothing(reply, 404);
      silences.expire(id);
      return nothing(reply, 200);
    },
  });
}

/** The status alone, as Alertmanager answers here. */
function nothing(reply: FastifyReply, status: 200 | 404): FastifyReply {
  return reply.status(status).header('content-length', '0').send();
}

function idOf(params: unknown): string {
  const { id } = idParameters.parse(params);
  if (!UUID.test(id)) throw new InvalidValue(601, `silenceID in path must be of type uuid: ${JSON.stringify(id)}`);
  return id;
}

/** A filter of silences asks for one that has this very matcher. */
function hasMatcher({ matchers }: Silence, wanted: Matcher): boolean {
  return matchers.some(({ name, op, value }) => name === wanted.name && op === wanted.op && value === wanted.value);
}

/** Active ones first, the one that ends next at the top; then pending, the next to begin; then expired, the latest. */
function compare(a: Silence, b: Silence, now: number): number {
  const [stateA, stateB] = [silenceStateAt(a, now), silenceStateAt(b, now)];
  if (stateA !== stateB) return STATE_ORDER.indexOf(stateA) - STATE_ORDER.indexOf(stateB);
  if (stateA === 'pending') return a.startsAt - b.startsAt;
  return stateA === 'active' ? a.endsAt - b.endsAt : b.endsAt - a.endsAt;
}

function silenceView(silence: Silence, now: number) {
  return {
    id: silence.id,
    status: { state: silenceStateAt(silence, now) },
    updatedAt: new Date(silence.updatedAt).toISOString(),
    ...(Object.keys(silence.annotations).length === 0 ? {} : { annotations: silence.annotations }),
    comment: silence.comment,
    createdBy: silence.createdBy,
    endsAt: new Date(silence.endsAt).toISOString(),
    matchers: silence.matchers.map(({ name, op, value }) => ({
      isEqual: !op.startsWith('!'),
      isRegex: op.endsWith('~'),
      name,
      value,
    })),
    startsAt: new Date(silence.startsAt).toISOString(),
  };
}

function parsedBody(body: unknown): SilenceBody {
  if (body === undefined || body === '') throw new InvalidValue(602, 'silence in body is required');
  let value: unknown;
  try {
    value = JSON.parse(typeof body === 'string' ? body : '');
  } catch (error) {
    throw unreadable(errorText(error));
  }
  const result = silenceSchema.safeParse(value ?? {});
  if (result.success) return result.data;
  throw unreadable(result.error.issues.map(({ path, message }) => [...path, message].join(': ')).join('; '));
}

function unreadable(why: string): BelfryError {
  return new BelfryError('BAD_REQUEST', `parsing silence body from "" failed, because ${why}`);
}

/** Checked in Alertmanager's order, so that of several mistakes the same one is named. */
function draftOf(body: SilenceBody, now: number): SilenceDraft {
  const [startsAt, endsAt] = [timeOf(body.startsAt), timeOf(body.endsAt)];
  for (const name of REQUIRED) {
    if (body[name] === undefined || body[name] === null) throw new InvalidValue(602, `${name} in body is required`);
    if (name === 'matchers') checkMatchers(body.matchers ?? []);
  }
  if (endsAt <= startsAt) throw new PlainRefusal('BAD_REQUEST', 'Failed to create silence: start time must be before end time');
  if (endsAt < now) throw new PlainRefusal('BAD_REQUEST', "Failed to create silence: end time can't be in the past");
  const id = body.id ?? '';
  return {
    ...(id === '' ? {} : { id }),
    matchers: matchersOf(body.matchers ?? []),
    startsAt,
    endsAt,
    createdBy: body.createdBy ?? '',
    comment: body.comment ?? '',
    annotations: body.annotations ?? {},
  };
}

function timeOf(written: string | null | undefined): number {
  if (written === null || written === undefined || written === '') return 0;
  const ts = parseRfc3339(written) ?? parseRfc3339(strictTime(written));
  if (ts === undefined) throw unreadable(`${JSON.stringify(written)} is no time such as 2026-11-23T08:00:00Z`);
  return ts;
}

/** The same time as RFC 3339 writes it. */
function strictTime(written: string): string {
  const [, date = '', minutes = '', seconds = ':00', offset, hours, rest, spaced] = LOOSE_TIME.exec(written) ?? [];
  if (offset !== undefined) return `${date}T${offset}${hours ?? ''}:${rest ?? ''}`;
  return `${date}T${(spaced ?? minutes + seconds).replace(',', '.')}Z`;
}

function checkMatchers(matchers: NonNullable<SilenceBody['matchers']>): void {
  if (matchers.length === 0) throw new InvalidValue(612, 'matchers in body should have at least 1 items');
  for (const [index, matcher] of matchers.entries()) {
    const missing = REQUIRED_OF_MATCHER.find((name) => matcher[name] === undefined || matcher[name] === null);
    if (missing !== undefined) throw new InvalidValue(602, `matchers.${index}.${missing} in body is required`);
  }
}

function matchersOf(bodies: NonNullable<SilenceBody['matchers']>): readonly Matcher[] {
  const matchers = bodies.map(({ name, value, isRegex, isEqual }, index) => {
    if (name === undefined || name === null || name === '' || !name.isWellFormed())
      throw new PlainRefusal('BAD_REQUEST', `silence invalid: invalid label matcher ${index}: invalid label name ${JSON.stringify(name)}`);
    const isNot = isEqual === false;
    const op = isRegex === true ? (isNot ? '!~' : '=~') : isNot ? '!=' : '=';
    try {
      // Its sentence is about the pattern as it was written.
      if (isRegex === true) compileRegex(value ?? '');
      return new Matcher(name, op, value ?? '', 'alertmanager');
    } catch (error) {
      throw new PlainRefusal('BAD_REQUEST', `silence invalid: invalid label matcher ${index}: ${errorText(error)}`, { cause: error });
    }
  });
  // An inequality counts as one that does not, whatever it matches (silence.matchesEmpty there).
  if (matchers.every(({ op, matchesEmpty }) => matchesEmpty && !op.startsWith('!')))
    throw new PlainRefusal('BAD_REQUEST', 'silence invalid: at least one matcher must not match the empty string');
  return matchers;
}

function set(draft: SilenceDraft, attempt: (draft: SilenceDraft) => Silence): Silence {
  try {
    return attempt(draft);
  } catch (error) {
    if (error instanceof BelfryError && error.status < 500) throw new PlainRefusal(error.code, error.message, { cause: error });
    throw error;
  }
}
