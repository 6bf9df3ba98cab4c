import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import type { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import type { Layout } from '../../src/core/sample.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { layout, metric, T0 } from './fixture.ts';

const DAY = 86_400_000;

let folder = '';
let clock: ManualClock;
let store: SampleStore;
let reader: ReturnType<SampleStore['feed']['open']>;
let got: Map<string, string[]>;

function open(): void {
  store = openSampleStore({
    path: join(folder, 'samples.db'),
    clock,
    log: silentLogger,
    meter: silentMeter,
    retentionMs: 30 * DAY,
    limits: { rows: 4 },
  });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-feed-'));
  clock = new ManualClock(T0);
  open();
  reader = store.feed.open(undefined);
  got = new Map();
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

function read(oldestTs = -Infinity): void {
  do {
    for (const _ of reader.read(clock.now(), oldestTs, {
      sample: (series, ts, value, stale) => {
        const name = store.feed.labels(series)?.toString() ?? '';
        got.set(name, [...(got.get(name) ?? []), `${stale ? 'stale' : value}@${ts - T0}`]);
      },
    }));
  } while (reader.readTo < clock.now());
}

function restart(position: string): void {
  store.close();
  open();
  reader = store.feed.open(position);
}

const told = (): Record<string, string[]> => Object.fromEntries([...got].toSorted(([a], [b]) => (a < b ? -1 : 1)));
const A = metric('a');
const B = metric('b');

describe('the feed of new samples', () => {
  it('begins with what comes after it was opened, and tells where a series ends', () => {
    const target = store.writer.target('t');
    target.append(T0 - 2, layout(A), Float64Array.of(1));
    target.appendAt(T0 - 1, B, 1);
    reader = store.feed.open(undefined);
    target.append(T0 - 1, layout(A), Float64Array.of(0.1));
    target.append(T0, layout(B), Float64Array.of(Number.NaN));
    target.appendAt(T0, B, 2);
    read();
    expect(told()).toEqual({ a: ['0.1@-1', 'stale@0'], b: expect.arrayContaining(['NaN@0', '2@0']) });
    read();
    expect(Object.values(told()).flat()).toHaveLength(4);
  });

  it('goes on after a restart where it was, with what came after that', async () => {
    const target = () => store.writer.target('t');
    target().append(T0, layout(A, B), Float64Array.of(1, 2));
    read();
    const position = reader.position(false);
    for (let i = 1; i <= 10; i++) target().append(T0 + i, layout(A, B), Float64Array.of(i, i));
    restart(position);
    target().append(T0 + 20, layout(A, B), Float64Array.of(20, 20));
    await clock.advance(20);
    read();
    expect(told()['a']).toEqual(['1@0', ...Array.from({ length: 10 }, (_, i) => `${i + 1}@${i + 1}`), '20@20']);
  });

  it('leaves out what is older than is wanted', async () => {
    const target = store.writer.target('t');
    for (let i = 1; i <= 20; i++) target.append(T0 + i * 60_000, layout(A), Float64Array.of(i));
    await clock.advance(20 * 60_000);
    read(T0 + 17 * 60_000);
    expect(told()).toEqual({ a: ['18@1080000', '19@1140000', '20@1200000'] });
  });

  it.each(['', 'no JSON', 'null', '{"v":2}', '{"v":1,"readTo":0}'])('begins anew after a position that it cannot read: %j', (position) => {
    store.writer.target('t').append(T0, layout(A), Float64Array.of(1));
    reader = store.feed.open(position);
    read();
    expect(told()).toEqual({});
  });

  const SERIES: readonly Labels[] = ['p', 'q', 'r', 's'].map((name) => metric(name));
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('row'), target: fc.nat(2), mask: fc.integer({ min: 0, max: 15 }) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('points'), series: fc.nat(3), count: fc.constantFrom(1, 2, 30, 150) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('end'), series: fc.nat(3) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('read') }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause'), ms: fc.constantFrom(1000, 90_000, 3_600_000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove'), target: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush') }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart') }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill') }) },
  );
  type Step = { kind: string; target?: number; mask?: number; series?: number; count?: number; ms?: number };

  it('tells everything in order, and once unless it was killed, whatever happens in between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps: readonly Step[]) => {
        const expected = new Map<string, string[]>();
        const expectSample = (name: string, what: string): void => void expected.set(name, [...(expected.get(name) ?? []), what]);
        store.close();
        rmSync(folder, { recursive: true, force: true });
        folder = mkdtempSync(join(tmpdir(), 'belfry-feed-'));
        clock = new ManualClock(T0);
        open();
        reader = store.feed.open(undefined);
        got = new Map();
        const live = [0, 0, 0];
        const ended = new Set<string>(['side_p', 'side_q', 'side_r', 'side_s']);
        const layouts = new Map<string, Layout>();
        let value = 0;
        let position = reader.position(false);
        const rowLabels = (target: number, i: number): Labels => metric(`t${target}_${SERIES[i]!.metricName}`);
        const layoutOf = (target: number, mask: number): Layout => {
          const key = `${target} ${mask}`;
          const found = layouts.get(key) ?? layout(...[0, 1, 2, 3].filter((i) => (mask & (1 << i)) !== 0).map((i) => rowLabels(target, i)));
          layouts.set(key, found);
          return found;
        };
        const row = (target: number, mask: number): void => {
          const at = clock.now() - T0;
          for (let i = 0; i < 4; i++) {
            const name = rowLabels(target, i).metricName;
            if ((mask & (1 << i)) !== 0) expectSample(name, `${value}@${at}`);
            else if ((live[target]! & (1 << i)) !== 0) expectSample(name, `stale@${at}`);
          }
          live[target] = mask;
        };
        for (const { kind, target = 0, mask = 0, series = 0, count = 0, ms = 0 } of steps) {
          await clock.advance(7);
          value++;
          const name = `side_${SERIES[series]!.metricName}`;
          if (kind === 'row') {
            row(target, mask);
            const columns = layoutOf(target, mask);
            store.writer.target(`t${target}`).append(clock.now(), columns, new Float64Array(columns.series.length).fill(value));
          } else if (kind === 'points') {
            for (let i = 0; i < count; i++) {
              await clock.advance(1);
              store.writer.target('side').appendAt(clock.now(), metric(name), value);
              expectSample(name, `${value}@${clock.now() - T0}`);
              ended.delete(name);
            }
          } else if (kind === 'end') {
            store.writer.target('side').endAt?.(clock.now(), metric(name));
            if (!ended.has(name)) expectSample(name, `stale@${clock.now() - T0}`);
            ended.add(name);
          } else if (kind === 'read') read();
          else if (kind === 'pause') await clock.advance(ms);
          else if (kind === 'remove') {
            if (live[target] !== 0) row(target, 0);
            store.writer.target(`t${target}`).markStale(clock.now());
            store.writer.removeTarget(`t${target}`);
          } else if (kind === 'flush') store.flush();
          else if (kind === 'restart') {
            read();
            restart(reader.position(true));
          } else restart(position);
          if (kind === 'read' || kind === 'restart') position = reader.position(false);
        }
        read();
        const sorted = (all: Map<string, string[]>) => Object.fromEntries([...all].toSorted(([a], [b]) => (a < b ? -1 : 1)));
        const isKilled = steps.some(({ kind }) => kind === 'kill');
        for (const [name, samples] of got) if (isKilled) got.set(name, [...new Set(samples)]);
        expect(sorted(got)).toEqual(sorted(expected));
      }),
      { seed: 20_261_123, numRuns: 60 },
    );
  }, 180_000);

  it.each([
    ['nothing', undefined, false],
    ['where a reader was that had read nothing', '{"v":1,"readTo":null,"isEnd":false,"lanes":[[0,1700000000000]]}', false],
    ['text that was cut off', '{"v":1,"readTo":17', true],
    ['one of a later version', '{"v":2,"readTo":1,"isEnd":false,"lanes":[]}', true],
    ['lanes that are none', '{"v":1,"readTo":1,"isEnd":false,"lanes":[7]}', true],
    ['times that are none', '{"v":1,"readTo":1,"isEnd":false,"lanes":[[7,"1"]]}', true],
    ['no object', 'null', true],
  ])('begins with what comes from now on where its position is %s, and says whether one was lost', (_, position, isLost) => {
    store.writer.target('t').append(T0, layout(metric('a')), Float64Array.of(1));
    reader = store.feed.open(position);
    expect([reader.isLost, reader.readTo]).toEqual([isLost, -Infinity]);
    read();
    expect(got.size).toBe(0);
  });
});
