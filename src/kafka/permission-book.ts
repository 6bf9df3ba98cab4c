import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Gauge, Meter } from '../core/meter.ts';

/** A grant as an operator writes it: `Describe` on `Topic *`. */
export interface Permission {
  readonly operation: 'Describe' | 'DescribeConfigs' | 'Create' | 'Read' | 'Write';
  /** `Cluster`, `Topic *`, `Group *`, or one by name. */
  readonly resource: string;
}

/** Who is told of what brokers refuse and allow. */
export interface PermissionSink {
  /** `what` of it was refused, such as one topic, or one kind of request. */
  refused(permission: Permission, what: string): void;
  allowed(permission: Permission, what: string): void;
}

/** Of one permission; what is refused beyond them changes nothing in that it is missing. */
const MAX_REFUSED = 10_000;
/** What is not asked about any more, such as a topic that is gone, is forgotten after so long. */
const FORGOTTEN_AFTER_MS = 15 * 60_000;

interface Entry extends Permission {
  /** What was refused → when last, by `Clock.now`. */
  readonly refused: Map<string, number>;
  /** What the gauge says. */
  shown: number | undefined;
}

/**
 * Which permissions Belfry has in one cluster, by what its brokers answer: `belfry_permission_missing` is 1 while something
 * is refused for want of one, 0 once all that was asked for is allowed, and not there where nothing was asked.
 */
export class PermissionBook implements PermissionSink {
  readonly #cluster: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #gauge: Gauge;
  readonly #entries = new Map<string, Entry>();
  #closed = false;

  constructor(options: { cluster: string; clock: Clock; log: Logger; meter: Meter }) {
    this.#cluster = options.cluster;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#gauge = options.meter.gauge(
      'belfry_permission_missing',
      '1 while brokers refuse something for want of this permission, 0 once they allow it.',
      ['cluster', 'operation', 'resource'],
    );
  }

  /** Those that are missing now. */
  get missing(): readonly Permission[] {
    return [...this.#entries.values()]
      .filter(({ refused }) => refused.size > 0)
      .map(({ operation, resource }) => ({ operation, resource }));
  }

  refused(permission: Permission, what: string): void {
    if (this.#closed) return;
    const entry = this.#entry(permission);
    const { refused } = entry;
    const isNews = refused.size === 0;
    // Those refused last stand last, so that the old ones are found without looking at all.
    refused.delete(what);
    if (refused.size < MAX_REFUSED) refused.set(what, this.#clock.now());
    this.#forgetOld(refused);
    this.#show(entry, 1);
    if (isNews) this.#log.warn('kafka_permission_missing', { ...permission, what });
  }

  allowed(permission: Permission, what: string): void {
    if (this.#closed) return;
    const entry = this.#entry(permission);
    const { refused } = entry;
    const before = refused.size;
    refused.delete(what);
    this.#forgetOld(refused);
    this.#show(entry, refused.size > 0 ? 1 : 0);
    if (before > 0 && refused.size === 0) this.#log.info('kafka_permission_granted', { ...permission });
  }

  /** Its series end; what is still on its way is not told any more. */
  close(): void {
    this.#closed = true;
    for (const { operation, resource } of this.#entries.values()) this.#gauge.remove({ cluster: this.#cluster, operation, resource });
    this.#entries.clear();
  }

  #entry({ operation, resource }: Permission): Entry {
    const key = `${operation} ${resource}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) this.#entries.set(key, (entry = { operation, resource, refused: new Map(), shown: undefined }));
    return entry;
  }

  #forgetOld(refused: Map<string, number>): void {
    const oldest = this.#clock.now() - FORGOTTEN_AFTER_MS;
    for (const [what, at] of refused) {
      if (at >= oldest) return;
      refused.delete(what);
    }
  }

  /** Told of every topic of every answer: the gauge is set when it changes. */
  #show(entry: Entry, value: number): void {
    if (entry.shown === value) return;
    entry.shown = value;
    const { operation, resource } = entry;
    this.#gauge.set(value, { cluster: this.#cluster, operation, resource });
  }
}
