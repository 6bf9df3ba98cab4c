import { describe, expect, it } from '@jest/globals';
import { describeWhere } from '../../testbed/skip.ts';
import { tmpdir } from 'node:os';
import { ManualClock } from '../../src/core/clock.ts';
import { SelfMeasures } from '../../src/watchdog/self-measures.ts';
import { RecordingLogger, RecordingMeter } from './recording.ts';

function setUp(folder = tmpdir()) {
  const clock = new ManualClock();
  const log = new RecordingLogger();
  const meter = new RecordingMeter();
  const groups: { name: string; intervalMs: number; lastEvaluationTs: number }[] = [];
  return { clock, log, meter, groups, measures: new SelfMeasures({ folder, groups: () => groups, clock, log, meter }) };
}

/** Resolves once the condition holds; the loop turns in between. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('how late rules are', () => {
  it('is by how much the next evaluation of each group is overdue', () => {
    const { clock, groups, meter, measures } = setUp();
    const now = clock.now();
    groups.push(
      { name: 'on time', intervalMs: 5000, lastEvaluationTs: now - 4000 },
      { name: 'late', intervalMs: 5000, lastEvaluationTs: now - 12_000 },
      { name: 'new', intervalMs: 5000, lastEvaluationTs: 0 },
      { name: 'twice', intervalMs: 5000, lastEvaluationTs: now - 7000 },
      { name: 'twice', intervalMs: 5000, lastEvaluationTs: now },
    );
    measures.measure();
    const shown = (): Record<string, number> => meter.of('belfry_rule_evaluation_lag_seconds');
    expect(shown()).toEqual({
      'belfry_rule_evaluation_lag_seconds{late}': 7,
      'belfry_rule_evaluation_lag_seconds{new}': 0,
      'belfry_rule_evaluation_lag_seconds{on time}': 0,
      'belfry_rule_evaluation_lag_seconds{twice}': 2,
    });
    groups.splice(1);
    measures.measure();
    expect(shown()).toEqual({ 'belfry_rule_evaluation_lag_seconds{on time}': 0 });
  });
});

describe('the disk of the data folder', () => {
  it('is shown with its size and what is usable', async () => {
    const { meter, measures } = setUp();
    measures.measure();
    await until(() => meter.values.has('belfry_data_folder_usable_bytes{}'));
    const size = meter.values.get('belfry_data_folder_size_bytes{}') ?? 0;
    expect(size).toBeGreaterThan(1e6);
    expect(meter.values.get('belfry_data_folder_usable_bytes{}')).toBeLessThanOrEqual(size);
  });

  it('that cannot be looked at is told once', async () => {
    const { log, measures } = setUp('/no/such/folder');
    measures.measure();
    await until(() => log.lines.length > 0);
    measures.measure();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.lines).toEqual([expect.stringContaining('data_folder_not_measured')]);
  });
});

describeWhere(process.platform === 'linux' ? undefined : 'only Linux tells of them in /proc', 'open files', () => {
  const shown = (meter: RecordingMeter, name: string): number => meter.values.get(`${name}{}`) ?? 0;

  it('are counted, with their limit', async () => {
    const { meter, measures } = setUp();
    measures.measure();
    await until(() => meter.values.has('belfry_open_files{}'));
    expect(shown(meter, 'belfry_open_files')).toBeGreaterThan(3);
    expect(shown(meter, 'belfry_open_files')).toBeLessThan(shown(meter, 'belfry_open_files_max'));
  });
});
