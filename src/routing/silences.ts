import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { Matcher, type MatchOp } from '../core/matcher.ts';
import { silenceStateAt, type Silence, type SilenceDraft, type SilenceState } from '../core/silence.ts';
import type { SilenceRow } from '../core/state.ts';
import type { SilenceStore } from './ports.ts';

export interface SilenceLimits {
  /** Of those that have not expired. */
  readonly silences: number;
  readonly matchers: number;
  /** Characters of a matcher's name, and of its value. */
  readonly matcherLength: number;
  readonly commentLength: number;
  readonly creatorLength: number;
  readonly annotations: number;
  /** Characters of an annotation's name, and of its text. */
  readonly annotationLength: number;
}

export const SILENCE_LIMITS: SilenceLimits = {
  silences: 5000,
  matchers: 50,
  matcherLength: 4096,
  commentLength: 4096,
  creatorLength: 256,
  annotations: 50,
  annotationLength: 4096,
};

const DAY_MS = 86_400_000;
/** At least so often it is looked whether the clock was set. */
const LOOK_AGAIN_MS = 60_000;
/** Expired ones are kept so long, as Alertmanager does. */
export const SILENCE_KEPT_MS = 5 * DAY_MS;
/** One that ends later is a rule that should be changed. */
export const SILENCE_LONGEST_MS = 366 * DAY_MS;
/** Expired ones that are kept at most, beside the limit of the others; the oldest go first. */
const EXPIRED_MAX = 5000;

export interface SilenceBookOptions {
  readonly store: SilenceStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: SilenceLimits;
}

/**
 * All silences, kept durably. A change follows Alertmanager's rules (silence/silence.go): in place where only what has
 * not begun yet changes, else the old one ends and another begins. Starts and ends are of the wall clock, by which people
 * say them. Where the state cannot be written it goes on in memory.
 */
