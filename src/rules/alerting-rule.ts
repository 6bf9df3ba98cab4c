import { Labels } from '../core/labels.ts';
import { queryEscape } from '../templates/builtins.ts';
import { AlertEntry, type AlertState } from './alert-entry.ts';
import { CandidateMaker } from './candidates.ts';
import { checkLimit, evaluateExpression, LayoutKeeper } from './evaluation.ts';
import { Inputs } from './inputs.ts';
import { LostClusters } from './lost-clusters.ts';
import type { Candidate } from './candidates.ts';
import type { AlertSource, ResolveReason } from '../core/alert.ts';
import type { AlertStateRow } from '../core/state.ts';
import type { SelectorInfo } from '../promql/prepare.ts';
import type { Evaluation, Outcome, RuleOutput } from './evaluation.ts';
import type { AlertingRuleDefinition, GroupDefinition } from './model.ts';

/** As Prometheus orders them: a rule's state is the highest of its alerts'. */
const STATES: readonly AlertState[] = ['inactive', 'pending', 'firing'];

/**
 * One alerting rule and its alerts: Prometheus's state machine (rules/alerting.go), and what Belfry adds to it: alerts
 * that outlast missing data and restarts, and a reason with every resolve.
 */
export class AlertingRule {
  readonly definition: AlertingRuleDefinition;
  readonly #limit: number;
  readonly #source: AlertSource;
  readonly #generatorPath: string;
  readonly #layout = new LayoutKeeper();
  readonly #maker: CandidateMaker;
  readonly #lost = new LostClusters();
  readonly #changed = new Set<AlertEntry>();
  readonly #dropped = new Set<string>();
  #selectors: readonly SelectorInfo[] | undefined;
  #entries = new Map<string, AlertEntry>();
  /** After a reload that changed the rule's labels: alerts of the old labels, by their sample's labels. */
  #inherited = new Map<string, AlertEntry>();

  constructor(definition: AlertingRuleDefinition, group: GroupDefinition) {
    this.definition = definition;
    this.#limit = group.limit;
    this.#maker = new CandidateMaker(definition);
    const source = { kind: 'rule', file: group.file, group: group.name, rule: definition.name } as const;
    this.#source = definition.action === undefined ? source : { ...source, action: definition.action };
    this.#generatorPath = `/graph?g0.expr=${queryEscape(definition.expression.text)}&g0.tab=1`;
  }

  get entries(): Iterable<AlertEntry> {
    return this.#entries.values();
  }

  /** Does for nobody what the first alert would be the first to do. */
  rehearse(evaluation: Evaluation): void {
    this.#maker.rehearse(evaluation);
  }

