import { BelfryError, errorText } from '../core/errors.ts';
import { METRIC_NAME } from '../core/labels.ts';
import { AlertingRule } from './alerting-rule.ts';
import { openExpression } from './evaluation.ts';
import { RecordingRule } from './recording-rule.ts';
import type { Labels } from '../core/labels.ts';
import type { SampleWriter } from '../core/sample.ts';
import type { Opening } from '../promql/kept-plan.ts';
import type { Evaluation, RuleOutput } from './evaluation.ts';
import type { GroupDefinition, RuleDefinition } from './model.ts';
import type { OverlayQuerier } from './overlay.ts';

/** A rule that has taken longer than this is dear: what can be done of it in a turn of its own is. */
const DEAR_MS = 4;

export type RuleHealth = 'unknown' | 'ok' | 'err';

/** A rule at work: how its last evaluation went, and where its series go. */
export class RuleRunner {
  readonly definition: RuleDefinition;
  readonly rule: AlertingRule | RecordingRule;
  health: RuleHealth = 'unknown';
  lastError = '';
  /** Milliseconds of Belfry time; 0 before the first evaluation. */
  lastEvaluationTs = 0;
  evaluationTimeMs = 0;
  /** How long it last took to open its plans. */
  #openingMs = 0;
  /** The error that has been logged, until an evaluation is good again: one that fails at each slot is one line. */
  #loggedCode: string | undefined;
  /** The series of its last written row. */
  #written: readonly Labels[] = [];
  /** When that was. */
  #writtenTs = 0;

  constructor(definition: RuleDefinition, group: GroupDefinition) {
    this.definition = definition;
    this.rule = definition.kind === 'alerting' ? new AlertingRule(definition, group) : new RecordingRule(definition, group);
  }

  /** Takes over the state of the rule this one replaces. */
  adopt(old: RuleRunner): void {
    this.#written = old.#written;
    this.#writtenTs = old.#writtenTs;
    this.lastEvaluationTs = old.lastEvaluationTs;
    if (this.rule instanceof AlertingRule && old.rule instanceof AlertingRule) this.rule.adopt(old.rule);
  }

  /** The id of its series in the store. */
  get targetId(): string {
    return `rules/${this.definition.key}`;
  }

  /** Whether an evaluation may be woken for it between slots. */
  get wakes(): boolean {
    return this.definition.kind === 'recording' || this.definition.wake;
  }

  /** Whether its expression selects one of these metric names. */
  selects(names: ReadonlySet<string>): boolean {
    const { expression } = this.definition;
    const more = this.definition.kind === 'alerting' ? this.definition.recover : undefined;
    return [...expression.selectors, ...(more?.selectors ?? [])].some(({ metricName, matchers }) => {
      if (metricName !== undefined) return names.has(metricName);
      const onName = matchers.filter(({ name }) => name === METRIC_NAME);
      return [...names].some((name) => onName.every((matcher) => matcher.matches(name)));
    });
  }

  /** The metric names that it makes. */
  get makes(): readonly string[] {
    return this.definition.kind === 'recording' ? [this.definition.name] : ['ALERTS', 'ALERTS_FOR_STATE'];
  }

  /** Whether its plans take long to open or to evaluate, as far as is known. */
  get isDear(): boolean {
    return Math.max(this.#openingMs, this.evaluationTimeMs) > DEAR_MS;
  }

  /**
   * Opens its plans where series have come or gone since the last time, one after the other, for as long as a slice. Plans over
   * fewer series than that are left alone.
   */
  openPlans(evaluation: Evaluation, seriesLeast: number): Opening {
    const { definition } = this;
    const expressions = [definition.expression, definition.kind === 'alerting' ? definition.recover : undefined];
    const begin = evaluation.clock.elapsed();
    let opening: Opening = 'open';
    try {
      for (const expression of expressions) {
        const next = expression === undefined ? 'open' : openExpression(expression, evaluation, seriesLeast);
        if (next !== 'open') opening = next;
        if (next === 'more') break;
      }
    } catch {
      // The evaluation that follows meets the same error, and that is the one to tell.
      return 'open';
    }
    if (opening !== 'open') this.#openingMs = evaluation.clock.elapsed() - begin;
    return opening;
  }

  /** Evaluates at a slot and writes its series; a failed query changes nothing and writes nothing. */
  evaluateAndWrite(evaluation: Evaluation, writer: SampleWriter): void {
    const output = this.#run(evaluation);
    if (output === undefined) return;
    try {
      if (output.layout.series.length > 0 || this.#written.length > 0) {
        writer.target(this.targetId).append(evaluation.queryTs, output.layout, output.values);
        this.#written = output.layout.series;
        this.#writtenTs = evaluation.queryTs;
      }
      this.#loggedCode = undefined;
    } catch (error) {
      this.#fail(evaluation, error);
    }
  }

  /** Evaluates between slots: its series are shown to the group's later rules but not written. */
  evaluateAndShow(evaluation: Evaluation, overlay: OverlayQuerier): void {
    const output = this.#run(evaluation);
    if (output !== undefined) overlay.add(output, this.#written);
  }

  /** The series that it has written last. */
  get written(): readonly Labels[] {
    return this.#written;
  }

  /**
   * Ends its series in the store, but those that another rule writes by now (`taken`, their keys), for whom its marker would be one.
   * The store ends all or none: where it is some, as of their last sample, which those that go on have long left behind.
   */
  retire(writer: SampleWriter, ts: number, taken: ReadonlySet<string>): void {
    const ended = this.#written.filter(({ key }) => !taken.has(key)).length;
    if (ended > 0) writer.target(this.targetId).markStale(ended === this.#written.length ? ts : this.#writtenTs + 1);
    writer.removeTarget(this.targetId);
    this.#written = [];
  }

  /** Ends what the rule that had its place before has left there, where it has written nothing itself. */
  clear(writer: SampleWriter, before: RuleRunner): void {
    if (this.#written.length === 0 && before.#written.length > 0) writer.target(this.targetId).markStale(before.#writtenTs + 1);
  }

  #run(evaluation: Evaluation): RuleOutput | undefined {
    this.lastEvaluationTs = evaluation.ts;
    try {
      let output: RuleOutput;
      if (this.rule instanceof AlertingRule) {
        this.rule.evaluate(evaluation);
        output = this.rule.series();
      } else output = this.rule.evaluate(evaluation);
      this.health = 'ok';
      this.lastError = '';
      return output;
    } catch (error) {
      this.#fail(evaluation, error);
      return undefined;
    }
  }

  #fail(evaluation: Evaluation, error: unknown): void {
    this.health = 'err';
    this.lastError = errorText(error);
    const code = error instanceof BelfryError ? error.code : 'INTERNAL';
    if (this.#loggedCode === code) return;
    this.#loggedCode = code;
    evaluation.logger.warn('rule_failed', { rule: this.definition.name, code, error: this.lastError });
  }
}
