import { AlertWriter } from './alert-writer.ts';
import { AlertingRule } from './alerting-rule.ts';
import { prepareExpression } from './expression.ts';
import { GroupRunner } from './group-runner.ts';
import { InputSelectors } from './input-selectors.ts';
import { RuleMetrics } from './metrics.ts';
import { emptyRuleSet } from './model.ts';
import { Orphans } from './orphans.ts';
import { DEFAULT_RULE_OPTIONS } from './ports.ts';
import { groupKey, keepKeys, RowOwners } from './rule-keys.ts';
import { snapshotOf } from './snapshot.ts';
import { EVERY_NAME, LONG_REST, SHORT_REST, WakeLine, type Rest, type WakeSlices } from './wake-line.ts';
import type { Timer } from '../core/clock.ts';
import type { Labels } from '../core/labels.ts';
import type { Wake } from '../core/sample.ts';
import type { AlertStateRow } from '../core/state.ts';
import type { Expression } from './expression.ts';
import type { GroupContext } from './group-runner.ts';
import type { RuleSet } from './model.ts';
import type { RuleEngineOptions, RuleEnginePorts } from './ports.ts';
import type { RuleRunner } from './rule-runner.ts';
import type { GroupSnapshot } from './snapshot.ts';

const MAX_TEMPLATE_QUERIES = 1000;

/** Belfry time in ms; 0 where a group has not been evaluated yet. */
export interface GroupProgress {
  readonly name: string;
  readonly intervalMs: number;
  /** At a slot, or at the first look at all rules. */
  readonly lastEvaluationTs: number;
  /** Whether at least one of its rules gave a result the last time. */
  readonly works: boolean;
  readonly isEmpty: boolean;
}

/**
 * Evaluates rule groups at their slots, and at once when something they select has changed. Alert state is durable
 * before the sink hears of it, and is taken up again after a restart or a reload.
 */
export class RuleEngine {
  readonly #ports: RuleEnginePorts;
  readonly #context: GroupContext;
  /** Rules that are gone and whose series have not ended yet, by their target. */
  readonly #retiring = new Map<string, RuleRunner>();
  readonly #retireTimers = new Set<Timer>();
  readonly #templateQueries = new Map<string, Expression>();
  #ruleSet: RuleSet = emptyRuleSet;
  #inputs = new InputSelectors(emptyRuleSet);
  #groups: readonly GroupRunner[] = [];
  #running = false;
  #loaded = false;
  readonly #line: WakeLine;
  /** Beside the other: a verdict neither shares its rest nor waits for the end of an evaluation that has given way. */
  readonly #urgent: WakeLine;

  constructor(ports: RuleEnginePorts, options: Partial<RuleEngineOptions> = {}) {
    this.#ports = ports;
    this.#context = {
      ports,
      options: { ...DEFAULT_RULE_OPTIONS, ...options },
      state: new AlertWriter(ports.state),
      metrics: new RuleMetrics(ports.meter),
      startedAt: ports.clock.now(),
      prepare: (text) => this.#prepared(text),
      inputs: () => this.#inputs,
    };
    const line = (rest: Rest): WakeLine => {
      const made: WakeLine = new WakeLine(ports.clock, async (...woken) => this.#evaluateWoken(made, ...woken), rest);
      return made;
    };
    this.#line = line(LONG_REST);
    this.#urgent = line(SHORT_REST);
  }

  get ruleSet(): RuleSet {
    return this.#ruleSet;
  }

