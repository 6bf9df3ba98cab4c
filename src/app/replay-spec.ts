import { basename } from 'node:path';
import type { BelfryConfig } from '../config/config.ts';
import { BelfryError } from '../core/errors.ts';
import { Matcher, type MatchOp } from '../core/matcher.ts';
import { nearestName } from '../core/nearest.ts';
import type { ParseOptions } from '../promql/parse.ts';
import { parseRuleFiles, type RuleFile } from '../rules/load.ts';
import type { RuleSet } from '../rules/model.ts';
import { compareReplays, type ReplayComparison } from './replay-compare.ts';
import type { ReplayResult } from './replay-result.ts';
import type { ReplayRouting } from './replay-routing.ts';
import { replay, type ReplayControl, type ReplayInput } from './replay-run.ts';

interface PlainMatcher {
  readonly name: string;
  readonly op: MatchOp;
  readonly value: string;
}

interface PlainInhibitRule {
  readonly sourceMatchers: readonly PlainMatcher[];
  readonly targetMatchers: readonly PlainMatcher[];
  readonly equal: readonly string[];
}

/** Who is told, in values that can be given to another thread. */
export interface PlainRouting extends Omit<ReplayRouting, 'inhibitRules'> {
  readonly inhibitRules: readonly PlainInhibitRule[];
  /** What a reader must know of it. */
  readonly notes: readonly string[];
}

/** A replay as it is asked for: plain values only. */
export interface ReplaySpec extends Omit<ReplayInput, 'ruleSet' | 'routing'> {
  readonly files: readonly RuleFile[];
  /** The rules to compare with. */
  readonly oldFiles?: readonly RuleFile[];
  readonly evaluationIntervalMs: number;
  readonly promql?: ParseOptions;
  readonly routing: PlainRouting;
  /** What files are called in the result, by their path; a path decides when its groups have their slots. */
  readonly shownAs: Readonly<Record<string, string>>;
}

/** The result of one set of rules, or of two beside each other. */
export interface ReplayAnswer {
  readonly result: ReplayResult;
  readonly compared?: { readonly old: ReplayResult; readonly comparison: ReplayComparison };
}

/** Told of all where nobody is configured, so that there is something to count. */
const EVERYONE = 'everyone';

/** What of a configuration decides who is told. */
export function routingOf(config: BelfryConfig): PlainRouting {
  const { owners, inhibitRules, maintenance, damping, watch, smtp, defaultOwner } = config;
  const nobody = owners.length === 0;
  const ways = owners.map(({ name, receiver }) => {
    const integrations = (['slack', 'email', 'webhook'] as const).filter((integration) => receiver[integration] !== undefined);
    return [name, integrations.map((integration) => ({ integration, index: 0 }))] as const;
  });
  const ownerOfCluster = config.clusters.flatMap(({ name, owner }) => (owner === undefined ? [] : [[name, owner] as const]));
  return {
    owners: {
      owners: new Map(nobody ? [[EVERYONE, [{ integration: 'message', index: 0 }]]] : ways),
      ownerOfCluster: new Map(ownerOfCluster),
      defaultOwner: nobody ? EVERYONE : (defaultOwner ?? ''),
    },
    inhibitRules: inhibitRules.map(({ sourceMatchers, targetMatchers, equal }) => ({
      sourceMatchers: sourceMatchers.map(plain),
      targetMatchers: targetMatchers.map(plain),
      equal: [...equal],
    })),
    maintenance,
    damping,
    inhibitionHoldMs: watch.inhibitionHoldMs,
    mailIntervalMs: smtp?.minIntervalMs,
    notes: nobody ? [`no owners are configured: messages are counted as if one, called ${EVERYONE}, was told of all`] : [],
  };
}

/** Parses and runs. Throws `RULES_INVALID`, `BAD_REQUEST` where no rule makes the alert that is asked for, and as `replay`. */
export async function runSpec(spec: ReplaySpec, control: ReplayControl): Promise<ReplayAnswer> {
  const { files, oldFiles, evaluationIntervalMs, promql = {}, routing, shownAs, ...rest } = spec;
  const beside = oldFiles === undefined ? [] : aligned(files, oldFiles);
  const next = parseRuleFiles(oldFiles === undefined ? files : beside.map(({ file }) => file), { evaluationIntervalMs, promql });
  const old = oldFiles === undefined ? undefined : parseRuleFiles(oldFiles, { evaluationIntervalMs, promql });
  if (rest.alert !== undefined) refuseUnknown(rest.alert, old === undefined ? [next] : [next, old]);
  control.begun?.();
  const input = (ruleSet: RuleSet): ReplayInput => ({ ...rest, ruleSet, routing: routingFrom(routing) });
  const shown = (result: ReplayResult, names: ReplaySpec['shownAs']): ReplayResult => ({
    ...named(result, names),
    notes: [...routing.notes, ...result.notes],
  });
  const newNames = Object.fromEntries(beside.map(({ file, from }) => [file.path, shownAs[from] ?? from]));
  const result = shown(await replay(input(next), control), { ...shownAs, ...newNames });
  if (old === undefined || result.partial) return { result };
  // Exactly the same time, though samples have been added meanwhile.
  const range = { startTs: Date.parse(result.start), endTs: Date.parse(result.end) };
  const before = shown(await replay({ ...input(old), ...range }, control), shownAs);
  return { result, compared: { old: before, comparison: compareReplays(before, result) } };
}

/** A name with a slip in it would be told of as an alert that never fires. */
function refuseUnknown(alert: string, ruleSets: readonly RuleSet[]): void {
  const rules = ruleSets.flatMap(({ groups }) => groups).flatMap((group) => group.rules);
  const names = rules.filter(({ kind }) => kind === 'alerting').map(({ name }) => name);
  if (names.includes(alert)) return;
  const near = nearestName(alert, names);
  const hint = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
  throw new BelfryError('BAD_REQUEST', `no rule makes an alert called ${JSON.stringify(alert)}${hint}`);
}

/**
 * When a group has its slots depends on the path of its file: two versions of a file that are compared take the old one's,
 * where it is plain which belongs to which.
 */
function aligned(files: readonly RuleFile[], oldFiles: readonly RuleFile[]): readonly { readonly file: RuleFile; readonly from: string }[] {
  return files.map((file) => {
    const named = oldFiles.filter(({ path }) => basename(path) === basename(file.path));
    const [old] = files.length === 1 && oldFiles.length === 1 ? oldFiles : named.length === 1 ? named : [file];
    return { file: { path: old?.path ?? file.path, text: file.text }, from: file.path };
  });
}

function plain({ name, op, value }: Matcher): PlainMatcher {
  return { name, op, value };
}

function routingFrom({ inhibitRules, ...rest }: PlainRouting): ReplayRouting {
  const made = ({ name, op, value }: PlainMatcher): Matcher => new Matcher(name, op, value, 'alertmanager');
  return {
    ...rest,
    inhibitRules: inhibitRules.map(({ sourceMatchers, targetMatchers, equal }) => ({
      sourceMatchers: sourceMatchers.map(made),
      targetMatchers: targetMatchers.map(made),
      equal,
    })),
  };
}

function named(result: ReplayResult, shownAs: Readonly<Record<string, string>>): ReplayResult {
  const shown = <Row extends { readonly file: string }>(row: Row): Row => ({ ...row, file: shownAs[row.file] ?? row.file });
  return { ...result, rules: result.rules.map(shown), alerts: result.alerts.map(shown) };
}
