import type { Labels } from '../../../src/core/labels.ts';
import type { Layout, SampleWriter, TargetWriter } from '../../../src/core/sample.ts';

interface Row {
  readonly ts: number;
  readonly layout: Layout;
}

/** Keeps what the store would show: the newest sample of each series that is not stale. Series are named as PromQL names them. */
export class RecordingWriter implements SampleWriter {
  readonly samples = new Map<string, number>();
  readonly rows = new Map<string, Row[]>();
  readonly #owned = new Map<string, Set<string>>();

  target(id: string): TargetWriter {
    const rows: Row[] = [];
    this.rows.set(id, rows);
    const owned = new Set<string>();
    this.#owned.set(id, owned);
    return {
      append: (ts, layout, values, absent) => {
        const last = rows.at(-1);
        if (last !== undefined && ts <= last.ts) throw new Error(`${id}: ${ts} is not after ${last.ts}`);
        rows.push({ ts, layout });
        for (const series of owned) this.samples.delete(series);
        owned.clear();
        for (const [i, labels] of layout.series.entries()) if (absent?.[i] !== 1) this.#set(owned, labels, values[i] ?? Number.NaN);
      },
      appendAt: () => undefined,
      markStale: () => {
        for (const series of owned) this.samples.delete(series);
        owned.clear();
      },
    };
  }

  removeTarget(id: string): void {
    this.rows.delete(id);
  }

  /** The samples of a metric: labels without `cluster` → value. */
  of(metric: string): Record<string, number> {
    const found: Record<string, number> = {};
    for (const [series, value] of this.samples) {
      if (series === metric || series.startsWith(`${metric}{`)) found[series.slice(metric.length)] = value;
    }
    return found;
  }

  #set(owned: Set<string>, labels: Labels, value: number): void {
    const name = labels.without('cluster').toString();
    if (this.samples.has(name)) throw new Error(`two series are ${name}`);
    this.samples.set(name, value);
    owned.add(name);
  }
}
