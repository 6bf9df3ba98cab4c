import { BelfryError, errorText } from '../core/errors.ts';
import { parseTemplate } from '../templates/template.ts';
import { TEMPLATE_PROLOGUE } from './expand.ts';
import { prepareExpression } from './expression.ts';
import { hint } from './yaml-reader.ts';
import { ACTIONS, DIRECTIVES, MESSAGE_ANNOTATIONS, NO_DATA_POLICIES } from './model.ts';
import type { ParseOptions } from '../promql/parse.ts';
import type { Expression } from './expression.ts';
import type { NoDataPolicy, RuleDefinition, TemplatedText } from './model.ts';
import type { YamlFields, YamlNode, YamlReader } from './yaml-reader.ts';

const RULE_FIELDS = ['record', 'alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations'];

/** A label or annotation as the file has it. */
interface RawText {
  readonly name: string;
  readonly text: string;
  readonly node: YamlNode;
}

export interface GroupContext {
  readonly file: string;
  readonly name: string;
  readonly labels: readonly RawText[];
  readonly ignoreDirectives: boolean;
  readonly promql: ParseOptions;
}

/** Reads one rule; undefined where it is too wrong to be one. `counts` tells the n-th rule of a name from the others. */
export function readRule(
  reader: YamlReader,
  node: YamlNode,
  group: GroupContext,
  place: number,
  counts: Map<string, number>,
): RuleDefinition | undefined {
  const start = `group ${JSON.stringify(group.name)}, rule ${place}`;
  const fields = reader.fields(node, start, RULE_FIELDS);
  const record = reader.text(fields.get('record'), start) ?? '';
  const alert = reader.text(fields.get('alert'), start) ?? '';
  const name = record === '' ? alert : record;
  const context = name === '' ? start : `${start}, ${JSON.stringify(name)}`;
  if (record !== '' && alert !== '') reader.problem(node, context, "only one of 'record' and 'alert' must be set");
  if (name === '') reader.problem(node, context, "one of 'record' or 'alert' must be set");
  const part = new RulePart(reader, fields, context, group);
  const expression = part.expression(node);
  const count = counts.get(name) ?? 0;
  counts.set(name, count + 1);
  const base = { key: `${group.file};${group.name};${name};${count}`, name, line: reader.positionOf(node).line };
  const rest = record === '' ? part.alerting(name, expression) : part.recording(record);
  return expression === undefined || name === '' ? undefined : { ...base, expression, ...rest };
}

type AlertingRest = Omit<Extract<RuleDefinition, { kind: 'alerting' }>, 'key' | 'name' | 'line' | 'expression'>;
type RecordingRest = Omit<Extract<RuleDefinition, { kind: 'recording' }>, 'key' | 'name' | 'line' | 'expression'>;

class RulePart {
  readonly #reader: YamlReader;
  readonly #fields: YamlFields;
  readonly #context: string;
  readonly #group: GroupContext;

  constructor(reader: YamlReader, fields: YamlFields, context: string, group: GroupContext) {
    this.#reader = reader;
    this.#fields = fields;
    this.#context = context;
    this.#group = group;
  }

