import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { BelfryError } from '../../src/core/errors.ts';
import { checkRuleFiles, parseRuleFiles, parseRuleFilesInSlices, readRuleFiles } from '../../src/rules/load.ts';
import { formatProblem } from '../../src/rules/yaml-reader.ts';
import { hasPromtool, promtool } from './promtool.ts';
import type { GroupDefinition } from '../../src/rules/model.ts';
import { describeWhere } from '../../testbed/skip.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

const FOLDER = join(import.meta.dirname, 'testdata');
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.rules'));
const OPTIONS = { evaluationIntervalMs: 5000 };

function textOf(name: string): string {
  return readFileSync(join(FOLDER, name), 'utf8');
}

function problemsOf(name: string): readonly string[] {
  return checkRuleFiles([{ path: name, text: textOf(name) }], OPTIONS).problems.map(formatProblem);
}

function groupsOf(text: string): readonly GroupDefinition[] {
  return parseRuleFiles([{ path: 'r.yaml', text }], OPTIONS).groups;
}

/** `problems.txt` holds what is said of every file that is refused, as an operator reads it. */
const EXPECTED = textOf('problems.txt').trimEnd().split('\n');

describe('rule files', () => {
  it.each(FILES.filter((name) => name.endsWith('.good.rules')))('%s is accepted', (name) => {
    expect(problemsOf(name)).toEqual([]);
  });

  it.each(FILES.filter((name) => !name.endsWith('.good.rules')))('%s is refused with file, line, column and cause', (name) => {
    const problems = problemsOf(name);
    expect(problems).not.toEqual([]);
    expect(problems).toEqual(EXPECTED.filter((line) => line.startsWith(`${name}:`)));
  });

  it('reports every mistake of every file in one error', () => {
    const names = ['many-mistakes-at-once.bad.rules', 'no-expr.bad.rules'];
    try {
      parseRuleFiles(
        names.map((path) => ({ path, text: textOf(path) })),
        OPTIONS,
      );
    } catch (error) {
      expect(error).toBeInstanceOf(BelfryError);
      if (!(error instanceof BelfryError)) throw error;
      expect(error.code).toBe('RULES_INVALID');
      expect(error.message.split('\n')).toHaveLength(7);
      return;
    }
    throw new Error('it was accepted');
  });

  it('keeps what a rule says', () => {
    const [anchors, intervals] = groupsOf(textOf('everything.good.rules'));
    const [base, derived] = anchors?.rules ?? [];
    if (base?.kind !== 'alerting' || derived?.kind !== 'alerting') throw new Error('no alerting rules');
    const texts = (rule: typeof base): unknown => rule.labels.map(({ name, template }) => `${name}=${template.text}`);
    expect(texts(base)).toEqual(['severity=page', 'number=1', 'truth=true', 'nothing=']);
    expect([derived.name, derived.forMs, derived.expression.text, texts(derived)]).toEqual([
      'Derived',
      300_000,
      'up == 0',
      ['severity=ticket'],
    ]);
    expect([anchors?.intervalMs, intervals?.intervalMs, intervals?.limit]).toEqual([5000, 90_000, 10]);
    expect(intervals?.rules.map(({ key }) => key)).toEqual(
      [
        'everything.good.rules;intervals;job:up:sum;0',
        'everything.good.rules;intervals;job:up:ratio;0',
        'everything.good.rules;intervals;Scalar;0',
        'everything.good.rules;intervals;Quoted;0',
      ].map((key) => key.replace('everything.good.rules', 'r.yaml')),
    );
  });

  it('puts the labels of a group under those of its rules', () => {
    const [group] = groupsOf(`
groups:
  - name: g
    query_offset: 30s
    labels: {team: kafka, severity: info}
    rules:
      - {alert: A, expr: up, labels: {severity: critical}}
      - {record: "a:b", expr: up}
`);
    const [alert, record] = group?.rules ?? [];
    expect(group?.queryOffsetMs).toBe(30_000);
    expect(alert?.kind === 'alerting' && alert.labels.map(({ name, template }) => [name, template.text])).toEqual([
      ['team', 'kafka'],
      ['severity', 'critical'],
    ]);
    expect(record?.kind === 'recording' && Object.fromEntries(record.labels)).toEqual({ team: 'kafka', severity: 'info' });
  });

  it('reads the directives and leaves them out of the annotations', () => {
    const [group] = groupsOf(`
groups:
  - name: g
    rules:
      - alert: A
        expr: free < 10
        labels: {action: repair}
        annotations: {belfry_no_data: keep, belfry_recover: free > 20, belfry_wake: "off", belfry_do: wait, summary: s}
`);
    const [rule] = group?.rules ?? [];
    if (rule?.kind !== 'alerting') throw new Error('no alerting rule');
    expect([rule.noData, rule.recover?.text, rule.wake, rule.action]).toEqual(['keep', 'free > 20', false, 'repair']);
    expect(rule.annotations.map(({ name }) => name)).toEqual(['belfry_do', 'summary']);
  });

  it.each([
    ['one that is empty', 'groups: []\n---\n# nothing\n...\n', []],
    ['one of rules', 'groups: []\n---\ngroups: [{name: left-out, rules: []}]\n', ['r.yaml:3:1']],
    ['one that is no YAML', 'groups: []\n---\n{\n', ['r.yaml:3:1']],
    ['after an empty first one', '---\n---\ngroups: [{name: left-out, rules: []}]\n', ['r.yaml:3:1']],
  ])('reads the first document and warns of a second: %s', (_, text, places) => {
    const { ruleSet, problems } = checkRuleFiles([{ path: 'r.yaml', text }], OPTIONS);
    expect([ruleSet.groups, problems]).toEqual([[], []]);
    expect(ruleSet.warnings).toEqual(places.map((place) => `${place}: a second YAML document: only the first one of a file is read`));
  });

  it.each([
    ['a byte order mark first of all', '\ufeff# mine\ngroups: []\n', []],
    ['one in a text', "groups:\n- name: 'a\n    \ufeff b'\n", []],
    ['one behind a comment', '# mine\n\ufeff# bom\ngroups: []\n', ['2:1 a byte order mark must be the first of the file']],
    ['a tab before a key', 'groups:\n- name: a\n\t# tab\n  rules: []\n', ['3:1 a tab cannot indent']],
    ['a tab in a list', 'groups: [\n \t{name: a}]\n', []],
    ['the end of a document that has not begun', '# mine\r\n...\ngroups: []\n', ['2:1 a document ends before it has begun']],
    ['the end of one that is empty', '---\n...\n', []],
  ])('takes %s as Go does', (_, text, problems) => {
    const found = checkRuleFiles([{ path: 'r.yaml', text }], OPTIONS).problems;
    expect(found.map(({ line, column, message }) => `${line}:${column} ${message}`)).toEqual(problems);
  });

  it('tells every mistake of a file that has more than a call takes arguments', () => {
    const { problems } = checkRuleFiles([{ path: 'r.yaml', text: `groups: [${'x,'.repeat(100_000)}]` }], OPTIONS);
    expect(problems).toHaveLength(200_000);
  });

  it.each(['\r\n', '\r'])('takes %j for the end of a line', (end) => {
    const text = ['groups:', '- name: g', '  rules:', '  - alert: A', '    expr: |', '      up', '      ==', '    # no more'].join(end);
    const { problems } = checkRuleFiles([{ path: 'r.yaml', text }], OPTIONS);
    expect(problems.map(({ line, column }) => [line, column])).toEqual([[8, 7]]);
    expect(groupsOf(text.replace('==', '== 0'))[0]?.rules.map(({ expression, line }) => [line, expression.text])).toEqual([[4, 'up == 0']]);
  });

  it('takes __name__ for the name of an annotation, not of a label', () => {
    const problems = (field: string): readonly string[] =>
      checkRuleFiles(
        [{ path: 'r', text: `groups: [{name: g, rules: [{alert: A, expr: up, ${field}: {__name__: x}}]}]` }],
        OPTIONS,
      ).problems.map(({ message }) => message);
    expect([problems('annotations'), problems('labels')]).toEqual([[], ['group "g", rule 1, "A": invalid label name: "__name__"']]);
  });

  it('names a file that cannot be read', async () => {
    await expect(readRuleFiles([join(FOLDER, 'nowhere.yaml')])).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' });
  });

  it('survives any text', () => {
    const good = textOf('everything.good.rules');
    fc.assert(
      fc.property(fc.nat(good.length), fc.nat(20), fc.string({ maxLength: 5 }), (at, cut, put) => {
        const text = good.slice(0, at) + put + good.slice(at + cut);
        for (const problem of checkRuleFiles([{ path: 'r', text }], OPTIONS).problems) expect(problem.line).toBeGreaterThan(0);
      }),
      { numRuns: 100 },
    );
  });
});

