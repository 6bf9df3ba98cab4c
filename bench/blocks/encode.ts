import Database from 'better-sqlite3';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { BitWriter } from '../../src/store/bit-writer.ts';
import { BlockEncoder } from '../../src/store/block-codec.ts';
import { ColumnCodec } from '../../src/store/column-codec.ts';
import { asIntegers } from '../../src/store/double-column.ts';
import { LineFit } from '../../src/store/line-column.ts';
import { RowRing } from '../../src/store/row-ring.ts';
import { BLOCK_LEVEL, pack } from '../../src/store/sample-file.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';
import { MAX_LANE_COLUMNS } from '../../src/store/target.ts';
import type { Source } from './source.ts';

/** What a kind of column takes, without the directory and before the block is compressed whole. */
export interface KindResult {
  readonly kind: string;
  readonly columns: number;
  readonly samples: number;
  readonly bytes: number;
  /** Bits of numbers that scatter evenly and independently around a line, as far as they do; no code is below it if they are so. */
  readonly scatterBits: number;
}

export interface EncodeResult {
  readonly name: string;
  readonly series: number;
  readonly samples: number;
  /** Of blocks as they are in the file once a target's first one is behind it, which is shorter. */
  readonly blockBytes: number;
  readonly blockSamples: number;
  /** Of those that the file had here, short ones among them. */
  readonly storedBytes: number;
  readonly storedSamples: number;
  /** All that was ever written to the flush log, which is deleted as blocks are sealed. */
  readonly logBytes: number;
  /** Pages of the file by table and index. */
  readonly tableBytes: Readonly<Record<string, number>>;
  readonly kinds: readonly KindResult[];
  /** Processor time of everything, by sample. */
  readonly cpuNsASample: number;
}

/** As the store has them by default. */
const BLOCK_ROWS = 120;
const FLUSH_MS = 5000;
const NAMES = new Set(['symbols', 'series', 'lanes', 'places', 'counters']);

/** Stores a source with the store's own code, as Belfry would, and tells what its file has. */
export function encode(source: Source, dir: string): EncodeResult {
  const path = join(dir, `${source.name.replaceAll(/\W/g, '-')}.db`);
  const clock = new ManualClock(0);
  const store = openSampleStore({ path, clock, log: silentLogger, meter: silentMeter, retentionMs: 1e15 });
  const file = new Database(path, { readonly: true });
  const newestLog = file.prepare('SELECT id, length(bytes) AS bytes FROM log ORDER BY id DESC LIMIT 1');
  const columns = new Columns();
  const targets = new Set<string>();
  let logBytes = 0;
  let loggedTo = 0;
  let flushedAt = -Infinity;
  let cpuUs = 0;
  const flush = (): void => {
    if (!store.flush()) throw new Error('the store cannot write its file');
    const row = newestLog.get() as { id: number; bytes: number } | undefined;
    if (row === undefined || row.id === loggedTo) return;
    logBytes += row.bytes;
    loggedTo = row.id;
  };
  for (const { target, ts, layout, values } of source.rows()) {
    const before = process.threadCpuUsage();
    targets.add(target);
    store.writer.target(target).append(ts, layout, values);
    if (ts - flushedAt >= FLUSH_MS) {
      flush();
      flushedAt = ts;
    }
    const { user, system } = process.threadCpuUsage(before);
    cpuUs += user + system;
    columns.add(target, ts, values);
  }
  const { samplesAppended, series } = store.stats();
  // What is still raw is sealed.
  for (const target of targets) store.writer.removeTarget(target);
  flush();
  const blocks = file.prepare('SELECT sum(length(bytes)) AS bytes, sum(samples) AS samples FROM blocks').get() as Record<string, number>;
  const tables = file.prepare('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name').all() as { name: string; bytes: number }[];
  file.close();
  store.close();
  return {
    name: source.name,
    series,
    samples: samplesAppended,
    ...columns.blocks(),
    storedBytes: blocks['bytes'] ?? 0,
    storedSamples: blocks['samples'] ?? 0,
    logBytes,
    tableBytes: Object.fromEntries(tables.map(({ name, bytes }) => [name, bytes])),
    kinds: columns.kinds(),
    cpuNsASample: (1000 * cpuUs) / samplesAppended,
  };
}

