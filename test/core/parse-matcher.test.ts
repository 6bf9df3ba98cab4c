import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BelfryError } from '../../src/core/errors.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';

describe('a matcher is read', () => {
  it.each<[string, string, string, string]>([
    ['a=b', 'a', '=', 'b'],
    [' a = "b" ', 'a', '=', 'b'],
    ['a!=b', 'a', '!=', 'b'],
    ['a=~b.*', 'a', '=~', 'b.*'],
    ['a!~"b|c"', 'a', '!~', 'b|c'],
    ['a=', 'a', '=', ''],
    ['a=""', 'a', '=', ''],
    ['a="say \\"hi\\"\\n\\\\ \\d"', 'a', '=', 'say "hi"\n\\ \\d'],
    ['a=b c', 'a', '=', 'b c'],
    ['a=b\\', 'a', '=', 'b\\'],
    ['a:b=c', 'a:b', '=', 'c'],
    ['a==b', 'a', '=', '=b'],
  ])('%s', (text, name, op, value) => {
    const { name: isName, op: isOp, value: isValue } = parseMatcher(text);
    expect([isName, isOp, isValue]).toEqual([name, op, value]);
  });
});

describe('what is none is refused in one sentence', () => {
  it.each<[string, string]>([
    ['a', 'bad matcher format: a'],
    ['', 'bad matcher format: '],
    ['9a=b', 'bad matcher format: 9a=b'],
    ['a-b=c', 'bad matcher format: a-b=c'],
    ['a=b"c', 'matcher value contains unescaped double quote: b"c'],
    ['a="b', 'matcher value contains unescaped double quote: "b'],
    ['a="b"c"', 'matcher value contains unescaped double quote: "b"c"'],
    ['a=~(', 'invalid regular expression "("'],
  ])('%s', (text, sentence) => {
    expect(() => parseMatcher(text)).toThrow(sentence);
  });

  it('whatever is given: a matcher or a named error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[ab]?[=!~]{0,2}[\\"na(]{0,8}$/)), (text) => {
        try {
          expect(parseMatcher(text).name).not.toBe('');
        } catch (error) {
          expect(error instanceof BelfryError && error.code).toBe('BAD_REQUEST');
        }
      }),
    );
  });

  it('a matcher that is written is read as the same', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z"\\ \n]{0,10}$/), (value) => {
        expect(parseMatcher(`a="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`).value).toBe(value);
      }),
    );
  });
});