  /**
   * Puts another set of rules to work. A group that is the same goes on untouched; of a changed one each rule keeps
   * its alerts. Alerts of rules that are no more are resolved with the reason `rule_removed`.
   */
  replace(given: RuleSet): void {
    const ruleSet = keepKeys(this.#ruleSet, given);
    const old = new Map(this.#groups.map((group) => [groupKey(group.definition), group]));
    const kept = new Set<GroupRunner>();
    const groups = ruleSet.groups.map((definition) => {
      const before = old.get(groupKey(definition));
      if (before?.definition.contentKey === definition.contentKey) {
        kept.add(before);
        return before;
      }
      const group = new GroupRunner(definition, this.#context);
      if (before !== undefined) group.adopt(before);
      return group;
    });
    const keys = new Set(groups.flatMap(({ rules }) => rules.map(({ definition }) => definition.key)));
    for (const group of this.#groups) {
      if (kept.has(group)) continue;
      group.stop();
      this.#retire(group, keys);
    }
    this.#groups = groups;
    this.#ruleSet = ruleSet;
    // What is enabled for them may have changed.
    this.#templateQueries.clear();
    this.#inputs = new InputSelectors(ruleSet);
    if (this.#running) for (const group of groups) group.start();
  }

  /** Loads the alerts from before, hands them to the sink once more, and begins with the next slots. Idempotent. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    if (!this.#loaded) this.#restore();
    this.#loaded = true;
    for (const group of this.#groups) group.start();
  }

  /** Evaluates no more; alert state stays as it is. Idempotent. */
  stop(): void {
    this.#running = false;
    for (const group of this.#groups) group.stop();
    for (const timer of this.#retireTimers) timer.cancel();
    this.#retireTimers.clear();
    this.#retiring.clear();
    this.#line.clear();
    this.#urgent.clear();
  }

  /**
   * Something changed that cannot wait for a slot. Wakes of the same turn of the event loop make one evaluation, and so do
   * those that come soon after a dear one, unless they are urgent.
   */
  wake(wake: Wake): void {
    if (!this.#running || this.#context.options.strictSlots) return;
    (wake.urgent === true ? this.#urgent : this.#line).push(wake.metricNames, wake.ts);
  }

  /**
   * Evaluates all rules that wakes may evaluate: at a start, when there is something to look at, so that nobody waits for the
   * slots of groups that are seldom evaluated.
   */
  lookAtAll(): void {
    this.wake({ ts: this.#ports.clock.now(), metricNames: new Set([EVERY_NAME]), cluster: '' });
  }

  /** Resolves the alerts of a target or cluster that has left the configuration, with the reason `target_removed`. */
  targetRemoved(matches: (labels: Labels) => boolean): void {
    const ts = this.#ports.clock.now();
    for (const group of this.#groups) group.end(ts, 'target_removed', matches);
  }

  /** How far each group has come, without a look at its alerts. */
  progress(): readonly GroupProgress[] {
    return this.#groups.map(({ definition, lastEvaluationTs, firstLookTs, rules }) => ({
      name: definition.name,
      intervalMs: definition.intervalMs,
      lastEvaluationTs: Math.max(lastEvaluationTs, firstLookTs),
      works: rules.some(({ health }) => health === 'ok'),
      isEmpty: rules.length === 0,
    }));
  }

  /** Whether every alerting rule with such a name has been evaluated since the start. */
  hasEvaluated(isMeant: (alertName: string) => boolean): boolean {
    return this.#groups.every(({ rules }) =>
      rules.every(
        ({ rule, definition, lastEvaluationTs }) => !(rule instanceof AlertingRule) || lastEvaluationTs > 0 || !isMeant(definition.name),
      ),
    );
  }

  /** Groups, rules and alerts as they are now. */
  snapshot(): readonly GroupSnapshot[] {
    return this.#groups.map(snapshotOf);
  }

  /** Group by group, and gives way where that takes long. */
  async #evaluateWoken(line: WakeLine, names: ReadonlySet<string>, ts: number, slices: WakeSlices): Promise<void> {
    const groups = this.#groups;
    for (const group of groups) {
      for (const _piece of group.wake(names, ts)) {
        if (!slices.due) continue;
        await slices.pause();
        if (!this.#running) return;
        if (this.#groups === groups) continue;
        // A reload came in between: the groups that there are now are woken anew, which those that were done do not mind.
        line.push(names, ts);
        return;
      }
    }
  }

  #prepared(text: string): Expression {
    let expression = this.#templateQueries.get(text);
    if (expression === undefined) {
      expression = prepareExpression(text, this.#ruleSet.promql);
      // Texts made from labels could go on for ever: begin anew rather than grow.
      if (this.#templateQueries.size >= MAX_TEMPLATE_QUERIES) this.#templateQueries.clear();
      this.#templateQueries.set(text, expression);
    }
    return expression;
  }

  /** Resolves what removed rules had firing; their series end after two intervals, unless a rule has taken them over. */
  #retire(group: GroupRunner, keys: ReadonlySet<string>): void {
    const { clock } = this.#ports;
    const gone = group.rules.filter(({ definition }) => !keys.has(definition.key));
    if (gone.length === 0) return;
    group.remove(clock.now(), gone);
    for (const rule of gone) this.#retiring.set(rule.targetId, rule);
    const retire = (): void => {
      this.#retireTimers.delete(timer);
      this.#retireSeries(gone.filter((rule) => this.#retiring.get(rule.targetId) === rule));
    };
    const timer = clock.timer(2 * group.definition.intervalMs, retire, { unref: true });
    this.#retireTimers.add(timer);
  }

  /** A group's at once: to look through all other rules for each of thousands would hold the loop for seconds. */
  #retireSeries(gone: readonly RuleRunner[]): void {
    const { writer, clock } = this.#ports;
    // Of another name none has the same series.
    const names = new Set(gone.map(({ definition }) => definition.name));
    const heirs = this.#groups.flatMap(({ rules }) => rules.filter(({ definition }) => names.has(definition.name)));
    const successors = new Map(heirs.map((rule) => [rule.targetId, rule]));
    const taken = new Set(heirs.flatMap(({ written }) => written.map(({ key }) => key)));
    for (const rule of gone) {
      this.#retiring.delete(rule.targetId);
      const successor = successors.get(rule.targetId);
      if (successor === undefined) rule.retire(writer, clock.now(), taken);
      else successor.clear(writer, rule);
    }
  }

  #restore(): void {
    const { state, logger, clock } = this.#ports;
    const orphans = new Orphans();
    const rows = state.loadAlerts();
    const owners = new RowOwners(
      this.#groups.map(({ definition }) => definition.file),
      this.#groups.flatMap(({ rules }) => rules.flatMap(({ rule }) => (rule instanceof AlertingRule ? [rule] : []))),
      rows,
    );
    const moved: AlertStateRow[] = [];
    for (const row of rows) {
      const rule = owners.of(row);
      rule?.restore(row);
      if (rule === undefined) orphans.add(row);
      else if (rule.definition.key !== row.ruleKey) moved.push(row);
    }
    logger.info('alerts_restored', { alerts: rows.length - orphans.size, of_removed_rules: orphans.size });
    const ts = clock.now();
    for (const group of this.#groups) group.restored(ts);
    // Only now that they stand where they belong: a process that is killed in between finds them twice, and not never.
    if (moved.length > 0 && !this.#context.state.write({ saves: [], deletes: moved }))
      logger.error('alert_state_not_durable', { alerts: this.#context.state.unsaved });
    orphans.end(this.#ports, this.#context.state, ts);
  }
}
