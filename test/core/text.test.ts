import { describe, expect, it } from '@jest/globals';
import { RE2JS } from 're2js';
import fc from 'fast-check';
import { inspect } from 'node:util';
import { formatDuration, humanDuration, parseDuration } from '../../src/core/duration.ts';
import { nearestName } from '../../src/core/nearest.ts';
import { formatExponent, formatFloat, parseFloatText } from '../../src/core/number-format.ts';
import { compileRegex } from '../../src/core/regex.ts';
import { Secret, shownUrl } from '../../src/core/secret.ts';
import { ulid } from '../../src/core/ulid.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

describe("numbers in Go's forms", () => {
  // strconv.FormatFloat(x, 'f', -1, 64) and (x, 'e', -1, 64).
  it.each([
    [0, '0', '0e+00'],
    [-0, '-0', '-0e+00'],
    [1, '1', '1e+00'],
    [12.5, '12.5', '1.25e+01'],
    [-0.1, '-0.1', '-1e-01'],
    [123456789, '123456789', '1.23456789e+08'],
    [1e20, '100000000000000000000', '1e+20'],
    [1e21, '1000000000000000000000', '1e+21'],
    [1.5e22, '15000000000000000000000', '1.5e+22'],
    [1e-6, '0.000001', '1e-06'],
    [1.25e-7, '0.000000125', '1.25e-07'],
    [1e100, `1${'0'.repeat(100)}`, '1e+100'],
    [Number.NaN, 'NaN', 'NaN'],
    [Infinity, '+Inf', '+Inf'],
    [-Infinity, '-Inf', '-Inf'],
  ])('%d is %s and %s', (value, plain, exponent) => {
    expect([formatFloat(value), formatExponent(value)]).toEqual([plain, exponent]);
  });

  it('are read back as they were', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        expect(parseFloatText(formatFloat(value))).toBe(value);
        expect(parseFloatText(formatExponent(value))).toBe(value);
      }),
      { verbose: 1 },
    );
  });

  it.each([
    ['0x1p-2', 0.25],
    ['0x.8p1', 1],
    ['-0X1P4', -16],
    ['infinity', Infinity],
    ['-inf', -Infinity],
    ['+Inf', Infinity],
    ['nan', Number.NaN],
    ['.5', 0.5],
    ['5.', 5],
    ['1e400', Infinity],
    ['', undefined],
    ['+nan', undefined],
    ['1_000', undefined],
    ['0x1', undefined],
    ['0xp1', undefined],
    ['1e', undefined],
    [' 1', undefined],
    ['.', undefined],
  ])('%j reads as %s', (text, value) => {
    expect(parseFloatText(text)).toBe(value);
  });
});

describe('durations', () => {
  it.each([
    ['0', 0],
    ['5ms', 5],
    ['1h30m', 5_400_000],
    ['1d12h', 129_600_000],
    ['1y', 31_536_000_000],
    ['2w1d', 1_296_000_000],
    ['1m0s', 60_000],
  ])('%s is %d ms', (text, durationMs) => {
    expect(parseDuration(text)).toBe(durationMs);
  });

  it.each(['', '1', '-5m', '1.5h', '1m1h', '5m5m', '5 m', 'm', '1M', '300y', '1h ', '\u0661s'])('%j is none', (text) => {
    expect(() => parseDuration(text)).toThrow();
  });

  it.each([
    [0, '0s'],
    [90_000, '1m30s'],
    [86_400_000, '1d'],
    [604_800_000, '1w'],
    [691_200_000, '8d'],
    [31_536_000_000, '1y'],
    [1001, '1s1ms'],
    [-60_000, '-1m'],
  ])('%d ms prints as %s', (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });

  it('are read back as they were printed', () => {
    fc.assert(fc.property(fc.nat(2 ** 31), (durationMs) => expect(parseDuration(formatDuration(durationMs))).toBe(durationMs)));
  });

  it.each([
    [-5, '0 ms'],
    [999.4, '999 ms'],
    [61_000, '1 m 1 s'],
    [3_600_000, '1 h'],
    [7_265_000, '2 h 1 m'],
    [90_000_000, '1 d 1 h'],
    [86_460_000, '1 d'],
  ])('%d ms is %s for people', (durationMs, text) => {
    expect(humanDuration(durationMs)).toBe(text);
  });
});

