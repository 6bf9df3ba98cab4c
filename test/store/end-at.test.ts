import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { instantOf, layout, matchers, metric, T0, windowsOf } from './fixture.ts';

const A = metric('a', 'x=1');
const ALL = matchers('x=1');

let folder = '';
const open: SampleStore[] = [];
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'belfry-store-'))));
afterEach(() => {
  for (const store of open.splice(0)) store.close();
  rmSync(folder, { recursive: true });
});

function openStore(): SampleStore {
  const clock = new ManualClock(T0 + 400_000);
  const store = openSampleStore({
    path: join(folder, 'samples.db'),
    clock,
    log: silentLogger,
    meter: silentMeter,
    retentionMs: 86_400_000,
  });
  open.push(store);
  return store;
}

const read = (store: SampleStore, ts: number) => [
  Object.keys(instantOf(store.reader.select(ALL, 0, ts), ts)).length,
  windowsOf(store.reader.select(ALL, 0, T0 * 2), 0, T0 * 2)['a{x="1"}']?.length ?? 0,
];

describe('a series that is ended by itself', () => {
  it('is gone from then on, begins anew with its next sample, and stays so across a restart', () => {
    const store = openStore();
    const target = store.writer.target('remote/1');
    for (let i = 0; i < 300; i++) target.appendAt(T0 + i * 1000, A, i);
    target.endAt?.(T0 + 300_000, A);
    expect(read(store, T0 + 301_000)).toEqual([0, 300]);
    store.flush();
    expect(read(openStore(), T0 + 301_000)).toEqual([0, 300]);
    target.appendAt(T0 + 302_000, A, 1);
    target.endAt?.(T0 + 301_000, A);
    expect(read(store, T0 + 303_000)).toEqual([1, 301]);
    expect(read(store, T0 + 301_000)).toEqual([0, 301]);
  });

  it('need not be there', () => {
    const store = openStore();
    const target = store.writer.target('remote/1');
    target.endAt?.(T0, A);
    store.writer.target('rows').append(T0, layout(A), new Float64Array([1]));
    target.endAt?.(T0 + 1, A);
    expect([read(store, T0 + 2), store.stats().series]).toEqual([[1, 1], 1]);
  });
});
