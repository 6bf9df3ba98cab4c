import type { Clock } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { Labels, METRIC_NAME } from '../core/labels.ts';
import { LIMITS } from '../core/limits.ts';
import type { Meter } from '../core/meter.ts';
import type { SampleWriter } from '../core/sample.ts';
import type { WrittenSample, WrittenSeries } from '../formats/remote-write.ts';
import type { RefusedSamples, RemoteWritePort } from '../http/prometheus-ports.ts';

/** The store's limit of series is one of a target: what is sent is spread over as many, by job. */
const TARGETS = 16;
/**
 * How far ahead of now a sample may be. Prometheus takes ten minutes; here time begins after the newest sample when
 * Belfry starts again, so a sender's clock must not lead it far.
 */
const AHEAD_MAX_MS = 60_000;

/** Why samples are refused: as it is counted, and as a sender is told, in Prometheus's words where it has some. */
const REASONS = {
  out_of_order: 'out of order sample',
  duplicate: 'duplicate sample for timestamp',
  out_of_bounds: 'out of bounds',
  future: 'out of bounds: timestamp is too far in the future',
  labels: 'invalid labels',
  histogram: 'native histograms are not kept',
  limit: 'too many series',
} as const;

/** Keeps what comes by remote write, labels as they are sent, each series under a target `remote/N`. */
export function createRemoteWritePort(options: {
  store: { readonly writer: SampleWriter; committed(targets: ReadonlySet<string>): Promise<void> };
  clock: Clock;
  meter: Meter;
  retentionMs: () => number;
}): RemoteWritePort {
  const { store, clock, meter, retentionMs } = options;
  const targets = new Set(Array.from({ length: TARGETS }, (_, i) => targetName(i)));
  const taken = meter.counter('belfry_remote_write_samples_total', 'Samples that came by remote write and were kept.');
  const refusals = meter.counter('belfry_remote_write_samples_refused_total', 'Samples that came by remote write and were refused.', [
    'reason',
  ]);

  return {
    committed: () => store.committed(targets),
    write: (sent: WrittenSeries): readonly RefusedSamples[] => {
      const refused = new Map<string, RefusedSamples>();
      const refuse = (reason: keyof typeof REASONS, count: number, what: string): void => {
        const before = refused.get(reason);
        refused.set(reason, { why: REASONS[reason], count: count + (before?.count ?? 0), what: before?.what ?? what });
        refusals.add(count, { reason });
      };
      if (sent.histograms > 0) refuse('histogram', sent.histograms, nameOf(sent));
      const mistake = labelMistake(sent);
      if (mistake !== undefined) {
        refuse('labels', Math.max(1, sent.samples.length), `${nameOf(sent)}: ${mistake}`);
        return [...refused.values()];
      }
      const labels = Labels.of(sent.labels);
      const target = store.writer.target(targetOf(labels));
      const [oldestTs, newestTs] = [clock.now() - retentionMs(), clock.now() + AHEAD_MAX_MS];
      let count = 0;
      for (const sample of sent.samples) {
        const { ts, value } = sample;
        if (ts < oldestTs || ts > newestTs) {
          refuse(ts > newestTs ? 'future' : 'out_of_bounds', 1, describe(labels, sample));
          continue;
        }
        try {
          if (value === undefined) target.endAt?.(ts, labels);
          else target.appendAt(ts, labels, value);
          count++;
        } catch (error) {
          if (!(error instanceof BelfryError)) throw error;
          const reason = error.code === 'STORE_OUT_OF_ORDER' ? 'out_of_order' : error.code === 'STORE_DUPLICATE' ? 'duplicate' : 'limit';
          refuse(reason, 1, reason === 'limit' ? errorText(error) : describe(labels, sample));
        }
      }
      if (count > 0) taken.add(count);
      return [...refused.values()];
    },
  };
}

function targetOf(labels: Labels): string {
  let sum = 0;
  for (const character of labels.get('job')) sum = (Math.imul(sum, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return targetName(sum % TARGETS);
}

function targetName(i: number): string {
  return `remote/${i}`;
}

/** What is wrong with labels, as Prometheus judges them with UTF-8 names; undefined where nothing is. */
function labelMistake({ labels, isBroken }: WrittenSeries): string | undefined {
  if (isBroken === true) return 'a label that is not UTF-8';
  const names = new Set<string>();
  for (const [name, value] of labels) {
    if (name === '') return 'a label without a name';
    if (names.has(name)) return `the label ${JSON.stringify(name.slice(0, 100))} twice`;
    if (Buffer.byteLength(name) > LIMITS.labelNameBytes) return `a label name longer than ${LIMITS.labelNameBytes} bytes`;
    if (Buffer.byteLength(value) > LIMITS.labelValueBytes) return `a label value longer than ${LIMITS.labelValueBytes} bytes`;
    names.add(name);
  }
  if (labels.length > LIMITS.labelsPerSeries) return `more than ${LIMITS.labelsPerSeries} labels`;
  return labels.some(([name, value]) => name === METRIC_NAME && value !== '') ? undefined : 'no metric name';
}

function nameOf({ labels }: WrittenSeries): string {
  return JSON.stringify((labels.find(([name]) => name === METRIC_NAME)?.[1] ?? '').slice(0, 100));
}

function describe(labels: Labels, { ts }: WrittenSample): string {
  const at = Math.abs(ts) <= 8.64e15 ? new Date(ts).toISOString() : `${ts} ms`;
  return `${labels.toString().slice(0, 300)} at ${at}`;
}
