import type { Labels } from '../core/labels.ts';
import { matchesAll, type Matcher } from '../core/matcher.ts';

/** While a source fires, targets with the same values of the `equal` labels are muted. As in an Alertmanager file. */
export interface InhibitRule {
  readonly sourceMatchers: readonly Matcher[];
  readonly targetMatchers: readonly Matcher[];
  /** A label that is missing is equal to one that is empty. */
  readonly equal: readonly string[];
}

/** The alerts that are sources of one rule and have the same values of its `equal` labels. */
interface Sources {
  readonly all: Set<string>;
  /** Those that are no targets: the only ones that inhibit what is both. */
  readonly oneSided: Set<string>;
}

/** Alerts by their values of one list of `equal` labels, which several rules may share. */
interface Grouping {
  readonly names: readonly string[];
  readonly targets: Map<string, Set<string>>;
}

interface IndexedRule {
  readonly rule: InhibitRule;
  readonly grouping: Grouping;
  /** By the values of the `equal` labels. */
  readonly sources: Map<string, Sources>;
}

/** Alert names whose candidates are remembered; posted alerts may have any number. */
const NAMES_MAX = 10_000;

/** An alert that a rule is about. */
interface Member {
  readonly sourceOf: readonly IndexedRule[];
  readonly targetOf: readonly IndexedRule[];
  readonly equalKeys: ReadonlyMap<Grouping, string>;
  isTarget: boolean;
}

/**
 * Which of the alerts that fire are inhibited. An alert that matches both sides of a rule is inhibited only by sources
 * that match one side (Alertmanager, inhibit/inhibit.go). Every rule keeps the set of its sources by their equal labels:
 * a verdict asks for the size of a set, and a change touches only the alerts whose verdict may change by it. Targets are
 * kept by their equal labels alone, not by rule: there may be many thousands, and each may be one of every rule.
 */
export class InhibitionIndex {
  readonly #rules: readonly IndexedRule[];
  /** By alert name the rules that may be about such an alert. */
  readonly #candidates = new Map<string, readonly IndexedRule[]>();
  readonly #members = new Map<string, Member>();