describe('regular expressions', () => {
  it.each([
    ['a', 'a', true],
    ['a', 'ba', false],
    ['a|b', 'ab', false],
    ['a|bc', 'bc', true],
    ['.*', 'x\ny', true],
    ['a.b', 'a\nb', true],
    ['a.*', 'a\nb', true],
    ['(?i)abc', 'ABC', true],
    ['(?-s)a.b', 'a\nb', false],
    ['', '', true],
    ['.+', '', false],
    ['\\d+', '12', true],
    ['\\d', '\u0661', false],
    ['\\pL+', 'ünï', true],
    ['[[:alpha:]]+', 'abc', true],
    ['.', '😀', true],
    ['a$', 'a\n', false],
    ['^a$', 'a', true],
    ['(a|b)', 'b', true],
    ['a||b', '', true],
    ['x{2}', 'xx', true],
  ])('%s over %j: %s', (pattern, text, expected) => {
    expect(compileRegex(pattern).matches(text)).toBe(expected);
  });

  it.each(['(', '[', 'a**', '(?=a)', '(?<!a)', '\\1', 'x{1001}', '(?P<a', 'a{2,1}'])('%s is none', (pattern) => {
    expect(() => compileRegex(pattern)).toThrow('invalid regular expression');
  });

  it.each([
    ['(.*)-(.*)', 'a-b', '$2:$1', 'b:a'],
    ['(.*)-(.*)', 'a-b', '${1}x$1x', 'ax'],
    ['(?P<n>.).*', 'xyz', '$n-${n}-$$', 'x-x-$'],
    ['(.*)', 'a', '$', '$'],
    ['(.*)', 'a', '$9${', '${'],
    ['(a)|b', 'b', '[$1]', '[]'],
    ['a', 'b', '$0', undefined],
  ])('%s over %j as %j gives %j', (pattern, text, template, expected) => {
    expect(compileRegex(pattern).expandWhole(text, template)).toBe(expected);
  });

  it.each([
    ['b*', 'aabc', '<$0>', '<>a<>a<b>c<>'],
    ['a|', 'aab', '-', '--b-'],
    ['', 'ab', '.', '.a.b.'],
  ])('%s in %j replaced by %j gives %j: nothing is found right behind what was found', (pattern, text, template, expected) => {
    expect(compileRegex(pattern).replaceAll(text, template)).toBe(expected);
  });

  it('take linear time', () => {
    expect(compileRegex('(a*)*b').matches('a'.repeat(5000))).toBe(false);
  });
});

describe('a secret', () => {
  const secret = new Secret('hunter2');

  it.each([
    ['a template', `${secret as unknown as string}`],
    ['a sum', `x${String(secret)}`],
    ['JSON', JSON.stringify({ a: [secret] })],
    ['inspect', inspect({ a: { b: secret } }, { showHidden: true, depth: 9 })],
    ['keys and values', JSON.stringify([Object.keys(secret), Object.values(secret), Object.assign({}, secret)])],
    ['an error', new Error(`no ${String(secret)}`).message],
  ])('is not seen in %s', (_, text) => {
    expect(text).not.toContain('hunter2');
  });

  it('is given out by reveal', () => {
    expect(secret.reveal()).toBe('hunter2');
  });

  it.each([
    ['https://user:pw@hooks.example.com:8443/T0/B0?x=y#z', 'https://hooks.example.com:8443'],
    ['no address', '[invalid address]'],
  ])('is cut off %s', (address, shown) => {
    expect(shownUrl(address)).toBe(shown);
  });
});

describe('the nearest name', () => {
  const KNOWN = ['clusters', 'owners', 'rules', 'thresholds'];
  it.each([
    ['cluster', 'clusters'],
    ['Clusters', 'clusters'],
    ['clutsers', 'clusters'],
    ['rule', 'rules'],
    ['treshholds', 'thresholds'],
    ['xyz', undefined],
    ['', undefined],
    ['x'.repeat(1000), undefined],
  ])('to %s is %s', (name, expected) => {
    expect(nearestName(name, KNOWN)).toBe(expected);
  });
});

describe('a ULID', () => {
  it.each([
    [0, '0000000000'],
    [1_469_918_176_385, '01ARYZ6S41'],
    [2 ** 48 - 1, '7ZZZZZZZZZ'],
  ])('of %d begins with %s', (now, time) => {
    expect(ulid(now)).toMatch(new RegExp(`^${time}[0-9A-HJKMNP-TV-Z]{16}$`));
  });

  it('is another one each time', () => {
    expect(new Set(Array.from({ length: 1000 }, () => ulid(0))).size).toBe(1000);
  });
});

describe('an expression', () => {
  const pieces = fc.constantFrom('a', 'b', '😀', '.', 'a*', 'b+', '😀?', 'a{0,1}', '(ab)?', '[ab]', '\\.', '|', '.*', '^', '$');
  const texts = fc.array(fc.constantFrom('a', 'b', '😀', '.', '\n'), { maxLength: 4 }).map((parts) => parts.join(''));

  it('says of a whole text what the engine says, the first time and when it is asked again', () => {
    fc.assert(
      fc.property(fc.array(pieces, { minLength: 1, maxLength: 4 }), fc.array(texts, { maxLength: 8 }), (parts, asked) => {
        const source = parts.join('');
        const engine = RE2JS.compile(`^(?s:${source})$`);
        const regex = compileRegex(source);
        for (const text of [...asked, ...asked]) expect([source, text, regex.matches(text)]).toEqual([source, text, engine.test(text)]);
      }),
      { numRuns: 500, seed: 20_261_123 },
    );
  });
});
