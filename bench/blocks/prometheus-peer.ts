import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { METRIC_NAME, type Labels } from '../../src/core/labels.ts';
import type { Layout } from '../../src/core/sample.ts';
import type { Source } from './source.ts';

/** What Prometheus's own blocks take for the same samples. */
export interface PeerBlocks {
  readonly chunkBytes: number;
  /** With the index. */
  readonly bytes: number;
}

/** Has `promtool tsdb create-blocks-from openmetrics` make blocks of a source. */
export async function prometheusBlocks(source: Source, dir: string): Promise<PeerBlocks> {
  const stem = join(dir, `prometheus-${source.name.replaceAll(/\W/g, '-')}`);
  const file = createWriteStream(`${stem}.txt`);
  const seriesTexts = new Map<Layout, readonly string[]>();
  for (const { ts, layout, values } of source.rows()) {
    const time = (ts / 1000).toFixed(3);
    let names = seriesTexts.get(layout);
    if (names === undefined) seriesTexts.set(layout, (names = layout.series.map(seriesText)));
    const lines = names.map((name, i) => `${name} ${textOf(values[i]!)} ${time}\n`);
    if (!file.write(lines.join(''))) await once(file, 'drain');
  }
  file.end('# EOF\n');
  await once(file, 'close');
  const made = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', `${stem}.txt`, stem], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`promtool: ${made.stderr.slice(-500)}`);
  let chunkBytes = 0;
  let bytes = 0;
  for (const name of await readdir(stem, { recursive: true })) {
    const { size } = await stat(join(stem, name));
    if (/chunks\/\d+$/.test(name)) chunkBytes += size;
    if (/(?:chunks\/\d+|index)$/.test(name)) bytes += size;
  }
  return { chunkBytes, bytes };
}

function seriesText(labels: Labels): string {
  const pairs = [...labels].filter(([name]) => name !== METRIC_NAME).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `${labels.get(METRIC_NAME) ?? ''}{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function textOf(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
