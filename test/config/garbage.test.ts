import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { problemText } from '../../src/config/problems.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-garbage-'));
  writeFileSync(join(folder, 'rules.yaml'), 'groups: []\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(content: string | Uint8Array) {
  const path = join(folder, 'belfry.yaml');
  writeFileSync(path, content);
  const lookup = (): undefined => undefined;
  const environment = { kafkaBrokers: undefined, configPath: undefined, logLevel: undefined, url: undefined, token: undefined, lookup };
  const result = loadConfig({ path, environment, workingFolder: folder, defaultRules: join(folder, 'rules.yaml') });
  return { ...result, texts: result.problems.map((problem) => problemText(problem).replace(`${folder}/`, '')) };
}

const BOMB = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
  .split('')
  .map((name, i) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefgh'[i]}`).join(',')}]`)
  .join('\n')}\n`;
const CLUSTER = 'clusters:\n  - name: a\n    brokers: [b]\n';

describe('what is no configuration', () => {
  it.each([
    ['aliases that grow without end', BOMB, /^belfry\.yaml:2:8 has no value: Excessive alias count/],
    ['an alias inside what it stands for', 'rules: &r [*r]\n', /^belfry\.yaml:1:12 has no value/],
    ['flow lists nested too deep', '['.repeat(20_000), /^belfry\.yaml:\d+:\d+ /],
    ['block lists nested too deep', '- '.repeat(20_000), /^belfry\.yaml:\d+:\d+ /],
    ['a key twice', 'rules: [a]\nrules: [b]\n', /^belfry\.yaml:2:1 Map keys must be unique/],
    ['tabs', 'http:\n\tlisten: "a:1"\n', /^belfry\.yaml:2:1 Tabs are not allowed/],
    ['a second document', 'rules: [rules.yaml]\n---\nrules: [rules.yaml]\n', /^belfry\.yaml:2:1 .*multiple documents/],
    ['a list', '- a\n', /^belfry\.yaml:1:1 expected object, received array/],
    ['a text', 'hello\n', /^belfry\.yaml:1:1 expected object, received string/],
    ['bytes that are no UTF-8', Uint8Array.from([0x61, 0x3a, 0xff, 0xfe]), /^belfry\.yaml:1:1 cannot read it: not in UTF-8/],
    ['too large', `# ${'x'.repeat(5_000_000)}`, /^belfry\.yaml:1:1 cannot read it: larger than/],
    ['a NUL', 'rules: ["a\0b"]\n', /^belfry\.yaml:1:9 rules\[0\]: no path holds a NUL/],
    ['a key that is a list', '? [a, b]\n: 1\n', /^belfry\.yaml:1:3 .*strings/],
  ])('is refused with a place: %s', (_, content, expected) => {
    const { config, texts } = load(content);
    expect(config).toBeUndefined();
    expect(texts[0]).toMatch(expected);
  });

  it('is a folder, or nothing', () => {
    rmSync(join(folder, 'belfry.yaml'), { force: true });
    const lookup = (): undefined => undefined;
    const environment = { kafkaBrokers: undefined, configPath: undefined, logLevel: undefined, url: undefined, token: undefined, lookup };
    const problemOf = (path: string) =>
      loadConfig({ path, environment, workingFolder: folder, defaultRules: '' }).problems.map(problemText).join('\n');
    mkdirSync(join(folder, 'sub'), { recursive: true });
    expect(problemOf('sub')).toBe('sub:1:1 cannot read it: not a file');
    expect(problemOf('gone.yaml')).toMatch(/^gone\.yaml:1:1 cannot read it: ENOENT/);
  });

  it('is anything: a problem with a place within the file, never a throw', () => {
    const piece = fc.constantFrom(
      'clusters:',
      '\n',
      '  ',
      '- ',
      'name: a',
      'brokers: [',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '<<: ',
      '!!x ',
      '"',
      "'",
      ': ',
      '? ',
      '|',
      '>',
      '#',
      '---\n',
      '...\n',
      '\t',
      '\r\n',
      '\0',
      '\ufeff',
      '%YAML 1.2\n',
      'owners: ',
      'http: ',
      'rules: [x]',
      '\\',
      '1e999',
      '~',
      '💥',
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
      fc.string({ unit: 'binary', maxLength: 60 }),
    );
    fc.assert(
      fc.property(text, (content) => {
        const { config, problems } = load(content);
        const lines = content.split('\n').length;
        expect(config === undefined).toBe(problems.length > 0);
        for (const { position, message } of problems) {
          expect(position.line).toBeGreaterThanOrEqual(1);
          expect(position.line).toBeLessThanOrEqual(lines + 1);
          expect(position.column).toBeGreaterThanOrEqual(1);
          expect(message).not.toBe('');
        }
      }),
      { numRuns: 300, verbose: 1 },
    );
  });
});

