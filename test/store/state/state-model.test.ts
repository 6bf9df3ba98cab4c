import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { ManualClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { SettingStore } from '../../../src/store/state/setting-store.ts';
import { openStateDb, type StateDb } from '../../../src/store/state/state-db.ts';

type Step =
  | {
      readonly do: 'write';
      readonly changes: readonly { readonly key: string; readonly value: string | undefined }[];
      readonly throws: boolean;
    }
  | { readonly do: 'block' | 'unblock' | 'wait' | 'reopen' };

const change = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.option(fc.string({ maxLength: 5 }), { nil: undefined }) });
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('write' as const), changes: fc.array(change, { maxLength: 4 }), throws: fc.boolean() }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('block' as const, 'unblock' as const, 'wait' as const, 'reopen' as const) }) },
  ),
  { maxLength: 30 },
);

/** A state.db beside what it should hold, and a second connection that can keep it from writing. */
class Model {
  readonly folder = mkdtempSync(join(tmpdir(), 'belfry-model-'));
  readonly clock = new ManualClock();
  readonly expected = new Map<string, string>();
  db: StateDb = this.#open();
  #blocker: Sqlite.Database | undefined;

  async play(step: Step): Promise<void> {
    if (step.do === 'write') this.#write(step.changes, step.throws);
    else if (step.do === 'wait') await this.clock.advance(1000);
    else if (step.do === 'block') this.block();
    else {
      this.unblock();
      if (step.do === 'reopen') this.reopen();
    }
  }

  block(): void {
    if (this.#blocker !== undefined) return;
    this.#blocker = new Sqlite(this.db.path);
    this.#blocker.exec('BEGIN IMMEDIATE');
  }

  unblock(): void {
    this.#blocker?.close();
    this.#blocker = undefined;
  }

  reopen(): void {
    this.db.close();
    this.db = this.#open();
  }

  held(): Record<string, string> {
    const settings = new Map(new SettingStore(this.db).load());
    settings.delete('epoch');
    return Object.fromEntries(settings);
  }

  #open(): StateDb {
    const path = join(this.folder, 'state.db');
    return openStateDb({ path, clock: this.clock, log: silentLogger, meter: silentMeter, busyTimeoutMs: 0 });
  }

  #write(changes: readonly { key: string; value: string | undefined }[], throws: boolean): void {
    const store = new SettingStore(this.db);
    const write = (): void => {
      for (const { key, value } of changes)
        if (value === undefined) store.delete(key);
        else store.save(key, value);
      if (throws) throw new Error('changed its mind');
    };
    if (throws) {
      expect(() => this.db.durably(write)).toThrow('changed its mind');
      return;
    }
    this.db.durably(write);
    for (const { key, value } of changes)
      if (value === undefined) this.expected.delete(key);
      else this.expected.set(key, value);
  }
}

describe('whatever happens to the disk', () => {
  it('the file holds the last of every key once it can be written, and nothing of what was broken off', async () => {
    const check = async (sequence: readonly Step[]): Promise<void> => {
      const model = new Model();
      try {
        for (const step of sequence) await model.play(step);
        model.unblock();
        await model.clock.advance(1000);
        expect(model.db.durable).toBe(true);
        expect(model.held()).toEqual(Object.fromEntries(model.expected));
        model.reopen();
        expect(model.held()).toEqual(Object.fromEntries(model.expected));
      } finally {
        model.unblock();
        model.db.close();
        rmSync(model.folder, { recursive: true });
      }
      expect(model.clock.pendingTimers).toBe(0);
    };
    await fc.assert(fc.asyncProperty(steps, check), { numRuns: 60, seed: 20_261_123 });
  }, 180_000);
});
