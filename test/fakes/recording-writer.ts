import type { Labels } from '../../src/core/labels.ts';
import type { Layout, SampleWriter, TargetWriter } from '../../src/core/sample.ts';

export interface RecordedRow {
  readonly target: string;
  readonly ts: number;
  readonly layout: Layout;
  /** Value by series text, absent ones left out. */
  readonly samples: ReadonlyMap<string, number>;
}

/** A `SampleWriter` that remembers what was written, row by row. */
export class RecordingWriter implements SampleWriter {
  readonly rows: RecordedRow[] = [];
  readonly single: { target: string; ts: number; series: string; value: number }[] = [];
  readonly stale: { target: string; ts: number }[] = [];
  readonly removed: string[] = [];
  #waiting: (() => void)[] = [];

  target(id: string): TargetWriter {
    return {
      append: (ts, layout, values, absent) => {
        const samples = new Map<string, number>();
        for (const [i, series] of layout.series.entries()) if (absent?.[i] !== 1) samples.set(series.toString(), values[i] ?? Number.NaN);
        this.rows.push({ target: id, ts, layout, samples });
        this.#wake();
      },
      appendAt: (ts: number, series: Labels, value: number) => {
        this.single.push({ target: id, ts, series: series.toString(), value });
      },
      markStale: (ts) => {
        this.stale.push({ target: id, ts });
      },
    };
  }

  removeTarget(id: string): void {
    this.removed.push(id);
  }

  get last(): RecordedRow | undefined {
    return this.rows.at(-1);
  }

  /** Resolves once that many rows have been written in all. */
  async rowCount(count: number): Promise<void> {
    while (this.rows.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
