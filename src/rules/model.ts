import type { ParseOptions } from '../promql/parse.ts';
import type { Template } from '../templates/template.ts';
import type { Expression } from './expression.ts';

/** What becomes of a firing alert whose input series have gone (`belfry_no_data`). */
export type NoDataPolicy = 'keep' | 'alert' | 'resolve';

export const NO_DATA_POLICIES: readonly NoDataPolicy[] = ['keep', 'alert', 'resolve'];

/** What a rule's literal label `action` may ask of the auto-pilot. */
export const ACTIONS: readonly string[] = ['notify', 'repair', 'replace', 'scale_out', 'scale_in'];

/** Annotations that are part of a message; every other `belfry_…` name is a directive or a mistake. */
export const MESSAGE_ANNOTATIONS: readonly string[] = ['belfry_effect', 'belfry_cause', 'belfry_do', 'belfry_risk', 'belfry_extent'];
export const DIRECTIVES = { noData: 'belfry_no_data', recover: 'belfry_recover', wake: 'belfry_wake' } as const;

/** A label or annotation of a rule with its template. */
export interface TemplatedText {
  readonly name: string;
  readonly template: Template;
}

interface RuleBase {
  /** Content key: file, group, name and the position among rules of that name; stable across restarts. */
  readonly key: string;
  readonly name: string;
  readonly expression: Expression;
  /** The position in its file. */
  readonly line: number;
}

export interface RecordingRuleDefinition extends RuleBase {
  readonly kind: 'recording';
  /** Labels put on every result, those of the group among them; an empty value takes a label away. */
  readonly labels: readonly (readonly [name: string, value: string])[];
}

export interface AlertingRuleDefinition extends RuleBase {
  readonly kind: 'alerting';
  readonly forMs: number;
  readonly keepFiringForMs: number;
  /** With those of the group, which the rule's own win over. */
  readonly labels: readonly TemplatedText[];
  /** Directives (`belfry_no_data`, `belfry_recover`, `belfry_wake`) are not among them. */
  readonly annotations: readonly TemplatedText[];
  readonly noData: NoDataPolicy;
  readonly recover: Expression | undefined;
  /** False where `belfry_wake: off`. */
  readonly wake: boolean;
  /** The literal label `action` of the rule's own labels. */
  readonly action: string | undefined;
}

export type RuleDefinition = RecordingRuleDefinition | AlertingRuleDefinition;

export interface GroupDefinition {
  readonly file: string;
  readonly name: string;
  readonly intervalMs: number;
  readonly queryOffsetMs: number;
  /** Most series a rule may give, 0 for no limit. */
  readonly limit: number;
  readonly rules: readonly RuleDefinition[];
  /** Equal exactly for groups that need not be started anew on a reload. */
  readonly contentKey: string;
}

/** Everything loaded from rule files, in the order of the files. */
export interface RuleSet {
  readonly groups: readonly GroupDefinition[];
  /** Things a reader of the files should know that are no errors, one line each. */
  readonly warnings: readonly string[];
  /** What was enabled for their expressions, and is for the queries of their templates. */
  readonly promql?: ParseOptions;
}

export const emptyRuleSet: RuleSet = { groups: [], warnings: [] };
