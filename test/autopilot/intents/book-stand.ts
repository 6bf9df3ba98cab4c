import type { Action, GuardVerdict, Intent, Mode } from '../../../src/core/autopilot.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { IntentBook } from '../../../src/autopilot/intents/intent-book.ts';
import { Journal } from '../../../src/autopilot/journal.ts';
import { DEFAULT_FLEET, type FleetPolicy } from '../../../src/autopilot/policy.ts';
import type { IntentEvent, IntentRequest } from '../../../src/autopilot/ports.ts';
import { MemoryPilotStore } from '../../fakes/memory-pilot-store.ts';

export const PASSES: GuardVerdict = { guard: 'last_copy', holds: false, sentence: '3 copies' };
export const HOLDS: GuardVerdict = { guard: 'maintenance', holds: true, sentence: 'a window is open' };
export const APPROVABLE: GuardVerdict = { guard: 'single_copies', holds: true, sentence: '2 partitions have one copy', approvable: true };

/** An intent book with everything around it in a test's hand. */
export class BookStand {
  clock = new ManualClock();
  store: MemoryPilotStore;
  book: IntentBook;
  mode: Mode = 'auto';
  /** Acts announced so far: enough of them, unless a test says otherwise. */
  announced = 10;
  halted: string | undefined;
  fleet: FleetPolicy = DEFAULT_FLEET;
  made: readonly GuardVerdict[] = [PASSES];
  /** What two brokers, asked anew, lead to. */
  atLease: () => Promise<readonly GuardVerdict[]> = async () => [PASSES];
  events: IntentEvent[] = [];

  constructor(store = new MemoryPilotStore()) {
    this.store = store;
    this.book = this.#makeBook();
  }

  #makeBook(): IntentBook {
    const book = new IntentBook({
      store: this.store,
      journal: new Journal(this.store, this.clock),
      judge: { made: () => this.made, lease: () => this.atLease() },
      modeOf: (_cluster: string, _action: Action) => this.mode,
      fleet: () => this.fleet,
      halted: () => this.halted,
      announcedSoFar: () => this.announced,
      clock: this.clock,
      log: silentLogger,
      meter: silentMeter,
    });
    book.on((event) => this.events.push(event));
    book.load();
    return book;
  }

  /** kill -9 and a start on what was written. */
  restart(): void {
    this.store = this.store.copy();
    this.book = this.#makeBook();
  }

  /** What was told so far, and not asked for yet. */
  told(): readonly string[] {
    return this.events.splice(0).map(({ kind }) => kind);
  }

  request(of: Partial<IntentRequest> = {}): Intent {
    return this.book.request({ ...REQUEST, ...of });
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.book.tick(this.clock.now());
  }

  journal(): readonly string[] {
    return this.store
      .journal({ limit: 1000 })
      .map(({ kind, from, to }) => `${kind} ${from}>${to}`)
      .toReversed();
  }
}

export const REQUEST: IntentRequest = {
  cluster: 'orders-dal',
  action: 'repair',
  broker: 2,
  desiredBrokers: undefined,
  currentBrokers: undefined,
  incidentId: '01KAAAAAAAAAAAAAAAAAAAAAAA',
  attempt: 1,
  reason: 'broker 2 crashed and has been down for 120 s',
  evidence: [{ what: 'verdict', value: 'crashed', at: 1 }],
  drill: false,
};
