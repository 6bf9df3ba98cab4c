import type { BenchReport, Figure } from '../bench.ts';
import { distributionOf, milliseconds } from '../statistics.ts';
import type { StageResult } from './stage.ts';

/** One server's answers to one question, one figure a repeat. */
export interface PeerSide {
  readonly ms: readonly number[];
  readonly cpuMs: readonly number[];
  readonly bytes: number;
}

/** One question, asked of both. */
export interface Asked {
  readonly name: string;
  readonly kind: 'instant' | 'range';
  readonly belfry: PeerSide;
  readonly prometheus: PeerSide | undefined;
  /** Whether both gave the same; undefined where there is no peer. */
  readonly agree: boolean | undefined;
}

export interface Measured {
  readonly version: string | undefined;
  readonly stage: StageResult;
  readonly instances: number;
  readonly steps: number;
  readonly asked: readonly Asked[];
}

export function reportOf({ version, stage, instances, steps, asked }: Measured): BenchReport {
  const rows = asked.map((one) => rowOf(one, stage));
  const wrong = asked.filter(({ agree }) => agree === false).map(({ name, kind }) => `${name} (${kind})`);
  const [instant, range] = (['instant', 'range'] as const).map((kind) => asked.find((one) => one.kind === kind));
  return {
    tables: [
      {
        title: `Over HTTP, medians; CPU is the mean of the whole process; range queries have ${steps} steps`,
        columns: [
          '',
          '',
          'Belfry',
          version === undefined ? 'no Prometheus' : `Prometheus ${version}`,
          'ratio',
          'CPU',
          'CPU',
          'ratio',
          'evaluation',
        ],
        rows,
      },
    ],
    notes: [
      `${stage.series} series of ${instances} instances; "evaluation" is Belfry's alone, in the process, processor time, median`,
      ...(version === undefined ? [] : [wrong.length === 0 ? 'all answers agree' : `answers differ: ${wrong.join(', ')}`]),
    ],
    figures: [...figuresOf(instant), ...figuresOf(range)],
    results: { version: version ?? null, steps, series: stage.series, inProcess: stage.inProcess, asked },
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function rowOf({ name, kind, belfry, prometheus }: Asked, stage: StageResult): readonly string[] {
  const own = distributionOf(belfry.ms).p50;
  const others = distributionOf(prometheus?.ms ?? []).p50;
  const [ownCpu, othersCpu] = [mean(belfry.cpuMs), mean(prometheus?.cpuMs ?? [])];
  const inside = stage.inProcess.find((one) => one.name === name);
  const alone = distributionOf(kind === 'instant' ? (inside?.instantMs ?? []) : (inside?.rangeMs ?? [])).p50;
  return [
    name,
    kind,
    milliseconds(own),
    milliseconds(others),
    ratio(others / own),
    milliseconds(ownCpu),
    milliseconds(othersCpu),
    ratio(othersCpu / ownCpu),
    milliseconds(alone),
  ];
}

function ratio(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(1)}×` : '-';
}

function figuresOf(asked: Asked | undefined): readonly Figure[] {
  if (asked === undefined) return [];
  const { kind, belfry, prometheus } = asked;
  const own = distributionOf(belfry.ms).p50;
  return [
    { name: kind, value: own, unit: 'ms' },
    { name: `Prometheus / Belfry ${kind}`, value: distributionOf(prometheus?.ms ?? []).p50 / own, unit: '×' },
  ];
}