describeWhere(hasPromtool ? undefined : 'needs promtool (apt-get install prometheus)', 'promtool check rules', () => {
  // Files that end in .own.rules break rules that only Belfry has; group labels came with Prometheus 3.
  const names = FILES.filter((name) => name !== 'action-on-group.own.rules');

  it('accepts and refuses the same files', () => {
    const { output } = promtool(['check', 'rules', ...names], Object.fromEntries(names.map((name) => [name, textOf(name)])));
    const accepted = output
      .split(/^Checking /m)
      .filter((part) => part.includes('SUCCESS'))
      .map((part) => part.split('\n')[0]);
    expect(accepted).toEqual(names.filter((name) => !name.endsWith('.bad.rules')));
  });
});

describe('rule files that are read beside others', () => {
  const files = (names: readonly string[]): { path: string; text: string }[] => names.map((path) => ({ path, text: textOf(path) }));
  const good = FILES.filter((name) => problemsOf(name).length === 0);
  const slices = { due: true, pauses: 0, pause: async () => void slices.pauses++ };

  it('are what they are when read at once, and give way after each rule at the latest', async () => {
    const atOnce = parseRuleFiles(files(good), OPTIONS);
    slices.pauses = 0;
    const { groups, warnings } = await parseRuleFilesInSlices(files(good), OPTIONS, slices);
    expect(groups.map(({ contentKey }) => contentKey)).toEqual(atOnce.groups.map(({ contentKey }) => contentKey));
    expect(warnings).toEqual(atOnce.warnings);
    expect(slices.pauses).toBeGreaterThanOrEqual(groups.reduce((sum, { rules }) => sum + rules.length, 0));
  });

  it('are refused with every mistake', async () => {
    const bad = files(FILES);
    const text = await parseRuleFilesInSlices(bad, OPTIONS, slices).catch((error: unknown) =>
      error instanceof BelfryError ? error.message : '',
    );
    expect(text).toBe(checkRuleFiles(bad, OPTIONS).problems.map(formatProblem).join('\n'));
  });
});
