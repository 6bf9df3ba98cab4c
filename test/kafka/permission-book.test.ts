import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter, type LabelValues } from '../../src/core/meter.ts';
import { PermissionBook, type Permission } from '../../src/kafka/permission-book.ts';

const READ: Permission = { operation: 'Read', resource: 'Topic *' };
const WRITE: Permission = { operation: 'Write', resource: 'Topic *' };

function makeBook() {
  const clock = new ManualClock(1_700_000_000_000);
  const shown = new Map<string, number>();
  const key = (labels: LabelValues = {}): string => `${labels['cluster']} ${labels['operation']} ${labels['resource']}`;
  const meter = {
    ...silentMeter,
    gauge: () => ({
      set: (value: number, labels?: LabelValues) => void shown.set(key(labels), value),
      remove: (labels: LabelValues) => void shown.delete(key(labels)),
    }),
  };
  return { clock, shown, book: new PermissionBook({ cluster: 'c', clock, log: silentLogger, meter }) };
}

describe('a permission', () => {
  it('is not known before something was asked for', () => {
    const { book, shown } = makeBook();
    expect([book.missing, shown.size]).toEqual([[], 0]);
  });

  it('is missing as long as anything of it is refused, whatever else is allowed', () => {
    const { book, shown } = makeBook();
    book.refused(READ, 'a');
    book.refused(READ, 'b');
    book.allowed(READ, 'c');
    book.allowed(READ, 'a');
    book.allowed(WRITE, 'a');
    expect([book.missing, ...shown]).toEqual([[READ], ['c Read Topic *', 1], ['c Write Topic *', 0]]);
    book.allowed(READ, 'b');
    expect([book.missing, shown.get('c Read Topic *')]).toEqual([[], 0]);
  });

  it('is not missing for ever for want of a topic that is gone', async () => {
    const { book, clock, shown } = makeBook();
    book.refused(READ, 'gone');
    await clock.advance(16 * 60_000);
    book.allowed(READ, 'another');
    expect([book.missing, shown.get('c Read Topic *')]).toEqual([[], 0]);
  });

  it('is remembered for a limited number of names', () => {
    const { book } = makeBook();
    for (let i = 0; i < 20_000; i++) book.refused(READ, String(i));
    for (let i = 0; i < 10_000; i++) book.allowed(READ, String(i));
    expect(book.missing).toEqual([]);
  });

  it('ends with its book', () => {
    const { book, shown } = makeBook();
    book.refused(READ, 'a');
    book.close();
    book.refused(READ, 'on its way');
    expect(shown.size).toBe(0);
  });
});
