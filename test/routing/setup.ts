import { rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Alert } from '../../src/core/alert.ts';
import { ManualClock, type Clock, type Timer } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import type { OutboxSettings } from '../../src/outbox/options.ts';
import { Outbox } from '../../src/outbox/outbox.ts';
import type { OutboxListener } from '../../src/outbox/ports.ts';
import { OwnerTable } from '../../src/routing/owners.ts';
import type { RoutingOptions } from '../../src/routing/options.ts';
import { Routing } from '../../src/routing/pipeline.ts';
import { DecisionStore } from '../../src/store/state/decision-store.ts';
import { SilenceStore } from '../../src/store/state/silence-store.ts';
import { openStateDb, type StateDb } from '../../src/store/state/state-db.ts';
import { FakeNotifier } from '../outbox/fake-notifier.ts';

export interface SetupOptions {
  readonly settings?: Partial<OutboxSettings>;
  readonly routing?: Partial<RoutingOptions>;
  readonly listener?: OutboxListener;
}

/** The clock of one process: its timers die with it. */
class ProcessClock implements Clock {
  readonly #clock: ManualClock;
  readonly #timers = new Set<Timer>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wall(): number {
    return this.#clock.wall();
  }

  elapsed(): number {
    return this.#clock.elapsed();
  }

  timer(delayMs: number, run: () => void): Timer {
    const timer = this.#clock.timer(delayMs, run);
    this.#timers.add(timer);
    return timer;
  }

  kill(): void {
    for (const timer of this.#timers) timer.cancel();
  }
}

/** Routing, outbox and a real state.db, wired as `app.ts` does, that can be killed and started again. */
export class Setup {
  readonly clock = new ManualClock();
  readonly folder = mkdtempSync(join(tmpdir(), 'belfry-routing-'));
  readonly owners = new OwnerTable({
    owners: new Map([
      [
        'orders',
        [
          { integration: 'slack', index: 0 },
          { integration: 'email', index: 0 },
          { integration: 'webhook', index: 0 },
        ],
      ],
      ['payments', [{ integration: 'webhook', index: 0 }]],
      ['platform', [{ integration: 'webhook', index: 0 }]],
    ]),
    ownerOfCluster: new Map([
      ['orders-dal', 'orders'],
      ['orders-fra', 'orders'],
      ['pay-dal', 'payments'],
    ]),
    defaultOwner: 'platform',
  });
  readonly notifiers = new Map<string, FakeNotifier>(
    ['owner/orders slack', 'owner/orders email', 'owner/orders webhook', 'owner/payments webhook', 'owner/platform webhook'].map((name) => [
      name,
      new FakeNotifier(name.split(' ')[1], `of ${name}`),
    ]),
  );
  #options: SetupOptions;
  #blocker: Sqlite.Database | undefined;
  #process = new ProcessClock(this.clock);
  db!: StateDb;
  outbox!: Outbox;
  routing!: Routing;

  constructor(options: SetupOptions = {}) {
    this.#options = options;
    this.start();
  }

  start(): void {
    this.#process = new ProcessClock(this.clock);
    const common = { clock: this.#process, log: silentLogger, meter: silentMeter };
    this.db = openStateDb({ path: join(this.folder, 'state.db'), busyTimeoutMs: 0, ...common });
    const store = new DecisionStore(this.db);
    const outbox: Outbox = new Outbox({
      ...common,
      store,
      notifierFor: ({ receiver, integration }) => this.notifiers.get(`${receiver} ${integration}`),
      notificationFor: (message) => routing.notificationFor(message),
      random: () => 0,
      ...(this.#options.settings === undefined ? {} : { settings: this.#options.settings }),
    });
    const routing: Routing = new Routing({
      ...common,
      store,
      silenceStore: new SilenceStore(this.db),
      outbox,
      owners: this.owners,
      ...this.#options.routing,
    });
    outbox.listen({
      onDelivered: (message) => routing.onDelivered(message),
      onOverdue: (message, reason) => routing.onOverdue(message, reason),
      onGiveUp: (message, reason, told) => routing.onGiveUp(message, reason, told),
    });
    if (this.#options.listener !== undefined) outbox.listen(this.#options.listener);
    outbox.load();
    routing.start();
    outbox.start();
    [this.outbox, this.routing] = [outbox, routing];
  }

  /** For the next start. */
  setSettings(settings: Partial<OutboxSettings>): void {
    this.#options = { ...this.#options, settings };
  }

  /** For the next start. */
  setRouting(routing: Partial<RoutingOptions>): void {
    this.#options = { ...this.#options, routing: { ...this.#options.routing, ...routing } };
  }

  /** state.db cannot be written until it is repaired. */
  failDisk(): void {
    if (this.#blocker !== undefined) return;
    this.#blocker = new Sqlite(this.db.path);
    this.#blocker.exec('BEGIN IMMEDIATE');
  }

  async repairDisk(): Promise<void> {
    this.#blocker?.close();
    this.#blocker = undefined;
    await this.clock.advance(1000);
  }

  /** As kill -9 does: nothing is told that it ends, and only the file is left. What it had on its way may still arrive. */
  kill(): void {
    this.#process.kill();
    this.db.close();
  }

  /** As SIGTERM does, with no time to deliver. */
  async endProcess(): Promise<void> {
    this.routing.stop();
    const stopped = this.outbox.stop(0);
    await this.clock.advance(0);
    await stopped;
    this.db.close();
  }

  async end(): Promise<void> {
    await this.endProcess();
    rmSync(this.folder, { recursive: true });
  }

  async receive(...alerts: readonly Alert[]): Promise<void> {
    this.routing.receive(alerts, this.clock.now());
    await this.clock.advance(0);
  }

  notifier(name: string): FakeNotifier {
    const found = this.notifiers.get(name);
    if (found === undefined) throw new Error(`no notifier ${name}`);
    return found;
  }
}

/** `BrokerCrashed{cluster="orders-dal", broker="2"}` from `crashed 2 critical`: short names for the tables. */
export function alertOf(labels: Readonly<Record<string, string>>, now: number, changes: Partial<Alert> = {}): Alert {
  return {
    labels: Labels.of(labels),
    annotations: Labels.of({ summary: `${labels['alertname'] ?? ''} ${labels['broker'] ?? ''}`.trim() }),
    status: 'firing',
    startsAt: now,
    endsAt: now + 240_000,
    value: 1,
    generatorUrl: '',
    source: { kind: 'rule', file: 'rules.yaml', group: 'kafka', rule: labels['alertname'] ?? '' },
    ...changes,
  };
}

export function resolved(alert: Alert, now: number): Alert {
  return { ...alert, status: 'resolved', endsAt: now, resolveReason: 'recovered' };
}
