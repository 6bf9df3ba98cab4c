import { expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { hasPromtool, promtool } from '../rules/promtool.ts';
import { INVALID_TEMPLATES, TEMPLATE_CASES } from './cases.ts';
import { describeWhere } from '../../testbed/skip.ts';

const LABELS = { instance: 'kafka1.example.com:9092', job: 'node', path: '/a b&<c>' };
/** promtool's test runner has no external URL to give to these two functions; it panics inside them. */
const NOT_IN_PROMTOOL = /\bexternalURL\b|\bpathPrefix\b/;

describeWhere(hasPromtool ? undefined : 'needs promtool (apt-get install prometheus)', 'promtool agrees', () => {
  it('on what every template gives', () => {
    const cases = TEMPLATE_CASES.filter(([template]) => !NOT_IN_PROMTOOL.test(template));
    const rules = cases.map(([text], i) => ({ alert: `Case${i}`, expr: 'metric > 0', annotations: { text } }));
    const expected = cases.map(([, text], i) => ({
      eval_time: '0m',
      alertname: `Case${i}`,
      exp_alerts: [{ exp_labels: LABELS, exp_annotations: { text } }],
    }));
    const test = {
      interval: '1m',
      external_labels: { region: 'eu' },
      input_series: [
        { series: `metric{instance="${LABELS.instance}",job="${LABELS.job}",path="${LABELS.path}"}`, values: '1234567.891' },
        { series: 'other{zone="b"}', values: '2.5' },
        { series: 'other{zone="a"}', values: '7' },
      ],
      alert_rule_test: expected,
    };
    const verdict = promtool(['test', 'rules', 'test.yaml'], {
      'rules.yaml': stringify({ groups: [{ name: 'g', rules }] }),
      'test.yaml': stringify({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests: [test] }),
    });
    expect(verdict).toEqual({ ok: true, output: expect.anything() });
  });

  it('on what no template is', () => {
    const rules = INVALID_TEMPLATES.map(([text], i) => ({ alert: `Case${i}`, expr: 'metric', annotations: { text } }));
    const { ok, output } = promtool(['check', 'rules', 'rules.yaml'], { 'rules.yaml': stringify({ groups: [{ name: 'g', rules }] }) });
    expect(ok).toBe(false);
    const accepted = INVALID_TEMPLATES.filter((_, i) => !output.includes(`"Case${i}"`));
    expect(accepted).toEqual([]);
  });
});