export class SilenceBook {
  readonly #options: SilenceBookOptions;
  /** The state in which each was told last. */
  readonly #told = new Map<string, SilenceState>();
  readonly #limits: SilenceLimits;
  readonly #byId = new Map<string, Silence>();
  #changed: (silence: Silence) => void = () => undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: SilenceBookOptions) {
    this.#options = options;
    this.#limits = options.limits ?? SILENCE_LIMITS;
  }

  /** `changed` is called with every silence that was made, changed, began or ended. One listener. */
  listen(changed: (silence: Silence) => void): void {
    this.#changed = changed;
  }

  /** Reads what was known when the process ended, and takes up the timers; once. */
  load(): void {
    for (const row of this.#options.store.loadSilences()) {
      try {
        this.#byId.set(row.id, silenceOf(row));
      } catch (error) {
        this.#options.log.error('silence_not_loaded', { id: row.id, error: errorText(error) });
      }
    }
    this.#forgetOld();
    this.#arm();
    const now = this.#options.clock.wall();
    for (const silence of this.list()) {
      if (silenceStateAt(silence, now) === 'active') this.#tell(silence, now);
      else this.#told.set(silence.id, silenceStateAt(silence, now));
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  list(): readonly Silence[] {
    return [...this.#byId.values()];
  }

  active(): readonly Silence[] {
    const now = this.#options.clock.wall();
    return this.list().filter((silence) => silenceStateAt(silence, now) === 'active');
  }

  get(id: string): Silence | undefined {
    return this.#byId.get(id);
  }

  set(draft: SilenceDraft): Silence {
    const now = this.#options.clock.wall();
    const before = draft.id === undefined || draft.id === '' ? undefined : this.#known(draft.id);
    this.#refuseWhatIsNone(draft, now);
    const changes: Silence[] = [];
    const { matchers, endsAt, createdBy, comment, annotations = {} } = draft;
    const content = { matchers: [...matchers], endsAt, createdBy, comment, annotations: { ...annotations }, updatedAt: now };
    if (before !== undefined && changesInPlace(before, draft, now)) {
      changes.push({ ...content, id: before.id, startsAt: draft.startsAt });
    } else {
      if (before !== undefined && silenceStateAt(before, now) !== 'expired') changes.push(ended(before, now));
      if (this.#liveCount(now) + 1 - changes.length > this.#limits.silences)
        throw new BelfryError('LIMIT_EXCEEDED', `${this.#limits.silences} silences are active or pending already: expire some first`);
      changes.push({ ...content, id: randomUUID(), startsAt: Math.max(draft.startsAt, now) });
    }
    this.#keep(changes);
    return changes.at(-1) ?? this.#known(draft.id ?? '');
  }

  expire(id: string): Silence {
    const now = this.#options.clock.wall();
    const silence = this.#known(id);
    if (silenceStateAt(silence, now) === 'expired') return silence;
    const after = ended(silence, now);
    this.#keep([after]);
    return after;
  }

  /** What begins goes first: where one takes the place of another nothing gets through between the two. */
  #tellAll(changed: readonly Silence[], now: number): void {
    for (const isActive of [true, false])
      for (const silence of changed) if ((silenceStateAt(silence, now) === 'active') === isActive) this.#tell(silence, now);
  }

  #tell(silence: Silence, now: number): void {
    this.#told.set(silence.id, silenceStateAt(silence, now));
    this.#changed(silence);
  }

  #known(id: string): Silence {
    const silence = this.#byId.get(id);
    if (silence === undefined) throw new BelfryError('NOT_FOUND', `no such silence: ${id.slice(0, 100)}`);
    return silence;
  }

  #liveCount(now: number): number {
    let count = 0;
    for (const silence of this.#byId.values()) if (silenceStateAt(silence, now) !== 'expired') count++;
    return count;
  }

  #refuseWhatIsNone({ matchers, startsAt, endsAt, createdBy, comment, annotations = {} }: SilenceDraft, now: number): void {
    const refuse = (why: string): never => {
      throw new BelfryError('BAD_REQUEST', why);
    };
    const tooMuch = (what: string, limit: number): never => {
      throw new BelfryError('LIMIT_EXCEEDED', `${what}: at most ${limit}`);
    };
    if (!Number.isFinite(startsAt) || !Number.isFinite(endsAt)) refuse('a silence needs a start and an end');
    if (startsAt >= endsAt) refuse('a silence must start before it ends');
    if (endsAt <= now) refuse('the end of a silence cannot be in the past');
    if (endsAt > now + SILENCE_LONGEST_MS) refuse('a silence ends after a year at the latest: change the rule instead');
    if (matchers.length === 0) refuse('a silence needs a matcher');
    // As in Alertmanager, an inequality alone may make one: it is about everything but what it names.
    if (matchers.every(({ op, matchesEmpty }) => matchesEmpty && !op.startsWith('!')))
      refuse('at least one matcher must not match the empty text, or the silence would be about everything');
    const limits = this.#limits;
    if (matchers.length > limits.matchers) tooMuch('matchers of one silence', limits.matchers);
    for (const { name, value } of matchers) {
      if (name === '') refuse('a matcher needs the name of a label');
      if (Math.max(name.length, value.length) > limits.matcherLength)
        tooMuch('characters of a matcher’s name or value', limits.matcherLength);
    }
    if (comment.length > limits.commentLength) tooMuch('characters of the comment of a silence', limits.commentLength);
    if (createdBy.length > limits.creatorLength) tooMuch('characters of the name of who makes a silence', limits.creatorLength);
    const texts = Object.entries(annotations);
    if (texts.length > limits.annotations) tooMuch('annotations of one silence', limits.annotations);
    if (texts.flat().some(({ length }) => length > limits.annotationLength))
      tooMuch('characters of an annotation’s name or text', limits.annotationLength);
  }

  #keep(changes: readonly Silence[]): void {
    const { store, log } = this.#options;
    store.durably(() => {
      for (const silence of changes) store.saveSilence(rowOf(silence));
    });
    for (const silence of changes) this.#byId.set(silence.id, silence);
    for (const { id, matchers, startsAt, endsAt, createdBy } of changes)
      log.info('silence_changed', { id, matchers: matchers.map(String).slice(0, 10), startsAt, endsAt, createdBy });
    this.#forgetOld();
    this.#arm();
    this.#tellAll(changes, this.#options.clock.wall());
  }

  #forgetOld(): void {
    const { store, clock } = this.#options;
    const now = clock.wall();
    const expired = this.list().filter((silence) => silenceStateAt(silence, now) === 'expired');
    expired.sort((a, b) => a.endsAt - b.endsAt);
    const old = expired.filter(({ endsAt }, i) => endsAt + SILENCE_KEPT_MS <= now || i < expired.length - EXPIRED_MAX);
    if (old.length === 0) return;
    store.durably(() => {
      for (const { id } of old) store.deleteSilence(id);
    });
    for (const { id } of old) {
      this.#byId.delete(id);
      this.#told.delete(id);
    }
  }

  /** One timer, for whichever begins, ends or is forgotten next. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#stopped) return;
    const { clock } = this.#options;
    const now = clock.wall();
    let due = Infinity;
    for (const { startsAt, endsAt } of this.#byId.values()) {
      const next = [startsAt, endsAt, endsAt + SILENCE_KEPT_MS].find((at) => at > now);
      if (next !== undefined) due = Math.min(due, next);
    }
    if (due === Infinity) return;
    this.#timer = clock.timer(Math.min(due - now, LOOK_AGAIN_MS), () => this.#onTimer(), { unref: true });
  }

  /** Tells of all that began or ended since it was told last, also because the clock was set. */
  #onTimer(): void {
    const now = this.#options.clock.wall();
    const changed = this.list().filter((silence) => this.#told.get(silence.id) !== silenceStateAt(silence, now));
    this.#tellAll(changed, now);
    this.#forgetOld();
    this.#arm();
  }
}

/** Alertmanager's `canUpdate`: what has begun keeps its start, by the second, as clients send it back rounded. */
function changesInPlace(before: Silence, draft: SilenceDraft, now: number): boolean {
  if (before.matchers.map(String).join() !== draft.matchers.map(String).join()) return false;
  switch (silenceStateAt(before, now)) {
    case 'active':
      return Math.floor(before.startsAt / 1000) === Math.floor(draft.startsAt / 1000) && draft.endsAt >= now;
    case 'pending':
      return draft.startsAt >= now;
    case 'expired':
      return false;
  }
}

function ended(silence: Silence, now: number): Silence {
  return { ...silence, startsAt: Math.min(silence.startsAt, now), endsAt: now, updatedAt: now };
}

function rowOf({ matchers, ...silence }: Silence): SilenceRow {
  return { ...silence, shard: '', matchers: matchers.map(({ name, op, value }) => ({ name, op, value })) };
}

const OPS: readonly MatchOp[] = ['=', '!=', '=~', '!~'];

/** Throws where a matcher of the row is none. */
function silenceOf({ id, matchers, startsAt, endsAt, createdBy, comment, annotations, updatedAt }: SilenceRow): Silence {
  const read = matchers.map(({ name, op, value }) => {
    const known = OPS.find((each) => each === op);
    if (known === undefined) throw new BelfryError('BAD_REQUEST', `unknown operator ${op}`);
    return new Matcher(name, known, value, 'alertmanager');
  });
  return { id, matchers: read, startsAt, endsAt, createdBy, comment, annotations, updatedAt };
}