/** Pages of what names series and their places: written once for each series. */
export function nameBytes({ tableBytes }: EncodeResult): number {
  return Object.entries(tableBytes).reduce((sum, [name, bytes]) => sum + (NAMES.has(name) ? bytes : 0), 0);
}

/** Pages of the blocks that are more than the blocks themselves, indexes included. */
export function overheadBytes({ tableBytes, storedBytes }: EncodeResult): number {
  return Object.entries(tableBytes).reduce((sum, [name, bytes]) => sum + (name.startsWith('blocks') ? bytes : 0), -storedBytes);
}

interface Row {
  readonly ts: number;
  readonly values: Float64Array;
}

/** The rows of a source as full blocks have them; those of pages with another number of series than most are left out. */
class Columns {
  readonly #byTarget = new Map<string, Map<number, Row[]>>();

  add(target: string, ts: number, values: Float64Array): void {
    let widths = this.#byTarget.get(target);
    if (widths === undefined) this.#byTarget.set(target, (widths = new Map()));
    const rows = widths.get(values.length);
    const row = { ts, values: values.slice() };
    if (rows === undefined) widths.set(values.length, [row]);
    else if (rows.length < BLOCK_ROWS) rows.push(row);
  }

  blocks(): { readonly blockBytes: number; readonly blockSamples: number } {
    const encoder = new BlockEncoder();
    let blockBytes = 0;
    let blockSamples = 0;
    for (const rows of this.#rows()) {
      const width = rows[0]?.values.length ?? 0;
      for (let from = 0; from < width; from += MAX_LANE_COLUMNS) {
        const ring = new RowRing(rows.length, Math.min(MAX_LANE_COLUMNS, width - from));
        for (let col = 0; col < ring.stride; col++) ring.addColumn(from + col, col);
        for (const { ts, values } of rows) ring.append(ts, values.subarray(from), undefined);
        blockBytes += pack(encoder.rows(ring, 0, rows.length), BLOCK_LEVEL).length;
        blockSamples += encoder.samples;
      }
    }
    return { blockBytes, blockSamples };
  }

  kinds(): readonly KindResult[] {
    const kinds = new Map<string, { columns: number; samples: number; bytes: number; scatterBits: number }>();
    const codec = new ColumnCodec();
    const line = new LineFit();
    for (const rows of this.#rows()) {
      const ints = new Float64Array(rows.length);
      for (let col = 0; col < (rows[0]?.values.length ?? 0); col++) {
        const column = Float64Array.from(rows, ({ values }) => values[col]!);
        const scale = asIntegers(column, column.length, ints);
        const constant = column.every((value) => Object.is(value, column[0]));
        const kind = constant ? 'constant' : scale < 0 ? 'other doubles' : scale === 0 ? 'whole numbers' : 'decimals';
        const entry = kinds.get(kind) ?? { columns: 0, samples: 0, bytes: 0, scatterBits: 0 };
        const out = new BitWriter();
        codec.encode(new Uint32Array(column.buffer), column.length, out);
        entry.columns++;
        entry.samples += column.length;
        entry.bytes += out.length;
        if (!constant && scale >= 0 && line.fit(ints, column.length)) entry.scatterBits += line.bits(column.length);
        kinds.set(kind, entry);
      }
    }
    return [...kinds].map(([kind, entry]) => ({ kind, ...entry })).toSorted((a, b) => b.bytes - a.bytes);
  }

  /** Of each target. */
  *#rows(): Iterable<readonly Row[]> {
    for (const widths of this.#byTarget.values()) yield [...widths.values()].toSorted((a, b) => b.length - a.length)[0] ?? [];
  }
}
