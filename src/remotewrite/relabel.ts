import { createHash } from 'node:crypto';
import { errorText } from '../core/errors.ts';
import { isLegacyLabelName, Labels } from '../core/labels.ts';
import { compileRegex, type CompiledRegex } from '../core/regex.ts';

export const RELABEL_ACTIONS = [
  'replace',
  'keep',
  'drop',
  'keepequal',
  'dropequal',
  'hashmod',
  'labelmap',
  'labeldrop',
  'labelkeep',
  'lowercase',
  'uppercase',
] as const;

/** One of `write_relabel_configs`, with Prometheus's keys (Configuration, "relabel_config"). */
export interface RelabelRule {
  readonly source_labels: readonly string[];
  readonly separator: string;
  readonly target_label: string;
  readonly regex: string;
  readonly modulus: number;
  readonly replacement: string;
  readonly action: (typeof RELABEL_ACTIONS)[number];
}

const NEEDS_TARGET: readonly RelabelRule['action'][] = ['replace', 'hashmod', 'keepequal', 'dropequal', 'lowercase', 'uppercase'];

/** Why Prometheus would refuse the rule; undefined where it would not. */
export function relabelMistake(rule: RelabelRule): string | undefined {
  try {
    compileRegex(rule.regex);
  } catch (error) {
    return errorText(error);
  }
  if (NEEDS_TARGET.includes(rule.action) && rule.target_label === '') return `relabel action ${rule.action} needs target_label`;
  if (rule.action === 'hashmod' && rule.modulus === 0) return 'relabel action hashmod needs modulus';
  const isTemplate = rule.action === 'replace' && /\$/.test(rule.target_label);
  if (NEEDS_TARGET.includes(rule.action) && !isTemplate && !isLegacyLabelName(rule.target_label))
    return `${JSON.stringify(rule.target_label)} is no label name`;
  return undefined;
}

/** Rules made ready. Returns the labels as they leave, or undefined for a series that is not to be sent. */
export function compileRelabel(rules: readonly RelabelRule[]): (labels: Labels) => Labels | undefined {
  const steps = rules.map((rule) => ({ rule, regex: compileRegex(rule.regex) }));
  return (labels) => {
    let found: Labels | undefined = labels;
    for (const { rule, regex } of steps) {
      found = apply(rule, regex, found);
      if (found === undefined || found.size === 0) return undefined;
    }
    return found;
  };
}

function apply(rule: RelabelRule, regex: CompiledRegex, labels: Labels): Labels | undefined {
  const { action, target_label: target, replacement } = rule;
  const text = rule.source_labels.map((name) => labels.get(name)).join(rule.separator);
  switch (action) {
    case 'keep':
      return regex.matches(text) ? labels : undefined;
    case 'drop':
      return regex.matches(text) ? undefined : labels;
    case 'keepequal':
      return labels.get(target) === text ? labels : undefined;
    case 'dropequal':
      return labels.get(target) === text ? undefined : labels;
    case 'replace': {
      const name = regex.expandWhole(text, target);
      const value = regex.expandWhole(text, replacement);
      return name === undefined || value === undefined || !isLegacyLabelName(name) ? labels : labels.with(name, value);
    }
    case 'lowercase':
      return labels.with(target, text.toLowerCase());
    case 'uppercase':
      return labels.with(target, text.toUpperCase());
    case 'hashmod':
      return labels.with(target, String(hashOf(text) % BigInt(rule.modulus)));
    case 'labeldrop':
      return labels.filter((name) => !regex.matches(name));
    case 'labelkeep':
      return labels.filter((name) => regex.matches(name));
    case 'labelmap': {
      const copies = [...labels].flatMap(([name, value]) => {
        const to = regex.expandWhole(name, replacement);
        return to === undefined ? [] : [[to, value] as const];
      });
      return copies.length === 0 ? labels : Labels.of([...labels, ...copies]);
    }
  }
}

/** The last eight bytes of MD5, as Prometheus takes them. */
function hashOf(text: string): bigint {
  return createHash('md5').update(text).digest().readBigUInt64BE(8);
}
