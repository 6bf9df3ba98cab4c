import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkRuleFiles } from '../../src/rules/load.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { Random } from '../promql/expression-generator.ts';
import { hasPromtool, promtool } from './promtool.ts';
import { mutated } from './rule-file-mutator.ts';

/** By default always the same files; by hand a long run on others: `BELFRY_FUZZ_SECONDS=600 BELFRY_FUZZ_SEED=7`. */
const SECONDS = Number(process.env['BELFRY_FUZZ_SECONDS'] ?? 0);
const SEED = Number(process.env['BELFRY_FUZZ_SEED'] ?? (SECONDS > 0 ? Date.now() % 1_000_000 : 1));
const FILES = 250;
const BASE = readFileSync(join(import.meta.dirname, 'testdata', 'everything.good.rules'), 'utf8');

interface Difference {
  readonly why: string;
  /** What the one that refuses says; its first group is the line. */
  readonly said: RegExp;
  /** Only of some files, or some of their lines; the first is 1. */
  readonly of?: (text: string, line: number) => boolean;
}

/** What only we accept; most of it came with Prometheus 3. */
const LOOSER: readonly Difference[] = [
  { why: 'names of metrics, labels and annotations may be any text', said: /invalid (recording rule name|label name|annotation name)/ },
  { why: 'a duration is a number', said: /bad number or duration syntax|unexpected duration/ },
  {
    why: "what stands behind a document's end is not read; Go's reader looks two tokens ahead into it",
    said: /^yaml: line (\d+): mapping values are not allowed in this context$/m,
    of: isBehindEnd,
  },
  {
    why: "2.42 takes the word null for a rule's name",
    said: /only one of 'record' and 'alert' must be set/,
    of: (text) => /^[ -]*(alert|record): (~|null)$/m.test(text),
  },
  { why: 'fields of groups', said: /field (query_offset|labels) not found in type rulefmt\.RuleGroup/ },
];

/** Whether a line stands behind the line that ends the first document. */
function isBehindEnd(text: string, line: number): boolean {
  const lines = text.split(/\r\n|[\n\r\u0085\u2028\u2029]/);
  const start = lines.findIndex((each) => /^[^\s#%]/.test(each));
  const end = lines.findIndex((each, i) => i > start && /^(\.\.\.|---)(\s|$)/.test(each));
  return end !== -1 && line > end + 1;
}

/** What only they accept. */
const STRICTER: readonly Difference[] = [
  {
    why: "2.42 takes the word null, or what is no text at all, for a rule's name or expression, and leaves out an item that is null",
    said: /must be set/,
  },
  { why: 'a key that is null is left out', said: /unknown field "(~|null)?"/ },
  { why: 'a key that is null', said: /all keys must be strings/ },
  {
    why: "Go's anchors end at a colon, so that the key behind one is null",
    said: /Implicit keys need to be on a single line/,
    of: (text) => /^ *&\w+: /m.test(text),
  },
  { why: 'the fraction of a limit is cut off', said: /limit must be a whole number/ },
  { why: 'list items that are further left than their key', said: /Unexpected seq-item-ind/ },
  { why: 'a key without a value', said: /Implicit map keys need to be followed by map values/ },
  {
    why: 'a tag without a name or a value is no list',
    said: /^(\d+):\d+ .*must be a list$/m,
    of: (text, line) => text.split('\n')[line - 1]?.endsWith(': !') === true,
  },
  { why: '2.42 looks at nothing but the text of a name or an expression', said: /must be a single value|Map keys must be unique/ },
];

interface Verdict {
  readonly ok: boolean;
  readonly reasons: string;
}

function ours(text: string): Verdict {
  const { problems } = checkRuleFiles([{ path: 'f.yaml', text }], { evaluationIntervalMs: 60_000 });
  return { ok: problems.length === 0, reasons: problems.map(({ line, column, message }) => `${line}:${column} ${message}`).join('\n') };
}

function theirs(texts: readonly string[]): readonly Verdict[] {
  const files = Object.fromEntries(texts.map((text, i) => [`f${i}.yaml`, text]));
  const { output } = promtool(['check', 'rules', '--lint=none', ...Object.keys(files)], files);
  const accepted = new Set([...output.matchAll(/^Checking (\S+)\n {2}SUCCESS/gm)].map(([, name]) => name));
  return texts.map((_, i) => {
    const name = `f${i}.yaml`;
    const reasons = [...output.matchAll(new RegExp(`^ *${name}: (.*(?:\\n +line .*)*)`, 'gm'))].map(([, reason]) => reason).join('\n');
    return { ok: accepted.has(name), reasons };
  });
}

/** What is judged differently, of as many mutated files as one call of promtool takes. */
function differences(seed: number, counts: { accepted: number; refused: number }): readonly string[] {
  const random = new Random(seed);
  const texts = Array.from({ length: FILES }, () => mutated(BASE, random)).filter((text) => text.isWellFormed());
  const verdicts = theirs(texts);
  return texts.flatMap((text, i) => {
    const [us, them] = [ours(text), verdicts[i]];
    counts[us.ok ? 'accepted' : 'refused']++;
    if (them === undefined || us.ok === them.ok) return [];
    const known = us.ok ? isIn(LOOSER, text, them.reasons) : isIn(STRICTER, text, us.reasons);
    return known ? [] : [`only ${us.ok ? 'we accept' : 'promtool accepts'} it (${us.ok ? them.reasons : us.reasons}):\n${text}`];
  });
}

function isIn(differences: readonly Difference[], text: string, reasons: string): boolean {
  return differences.some(({ said, of }) => {
    const match = said.exec(reasons);
    return match !== null && (of?.(text, Number(match[1])) ?? true);
  });
}

describeWhere(
  hasPromtool ? undefined : 'needs promtool (apt-get install prometheus)',
  'rule files with something wrong or odd in them',
  () => {
    it(
      `are accepted and refused as by promtool check rules (seed ${SEED})`,
      () => {
        const counts = { accepted: 0, refused: 0 };
        const until = Date.now() + SECONDS * 1000;
        for (let seed = SEED; ; seed++) {
          expect({ seed, found: differences(seed, counts) }).toEqual({ seed, found: [] });
          if (Date.now() >= until) break;
        }
        if (SECONDS > 0) process.stderr.write(`rule files: ${JSON.stringify(counts)}, from seed ${SEED}\n`);
        expect(Math.min(counts.accepted, counts.refused)).toBeGreaterThan(FILES / 10);
      },
      (SECONDS + 120) * 1000,
    );
  },
);
