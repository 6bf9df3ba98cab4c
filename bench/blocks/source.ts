import { Labels } from '../../src/core/labels.ts';
import type { Layout } from '../../src/core/sample.ts';
import { PageParser } from '../../src/formats/page-parser.ts';
import { FleetTarget } from '../rules/fleet.ts';
import type { Capture } from './capture.ts';

/** One row of a target. The values are overwritten by the next one. */
export interface SourceRow {
  readonly target: string;
  readonly ts: number;
  readonly layout: Layout;
  readonly values: Float64Array;
}

/** Rows that are stored, in the order of their times. */
export interface Source {
  readonly name: string;
  rows(): Iterable<SourceRow>;
}

export function sourceOf({ name, scrapes }: Capture): Source {
  return {
    name,
    *rows() {
      const parser = new PageParser();
      let known: unknown;
      let layout: Layout = { series: [] };
      for (const { ts, page } of scrapes) {
        const parsed = parser.parse(Buffer.from(page), 'text');
        if (parsed.layout !== known) layout = { series: parsed.layout.series };
        known = parsed.layout;
        yield { target: name, ts, layout, values: parsed.values.subarray(0, layout.series.length) };
      }
    },
  };
}

/** Some brokers of the fleet of `bench -- rules`, scraped every 5 s with a few milliseconds of jitter. */
export function fleetSource(targets: number, rows: number, untilTs: number): Source {
  const fleet = Array.from({ length: targets }, (_, index) => new FleetTarget(index));
  const layouts = fleet.map((target): Layout => ({ series: target.labels().map((labels) => Labels.of(labels)) }));
  return {
    name: 'fleet of bench rules',
    *rows() {
      for (let row = 0; row < rows; row++) {
        for (const [i, target] of fleet.entries()) {
          const values = new Float64Array(target.size);
          const ts = untilTs - (rows - row) * 5000 + ((row * 7919 + i * 104_729) % 5);
          target.values(ts, values);
          yield { target: target.instance, ts, layout: layouts[i]!, values };
        }
      }
    },
  };
}
