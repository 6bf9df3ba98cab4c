import { join } from 'node:path';
import { SystemClock, ManualClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import type { Layout } from '../../src/core/sample.ts';
import { replay, type ReplayInput } from '../../src/app/replay-run.ts';
import type { ReplayResult } from '../../src/app/replay-result.ts';
import type { ReplayRouting } from '../../src/app/replay-routing.ts';
import { DAMPING } from '../../src/routing/damping.ts';
import { RuleEngine } from '../../src/rules/engine.ts';
import { parseRuleFiles } from '../../src/rules/load.ts';
import type { RuleSet } from '../../src/rules/model.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { MemoryAlertState } from '../rules/harness.ts';

export const T0 = 1_700_000_000_000;

export const ROUTING: ReplayRouting = {
  owners: {
    owners: new Map([
      ['orders', [{ integration: 'slack', index: 0 }]],
      ['platform', [{ integration: 'email', index: 0 }]],
    ]),
    ownerOfCluster: new Map([['dal', 'orders']]),
    defaultOwner: 'platform',
  },
  inhibitRules: [],
  maintenance: [],
  damping: DAMPING,
  inhibitionHoldMs: 0,
  mailIntervalMs: 0,
};

/** One time that an alert fired, as a text: labels, from, to, why it ended. */
export type Interval = string;

export function rulesOf(text: string, path = 'rules.yaml'): RuleSet {
  return parseRuleFiles([{ path, text }], { evaluationIntervalMs: 15_000 });
}

/** A live store with a live engine on a clock that moves by hand. */
export class LiveRun {
  readonly clock = new ManualClock(T0);
  readonly samplesPath: string;
  readonly store: SampleStore;
  readonly #engine: RuleEngine;
  readonly #firing = new Map<string, string>();
  readonly #layouts = new Map<string, Layout>();
  readonly intervals: Interval[] = [];

  constructor(folder: string, rules: RuleSet, options: { readonly rows: number; readonly strictSlots: boolean }) {
    this.samplesPath = join(folder, 'samples.db');
    const { clock } = this;
    this.store = openSampleStore({
      path: this.samplesPath,
      clock,
      log: silentLogger,
      meter: silentMeter,
      retentionMs: 30 * 86_400_000,
      limits: { rows: options.rows },
    });
    this.#engine = new RuleEngine(
      {
        querier: this.store.reader,
        writer: this.store.writer,
        state: new MemoryAlertState(),
        sink: {
          receive: (alerts) => {
            for (const { labels, startsAt, endsAt, status, resolveReason } of alerts) {
              if (status === 'firing') this.#firing.set(`${String(labels)} ${startsAt}`, `${String(labels)} ${startsAt}`);
              else if (this.#firing.delete(`${String(labels)} ${startsAt}`))
                this.intervals.push(`${String(labels)} ${startsAt} ${endsAt} ${resolveReason}`);
            }
          },
        },
        clock,
        logger: silentLogger,
        meter: silentMeter,
      },
      { strictSlots: options.strictSlots },
    );
    this.#engine.replace(rules);
    this.#engine.start();
  }

  /** A row of a target; a value that is undefined is absent. */
  row(target: string, cells: readonly (readonly [labels: Labels, value: number | undefined])[]): void {
    const key = `${target} ${cells.map(([labels]) => labels.key).join(' ')}`;
    const layout = this.#layouts.get(key) ?? { series: cells.map(([labels]) => labels) };
    this.#layouts.set(key, layout);
    const values = Float64Array.from(cells, ([, value]) => value ?? 0);
    const absent = Uint8Array.from(cells, ([, value]) => (value === undefined ? 1 : 0));
    this.store.writer.target(target).append(this.clock.now(), layout, values, absent);
  }

  /** The alerts that still fire have no end. */
  finish(): readonly Interval[] {
    this.store.flush();
    return [...this.intervals, ...[...this.#firing.values()].map((firing) => `${firing} - `)].toSorted();
  }

  close(): void {
    this.#engine.stop();
    this.store.close();
  }
}

export function metric(name: string, labels: Readonly<Record<string, string>>): Labels {
  return Labels.of({ ...labels, __name__: name });
}

export function replayed(input: Partial<ReplayInput> & Pick<ReplayInput, 'samplesPath' | 'ruleSet'>): Promise<ReplayResult> {
  const turn = (): Promise<void> => Promise.resolve();
  return replay({ routing: ROUTING, externalUrl: '', ...input }, { clock: new SystemClock(), turn, isCancelled: () => false });
}

export function intervalsOf(result: ReplayResult): readonly Interval[] {
  return result.alerts
    .flatMap(({ labels, intervals }) =>
      intervals.map(({ fired_at: from, resolved_at: to, reason }) => {
        const end = to === null ? '- ' : `${Date.parse(to)} ${reason}`;
        return `${String(Labels.of(labels))} ${Date.parse(from)} ${end}`;
      }),
    )
    .toSorted();
}
