import { describe, expect, it } from '@jest/globals';
import { check } from '../../../src/promql/check.ts';
import { parse } from '../../../src/promql/parse.ts';
import { brokerLoads, loadQueries } from '../../../src/autopilot/scale/broker-loads.ts';
import { covers, EMPTY_WINDOW, fed, highest } from '../../../src/autopilot/scale/window.ts';

describe('the load of brokers', () => {
  it.each(Object.entries(loadQueries('orders "x"', 300_000)))('%s is asked in good PromQL', (_, text) => {
    expect(() => check(parse(text), text)).not.toThrow();
  });

  it('joins hosts to brokers by the label broker or by configuration, never by guess', () => {
    const rows = (value: number, ...labels: Record<string, string>[]) => labels.map((each) => ({ labels: each, value }));
    const loads = brokerLoads(
      {
        replicas: rows(30, { broker: '1' }, { broker: '2' }, { broker: '3' }),
        leaders: rows(10, { broker: '1' }),
        handlersIdle: rows(0.25, { broker: '1', instance: 'a:7071' }, { instance: 'host2:7071' }, { instance: 'stranger:7071' }),
        cpuIdle: [...rows(1.5, { broker: '1' }), ...rows(NaN, { broker: '2' }), ...rows(0.1, { broker: 'x', instance: 'host2:9100' })],
        diskUsed: rows(0.5, { broker: '1' }, { broker: '2' }, { broker: '9' }),
      },
      new Map([['host2', 2]]),
    );
    const unknown = { network: undefined, bytesPerSecond: undefined };
    expect(loads).toEqual([
      { broker: 1, handlers: 0.75, cpu: 0, disk: 0.5, ...unknown, leaders: 10, replicas: 30 },
      { broker: 2, handlers: 0.75, cpu: undefined, disk: 0.5, ...unknown, leaders: 0, replicas: 30 },
      { broker: 3, handlers: undefined, cpu: undefined, disk: undefined, ...unknown, leaders: 0, replicas: 30 },
    ]);
  });

  it('says nothing where nothing answered', () => {
    expect(brokerLoads({}, new Map())).toEqual([]);
  });
});

describe('the window of recommendations', () => {
  const WINDOW = 300_000;

  it('keeps the highest of its time, some sixty slices at most', () => {
    let window = fed(EMPTY_WINDOW, 0, 5, WINDOW);
    for (let now = 1000; now <= 900_000; now += 1000) window = fed(window, now, 3, WINDOW);
    expect(window.slices.length).toBeLessThanOrEqual(62);
    expect(highest(window, 900_000, WINDOW)).toBe(3);
    expect(covers(window, 900_000, WINDOW)).toBe(true);
  });

  it('is the same object while it learns nothing', () => {
    const window = fed(EMPTY_WINDOW, 0, 5, WINDOW);
    expect(fed(window, 1000, 4, WINDOW)).toBe(window);
    expect(fed(window, 1000, 6, WINDOW)).not.toBe(window);
  });

  it('begins anew after a gap, and when time went backwards', () => {
    const window = fed(EMPTY_WINDOW, 600_000, 5, WINDOW);
    expect(fed(window, 900_000, 3, WINDOW)).toEqual({ since: 900_000, slices: [[900_000, 3]] });
    expect(fed(window, 500_000, 3, WINDOW).slices).toEqual([[500_000, 3]]);
    expect(highest(EMPTY_WINDOW, 0, WINDOW)).toBeUndefined();
  });
});