  /** Takes over the alerts of the rule this one replaces. */
  adopt(old: AlertingRule): void {
    this.#entries = old.#entries;
    for (const entry of old.#changed) this.#changed.add(entry);
    const texts = (rule: AlertingRule): string => JSON.stringify(rule.definition.labels.map(({ name, template }) => [name, template.text]));
    if (texts(this) === texts(old)) return;
    for (const entry of this.#entries.values()) if (entry.state !== 'inactive') this.#inherited.set(entry.sampleLabels.key, entry);
  }

  /** Takes an alert from before the restart; of one that two rules had which are one now, what had come further. */
  restore(row: AlertStateRow): void {
    const known = this.#entries.get(row.alertKey);
    if (known !== undefined && STATES.indexOf(row.state) <= STATES.indexOf(known.state)) return;
    const names = this.definition.labels.map(({ name }) => name);
    const entry = AlertEntry.fromRow(row, names);
    this.#entries.set(row.alertKey, entry);
    // It is saved under the key of this rule.
    if (known !== undefined || row.ruleKey !== this.definition.key) this.#changed.add(entry);
  }

  /**
   * Evaluates the rule and moves its alerts on. Throws, having changed nothing, when the query fails or two samples
   * have the same identity; over the group's limit it forgets all alerts first, as Prometheus does.
   */
  evaluate(evaluation: Evaluation): void {
    const { ts } = evaluation;
    const candidates = this.#maker.make(evaluation, this.#entries);
    const recovery = this.definition.recover === undefined ? undefined : this.#recovery(evaluation);
    const inputs = this.#inputs(evaluation);
    this.#addLostClusters(candidates, evaluation, inputs);
    for (const [key, candidate] of candidates) {
      if (this.#isOldNews(this.#entries.get(key), evaluation, inputs)) candidates.delete(key);
      else this.#see(key, candidate, ts, candidates);
    }
    this.#inherited.clear();
    for (const [key, entry] of this.#entries) {
      const candidate = candidates.get(key);
      if (candidate !== undefined) this.#advance(entry, candidate, evaluation, inputs);
      else this.#miss(key, entry, evaluation, inputs, recovery);
    }
    this.#enforceLimit(ts);
  }

  #inputs(evaluation: Evaluation): Inputs {
    const selectors = evaluation.inputs.of(this.definition);
    if (selectors !== this.#selectors) {
      // What was remembered by place means nothing any more after a reload.
      for (const entry of this.#entries.values()) entry.inputs = undefined;
      this.#lost.clear();
      this.#selectors = selectors;
    }
    return new Inputs(selectors, evaluation.querier, evaluation.queryTs);
  }

  /** With `belfry_no_data: alert` a cluster that has fallen silent is an alert of that cluster. */
  #addLostClusters(candidates: Map<string, Candidate>, evaluation: Evaluation, inputs: Inputs): void {
    if (this.definition.noData !== 'alert') return;
    for (const cluster of this.#lost.look(inputs)) {
      const candidate = this.#maker.candidate(Labels.of({ cluster }), Number.NaN, evaluation, this.#entries, true);
      const { key } = candidate.identity.labels;
      if (!candidates.has(key)) candidates.set(key, candidate);
    }
  }

  /** The recover expression's samples: an alert recovers when one agrees with it on all labels the sample has. */
  #recovery(evaluation: Evaluation): (labels: Labels) => boolean {
    const { recover } = this.definition;
    if (recover === undefined) return () => true;
    // Evaluated in any case, as it may fail; the samples are looked at only where there is an alert to recover.
    const vector = evaluateExpression(recover, evaluation);
    const bySchema = new Map<string, { names: readonly string[]; keys: Set<string> }>();
    if (this.#entries.size === 0) return () => false;
    for (let i = 0; i < vector.n; i++) {
      const labels = vector.labels(i).without('__name__');
      const names = [...labels].map(([name]) => name);
      const schema = names.join('\u0000');
      const group = bySchema.get(schema) ?? { names, keys: new Set<string>() };
      group.keys.add(labels.key);
      bySchema.set(schema, group);
    }
    return (labels) => [...bySchema.values()].some(({ names, keys }) => keys.has(labels.keep(names).key));
  }

  #see(key: string, candidate: Candidate, ts: number, candidates: ReadonlyMap<string, Candidate>): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.state !== 'inactive') {
      entry.value = candidate.value;
      entry.annotations = candidate.annotations;
      entry.expandedBy = this.definition;
      return;
    }
    const { labels, sampleLabels } = candidate.identity;
    const fresh = new AlertEntry(labels, sampleLabels, ts, candidate.value, candidate.annotations);
    fresh.expandedBy = this.definition;
    const old = this.#inherited.get(sampleLabels.key);
    if (old !== undefined) {
      // The rule's labels changed on a reload: the condition itself has held all the while.
      fresh.activeAt = old.activeAt;
      fresh.state = old.state === 'firing' ? 'firing' : 'pending';
      fresh.firedAt = old.firedAt;
      if (old.state === 'firing' && !candidates.has(old.labels.key)) this.#resolve(old, ts, 'rule_removed');
    }
    this.#entries.set(key, fresh);
    this.#changed.add(fresh);
  }

