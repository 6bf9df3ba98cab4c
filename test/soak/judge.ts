import { nameOf, SINKS, type Double, type Ledger, type Settled, type Sink, type Telling } from './ledger.ts';

/** A time during which attempts to deliver could be cut off: Belfry killed or paused, or a sink out of order. ms since the epoch. */
export interface Disturbance {
  readonly kind: string;
  readonly from: number;
  readonly until: number;
  /** Only this sink was out of order; undefined: Belfry was. */
  readonly sink?: Sink;
}

/** Something that must have been told, and its end. */
export interface Requirement {
  readonly what: string;
  /** Whether an alert with these labels is it. */
  readonly matches: (labels: Readonly<Record<string, string>>) => boolean;
  /** What Slack and mail say then. */
  readonly phrase: RegExp;
}

/** What was done in a round, and what may and must be told because of it. */
export interface Truth {
  /** When all was quiet before: alerts since then are of this round. */
  readonly calmSince: number;
  /** When what was done was undone. */
  readonly undoneAt: number;
  readonly requirements: readonly Requirement[];
  readonly allows: (labels: Readonly<Record<string, string>>) => boolean;
  readonly disturbances: readonly Disturbance[];
  readonly settled: readonly Settled[];
}

export interface Judgement {
  readonly violations: readonly string[];
  readonly excused: readonly string[];
}

/** A message that is on its way is there and acknowledged within this time, on a loaded machine. */
const IN_FLIGHT_MS = 1500;
/** An attempt that hangs is given up after 10 s; what it did before then may be done again where Belfry is killed meanwhile. */
const ATTEMPT_MS = 11_500;
const SLACK_TIME_MS = 20_000;

/** Compares what the sinks were told in a round (from the mark on) with what was done. After everything has settled. */
export function judge(
  ledger: Pick<Ledger, 'tellings' | 'doubles' | 'lastOf'>,
  mark: { tellings: number; doubles: number },
  truth: Truth,
): Judgement {
  const told = ledger.tellings.slice(mark.tellings);
  const { unexcused, excused } = sortDoubles(ledger.doubles.slice(mark.doubles), truth);
  return {
    violations: [...unexcused, ...falseAlarms(told, truth), ...lost(told, truth), ...unevenly(told, truth), ...notOver(ledger)],
    excused,
  };
}

/**
 * A double is excused where the first of the two was in flight at a disturbance: it arrived shortly before it or during it,
 * and Belfry had not noted it as delivered. One destination has one message in flight: one incident at each sink.
 */
export function sortDoubles(
  doubles: readonly Double[],
  { disturbances, settled }: Pick<Truth, 'disturbances' | 'settled'>,
): { unexcused: string[]; excused: string[] } {
  const unexcused: string[] = [];
  const excused: string[] = [];
  const used = new Map<string, string>();
  for (const { first, second } of doubles) {
    const text = `${first.sink}: told twice (${time(first.at)} and ${time(second.at)}), incident ${first.incident}: ${short(second.text)}`;
    const wasSettled = settled.some(
      ({ sink, incident, at }) => sink === first.sink && incident === first.incident && at >= Math.floor(first.at) && at < second.at,
    );
    const excuse = disturbances.find((disturbance) => {
      if (wasSettled || !wasInFlight(first, second, disturbance, disturbances)) return false;
      const key = `${disturbance.kind} ${disturbance.from} ${first.sink}`;
      if ((used.get(key) ?? first.incident) !== first.incident) return false;
      used.set(key, first.incident);
      return true;
    });
    if (excuse === undefined) unexcused.push(`doubled: ${text}`);
    else excused.push(`in flight at ${excuse.kind}: ${text}`);
  }
  return { unexcused, excused };
}

function wasInFlight(first: Telling, second: Telling, disturbance: Disturbance, all: readonly Disturbance[]): boolean {
  if (disturbance.sink !== undefined && disturbance.sink !== first.sink) return false;
  const hangs = all.some(({ sink, from, until }) => sink === first.sink && from <= disturbance.until && until >= disturbance.from);
  const from = disturbance.from - (hangs ? ATTEMPT_MS : IN_FLIGHT_MS);
  return first.at >= from && first.at <= disturbance.until && second.at >= disturbance.from;
}

function falseAlarms(told: readonly Telling[], { calmSince, allows }: Truth): string[] {
  const found = new Set<string>();
  for (const { alerts } of told) {
    for (const { labels, startsAt } of alerts) {
      if (Date.parse(startsAt) >= calmSince && !allows(labels)) found.add(`false alert: ${nameOf(labels)} since ${startsAt}`);
    }
  }
  return [...found];
}

function lost(told: readonly Telling[], truth: Truth): string[] {
  const violations: string[] = [];
  for (const { what, matches, phrase } of truth.requirements) {
    for (const sink of SINKS) {
      if (!mustHaveReached(sink, truth)) continue;
      const found = told.some(
        (telling) =>
          telling.sink === sink &&
          telling.over !== true &&
          (sink === 'webhook'
            ? telling.alerts.some(({ status, labels }) => status === 'firing' && matches(labels))
            : phrase.test(telling.text)),
      );
      if (!found) violations.push(`lost: ${what} was not told by ${sink}`);
    }
  }
  return violations;
}

/** What one sink was told of, all were told of. */
function unevenly(told: readonly Telling[], truth: Truth): string[] {
  const violations: string[] = [];
  for (const incident of new Set(told.map((telling) => telling.incident))) {
    for (const sink of SINKS) {
      if (truth.disturbances.some((disturbance) => disturbance.sink === sink)) continue;
      if (told.some((telling) => telling.sink === sink && telling.incident === incident)) continue;
      const others = told
        .filter((telling) => telling.incident === incident)
        .map((telling) => `${telling.sink} ${time(telling.at)} ${short(telling.text)}`);
      violations.push(`lost: incident ${incident} was not told by ${sink}, but: ${others.join(' | ')}`);
    }
  }
  return violations;
}

function notOver(ledger: Pick<Ledger, 'lastOf'>): string[] {
  return SINKS.flatMap((sink) =>
    [...ledger.lastOf(sink).values()]
      .filter(({ over }) => over === false)
      .map(({ incident, text, at }) => `lost: the end of incident ${incident} was not told by ${sink}; last ${time(at)} ${short(text)}`),
  );
}

/** An attempt after an outage comes no later than the outage was long (the delay doubles each time). */
function mustHaveReached(sink: Sink, { undoneAt, disturbances }: Truth): boolean {
  return disturbances
    .filter((disturbance) => disturbance.sink === sink)
    .every(({ from, until }) => until + (until - from) + SLACK_TIME_MS < undoneAt);
}

export function time(at: number): string {
  return new Date(at).toISOString().slice(11, 23);
}

function short(text: string): string {
  return text.replaceAll('\n', ' ').slice(0, 200);
}
