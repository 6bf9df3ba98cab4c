import type { BenchReport, Figure, Table } from '../bench.ts';
import { distributionOf, milliseconds } from '../statistics.ts';
import { RULES } from './fleet.ts';
import type { PeerResult } from './prometheus-peer.ts';
import type { StageResult } from './stage.ts';

export interface Measured {
  readonly mode: 'direct' | 'live';
  readonly targets: number;
  readonly stage: StageResult;
  /** The same by hand with a tenth of the targets, and with ten times as many, if asked for. */
  readonly growth: readonly { readonly targets: number; readonly stage: StageResult }[];
  readonly peer: PeerResult | undefined;
  readonly notes: readonly string[];
}

export function reportOf(measured: Measured): BenchReport {
  const { mode, stage, peer } = measured;
  const own = distributionOf(stage.evaluationsMs);
  const others = distributionOf(peer?.evaluationsMs ?? []);
  const ratio = others.p50 / own.p50;
  const figures: Figure[] = [
    { name: 'median', value: own.p50, unit: 'ms' },
    { name: 'max', value: own.max, unit: 'ms' },
    { name: 'Prometheus / Belfry', value: ratio, unit: '×' },
    { name: 'CPU', value: Math.round(stage.cores * 1000), unit: 'thousandths of a core' },
    { name: 'RSS', value: stage.rssBytes / 1e6, unit: 'MB' },
    { name: 'loop delay p99', value: stage.loopDelayP99Ms ?? Number.NaN, unit: 'ms' },
  ];
  const first = milliseconds(stage.firstMs);
  return {
    tables: [mainTable(measured, own, others), kindsTable(stage), ...growthTable(measured)],
    notes: [
      `${RULES.length} rules over ${stage.series} series of ${measured.targets} targets, ${Math.round(stage.samplesPerSecond)} samples/s, ` +
        (mode === 'live' ? 'scraped over loopback' : 'appended by hand: no HTTP, no parsing, no loop delay, and CPU without them'),
      `${own.count} evaluations after a first one of ${first} and another; bytes a sample are those of the blocks in the file`,
      ...measured.notes,
    ],
    figures,
    results: { mode, targets: measured.targets, stage, growth: measured.growth, peer: peer ?? null },
  };
}

type Distribution = ReturnType<typeof distributionOf>;

function mainTable({ stage, peer }: Measured, own: Distribution, others: Distribution): Table {
  const both = (name: string, mine: string, theirs = '-'): readonly string[] => [name, mine, peer === undefined ? '-' : theirs];
  const bytes = stage.bytesPerSample === null ? '-' : stage.bytesPerSample.toFixed(2);
  const cpu = stage.evaluationsCpuMs.length === 0 ? '-' : milliseconds(distributionOf(stage.evaluationsCpuMs).min);
  const delay = (ms: number | null): string => (ms === null ? '-' : milliseconds(ms));
  return {
    title: 'All rules once',
    columns: ['', 'Belfry', peer === undefined ? 'no Prometheus' : `Prometheus ${peer.version}`],
    rows: [
      both('median', milliseconds(own.p50), milliseconds(others.p50)),
      both('least', milliseconds(own.min), milliseconds(others.min)),
      both('p90', milliseconds(own.p90), milliseconds(others.p90)),
      both('max', milliseconds(own.max), milliseconds(others.max)),
      both('processor time, least', cpu),
      both('cores, all in', stage.cores.toFixed(3), peer?.cores.toFixed(3)),
      both('RSS', megabytes(stage.rssBytes), megabytes(peer?.rssBytes ?? Number.NaN)),
      both('bytes a sample', bytes),
      both('loop delay p99', delay(stage.loopDelayP99Ms)),
      both('loop delay max', delay(stage.loopDelayMaxMs)),
    ],
  };
}

function megabytes(bytes: number): string {
  return Number.isNaN(bytes) ? '-' : `${Math.round(bytes / 1e6)} MB`;
}

function kindsTable({ kindsMs }: StageResult): Table {
  const counts = Map.groupBy(RULES, ({ kind }) => kind);
  return {
    title: 'By kind of rule, the expressions alone, least of 30',
    columns: ['kind', 'rules', 'all of them'],
    rows: Object.entries(kindsMs).map(([kind, ms]) => [kind, String(counts.get(kind)?.length ?? 0), `${ms.toFixed(2)} ms`]),
  };
}

function growthTable({ growth }: Measured): readonly Table[] {
  if (growth.length === 0) return [];
  return [
    {
      title: 'How it grows (appended by hand)',
      columns: ['targets', 'series', 'median', 'least', 'cores', 'RSS'],
      rows: growth.map(({ targets, stage }) => {
        const { p50, min } = distributionOf(stage.evaluationsMs);
        const figures = [milliseconds(p50), milliseconds(min), stage.cores.toFixed(3), megabytes(stage.rssBytes)];
        return [String(targets), String(stage.series), ...figures];
      }),
    },
  ];
}
