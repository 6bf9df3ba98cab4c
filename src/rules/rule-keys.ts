import type { AlertStateRow } from '../core/state.ts';
import type { GroupDefinition, RuleDefinition, RuleSet } from './model.ts';

/** What two rules must have in common to be the same rule in two versions of a file; asked in this order. */
const LIKENESSES: readonly ((rule: RuleDefinition) => string)[] = [
  (rule) => JSON.stringify([rule.kind, labelsOf(rule), rule.expression.text]),
  (rule) => JSON.stringify([rule.kind, labelsOf(rule)]),
  ({ kind }) => kind,
];

/**
 * A new rule set whose rules have the keys of those they replace, so that their alerts and series go on. Among rules of one
 * name a place in the file tells nothing once another has been put before it: those with equal labels are the same, as in
 * Prometheus, of several equal ones the n-th and the n-th; and what is left over in the order of the file, with its labels changed.
 */
export function keepKeys(before: RuleSet, next: RuleSet): RuleSet {
  const old = new Map(before.groups.map((group) => [groupKey(group), group]));
  const groups = next.groups.map((group) => {
    const was = old.get(groupKey(group));
    return was === undefined ? group : withKeysOf(was, group);
  });
  return { ...next, groups };
}

/** A group's file and name. */
export function groupKey({ file, name }: Pick<GroupDefinition, 'file' | 'name'>): string {
  return `${file};${name}`;
}

function withKeysOf(was: GroupDefinition, group: GroupDefinition): GroupDefinition {
  const oldRules = byName(was.rules);
  const keys = new Map<RuleDefinition, string>();
  for (const [name, rules] of byName(group.rules)) {
    const old = oldRules.get(name) ?? [];
    const isPlain = old.length === 0 || (old.length === 1 && rules.length === 1 && isInPlaceOf(old[0], rules[0]));
    if (!isPlain) assignKeys(`${groupKey(group)};${name}`, rules, old, keys);
  }
  const kept = (rule: RuleDefinition): RuleDefinition => {
    const key = keys.get(rule) ?? rule.key;
    return key === rule.key ? rule : { ...rule, key };
  };
  return { ...group, rules: group.rules.map(kept) };
}

function isInPlaceOf(old: RuleDefinition | undefined, rule: RuleDefinition | undefined): boolean {
  return old?.key === rule?.key && old?.kind === rule?.kind;
}

function assignKeys(
  prefix: string,
  rules: readonly RuleDefinition[],
  oldRules: readonly RuleDefinition[],
  keys: Map<RuleDefinition, string>,
): void {
  const free = new Set(oldRules);
  for (const likeness of LIKENESSES) {
    const waiting = groupBy(free, likeness);
    for (const rule of rules) {
      const old = keys.has(rule) ? undefined : waiting.get(likeness(rule))?.shift();
      if (old === undefined) continue;
      keys.set(rule, old.key);
      free.delete(old);
    }
  }
  const taken = new Set([...oldRules.map(({ key }) => key), ...keys.values()]);
  let count = 0;
  for (const rule of rules) {
    if (keys.has(rule)) continue;
    while (taken.has(`${prefix};${count}`)) count++;
    keys.set(rule, `${prefix};${count++}`);
  }
}

type OwnedRow = Pick<AlertStateRow, 'ruleKey' | 'labels'>;

/**
 * Finds the rule that a saved alert belongs to. The file may have changed while nobody looked, and may be elsewhere: an upgrade
 * brings its own. Where all alerts of a name have the literal labels of the rules at their places it is those; else, of the rules
 * of that name, the one of which an alert has most.
 */
export class RowOwners<T extends { readonly definition: RuleDefinition }> {
  readonly #files: readonly string[];
  readonly #byKey: ReadonlyMap<string, T>;
  readonly #byName: ReadonlyMap<string, readonly T[]>;
  /** Names whose places mean other rules now: an alert has all literal labels of the rule that it is of. */
  readonly #shifted: ReadonlySet<string>;

  constructor(files: readonly string[], rules: readonly T[], rows: readonly OwnedRow[]) {
    this.#files = [...new Set(files)];
    this.#byKey = new Map(rules.map((rule) => [rule.definition.key, rule]));
    this.#byName = groupBy(rules, ({ definition }) => withoutCount(definition.key));
    this.#shifted = new Set(rows.filter((row) => this.#agreementInPlace(row) < 0).map(({ ruleKey }) => withoutCount(ruleKey)));
  }

  of(row: OwnedRow): T | undefined {
    const isLoaded = this.#files.some((file) => row.ruleKey.startsWith(`${file};`));
    if (isLoaded) return this.#ownerOf(row);
    const inGroup = row.ruleKey.slice(row.ruleKey.indexOf(';'));
    for (const file of this.#files.toSorted((a, b) => likeness(b, row.ruleKey) - likeness(a, row.ruleKey))) {
      const owner = this.#ownerOf({ ...row, ruleKey: file + inGroup });
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  #agreementInPlace({ ruleKey, labels }: OwnedRow): number {
    const rule = this.#byKey.get(ruleKey);
    return rule === undefined ? -1 : agreement(rule.definition, labels);
  }

  #ownerOf(row: OwnedRow): T | undefined {
    const name = withoutCount(row.ruleKey);
    let best = this.#byKey.get(row.ruleKey);
    let most = this.#agreementInPlace(row);
    if (most >= 0 && !this.#shifted.has(name)) return best;
    for (const rule of this.#byName.get(name) ?? []) {
      const agreeing = agreement(rule.definition, row.labels);
      if (agreeing > most) [best, most] = [rule, agreeing];
    }
    return best;
  }
}

/** How many of the rule's literal labels the alert has; -1 where it lacks one. */
function agreement(rule: RuleDefinition, labels: Readonly<Record<string, string>>): number {
  let count = 0;
  for (const [name, text, isLiteral] of textsOf(rule)) {
    if (!isLiteral || name === 'alertname') continue;
    if ((labels[name] ?? '') !== text) return -1;
    count++;
  }
  return count;
}

/** How many parts of its path, from the end, a file has in common with the one that the key begins with. */
function likeness(file: string, ruleKey: string): number {
  const [was = ''] = ruleKey.split(';');
  const parts = file.split('/').toReversed();
  const wasParts = was.split('/').toReversed();
  const differing = parts.findIndex((part, i) => part !== wasParts[i]);
  return differing < 0 ? parts.length : differing;
}

function labelsOf(rule: RuleDefinition): readonly (readonly [name: string, text: string])[] {
  return textsOf(rule)
    .map(([name, text]) => [name, text] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function textsOf(rule: RuleDefinition): readonly (readonly [name: string, text: string, isLiteral: boolean])[] {
  if (rule.kind === 'recording') return rule.labels.map(([name, text]) => [name, text, true] as const);
  return rule.labels.map(({ name, template }) => [name, template.text, template.isLiteral] as const);
}

function withoutCount(key: string): string {
  return key.slice(0, key.lastIndexOf(';'));
}

function byName(rules: readonly RuleDefinition[]): Map<string, RuleDefinition[]> {
  return groupBy(rules, ({ name }) => name);
}

function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
