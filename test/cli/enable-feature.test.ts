import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Shell } from './harness.ts';

const MAD = 'mad_over_time(up[5m])';
const RULES = `groups: [{name: g, rules: [{record: "a:b", expr: "${MAD}"}, {alert: A, expr: "max_over_time(up[5m * 2]) > 0"}]}]\n`;
const FUNCTIONS = '--enable-feature=promql-experimental-functions';
const BOTH = ['--enable-feature=promql-experimental-functions,promql-duration-expr', 'rules.yaml'];

let shell: Shell;
beforeEach(() => {
  shell = new Shell();
  shell.write('rules.yaml', RULES);
});
afterEach(() => shell.close());

describe('experimental PromQL in belfry check', () => {
  it('is refused with the names of the switches', async () => {
    const { err, out, exitCode } = await shell.run('check', 'rules.yaml');
    expect(err).toMatch(
      /"mad_over_time" is experimental .*: promql\.experimental_functions in belfry\.yaml .*promql-experimental-functions/,
    );
    expect(err).toMatch(/duration expressions are experimental .*: promql\.duration_expressions in belfry\.yaml .*promql-duration-expr/);
    expect([out, exitCode]).toEqual(['rules.yaml: 2 mistakes\n', 1]);
  });

  it.each([
    ['a list', BOTH],
    ['the option given twice', [FUNCTIONS, '--enable-feature', 'promql-duration-expr', 'rules.yaml']],
  ])('is let in by name, by %s', async (_, args) => {
    expect(await shell.run('check', '--lint=all', ...args)).toMatchObject({ out: 'rules.yaml: ok, 2 rules\n', exitCode: 0 });
  });

  it('is let in piece by piece', async () => {
    expect((await shell.run('check', FUNCTIONS, 'rules.yaml')).out).toBe('rules.yaml: 1 mistake\n');
  });

  it('is let in by the configuration, the command or both', async () => {
    shell.write('belfry.yaml', 'rules: [rules.yaml]\npromql: {duration_expressions: true}\n');
    expect((await shell.run('check', 'belfry.yaml')).out).toBe('belfry.yaml: 1 mistake\n');
    expect((await shell.run('check', FUNCTIONS, 'belfry.yaml')).out).toBe('belfry.yaml: ok, 0 clusters, 0 owners, 2 rules\n');
    shell.write('belfry.yaml', 'rules: [rules.yaml]\npromql: {experimental_functions: true, duration_expressions: true}\n');
    expect((await shell.run('check', 'belfry.yaml')).out).toBe('belfry.yaml: ok, 0 clusters, 0 owners, 2 rules\n');
  });

  it('says which names there are when it is given another', async () => {
    expect((await shell.run('check', '--enable-feature=native-histograms', 'rules.yaml')).failure).toBe(
      'no feature is called "native-histograms": there are promql-experimental-functions, promql-duration-expr, ' +
        'promql-extended-range-selectors, promql-binop-fill-modifiers',
    );
  });
});

describe('experimental PromQL in belfry test', () => {
  beforeEach(() => {
    const series = `input_series: [{series: up, values: '1x4'}]`;
    const expression = `promql_expr_test: [{expr: "${MAD}", eval_time: 2m, exp_samples: [{labels: '{}', value: 0}]}]`;
    const alert = `alert_rule_test: [{eval_time: 2m, alertname: Asks, exp_alerts: ` + `[{exp_labels: {}, exp_annotations: {mad: "0"}}]}]`;
    const asks = `{alert: Asks, expr: 'up > 0', annotations: {mad: '{{ query "mad_over_time(up[5m])" | first | value }}'}}`;
    shell.write('rules.yaml', `groups: [{name: g, rules: [${asks}]}]\n`);
    shell.write('a.test.yaml', `rule_files: [rules.yaml]\ntests: [{interval: 1m, ${series}, ${expression}, ${alert}}]\n`);
  });

  it('is refused in expressions and in the queries of templates', async () => {
    const { out, exitCode } = await shell.run('test', 'a.test.yaml');
    expect(out).toMatch(/mad_over_time.*is experimental/);
    expect(out).toContain('error expanding template');
    expect(exitCode).toBe(1);
  });

  it('is let in by name', async () => {
    expect(await shell.run('test', FUNCTIONS, 'a.test.yaml')).toMatchObject({ out: 'a.test.yaml: ok, 1 test\n', exitCode: 0 });
  });
});