  constructor(rules: readonly InhibitRule[]) {
    const groupings = new Map<string, Grouping>();
    this.#rules = rules.map((rule) => {
      const names = [...new Set(rule.equal)].toSorted();
      const grouping = groupings.get(names.join('\n')) ?? { names, targets: new Map<string, Set<string>>() };
      groupings.set(names.join('\n'), grouping);
      return { rule, grouping, sources: new Map<string, Sources>() };
    });
  }

  /** An alert fires. Adds to `touched` the alerts that may be inhibited now and were not. */
  add(key: string, labels: Labels, touched: Set<string>): void {
    const member = this.#members.get(key) ?? this.#memberOf(labels);
    if (member.sourceOf.length === 0 && member.targetOf.length === 0) return;
    this.#members.set(key, member);
    member.isTarget = member.targetOf.length > 0;
    for (const { grouping } of member.targetOf) {
      const equalKey = equalKeyIn(member, grouping);
      const targets = grouping.targets.get(equalKey);
      if (targets === undefined) grouping.targets.set(equalKey, new Set([key]));
      else targets.add(key);
    }
    for (const rule of member.sourceOf) {
      const equalKey = equalKeyIn(member, rule.grouping);
      const sources = rule.sources.get(equalKey) ?? { all: new Set(), oneSided: new Set() };
      rule.sources.set(equalKey, sources);
      const isOneSided = !member.targetOf.includes(rule);
      const [any, oneSided] = [sources.all.size, sources.oneSided.size];
      sources.all.add(key);
      if (isOneSided) sources.oneSided.add(key);
      this.#touch(rule, equalKey, { any: any === 0, oneSided: oneSided === 0 && isOneSided }, touched);
    }
  }

  /** It does not fire any more; as a source it counts until `removeSource`. */
  removeTarget(key: string): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    member.isTarget = false;
    for (const { grouping } of member.targetOf) {
      const equalKey = equalKeyIn(member, grouping);
      const targets = grouping.targets.get(equalKey);
      targets?.delete(key);
      if (targets?.size === 0) grouping.targets.delete(equalKey);
    }
    if (member.sourceOf.length === 0) this.#members.delete(key);
  }

  /** It inhibits nothing any more. Adds to `touched` the alerts that may be inhibited no more. */
  removeSource(key: string, touched: Set<string>): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    for (const rule of member.sourceOf) {
      const equalKey = equalKeyIn(member, rule.grouping);
      const sources = rule.sources.get(equalKey);
      if (sources?.all.delete(key) !== true) continue;
      const wasOneSided = sources.oneSided.delete(key);
      if (sources.all.size === 0) rule.sources.delete(equalKey);
      this.#touch(rule, equalKey, { any: sources.all.size === 0, oneSided: sources.oneSided.size === 0 && wasOneSided }, touched);
    }
    if (!member.isTarget) this.#members.delete(key);
  }

  /** Whether the alert can inhibit others. */
  isSource(key: string): boolean {
    return (this.#members.get(key)?.sourceOf.length ?? 0) > 0;
  }

  /** The rules by which others can inhibit the alert. */
  rulesOver(key: string): readonly InhibitRule[] {
    return (this.#members.get(key)?.targetOf ?? []).map(({ rule }) => rule);
  }

  isInhibited(key: string): boolean {
    const member = this.#members.get(key);
    return member?.targetOf.some((rule) => (sourcesFor(rule, member)?.size ?? 0) > 0) === true;
  }

  /** Some of the alerts that inhibit it, at most `limit`, sorted. */
  inhibitorsOf(key: string, limit: number): readonly string[] {
    const found = new Set<string>();
    const member = this.#members.get(key);
    for (const rule of member?.targetOf ?? []) {
      for (const source of (member === undefined ? undefined : sourcesFor(rule, member)) ?? []) {
        if (found.size >= limit) break;
        found.add(source);
      }
    }
    return [...found].toSorted();
  }

  #memberOf(labels: Labels): Member {
    const sourceOf: IndexedRule[] = [];
    const targetOf: IndexedRule[] = [];
    const equalKeys = new Map<Grouping, string>();
    for (const candidate of this.#candidatesOf(labels.get('alertname'))) {
      const { rule, grouping } = candidate;
      const isSource = matchesAll(rule.sourceMatchers, labels);
      const isTarget = matchesAll(rule.targetMatchers, labels);
      if (isSource) sourceOf.push(candidate);
      if (isTarget) targetOf.push(candidate);
      if ((isSource || isTarget) && !equalKeys.has(grouping)) equalKeys.set(grouping, equalKeyOf(grouping.names, labels));
    }
    return { sourceOf, targetOf, equalKeys, isTarget: false };
  }

  #candidatesOf(alertName: string): readonly IndexedRule[] {
    let candidates = this.#candidates.get(alertName);
    if (candidates === undefined) {
      const mayMatch = (matchers: readonly Matcher[]): boolean =>
        matchers.every((matcher) => matcher.name !== 'alertname' || matcher.matches(alertName));
      candidates = this.#rules.filter(({ rule }) => mayMatch(rule.sourceMatchers) || mayMatch(rule.targetMatchers));
      if (this.#candidates.size >= NAMES_MAX) this.#candidates.clear();
      this.#candidates.set(alertName, candidates);
    }
    return candidates;
  }

  /** A verdict changes only where a set of sources becomes empty, or is not any more. */
  #touch(rule: IndexedRule, equalKey: string, changed: { readonly any: boolean; readonly oneSided: boolean }, touched: Set<string>): void {
    if (!changed.any && !changed.oneSided) return;
    for (const key of rule.grouping.targets.get(equalKey) ?? []) {
      const member = this.#members.get(key);
      if (member?.targetOf.includes(rule) === true && (changed.any || member.sourceOf.includes(rule))) touched.add(key);
    }
  }
}

function sourcesFor(rule: IndexedRule, member: Member): ReadonlySet<string> | undefined {
  if (rule.sources.size === 0) return undefined;
  const sources = rule.sources.get(equalKeyIn(member, rule.grouping));
  return member.sourceOf.includes(rule) ? sources?.oneSided : sources?.all;
}

function equalKeyIn({ equalKeys }: Member, grouping: Grouping): string {
  return equalKeys.get(grouping) ?? '';
}

function equalKeyOf(names: readonly string[], labels: Labels): string {
  let key = '';
  for (const name of names) {
    const value = labels.get(name);
    key += `${value.length}:${value}`;
  }
  return key;
}
