import { createHash } from 'node:crypto';
import { AlertingRule } from './alerting-rule.ts';
import { Outcome, querySamples } from './evaluation.ts';
import { OverlayQuerier } from './overlay.ts';
import { RuleRunner } from './rule-runner.ts';
import { EVERY_NAME } from './wake-line.ts';
import type { ResolveReason } from '../core/alert.ts';
import type { Timer } from '../core/clock.ts';
import type { Labels } from '../core/labels.ts';
import type { Opening } from '../promql/kept-plan.ts';
import type { Querier } from '../promql/querier.ts';
import type { TemplateSample } from '../templates/prometheus-functions.ts';
import type { Evaluation } from './evaluation.ts';
import type { Expression } from './expression.ts';
import type { AlertWriter } from './alert-writer.ts';
import type { InputSelectors } from './input-selectors.ts';
import type { RuleMetrics } from './metrics.ts';
import type { GroupDefinition } from './model.ts';
import type { RuleEngineOptions, RuleEnginePorts } from './ports.ts';

/** What all groups of an engine share. */
export interface GroupContext {
  readonly ports: RuleEnginePorts;
  readonly options: RuleEngineOptions;
  readonly state: AlertWriter;
  readonly metrics: RuleMetrics;
  readonly startedAt: number;
  inputs(): InputSelectors;
  /** For the templates' `query`. */
  prepare(text: string): Expression;
}

/** Which rules to evaluate: all at a slot, which also writes, or some between slots. */
type Selected = 'slot' | ReadonlySet<RuleRunner>;

/** A plan that stands for so many series may be dear to open, also where it never was. */
const MANY_SERIES = 2000;

/** Rules of a group that are rehearsed; of a file with thousands the first few warm the shared code. */
const REHEARSED_RULES = 100;

/**
 * One group at work: slots spread by a hash of its name, wakes and deadlines between them; rules in the file's order;
 * the times of its evaluations strictly rise.
 */
export class GroupRunner {
  readonly definition: GroupDefinition;
  readonly rules: readonly RuleRunner[];
  readonly #context: GroupContext;
  readonly #offsetMs: number;
  #slotTimer: Timer | undefined;
  #deadlineTimer: Timer | undefined;
  #nextSlot = 0;
  #lastTs = 0;
  #running = false;
  #rehearsed = false;
  missedIterations = 0;
  lastEvaluationTs = 0;
  /** When all its rules were evaluated before the first slot; 0 where they were not. */
  firstLookTs = 0;
  evaluationTimeMs = 0;

  constructor(definition: GroupDefinition, context: GroupContext) {
    this.definition = definition;
    this.#context = context;
    this.rules = definition.rules.map((rule) => new RuleRunner(rule, definition));
    this.#offsetMs = slotOffset(definition);
  }

  /** Takes over the state of the group this one replaces, rule by rule. */
  adopt(old: GroupRunner): void {
    this.#lastTs = old.#lastTs;
    this.lastEvaluationTs = old.lastEvaluationTs;
    this.evaluationTimeMs = old.evaluationTimeMs;
    this.missedIterations = old.missedIterations;
    const byKey = new Map(old.rules.map((rule) => [rule.definition.key, rule]));
    for (const rule of this.rules) {
      const before = byKey.get(rule.definition.key);
      if (before !== undefined) rule.adopt(before);
    }
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    const now = this.#context.ports.clock.now();
    this.#nextSlot = this.#slotBefore(now) + this.definition.intervalMs;
    this.#armSlot();
    this.#armDeadline();
  }

  stop(): void {
    this.#running = false;
    this.#slotTimer?.cancel();
    this.#deadlineTimer?.cancel();
    this.#slotTimer = this.#deadlineTimer = undefined;
  }