  /** An alert whose sample is in the result. */
  #advance(entry: AlertEntry, candidate: Candidate, evaluation: Evaluation, inputs: Inputs): void {
    entry.present = true;
    entry.restored = false;
    entry.withoutData = candidate.withoutData;
    if (entry.keepFiringSince !== 0) {
      entry.keepFiringSince = 0;
      this.#changed.add(entry);
    }
    this.#fireOrWait(entry, evaluation);
    if (entry.state === 'firing' && entry.inputs === undefined) entry.inputs = inputs.of(entry.sampleLabels);
  }

  #fireOrWait(entry: AlertEntry, evaluation: Evaluation): void {
    const { ts } = evaluation;
    if (entry.state === 'pending' && this.#isBlind(entry, evaluation)) return;
    const due = ts - entry.activeAt >= this.definition.forMs;
    if (entry.state === 'pending' && due) {
      entry.state = 'firing';
      entry.firedAt = ts;
      this.#changed.add(entry);
    } else if (entry.state === 'firing' && !due) {
      // A reload has raised `for`. That it fired, as `firedAt` says, has been told: its end is to be told too.
      entry.state = 'pending';
      entry.lastSentAt = entry.keepFiringSince = 0;
      this.#changed.add(entry);
    }
  }

  /** Whether Belfry cannot see what the alert is about: nothing is concluded from what it does or does not see. */
  #isBlind(entry: AlertEntry, { ts, blindness }: Evaluation): boolean {
    const cluster = entry.labels.get('cluster');
    const blind = cluster === '' ? undefined : blindness(cluster);
    if (blind === undefined) return false;
    entry.blindAt = ts;
    // Nobody knows whether the condition held all the while.
    if (blind === 'isolated' && entry.state === 'pending') entry.activeAt = ts;
    return true;
  }

  /** An alert whose sample is not in the result. */
  #miss(
    key: string,
    entry: AlertEntry,
    evaluation: Evaluation,
    inputs: Inputs,
    recovered: ((labels: Labels) => boolean) | undefined,
  ): void {
    const { ts } = evaluation;
    entry.present = false;
    if (entry.state === 'inactive') {
      // A resolved alert is kept for a while, so that a lost message is made good by a later one.
      if (ts - entry.resolvedAt > evaluation.options.resolvedRetentionMs) this.#drop(key, entry);
      return;
    }
    if (entry.state === 'firing' && this.#isBlind(entry, evaluation)) {
      entry.restored = true;
      return;
    }
    if (entry.restored && this.#held(entry, evaluation, inputs)) return;
    entry.restored = false;
    const withoutData = this.#inputsGone(entry, inputs);
    if (entry.state === 'pending') {
      if (withoutData && this.definition.noData === 'alert') {
        entry.withoutData = true;
        this.#fireOrWait(entry, evaluation);
      } else this.#leavePending(key, entry, ts, withoutData ? 'no_data' : 'recovered');
      return;
    }
    if (withoutData) {
      if (this.definition.noData !== 'resolve') {
        entry.withoutData = true;
        return;
      }
    } else if (recovered !== undefined && !recovered(entry.sampleLabels)) return;
    entry.withoutData = false;
    if (this.#keptFiring(entry, ts)) return;
    this.#resolve(entry, ts, withoutData ? 'no_data' : 'recovered');
  }

  #resolve(entry: AlertEntry, ts: number, reason: ResolveReason): void {
    entry.state = 'inactive';
    entry.resolvedAt = ts;
    entry.resolveReason = reason;
    this.#changed.add(entry);
  }

  #leavePending(key: string, entry: AlertEntry, ts: number, reason: ResolveReason): void {
    if (entry.firedAt > 0) this.#resolve(entry, ts, reason);
    else this.#drop(key, entry);
  }

  #drop(key: string, entry: AlertEntry): void {
    this.#entries.delete(key);
    this.#changed.delete(entry);
    this.#dropped.add(key);
  }

  /** An alert from before a restart, or a blind spell, waits until every selector has returned data since, or the grace is over. */
  #held(entry: AlertEntry, { ts, startedAt, options }: Evaluation, inputs: Inputs): boolean {
    const since = Math.max(startedAt, entry.blindAt);
    if (ts - since >= options.restoreGraceMs) return false;
    const back = inputs.of(entry.sampleLabels.keep(['cluster']), since);
    // What had no data when it began to fire is not waited for.
    return back.some((is, i) => !is && entry.inputs?.[i] !== false);
  }

  /**
   * Whether an alert that was over before the restart only seems to begin anew: the last samples before it were lost, and
   * the ones before those still say what they said. It waits until what its selectors have is from after the start.
   */
  #isOldNews(entry: AlertEntry | undefined, { ts, startedAt, options }: Evaluation, inputs: Inputs): boolean {
    if (entry?.state !== 'inactive' || !entry.restored || ts - startedAt >= options.restoreGraceMs) return false;
    const fresh = inputs.of(entry.sampleLabels, startedAt);
    return inputs.of(entry.sampleLabels).some((is, i) => is && fresh[i] !== true);
  }

  /**
   * Whether the alert's sample is missing because data is: a selector that had series for it when it began to fire has
   * none now. A selector that had none then (the right side of `unless`, what `absent` looks at) says nothing.
   */
  #inputsGone(entry: AlertEntry, inputs: Inputs): boolean {
    const now = inputs.of(entry.sampleLabels);
    if (entry.inputs === undefined) return now.length > 0 && !now.includes(true);
    return entry.inputs.some((had, i) => had && now[i] !== true);
  }

  #keptFiring(entry: AlertEntry, ts: number): boolean {
    const { keepFiringForMs } = this.definition;
    if (keepFiringForMs === 0) return false;
    if (entry.keepFiringSince === 0) {
      entry.keepFiringSince = ts;
      this.#changed.add(entry);
    }
    return ts - entry.keepFiringSince < keepFiringForMs;
  }

  /** Prometheus forgets all alerts of a rule that is over its limit; who was told of one is told here that it is not followed any more. */
  #enforceLimit(ts: number): void {
    if (this.#limit <= 0) return;
    const active = [...this.#entries.values()].filter(({ state }) => state !== 'inactive').length;
    if (active <= this.#limit) return;
    for (const [key, entry] of this.#entries) {
      if (entry.state === 'pending' || entry.lastSentAt === 0) this.#drop(key, entry);
      else if (entry.state === 'firing') this.#resolve(entry, ts, 'limit_exceeded');
    }
    checkLimit(active, this.#limit, 'alerts');
  }

  /** `ALERTS` and `ALERTS_FOR_STATE` of every pending and firing alert. */
  series(): RuleOutput {
    const active = [...this.#entries.values()].filter(({ state }) => state !== 'inactive');
    const series = [...active.map((entry) => entry.alertsSeries), ...active.map((entry) => entry.forStateSeries)];
    const output = this.#layout.of(series);
    for (const [i, entry] of active.entries()) {
      output.values[i] = 1;
      output.values[active.length + i] = Math.floor(entry.activeAt / 1000);
    }
    return output;
  }

  /** Adds the alerts that are due to be sent, and the rows that have changed since the last call. */
  collect(outcome: Outcome, evaluation: Evaluation): void {
    const { ts, options, intervalMs } = evaluation;
    const validUntil = ts + 4 * Math.max(intervalMs, options.resendDelayMs);
    for (const entry of this.#entries.values()) {
      if (entry.state === 'pending') continue;
      const changed =
        entry.resolvedAt > entry.lastSentAt ||
        (entry.state === 'firing' && (entry.firedAt > entry.lastSentAt || entry.effect !== entry.sentEffect));
      if (!changed && entry.lastSentAt + options.resendDelayMs >= ts) continue;
      entry.lastSentAt = ts;
      entry.sentEffect = entry.effect;
      outcome.alerts.push(entry.toAlert(this.#sourceOf(entry), options.externalUrl + this.#generatorPath, validUntil));
    }
    for (const entry of this.#changed) outcome.saves.push(entry.toRow(this.definition.key));
    for (const alertKey of this.#dropped)
      if (!this.#entries.has(alertKey)) outcome.deletes.push({ ruleKey: this.definition.key, alertKey });
    this.#changed.clear();
    this.#dropped.clear();
  }

  /** Absence of data never asks for an act. */
  #sourceOf(entry: AlertEntry): AlertSource {
    if (!entry.withoutData || this.#source.action === undefined) return this.#source;
    const { action: _, ...source } = this.#source;
    return source;
  }

  /** Resolves what fires and matches, and forgets what is pending: its rule or its target is no more. */
  end(ts: number, reason: ResolveReason, matches: (labels: Labels) => boolean): void {
    this.#lost.forget((cluster) => matches(Labels.of({ cluster })));
    for (const [key, entry] of this.#entries) {
      if (!matches(entry.labels)) continue;
      if (entry.state === 'pending') this.#leavePending(key, entry, ts, reason);
      else if (entry.state === 'firing') this.#resolve(entry, ts, reason);
    }
  }

  /** Forgets everything; the rows go with the next `collect`. */
  forget(): void {
    for (const [key, entry] of this.#entries) this.#drop(key, entry);
  }

  /** When the next pending alert is due to fire, after `ts`; undefined where none is. */
  nextDeadline(ts: number): number | undefined {
    let next: number | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.state !== 'pending' || !entry.present) continue;
      const due = entry.activeAt + this.definition.forMs;
      if (due > ts && (next === undefined || due < next)) next = due;
    }
    return next;
  }
}
