import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BelfryError } from '../../src/core/errors.ts';
import { Matcher } from '../../src/core/matcher.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

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
    ['a=~b{2}', 'a', '=~', 'b{2}'],
    ['a="b}"', 'a', '=', 'b}'],
    ['a:b=c', 'a:b', '=', 'c'],
    ['a==b', 'a', '=', '=b'],
    ['a-b=c', 'a-b', '=', 'c'],
    ['9a=b', '9a', '=', 'b'],
    ['9a=b, ', '9a', '=', 'b'],
    ['a=b,', 'a', '=', 'b,'],
    ['a=b\u00a0', 'a', '=', 'b\u00a0'],
    ['"k.p"="\\xc3\\xa9\\303\\250"', 'k.p', '=', 'éè'],
    ['k8s.pod/name!~"x|y"', 'k8s.pod/name', '!~', 'x|y'],
    ['überfällig=~ja', 'überfällig', '=~', 'ja'],
    ['"a"="say \\t\\u00e9\\U0001F600\\x41\\""', 'a', '=', 'say \té😀A"'],
    [' "my label" = "b c" ', 'my label', '=', 'b c'],
  ])('%s', (text, name, op, value) => {
    const { name: isName, op: isOp, value: isValue } = parseMatcher(text);
    expect([isName, isOp, isValue]).toEqual([name, op, value]);
  });
});

describe('what is none is refused in one sentence', () => {
  it.each<[string, string]>([
    ['a', 'bad matcher format: a'],
    ['', 'bad matcher format: '],
    ['a b=c', 'bad matcher format: a b=c'],
    ['""="b"', 'bad matcher format: ""="b"'],
    ['"a b"=c d', 'bad matcher format: "a b"=c d'],
    ['"a"', 'bad matcher format: "a"'],
    ['{a="b"}', 'bad matcher format: {a="b"}'],
    ['a=b}', 'unexpected open or close brace: a=b}'],
    ['a=~b}', 'unexpected open or close brace: a=~b}'],
    ['"a.b"="\\xc3"', 'bad matcher format: the bytes \\xc3 are no text'],
    ['"\\q"=c', 'bad matcher format: unknown escape \\q'],
    ['"\\ud800"=c', 'bad matcher format: unknown escape \\ud800'],
    ['a.b=~(', 'invalid regular expression "("'],
    ['a=b"c', 'matcher value contains unescaped double quote: b"c'],
    ['a="b', 'matcher value contains unescaped double quote: "b'],
    ['a="b"c"', 'matcher value contains unescaped double quote: "b"c"'],
    ['a=~(', 'invalid regular expression "("'],
  ])('%s', (text, sentence) => {
    expect(() => parseMatcher(text)).toThrow(sentence);
  });

  it.each<[string, string, boolean]>([
    ['a=~one.two', 'one\ntwo', false],
    ['a=~.*', 'one\ntwo', false],
    ['a=~one.+', 'one\n', false],
    ['a!~.*', '\n', true],
    ['a=~(?s)one.two', 'one\ntwo', true],
    ['a=~"one\\ntwo|x"', 'one\ntwo', true],
    ['a=~one.two', 'one two', true],
    ['"a b"=~.', '\n', false],
  ])('in its expressions a dot is no line break: %s of %j', (text, value, matches) => {
    expect(parseMatcher(text).matches(value)).toBe(matches);
  });

  it('takes no longer for spaces in its value', () => {
    const value = `x${' '.repeat(60_000)}y`;
    const before = process.cpuUsage();
    expect(parseMatcher(`a= ${value} `).value).toBe(value);
    expect(process.cpuUsage(before).user).toBeLessThan(2_000_000);
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

  it('a matcher that is shown is read as the same, whatever its name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'binary-ascii' }), (name, value) => {
        const { name: isName, op, value: isValue } = parseMatcher(new Matcher(name, '!=', value).toString());
        expect([isName, op, isValue]).toEqual([name, '!=', value]);
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
