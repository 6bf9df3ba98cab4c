import { stringify } from 'yaml';
import { Labels } from '../../src/core/labels.ts';
import { asVector } from '../../src/rules/evaluation.ts';
import { SampleTemplates, TEMPLATE_PROLOGUE } from '../../src/rules/expand.ts';
import { prepareExpression } from '../../src/rules/expression.ts';
import { MemorySeries } from '../../src/rules/memory-series.ts';
import { parseTemplate } from '../../src/templates/template.ts';
import { promtool } from '../rules/promtool.ts';
import type { Template } from '../../src/templates/template.ts';

const SAMPLE_LABELS = { instance: 'kafka1.example.com:9092', job: 'node', path: '/a b&<c>' };
const EXTERNAL_LABELS = { region: 'eu' };
const OTHERS = [
  ['a', 7],
  ['b', 2.5],
] as const;

const yaml = (value: unknown): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });

function ruleFile(templates: readonly string[]): string {
  const rules = templates.map((text, i) => ({ alert: `Case${i}`, expr: 'metric or metric', annotations: { text } }));
  return yaml({ groups: [{ name: 'g', rules }] });
}

/** Which of the templates promtool can parse. */
export function parsedByPromtool(templates: readonly string[]): readonly boolean[] {
  const { ok, output } = promtool(['check', 'rules', 'rules.yaml'], { 'rules.yaml': ruleFile(templates) });
  const refused = new Set([...output.matchAll(/rule \d+, "Case(\d+)"/g)].map(([, index]) => Number(index)));
  if (ok !== (refused.size === 0)) throw new Error(`promtool refused the file and no rule of it: ${output}`);
  return templates.map((_, i) => !refused.has(i));
}

/** What promtool's templates, Go's own, make of a sample of this value. All of them must parse. */
export function expandedByPromtool(templates: readonly string[], value: string): readonly (string | undefined)[] {
  const test = {
    interval: '1m',
    external_labels: EXTERNAL_LABELS,
    input_series: [
      { series: Labels.of({ __name__: 'metric', ...SAMPLE_LABELS }).toString(), values: value },
      ...OTHERS.map(([zone, other]) => ({ series: `other{zone="${zone}"}`, values: String(other) })),
    ],
    alert_rule_test: templates.map((_, i) => ({ eval_time: '0m', alertname: `Case${i}` })),
  };
  const { output } = promtool(['test', 'rules', 'test.yaml'], {
    'rules.yaml': ruleFile(templates),
    'test.yaml': yaml({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests: [test] }),
  });
  const found = new Map<number, string>();
  for (const [, index, quoted = ''] of output.matchAll(/Labels:\{alertname="Case(\d+)".*\n +Annotations:\{text="((?:[^"\\]|\\.)*)"\}/g))
    found.set(Number(index), unquoted(quoted));
  if (templates.length > 0 && found.size === 0) throw new Error(`promtool gave nothing: ${output.slice(0, 2000)}`);
  return templates.map((_, i) => found.get(i));
}

const SIMPLE: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92, '"': 34 };

/** A text as Go's %q prints it, read back; bytes that are no UTF-8 become U+FFFD. */
function unquoted(quoted: string): string {
  const parts: Buffer[] = [];
  for (const [all, simple, hex, short, long] of quoted.matchAll(
    /\\(?:([abfnrtv\\"])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))|[^\\]+/g,
  )) {
    if (simple !== undefined) parts.push(Buffer.of(SIMPLE[simple] ?? 0));
    else if (hex !== undefined) parts.push(Buffer.of(Number.parseInt(hex, 16)));
    else if (short !== undefined || long !== undefined)
      parts.push(Buffer.from(String.fromCodePoint(Number.parseInt(short ?? long ?? '', 16))));
    else parts.push(Buffer.from(all));
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The parsed template, undefined where it is none. */
export function parsedByUs(text: string): Template | undefined {
  try {
    return parseTemplate(text, { name: '__alert_Case', prologue: TEMPLATE_PROLOGUE });
  } catch {
    return undefined;
  }
}

/** What our templates make of the same sample. */
export function expandedByUs(templates: readonly Template[], value: number): readonly string[] {
  const store = new MemorySeries();
  store.add(Labels.of({ __name__: 'metric', ...SAMPLE_LABELS }), 0, value);
  for (const [zone, other] of OTHERS) store.add(Labels.of({ __name__: 'other', zone }), 0, other);
  const host = {
    query: (text: string) => {
      const vector = asVector(prepareExpression(text).instant(store, 0));
      return Array.from({ length: vector.n }, (_, i) => ({ labels: vector.labels(i), value: vector.values[i] ?? Number.NaN }));
    },
    externalUrl: '',
    now: 0,
  };
  const sample = new SampleTemplates(Labels.of({ __name__: 'metric', ...SAMPLE_LABELS }), value, Labels.of(EXTERNAL_LABELS), host);
  return templates.map((template) => sample.expand([{ name: 'text', template }], () => undefined)[0]?.[1] ?? '');
}