  /**
   * Evaluates the rules that select one of the names, and the later ones that read what those make. Each step of the iteration
   * is a piece of work: plans that are dear to open, or may be, are opened one by one in slices, and the last step evaluates all
   * rules at one time.
   */
  *wake(names: ReadonlySet<string>, ts: number): Generator<void> {
    if (!this.#mayWake) return;
    const all = names.has(EVERY_NAME);
    const selected = this.#selectedBy((rule) => all || rule.selects(names));
    if (selected.size === 0) return;
    const evaluation = this.#evaluation(Math.max(ts, this.#lastTs + 1), this.#context.ports.querier);
    for (const rule of selected) {
      const seriesLeast = all || rule.isDear ? 0 : MANY_SERIES;
      for (let opening: Opening = 'more'; opening === 'more';) {
        opening = rule.openPlans(evaluation, seriesLeast);
        if (opening !== 'open') yield;
      }
    }
    if (!this.#mayWake) return;
    this.#evaluateBetween(selected, ts);
    if (all && selected.size === this.rules.length) this.firstLookTs = this.#lastTs;
    yield;
  }

  /** Resolves the alerts that match, as their rule or target is gone. */
  end(ts: number, reason: ResolveReason, matches: (labels: Labels) => boolean): void {
    const evaluation = this.#evaluation(Math.max(ts, this.#lastTs + 1), this.#context.ports.querier);
    const outcome = new Outcome();
    for (const { rule } of this.rules) {
      if (!(rule instanceof AlertingRule)) continue;
      rule.end(evaluation.ts, reason, matches);
      rule.collect(outcome, evaluation);
    }
    this.#settle(outcome, evaluation);
  }

  /**
   * Ends these rules' alerts, as they are not in the files any more, and forgets them only when that has been told: a
   * process that is killed in between tells it at its next start.
   */
  remove(ts: number, gone: readonly RuleRunner[]): void {
    const evaluation = this.#evaluation(Math.max(ts, this.#lastTs + 1), this.#context.ports.querier);
    const rules = gone.flatMap(({ rule }) => (rule instanceof AlertingRule ? [rule] : []));
    for (const rule of rules) rule.end(evaluation.ts, 'rule_removed', () => true);
    this.#collect(rules, evaluation);
    for (const rule of rules) rule.forget();
    this.#collect(rules, evaluation);
  }

  #collect(rules: readonly AlertingRule[], evaluation: Evaluation): void {
    const outcome = new Outcome();
    for (const rule of rules) rule.collect(outcome, evaluation);
    this.#settle(outcome, evaluation);
  }

  /** The alerts it holds from before a restart, to be handed on again: whoever had them may not have got them. */
  restored(ts: number): void {
    const evaluation = this.#evaluation(ts, this.#context.ports.querier);
    const outcome = new Outcome();
    for (const { rule } of this.rules) {
      if (!(rule instanceof AlertingRule)) continue;
      for (const entry of rule.entries) entry.lastSentAt = 0;
      rule.collect(outcome, evaluation);
    }
    this.#settle(outcome, evaluation);
  }

  #slotBefore(now: number): number {
    const { intervalMs } = this.definition;
    return now - ((((now - this.#offsetMs) % intervalMs) + intervalMs) % intervalMs);
  }

  #armSlot(): void {
    const { clock } = this.#context.ports;
    this.#slotTimer = clock.timer(Math.max(0, this.#nextSlot - clock.now()), () => this.#openPlans(0));
  }

  /**
   * Where series have come or gone, to open a rule's plan costs many times what an evaluation does, and 65 of them would
   * hold the loop for hundreds of milliseconds: that is done before the slot's evaluation, each in turns of its own.
   */
  #openPlans(from: number): void {
    if (!this.#running) return;
    const { clock, querier } = this.#context.ports;
    const evaluation = this.#evaluation(Math.max(this.#nextSlot, this.#lastTs + 1), querier);
    for (let i = from; i < this.rules.length; i++) {
      const opening = this.rules[i]?.openPlans(evaluation, 0) ?? 'open';
      if (opening === 'open') continue;
      this.#slotTimer = clock.timer(0, () => this.#openPlans(opening === 'more' ? i : i + 1));
      return;
    }
    this.#slot();
  }

  /** Slots that have passed unused are counted and left out; the one evaluated is the latest that has come. */
  #slot(): void {
    const { intervalMs } = this.definition;
    const missed = Math.max(0, Math.floor((this.#context.ports.clock.now() - this.#nextSlot) / intervalMs));
    if (missed > 0) {
      this.missedIterations += missed;
      this.#context.metrics.missed(this.definition.name, missed);
    }
    const slot = this.#nextSlot + missed * intervalMs;
    this.#nextSlot = slot + intervalMs;
    this.#evaluate(Math.max(slot, this.#lastTs + 1), 'slot');
    if (!this.#running) return;
    if (!this.#rehearsed) this.#rehearse();
    this.#armSlot();
    this.#armDeadline();
  }

  /** After the first slot, when there is data to query; rule by rule, so that the loop is not held. */
  #rehearse(): void {
    this.#rehearsed = true;
    const rules = this.rules.flatMap(({ rule }) => (rule instanceof AlertingRule ? [rule] : [])).slice(0, REHEARSED_RULES);
    const next = (index: number): void => {
      const rule = rules[index];
      if (rule === undefined || !this.#running) return;
      rule.rehearse(this.#evaluation(this.#lastTs, this.#context.ports.querier));
      this.#context.ports.clock.timer(0, () => next(index + 1), { unref: true });
    };
    next(0);
  }

  get #mayWake(): boolean {
    return this.#running && !this.#context.options.strictSlots && this.definition.queryOffsetMs === 0;
  }

  /** The rules that are meant and the later ones that read what those make. */
  #selectedBy(first: (rule: RuleRunner) => boolean): ReadonlySet<RuleRunner> {
    const selected = new Set<RuleRunner>();
    const made = new Set<string>();
    for (const rule of this.rules) {
      if (!rule.wakes || (!first(rule) && !(made.size > 0 && rule.selects(made)))) continue;
      selected.add(rule);
      for (const name of rule.makes) made.add(name);
    }
    return selected;
  }

  #evaluateBetween(selected: ReadonlySet<RuleRunner>, ts: number): void {
    if (selected.size === 0) return;
    this.#evaluate(Math.max(ts, this.#lastTs + 1), selected);
    this.#armDeadline();
  }

  /** A pending alert does not wait for the next slot: it is looked at again when its `for` is over. */
  #armDeadline(): void {
    this.#deadlineTimer?.cancel();
    this.#deadlineTimer = undefined;
    if (!this.#mayWake) return;
    const due = Math.min(...this.rules.map((rule) => this.#deadlineOf(rule)));
    if (due >= this.#nextSlot) return;
    const { clock } = this.#context.ports;
    this.#deadlineTimer = clock.timer(Math.max(0, due - clock.now()), () => {
      const now = Math.max(due, clock.now());
      this.#evaluateBetween(
        this.#selectedBy((rule) => this.#deadlineOf(rule) <= now),
        now,
      );
    });
  }

  #deadlineOf({ rule, wakes }: RuleRunner): number {
    return (wakes && rule instanceof AlertingRule ? rule.nextDeadline(this.#lastTs) : undefined) ?? Infinity;
  }

  #evaluation(ts: number, querier: Querier): Evaluation {
    const { ports, options, startedAt } = this.#context;
    const query = (text: string): readonly TemplateSample[] => querySamples(this.#context.prepare(text), evaluation);
    const evaluation: Evaluation = {
      ts,
      queryTs: ts - this.definition.queryOffsetMs,
      querier,
      clock: ports.queryClock ?? ports.clock,
      host: { query, externalUrl: options.externalUrl, now: ts },
      options,
      intervalMs: this.definition.intervalMs,
      logger: ports.logger.child({ group: this.definition.name }),
      startedAt,
      blindness: (cluster) => ports.blindness?.(cluster),
      inputs: this.#context.inputs(),
    };
    return evaluation;
  }

  #evaluate(ts: number, selected: Selected): void {
    const { ports, metrics } = this.#context;
    const begin = ports.clock.elapsed();
    this.#lastTs = ts;
    const overlay = selected === 'slot' ? undefined : new OverlayQuerier(ports.querier, ts);
    const evaluation = this.#evaluation(ts, overlay ?? ports.querier);
    const outcome = new Outcome();
    for (const runner of this.rules) {
      if (selected !== 'slot' && !selected.has(runner)) continue;
      const ruleBegin = ports.clock.elapsed();
      if (overlay === undefined) runner.evaluateAndWrite(evaluation, ports.writer);
      else runner.evaluateAndShow(evaluation, overlay);
      runner.evaluationTimeMs = ports.clock.elapsed() - ruleBegin;
      if (runner.health === 'err') this.#tellFailure(runner, ts);
      // After a failed query too: what fires goes on firing and is not to be timed out downstream.
      if (runner.rule instanceof AlertingRule) runner.rule.collect(outcome, evaluation);
    }
    this.#settle(outcome, evaluation);
    const tookMs = ports.clock.elapsed() - begin;
    if (selected === 'slot') {
      this.lastEvaluationTs = ts;
      this.evaluationTimeMs = tookMs;
    }
    metrics.evaluated(this.definition.name, selected === 'slot' ? 'slot' : 'wake', tookMs);
  }

  #tellFailure(runner: RuleRunner, ts: number): void {
    const { metrics, ports } = this.#context;
    const { file, name } = this.definition;
    metrics.failed(name);
    ports.onFailure?.({ file, group: name, index: this.rules.indexOf(runner), ts, error: runner.lastError });
  }

  /** The decision is durable before anyone hears of it; where it cannot be, alerts go on from memory, which is said once. */
  #settle(outcome: Outcome, { ts, logger }: Evaluation): void {
    const { state, ports } = this.#context;
    const wasBehind = state.unsaved > 0;
    if (!state.write(outcome) && !wasBehind) logger.error('alert_state_not_durable', { alerts: state.unsaved });
    if (outcome.alerts.length > 0) ports.sink.receive(outcome.alerts, ts);
  }
}

/** Where in its interval a group has its slots: groups of one interval do not all evaluate at once. */
function slotOffset({ file, name, intervalMs }: GroupDefinition): number {
  const digest = createHash('sha256').update(`${file}\u0000${name}`).digest();
  return digest.readUInt32BE(0) % intervalMs;
}
