import type { Labels } from '../core/labels.ts';
import { matchesAll, type Matcher } from '../core/matcher.ts';

/** While a source fires, targets with the same values of the `equal` labels are muted. As in an Alertmanager file. */
export interface InhibitRule {
  readonly sourceMatchers: readonly Matcher[];
  readonly targetMatchers: readonly Matcher[];
  /** A label that is missing is equal to one that is empty. */
  readonly equal: readonly string[];
}

/** The alerts of one rule that have the same values of its `equal` labels. */
interface Bucket {
  readonly sources: Set<string>;
  /** Of the sources those that are no targets: the only ones that inhibit what is both. */
  readonly oneSided: Set<string>;
  readonly targets: Set<string>;
  /** Of the targets those that are sources too. */
  readonly twoSided: Set<string>;
}

interface IndexedRule {
  readonly rule: InhibitRule;
  readonly buckets: Map<string, Bucket>;
}

/** Alert names whose candidates are remembered; posted alerts may have any number. */
const NAMES_MAX = 10_000;

/** What an alert is in one rule. */
interface Role {
  readonly rule: InhibitRule;
  readonly buckets: Map<string, Bucket>;
  readonly equalKey: string;
  readonly bucket: Bucket;
  readonly isSource: boolean;
  readonly isTarget: boolean;
}

/**
 * Which of the alerts that fire are inhibited. An alert that matches both sides of a rule is inhibited only by sources
 * that match one side (Alertmanager, inhibit/inhibit.go). Every rule keeps the set of its sources by their equal labels:
 * a verdict asks for the size of a set, and a change touches only the alerts whose verdict may change by it.
 */
export class InhibitionIndex {
  readonly #rules: readonly IndexedRule[];
  /** By alert name the rules that may be about such an alert. */
  readonly #candidates = new Map<string, readonly IndexedRule[]>();
  readonly #roles = new Map<string, readonly Role[]>();

  constructor(rules: readonly InhibitRule[]) {
    this.#rules = rules.map((rule) => ({ rule, buckets: new Map() }));
  }

  /** An alert fires. Adds to `touched` the alerts that may be inhibited now and were not. */
  add(key: string, labels: Labels, touched: Set<string>): void {
    const roles = this.#roles.get(key) ?? this.#rolesOf(labels);
    if (roles.length > 0) this.#roles.set(key, roles);
    for (const { buckets, equalKey, bucket, isSource, isTarget } of roles) {
      buckets.set(equalKey, bucket);
      if (isTarget) {
        bucket.targets.add(key);
        if (isSource) bucket.twoSided.add(key);
      }
      if (!isSource) continue;
      const [any, oneSided] = [bucket.sources.size, bucket.oneSided.size];
      bucket.sources.add(key);
      if (!isTarget) bucket.oneSided.add(key);
      touchWhere(any === 0, oneSided === 0 && !isTarget, bucket, touched);
    }
  }

  /** It does not fire any more; as a source it counts until `removeSource`. */
  removeTarget(key: string): void {
    for (const { bucket, isTarget } of this.#roles.get(key) ?? []) {
      if (!isTarget) continue;
      bucket.targets.delete(key);
      bucket.twoSided.delete(key);
    }
    if (!this.isSource(key)) this.#forget(key);
  }

  /** It inhibits nothing any more. Adds to `touched` the alerts that may be inhibited no more. */
  removeSource(key: string, touched: Set<string>): void {
    for (const { bucket, isSource, isTarget } of this.#roles.get(key) ?? []) {
      if (!isSource) continue;
      bucket.sources.delete(key);
      if (!isTarget) bucket.oneSided.delete(key);
      touchWhere(bucket.sources.size === 0, bucket.oneSided.size === 0 && !isTarget, bucket, touched);
    }
    const isStillTarget = (this.#roles.get(key) ?? []).some(({ bucket }) => bucket.targets.has(key));
    if (!isStillTarget) this.#forget(key);
  }

  /** Whether the alert can inhibit others. */
  isSource(key: string): boolean {
    return (this.#roles.get(key) ?? []).some(({ isSource }) => isSource);
  }

  /** The rules by which others can inhibit the alert. */
  rulesOver(key: string): readonly InhibitRule[] {
    return (this.#roles.get(key) ?? []).filter(({ isTarget }) => isTarget).map(({ rule }) => rule);
  }

  isInhibited(key: string): boolean {
    for (const role of this.#roles.get(key) ?? []) if (role.isTarget && sourcesFor(role).size > 0) return true;
    return false;
  }

  /** Some of the alerts that inhibit it, at most `limit`, sorted. */
  inhibitorsOf(key: string, limit: number): readonly string[] {
    const found = new Set<string>();
    for (const role of this.#roles.get(key) ?? []) {
      if (!role.isTarget) continue;
      for (const source of sourcesFor(role)) {
        if (found.size >= limit) break;
        found.add(source);
      }
    }
    return [...found].toSorted();
  }

  #rolesOf(labels: Labels): readonly Role[] {
    const roles: Role[] = [];
    for (const { rule, buckets } of this.#candidatesOf(labels.get('alertname'))) {
      const isSource = matchesAll(rule.sourceMatchers, labels);
      const isTarget = matchesAll(rule.targetMatchers, labels);
      if (!isSource && !isTarget) continue;
      const equalKey = equalKeyOf(rule, labels);
      const bucket = buckets.get(equalKey) ?? { sources: new Set(), oneSided: new Set(), targets: new Set(), twoSided: new Set() };
      roles.push({ rule, buckets, equalKey, bucket, isSource, isTarget });
    }
    return roles;
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

  #forget(key: string): void {
    for (const { buckets, equalKey, bucket } of this.#roles.get(key) ?? [])
      if (bucket.sources.size === 0 && bucket.targets.size === 0) buckets.delete(equalKey);
    this.#roles.delete(key);
  }
}

/** A verdict changes only where a set of sources becomes empty, or is not any more. */
function touchWhere(any: boolean, oneSided: boolean, { targets, twoSided }: Bucket, touched: Set<string>): void {
  if (any) for (const target of targets) touched.add(target);
  else if (oneSided) for (const target of twoSided) touched.add(target);
}

function sourcesFor({ bucket, isSource }: Role): ReadonlySet<string> {
  return isSource ? bucket.oneSided : bucket.sources;
}

function equalKeyOf({ equal }: InhibitRule, labels: Labels): string {
  let key = '';
  for (const name of equal) {
    const value = labels.get(name);
    key += `${value.length}:${value}`;
  }
  return key;
}
