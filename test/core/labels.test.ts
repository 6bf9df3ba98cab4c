import { describe, expect, it } from '@jest/globals';
import { compareLabels, Labels } from '../../src/core/labels.ts';

describe('labels', () => {
  it('are a set: order and empty values do not matter', () => {
    const one = Labels.of({ b: '2', a: '1', c: '' });
    expect(
      one.equals(
        Labels.of([
          ['a', '0'],
          ['a', '1'],
          ['b', '2'],
        ]),
      ),
    ).toBe(true);
    expect(one.pairs).toEqual(['a', '1', 'b', '2']);
  });

  it('of other sets have other keys, wherever a text ends', () => {
    expect(Labels.of({ a: '1', b: '2' }).key).not.toBe(Labels.of({ a: '11:b1:2' }).key);
  });

  it('sort by code point, as Go sorts UTF-8', () => {
    expect(Labels.of({ '\uff5e': 'x', '💥': 'x', Z: 'x', a: 'x' }).pairs.filter((_, i) => i % 2 === 0)).toEqual(['Z', 'a', '\uff5e', '💥']);
    expect(compareLabels(Labels.of({ a: '\uff5e' }), Labels.of({ a: '💥' }))).toBeLessThan(0);
  });

  // FNV-1a with 64 bits has published values: of no byte cbf29ce484222325.
  it('without any have the fingerprint of nothing', () => {
    expect(Labels.empty.fingerprint).toBe('cbf29ce484222325');
  });
});