  #problem(node: YamlNode, cause: string): void {
    this.#reader.problem(node, this.#context, cause);
  }

  expression(rule: YamlNode): Expression | undefined {
    const node = this.#fields.get('expr');
    const text = this.#reader.text(node, `${this.#context}, expr`);
    if (text === undefined) return undefined;
    if (text.trim() !== '') return this.#prepare(node, text, 'expr');
    this.#problem(this.#fields.has('expr') ? node : rule, "field 'expr' must be set in rule");
    return undefined;
  }

  #prepare(node: YamlNode, text: string, what: string): Expression | undefined {
    try {
      return prepareExpression(text, this.#group.promql);
    } catch (error) {
      const inner = error instanceof BelfryError ? error.position : undefined;
      const place = inner === undefined ? '' : ` (at ${inner.line}:${inner.column} of the expression)`;
      this.#reader.problemAt(this.#reader.within(node, inner), this.#context, `${what}: ${errorText(error)}${place}`);
      return undefined;
    }
  }

  recording(record: string): RecordingRest {
    if (!isUtf8Name(record)) this.#problem(this.#fields.get('record'), `invalid recording rule name: ${JSON.stringify(record)}`);
    // Prometheus 3 takes any text but this one: an expression that was put in the wrong field.
    else if (/[{}]/.test(record)) this.#problem(this.#fields.get('record'), 'braces in the recording rule name: should it be in expr?');
    if (this.#texts('annotations').length > 0)
      this.#problem(this.#fields.get('annotations'), "invalid field 'annotations' in recording rule");
    for (const field of ['for', 'keep_firing_for']) {
      if (this.#reader.duration(this.#fields, field, this.#context) !== 0)
        this.#problem(this.#fields.get(field), `invalid field '${field}' in recording rule`);
    }
    const labels = [...this.#group.labels, ...this.#texts('labels')];
    return { kind: 'recording', labels: labels.map(({ name, text }) => [name, text] as const) };
  }

  alerting(alert: string, expression: Expression | undefined): AlertingRest {
    const own = this.#texts('labels');
    const ownNames = new Set(own.map(({ name }) => name));
    const labels = [...this.#group.labels.filter(({ name }) => !ownNames.has(name)), ...own];
    const annotations = this.#texts('annotations');
    return {
      kind: 'alerting',
      forMs: this.#reader.duration(this.#fields, 'for', this.#context),
      keepFiringForMs: this.#reader.duration(this.#fields, 'keep_firing_for', this.#context),
      labels: labels.map((label) => this.#template(alert, label, 'label')),
      annotations: annotations
        .filter(({ name }) => this.#group.ignoreDirectives || !name.startsWith('belfry_') || MESSAGE_ANNOTATIONS.includes(name))
        .map((annotation) => this.#template(alert, annotation, 'annotation')),
      action: this.#action(own, labels, expression),
      ...this.#directives(annotations),
    };
  }

  #texts(field: 'labels' | 'annotations'): readonly RawText[] {
    const found: RawText[] = [];
    const what = field === 'labels' ? 'label' : 'annotation';
    for (const { key, keyNode, value } of this.#reader.entries(this.#fields.get(field), `${this.#context}, ${field}`) ?? []) {
      const text = this.#reader.text(value, `${this.#context}, ${what} ${key}`);
      if (!isUtf8Name(key) || (field === 'labels' && key === '__name__'))
        this.#problem(keyNode, `invalid ${what} name: ${JSON.stringify(key)}`);
      else if (text?.isWellFormed() === false) this.#problem(value, `invalid ${what} value: ${JSON.stringify(text)}`);
      else found.push({ name: key, text: text ?? '', node: value });
    }
    return found;
  }

  #template(alert: string, { name, text, node }: RawText, what: string): TemplatedText {
    try {
      return { name, template: parseTemplate(text, { name: `__alert_${alert}`, prologue: TEMPLATE_PROLOGUE }) };
    } catch (error) {
      const inner = error instanceof BelfryError ? error.position : undefined;
      const place = inner === undefined ? '' : ` (at ${inner.line}:${inner.column} of the text)`;
      this.#reader.problemAt(
        this.#reader.within(node, inner),
        this.#context,
        `${what} ${JSON.stringify(name)}: ${errorText(error)}${place}`,
      );
      return { name, template: parseTemplate('', { name }) };
    }
  }

  /** Only a literal asks for an act, and only where the sample's own `cluster` says on which cluster. */
  #action(own: readonly RawText[], all: readonly RawText[], expression: Expression | undefined): string | undefined {
    const action = own.find(({ name }) => name === 'action');
    if (action === undefined) return undefined;
    if (!ACTIONS.includes(action.text)) {
      this.#problem(action.node, `the label action must be one of ${ACTIONS.join(', ')}, literally (is ${JSON.stringify(action.text)})`);
      return undefined;
    }
    const cluster = all.find(({ name }) => name === 'cluster');
    if (cluster !== undefined) this.#problem(cluster.node, 'a rule with the label action must not set the label cluster');
    else if (expression?.writesLabel('cluster') === true)
      this.#problem(this.#fields.get('expr'), 'a rule with the label action must not write the label cluster in its expression');
    return action.text;
  }

  #directives(annotations: readonly RawText[]): { noData: NoDataPolicy; recover: Expression | undefined; wake: boolean } {
    let noData: NoDataPolicy = 'resolve';
    let recover: Expression | undefined;
    let wake = true;
    for (const { name, text, node } of annotations) {
      if (!name.startsWith('belfry_') || MESSAGE_ANNOTATIONS.includes(name)) continue;
      if (name === DIRECTIVES.noData) {
        const policy = NO_DATA_POLICIES.find((candidate) => candidate === text);
        if (policy === undefined) this.#problem(node, `${name} must be one of ${NO_DATA_POLICIES.join(', ')} (is ${JSON.stringify(text)})`);
        else noData = policy;
      } else if (name === DIRECTIVES.recover) recover = this.#prepare(node, text, name);
      else if (name === DIRECTIVES.wake) {
        if (text === 'off') wake = false;
        else this.#problem(node, `${name} must be off (is ${JSON.stringify(text)})`);
      } else {
        const known = [...Object.values(DIRECTIVES), ...MESSAGE_ANNOTATIONS];
        this.#problem(node, `unknown annotation ${JSON.stringify(name)}${hint(name, known)}`);
      }
    }
    return this.#group.ignoreDirectives ? { noData: 'resolve', recover: undefined, wake: true } : { noData, recover, wake };
  }
}

/** Since Prometheus 3 a name is any text that is not empty. */
function isUtf8Name(name: string): boolean {
  return name !== '' && name.isWellFormed();
}
