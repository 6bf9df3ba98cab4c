import { yieldToLoop, type Clock } from '../core/clock.ts';
import { compareLabels, type Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import { Slices } from '../core/slices.ts';
import { familyHead, OPENMETRICS_END, sampleText, seriesPrefix, TimedTextReader } from '../formats/openmetrics-text.ts';
import type { BackfillPort, BroughtView, MetricMetadata } from '../http/prometheus-ports.ts';
import { HistoryExport } from '../store/history-export.ts';
import type { SampleStore } from '../store/sample-store.ts';
import { Points } from '../store/points.ts';

/** Of one series so much is read at once. */
const WINDOW_MS = 6 * 3_600_000;
const PIECE_CHARACTERS = 65_536;

/** History in and out as OpenMetrics text. */
export function createBackfillPort(
  samples: Pick<SampleStore, 'backfill' | 'stats'>,
  metadata: () => Promise<ReadonlyMap<string, MetricMetadata>>,
  clock: Clock,
): BackfillPort {
  return {
    bring: async (text, firstLine): Promise<BroughtView> => {
      const reader = new TimedTextReader(text, firstLine);
      while (reader.read()) await yieldToLoop();
      const counts = await samples.backfill.store(reader.series());
      return { ...counts, series: reader.series().length };
    },
    take: (filter, fromTs, toTs) => {
      const { minTs = 0, maxTs = 0 } = samples.stats();
      const range = { fromTs: Math.max(fromTs, minTs) - 1, toTs: Math.min(toTs, maxTs) };
      return texts(samples.backfill, samples.backfill.series(filter), metadata, range, new Slices(clock));
    },
  };
}

/** The samples of [fromTs, toTs] that `samples.db` has, beside a Belfry or without one; `onHoles` hears of what cannot be read. */
export async function* takeFromFile(
  path: string,
  selectors: readonly (readonly Matcher[])[],
  { fromTs, toTs }: { readonly fromTs: number; readonly toTs: number },
  clock: Clock,
  onHoles: (count: number) => void,
): AsyncGenerator<string, void> {
  const file = new HistoryExport(path);
  try {
    const { minTs = 0, maxTs = 0 } = file.bounds() ?? {};
    const range = { fromTs: Math.max(fromTs, minTs) - 1, toTs: Math.min(toTs, maxTs) };
    const series = file.open(selectors, range.fromTs, range.toTs);
    yield* texts(file, series, async () => new Map(), range, new Slices(clock));
    if (file.holes > 0) onHoles(file.holes);
  } finally {
    file.close();
  }
}

/** Family by family, series by series, in order of time; (fromTs, toTs]. */
async function* texts(
  source: Pick<SampleStore['backfill'], 'read'>,
  found: ReturnType<SampleStore['backfill']['series']>,
  metadata: () => Promise<ReadonlyMap<string, MetricMetadata>>,
  { fromTs, toTs }: { readonly fromTs: number; readonly toTs: number },
  slices: Slices,
): AsyncGenerator<string, void> {
  const known = await metadata();
  const series = found.toSorted((a, b) => inFamilies(a.labels, b.labels));
  const names = new Set(series.map(({ labels }) => labels.metricName));
  const points = new Points();
  let family = '';
  let piece = '';
  for (const { id, labels } of series) {
    const prefix = seriesPrefix(labels);
    for (let from = fromTs; from < toTs; from += WINDOW_MS) {
      const n = source.read(id, from, Math.min(toTs, from + WINDOW_MS), points);
      if (n > 0 && labels.metricName !== family) {
        family = labels.metricName;
        piece += headOf(family, known, names);
      }
      for (let i = 0; i < n; i++) piece += prefix + sampleText(points.values[i]!, points.timestamps[i]!);
      if (piece.length >= PIECE_CHARACTERS) {
        yield piece;
        piece = '';
      }
      // Also where series have nothing in this time: looking for it takes long, too.
      if (slices.due) await slices.pause();
    }
  }
  yield piece + OPENMETRICS_END;
}

/** All of one metric together. */
function inFamilies(a: Labels, b: Labels): number {
  if (a.metricName !== b.metricName) return a.metricName < b.metricName ? -1 : 1;
  return compareLabels(a, b);
}

/** A family has one metric's samples; as a counter it must end in `_total`, and its own name be free. */
function headOf(name: string, known: ReadonlyMap<string, MetricMetadata>, names: ReadonlySet<string>): string {
  const base = name.endsWith('_total') ? name.slice(0, -'_total'.length) : '';
  // OpenMetrics pages name a counter's family without the ending.
  const metadata = known.get(name) ?? (base === '' ? undefined : known.get(base));
  if (metadata?.type === 'counter' && base !== '' && !names.has(base)) return familyHead(base, 'counter', metadata.help);
  return familyHead(name, metadata?.type === 'gauge' ? 'gauge' : 'unknown', metadata?.help ?? '');
}
