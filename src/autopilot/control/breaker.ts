import { z } from 'zod';
import type { PilotStore } from '../../core/autopilot-state.ts';
import type { Clock } from '../../core/clock.ts';
import { humanDuration } from '../../core/duration.ts';
import { BelfryError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Journal } from '../journal.ts';
import type { FleetPolicy } from '../policy.ts';
import type { ClusterObserver } from '../ports.ts';
import { checkCommand, type Command, mustBeDurable, readSetting } from './durable.ts';

const BREAKER_KEY = 'breaker';

/** The share of all brokers counts only from so many, in so many clusters: one of three brokers is 33 % and an everyday fault. */
const SHARE_BROKERS_MIN = 3;
const SHARE_CLUSTERS_MIN = 2;
/** A place that holds one broker fails with that broker. */
const PLACE_BROKERS_MIN = 2;
/** A broker that no machine has judged, for its cluster cannot be seen: down by our own pings for so long, or proven dead, it counts. */
const DOWN_COUNTS_AFTER_MS = 15_000;
const PROVEN: readonly (string | undefined)[] = ['crashed', 'cut_short'];
/** The broker answers, and refuses us. */
const NOT_DOWN: readonly (string | undefined)[] = ['auth', 'suspect'];
/** Breaks that are remembered at once; with more the breaker is open long since. */
const BREAKS_MAX = 1000;

const openSchema = z.object({ at: z.number(), why: z.string() });
type Open = z.output<typeof openSchema>;

/** A broker that turned unhealthy. */
export interface Break {
  readonly cluster: string;
  readonly broker: number;
  /** `datacenter` and `rack`: the cluster's labels, or what the broker says of itself. */
  readonly labels: Readonly<Record<string, string>>;
  readonly at: number;
}

export interface BreakerOptions {
  readonly store: PilotStore;
  readonly journal: Journal;
  readonly fleet: () => FleetPolicy;
  readonly observer: Pick<ClusterObserver, 'clusters' | 'picture'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when it opens. */
  readonly onOpen: (why: string, clusters: readonly string[]) => void;
}

