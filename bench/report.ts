import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchReport, Figure, Table } from './bench.ts';

const RESULTS = fileURLToPath(new URL('results', import.meta.url));

/** What a figure depends on besides the code. */
export interface Machine {
  readonly node: string;
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memoryBytes: number;
  readonly loadBefore: readonly number[];
  readonly loadAfter: readonly number[];
}

export function machine(loadBefore: readonly number[]): Machine {
  const cpus = os.cpus();
  return {
    node: process.version,
    cpus: cpus.length,
    cpuModel: cpus[0]?.model ?? '',
    memoryBytes: os.totalmem(),
    loadBefore,
    loadAfter: os.loadavg(),
  };
}

/** Tables, notes, and the one line that ends it. */
export function textOf(name: string, report: BenchReport, on: Machine): string {
  const load = `load ${loadText(on.loadBefore)} before, ${loadText(on.loadAfter)} after`;
  const notes = [...report.notes, `measured on ${on.cpus} cores (${on.cpuModel}), Node ${on.node}, ${load}`];
  return [...report.tables.map(tableText), notes.map((note) => `- ${note}`).join('\n'), lastLine(name, report.figures)].join('\n\n');
}

function loadText(load: readonly number[]): string {
  return load.map((average) => average.toFixed(1)).join(' ');
}

/** `NAME: figure unit, figure unit, …`. What is no number (a miss, none) is said as it is. */
export function lastLine(name: string, figures: readonly Figure[]): string {
  return `${name}: ${figures.map(({ name: what, value, unit }) => `${what} ${figureText(value, unit)}`).join(', ')}`;
}

function figureText(value: number, unit: string): string {
  if (value === Infinity) return 'miss';
  if (Number.isNaN(value)) return 'none';
  const number = Math.abs(value) < 10 && !Number.isInteger(value) ? value.toFixed(1) : String(Math.round(value));
  return unit === '' ? number : `${number} ${unit}`;
}

/** The first column to the left, figures to the right. */
export function tableText({ title, columns, rows }: Table): string {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => (row[index] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    widths.map((width, index) => (index === 0 ? (cells[index] ?? '').padEnd(width) : (cells[index] ?? '').padStart(width))).join('  ');
  return [title, line(columns), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)]
    .map((text) => text.trimEnd())
    .join('\n');
}

/** Writes `bench/results/NAME.json`; JSON has no infinity, so that a miss is null there. Its path. */
export function writeResults(name: string, report: BenchReport, on: Machine): string {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${name}.json`);
  const { figures, notes, results } = report;
  writeFileSync(file, `${JSON.stringify({ name, at: new Date().toISOString(), machine: on, figures, notes, ...results }, null, 2)}\n`);
  return file;
}