describe('what is a configuration all the same', () => {
  it.each([
    ['an empty object', '{}', 0],
    ['Windows line ends', CLUSTER.replaceAll('\n', '\r\n'), 1],
    ['a byte order mark', `\ufeff${CLUSTER}`, 1],
    ['JSON', '{"clusters": [{"name": "a", "brokers": ["b"]}]}', 1],
    ['merge keys', 'clusters:\n  - &one {name: a, brokers: [b]}\n  - {<<: *one, name: c}\n', 2],
    ['broker ids as numbers', `${CLUSTER}    addresses: {1: 'c:1', 2: 'c:2'}\n`, 1],
  ])('%s', (_, content, clusters) => {
    const { config, texts } = load(content);
    expect(texts).toEqual([]);
    expect(config?.clusters).toHaveLength(clusters);
  });

  it('keeps its places behind Windows line ends and a byte order mark', () => {
    expect(load('\ufeffhttp: {}\r\nrulez: 1\r\n').texts).toEqual(['belfry.yaml:2:1 rulez: unknown key: did you mean "rules"?']);
  });
});

describe('what does not go together', () => {
  it.each([
    ['a broker twice', 'clusters: [{name: a, brokers: [b, "B:9092"]}]', '1:35 clusters[0].brokers[1]: B:9092 is named twice'],
    [
      'a target twice in a job',
      'clusters: [{name: a, brokers: [b], exporters: [{job: j, targets: ["c:1"]}, {job: j, targets: ["c:1"]}]}]',
      '1:95 clusters[0].exporters[1].targets[0]: c:1 is named twice',
    ],
    [
      "a label of Belfry's own",
      'clusters: [{name: a, brokers: [b], exporters: [{job: j, targets: ["c:1"], labels: {job: x}}]}]',
      'the label job is',
    ],
    ['port 0 to connect to', 'clusters: [{name: a, brokers: ["b:0"]}]', 'not an address: "b:0"'],
    ['an IPv6 address that is none', 'clusters: [{name: a, brokers: ["[::::]:1"]}]', 'not an address'],
    ['an address of another scheme', 'http: {external_url: "ftp://a/"}', 'http.external_url: expected an http or https address'],
    ['an address with a query', 'http: {external_url: "http://a/?b"}', 'http.external_url: expected an http or https address'],
    ['a share above one', 'thresholds: {disk_free_ratio: 15}', 'thresholds.disk_free_ratio: too big'],
    ['a share that is no number', 'thresholds: {disk_free_ratio: .nan}', 'thresholds.disk_free_ratio: '],
    ['a negative number', 'thresholds: {consumer_lag_seconds: -1}', 'thresholds.consumer_lag_seconds: too small'],
  ])('%s', (_, content, expected) => {
    const { texts } = load(`${content}\n`);
    expect(texts).toEqual([expect.stringContaining(expected)]);
  });

  it('is not an external address with a path, nor port 0 to listen on', () => {
    const { config, texts } = load('http: {external_url: "https://ops.example.com/belfry//", listen: "127.0.0.1:0"}\n');
    expect(texts).toEqual([]);
    expect(config?.http).toMatchObject({ externalUrl: 'https://ops.example.com/belfry', listen: { port: 0 } });
  });
});

describe('a secret', () => {
  it.each([
    ['of a wrong kind', 'slack: {token: [hunter2]}'],
    ['taken for an alias', 'slack: {token: *hunter2}'],
    ['taken for a tag', 'slack: {token: !hunter2 x}'],
    ['taken for a block', 'slack:\n  token: |hunter2\n'],
    ['taken for an escape', 'slack: {token: "\\qhunter2"}'],
    ['before a broker', 'clusters: [{name: a, brokers: ["user:hunter2@b:9092"]}]'],
    ['in an external address', 'http: {external_url: "https://user:hunter2@a"}'],
    ['in the address of a mail server', 'email: {smtp: "smtp://user:hunter2@mail", from: a@b.c}'],
    ['in a webhook without scheme', 'owners: {a: {webhook: hunter2}}\ndefault_owner: a'],
    ['in the address of Slack', 'slack: {token: hunter2, api_url: "hunter2"}'],
    ['given twice', 'slack: {token: hunter2, token_file: x}'],
    ['without its user', "email: {smtp: 'smtp://m', from: a@b.c, password: hunter2}"],
    ['beside a mistake', 'slack: {token: hunter2, tokn: 1}'],
    ['of a mechanism that is none', 'clusters: [{name: a, brokers: [b], sasl: {mechanism: x, username: u, password: hunter2}}]'],
    ['that is not closed', 'slack: {token: "hunter2\n'],
  ])('is in no problem: %s', (_, content) => {
    const { texts, config } = load(`${content}\n`);
    expect(config).toBeUndefined();
    expect(texts.length).toBeGreaterThan(0);
    expect(texts.join('\n')).not.toContain('hunter2');
  });

  it('that is empty is none', () => {
    writeFileSync(join(folder, 'empty'), '\n');
    expect(load('slack: {token_file: empty}\n').texts).toEqual(['belfry.yaml:1:21 slack.token_file: empty is empty']);
  });
});
