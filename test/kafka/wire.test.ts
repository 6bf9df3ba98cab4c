import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { WireReader } from '../../src/kafka/wire-reader.ts';
import { WireWriter } from '../../src/kafka/wire-writer.ts';

const FIELD = fc.oneof(
  fc.record({ kind: fc.constant('int8' as const), value: fc.integer({ min: -128, max: 127 }) }),
  fc.record({ kind: fc.constant('int16' as const), value: fc.integer({ min: -32_768, max: 32_767 }) }),
  fc.record({ kind: fc.constant('int32' as const), value: fc.integer() }),
  fc.record({ kind: fc.constant('int64' as const), value: fc.maxSafeInteger() }),
  fc.record({ kind: fc.constant('unsignedVarint' as const), value: fc.nat(0xff_ff_ff_ff) }),
  fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'grapheme', maxLength: 400 }) }),
  fc.record({ kind: fc.constant('compactString' as const), value: fc.string({ unit: 'grapheme', maxLength: 400 }) }),
);

describe('the wire', () => {
  it('gives back what was written, wherever the buffer had to grow', () => {
    const property = fc.property(fc.array(FIELD, { maxLength: 120 }), (fields) => {
      const writer = new WireWriter();
      for (const { kind, value } of fields) (writer[kind] as (value: number | string) => WireWriter).call(writer, value);
      const reader = new WireReader(Buffer.from(writer.written()), 'test');
      for (const { kind, value } of fields) expect(reader[kind]()).toBe(value);
      reader.expectEnd();
    });
    fc.assert(property, { seed: 20_261_122, numRuns: 300 });
  });

  it('refuses a string that no request can hold', () => {
    expect(() => new WireWriter().compactString('x'.repeat(40_000))).toThrow('too long for a Kafka request');
  });
});