/**
 * Stops all acts when too much turns unhealthy at once: then the cause is not in a broker, and restarting brokers would
 * make it worse. Within `breaker.withinMs` (5 min), one of:
 *
 * - brokers of `breaker.clusters` (3) clusters;
 * - `breaker.brokersRatio` (10 %) of all expected brokers, and at least 3 of them, in at least 2 clusters;
 * - at least 2 brokers of one `datacenter` or `rack` label, and none of that place is left healthy. A rack belongs to its
 *   datacenter, or to its cluster where that names none, for racks of the same name elsewhere are other racks.
 *
 * Brokers that are down by our own pings count as well, once one has been judged unhealthy: a cluster of which nobody
 * answers is judged by nobody, and its silence is the best sign of a common cause.
 *
 * It stays open, over restarts too, until a person closes it.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #breaks = new Map<string, Break>();
  #open: Open | undefined;
  #closedAt = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
    const { value, damaged } = readSetting(options.store, BREAKER_KEY, openSchema, options.log);
    this.#open = value;
    if (damaged) this.#open = { at: options.clock.now(), why: 'its state in state.db cannot be read' };
    this.#rememberBreaks();
  }

  /** Why it is open; undefined while it is closed. */
  isOpen(): string | undefined {
    return this.#open === undefined ? undefined : `open since ${new Date(this.#open.at).toISOString().slice(0, 19)}Z: ${this.#open.why}`;
  }

  /** A broker turned unhealthy; opens the breaker where it is one too many. */
  unhealthy(broken: Break): void {
    const key = `${broken.broker}\n${broken.cluster}`;
    this.#breaks.delete(key);
    this.#breaks.set(key, broken);
    this.#forgetOld(broken.at);
    this.#judge(broken, broken.at);
  }

  #judge(last: Break, now: number): void {
    if (this.#open !== undefined) return;
    const breaks = [...new Map([...this.#downLately(now), ...this.#breaks]).values()];
    const why = this.#whyToOpen(breaks, last);
    if (why === undefined) return;
    this.#open = { at: now, why };
    this.#save(this.#open, breaks);
    this.#options.log.error('autopilot_breaker_open', { why });
    this.#options.onOpen(why, clustersOf(breaks));
  }

  /** Throws `CONFLICT` where it is closed already, `STATE_NOT_DURABLE`. */
  close(command: Command): void {
    checkCommand(command);
    const { store, journal, log } = this.#options;
    const open = this.#open;
    if (open === undefined) throw new BelfryError('CONFLICT', 'the breaker is closed');
    const { by, reason } = command;
    mustBeDurable(
      store,
      'the closing of the breaker',
      () => {
        store.saveSetting(BREAKER_KEY, '');
        const text = `the breaker was closed by ${by}: ${reason}`;
        journal.write({ cluster: '', kind: 'breaker', from: 'open', to: 'closed', text, detail: { by, reason, open } });
      },
      () => this.#save(open, []),
    );
    this.#open = undefined;
    // What opened it has been looked at by a person: only new breaks count.
    this.#breaks.clear();
    this.#closedAt = this.#options.clock.now();
    log.warn('autopilot_breaker_closed', { by, reason });
  }

  /** After a break others may follow of which nobody tells. */
  tick(now: number): void {
    this.#forgetOld(now);
    const last = [...this.#breaks.values()].at(-1);
    if (last !== undefined) this.#judge(last, now);
  }

  /** Expected brokers that went down of late, apart from orderly stops; what a person has looked at already does not count. */
  #downLately(now: number): readonly (readonly [key: string, Break])[] {
    const since = Math.max(now - this.#options.fleet().breaker.withinMs, this.#closedAt);
    return this.#pictures().flatMap(({ cluster, labels, brokers }) =>
      [...brokers.values()].flatMap(({ id, expected, up, inStopGrace, verdict, downSince, rack }) => {
        if (!expected || up !== false || inStopGrace || NOT_DOWN.includes(verdict)) return [];
        if (downSince === undefined || downSince <= since) return [];
        if (!PROVEN.includes(verdict) && now - downSince < DOWN_COUNTS_AFTER_MS) return [];
        const place = { ...labels, ...(rack === undefined ? {} : { rack }) };
        return [[`${id}\n${cluster}`, { cluster, broker: id, labels: place, at: downSince }] as const];
      }),
    );
  }

  #save(open: Open, breaks: readonly Break[]): void {
    const { store, journal } = this.#options;
    const detail = { breaks: breaks.slice(0, 50).map(({ cluster, broker, at }) => ({ cluster, broker, at })), count: breaks.length };
    store.durably(() => {
      store.saveSetting(BREAKER_KEY, JSON.stringify(open));
      journal.write({ cluster: '', kind: 'breaker', from: 'closed', to: 'open', text: `the breaker opened: ${open.why}`, detail });
    });
  }

  /** Brokers that turned unhealthy shortly before a restart still count. */
  #rememberBreaks(): void {
    const { store, observer, fleet, clock } = this.#options;
    const since = clock.now() - fleet().breaker.withinMs;
    for (const { cluster, brokerId, unhealthySince } of store.loadBrokers()) {
      if (unhealthySince <= since) continue;
      const labels = observer.picture(cluster)?.labels ?? {};
      this.#breaks.set(`${brokerId}\n${cluster}`, { cluster, broker: brokerId, labels, at: unhealthySince });
    }
  }

  #forgetOld(now: number): void {
    const since = now - this.#options.fleet().breaker.withinMs;
    for (const [key, { at }] of this.#breaks) if (at <= since || this.#breaks.size > BREAKS_MAX) this.#breaks.delete(key);
  }

  #whyToOpen(breaks: readonly Break[], last: Break): string | undefined {
    const { breaker } = this.#options.fleet();
    const within = `within ${humanDuration(breaker.withinMs)}`;
    const clusters = clustersOf(breaks);
    if (clusters.length >= breaker.clusters)
      return `brokers of ${clusters.length} clusters turned unhealthy ${within} (${clusters.join(', ')}); the limit is ${breaker.clusters}`;
    const all = this.#brokersOfAll();
    const needed = Math.max(SHARE_BROKERS_MIN, Math.ceil(breaker.brokersRatio * all));
    if (breaks.length >= needed && clusters.length >= SHARE_CLUSTERS_MIN)
      return `${breaks.length} of ${all} brokers turned unhealthy ${within}; the limit is ${needed}`;
    return this.#placeThatFailed(breaks, last, within);
  }

  #brokersOfAll(): number {
    let count = 0;
    for (const { brokers } of this.#pictures()) count += [...brokers.values()].filter(({ expected }) => expected).length;
    return count;
  }

  /** Only the places of the newest break can have failed just now. */
  #placeThatFailed(breaks: readonly Break[], last: Break, within: string): string | undefined {
    const broken = new Set(breaks.map(({ cluster, broker }) => `${broker}\n${cluster}`));
    for (const place of placesOf(last.cluster, last.labels, undefined)) {
      const there = this.#pictures().flatMap(({ cluster, labels, brokers }) =>
        [...brokers.values()]
          .filter(({ expected, rack }) => expected && placesOf(cluster, labels, rack).includes(place))
          .map(({ id, up }) => ({ key: `${id}\n${cluster}`, up })),
      );
      const newly = there.filter(({ key }) => broken.has(key));
      if (newly.length >= PLACE_BROKERS_MIN && there.every(({ key, up }) => broken.has(key) || up === false))
        return `all ${there.length} brokers of ${place} are unhealthy, ${newly.length} of them ${within}`;
    }
    return undefined;
  }

  #pictures() {
    const { observer } = this.#options;
    return observer.clusters().flatMap((name) => observer.picture(name) ?? []);
  }
}

function clustersOf(breaks: readonly Break[]): readonly string[] {
  return [...new Set(breaks.map(({ cluster }) => cluster))].toSorted((a, b) => a.localeCompare(b));
}

/** `datacenter dal`, `rack r1 of datacenter dal`; a broker's own rack counts before its cluster's label. */
function placesOf(cluster: string, labels: Readonly<Record<string, string>>, brokerRack: string | undefined): readonly string[] {
  const { datacenter } = labels;
  const rack = brokerRack ?? labels['rack'];
  return [
    ...(datacenter === undefined || datacenter === '' ? [] : [`datacenter ${datacenter}`]),
    ...(rack === undefined || rack === '' ? [] : [`rack ${rack} of ${datacenter === undefined ? cluster : `datacenter ${datacenter}`}`]),
  ];
}
