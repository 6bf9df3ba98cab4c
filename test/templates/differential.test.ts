import { expect, it } from '@jest/globals';
import { describeWhere } from '../../testbed/skip.ts';
import { Random } from '../promql/expression-generator.ts';
import { hasPromtool } from '../rules/promtool.ts';
import { expandedByPromtool, expandedByUs, parsedByPromtool, parsedByUs } from './promtool-expansion.ts';
import { TemplateGenerator } from './template-generator.ts';

/** By default always the same templates; by hand a long run on others: `BELFRY_FUZZ_SECONDS=600 BELFRY_FUZZ_SEED=7`. */
const SECONDS = Number(process.env['BELFRY_FUZZ_SECONDS'] ?? 0);
const SEED = Number(process.env['BELFRY_FUZZ_SEED'] ?? (SECONDS > 0 ? Date.now() % 1_000_000 : 1));
const TEMPLATES = 800;
const VALUES = ['1234567.891', '0', '-1.5', 'NaN', 'Inf', '1e-9', '3', '100000000000', '1435065584.128', '59.9999', '0.1234567'];

/** What is different on purpose; by the template or by what promtool gives. Everything else must agree. */
const KNOWN_DIFFERENCES: readonly {
  readonly why: string;
  readonly applies: (template: string, theirs: string, ours: string) => boolean;
}[] = [
  {
    why: 'where Go prints the address of a sample, we print the sample',
    applies: (_, theirs, ours) => /0xc0[0-9a-f]{8}|\*templ\w*te\.s\w*mple/i.test(theirs) || /\[\{|%5B%7B/.test(ours),
  },
  { why: 'since Go 1.24 one can range over a whole number', applies: (_, theirs) => /range can't iterate over -?\d+>/.test(theirs) },
  { why: 'Prometheus 3 makes capitals by the rules of Unicode', applies: (template) => template.includes('title') },
  { why: 'in Prometheus 3 a duration may be negative', applies: (_, theirs) => /not a valid duration string: \\?"-/.test(theirs) },
  {
    why: 'the order of samples that are sorted by a label they lack is open',
    applies: (template) => template.replaceAll('sortByLabel "zone"', '').includes('sortByLabel'),
  },
  { why: 'the type of the rule data has another name', applies: (_, theirs) => theirs.includes('struct { Labels') },
  { why: '%#v of a struct is no Go source to us', applies: (template) => /%[^ "%]*#[^ "%]*v/.test(template) },
  { why: 'maps have no address', applies: (template) => /%[^ "%]*p/.test(template) },
  {
    why: "Go's times have other fields inside, seen with verbs that are not for times",
    applies: (_, theirs) => theirs.includes('time.Location'),
  },
  { why: 'a width in printf is at most 10,000', applies: (template) => template.includes('printf') && /1000000|1_000_000/.test(template) },
];

const isError = (text: string): boolean => text.startsWith('<error expanding template: ');

/** The words of errors that Go and Prometheus have changed since promtool 2.42, on both sides as they were or left out. */
const CHANGED_WORDS: readonly (readonly [RegExp, string])[] = [
  [/__alert_Case\d*/g, '__alert_Case'],
  [/(incompatible types for comparison): \S+ and [^>]+/g, '$1'],
  [/Value interface \{\} \}/g, 'Value float64 }'],
  [/(at <\S*\.Value\.\w+>: can't evaluate field \w+ in type) interface \{\}/g, '$1 float64'],
  [/unknown unit .* in duration/g, 'not a valid duration string:'],
  // What is wrong with a query is said by PromQL, whose words are compared elsewhere.
  [/(error calling query: )(?:\d+:\d+: parse error: )?[^>]*/g, '$1'],
];

function sinceThen(text: string): string {
  return CHANGED_WORDS.reduce((changed, [words, now]) => changed.replaceAll(words, now), text);
}

interface Counts {
  templates: number;
  expanded: number;
  failed: number;
}

/** What differs in one file of random templates over a sample of one value. */
function differences(seed: number, counts: Counts): readonly string[] {
  const generator = new TemplateGenerator(new Random(seed));
  const value = VALUES[seed % VALUES.length] ?? '';
  const texts = Array.from({ length: TEMPLATES }, (_, i) => (i % 5 === 4 ? generator.broken() : generator.template())).filter(
    // An empty annotation is no annotation at all to promtool.
    (text) => text.isWellFormed() && text.trim() !== '',
  );
  const found: string[] = [];
  const parsed = texts.map(parsedByUs);
  const theirs = parsedByPromtool(texts);
  for (const [i, text] of texts.entries())
    if ((parsed[i] !== undefined) !== theirs[i])
      found.push(`${JSON.stringify(text)}: ${theirs[i] === true ? 'only promtool' : 'only we'} can parse it`);
  const both = texts.flatMap((text, i) => (parsed[i] !== undefined && theirs[i] === true ? [{ text, template: parsed[i] }] : []));
  const expected = expandedByPromtool(
    both.map(({ text }) => text),
    value,
  );
  const got = expandedByUs(
    both.map(({ template }) => template),
    Number(value.replace('Inf', 'Infinity')),
  );
  counts.templates += texts.length;
  for (const [i, { text }] of both.entries()) {
    const [wanted = 'nothing', ours = 'nothing'] = [expected[i], got[i]];
    counts[isError(wanted) ? 'failed' : 'expanded']++;
    if (sinceThen(wanted) === sinceThen(ours) || KNOWN_DIFFERENCES.some(({ applies }) => applies(text, wanted, ours))) continue;
    found.push(`${JSON.stringify(text)} over ${value}: ours ${JSON.stringify(ours)}, theirs ${JSON.stringify(wanted)}`);
  }
  return found;
}

describeWhere(hasPromtool ? undefined : 'needs promtool (apt-get install prometheus)', 'random templates', () => {
  it(
    `give what Go's own give (seed ${SEED})`,
    () => {
      const counts: Counts = { templates: 0, expanded: 0, failed: 0 };
      const until = Date.now() + SECONDS * 1000;
      for (let seed = SEED; ; seed++) {
        expect({ seed, found: differences(seed, counts) }).toEqual({ seed, found: [] });
        if (Date.now() >= until) break;
      }
      if (SECONDS > 0) process.stderr.write(`templates: ${JSON.stringify(counts)}, from seed ${SEED}\n`);
      expect(counts.expanded).toBeGreaterThan(counts.failed / 2);
    },
    (SECONDS + 120) * 1000,
  );
});
