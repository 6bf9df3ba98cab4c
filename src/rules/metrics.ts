import type { Counter, Histogram, Meter } from '../core/meter.ts';

const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The engine's own metrics. */
export class RuleMetrics {
  readonly #duration: Histogram;
  readonly #failures: Counter;
  readonly #missed: Counter;

  constructor(meter: Meter) {
    this.#duration = meter.histogram(
      'belfry_rule_group_evaluation_duration_seconds',
      'How long one evaluation of a rule group took; trigger is slot or wake.',
      SECONDS,
      ['group', 'trigger'],
    );
    this.#failures = meter.counter('belfry_rule_evaluation_failures_total', 'Evaluations of a rule that failed.', ['group']);
    this.#missed = meter.counter('belfry_rule_group_iterations_missed_total', 'Slots that passed while the group was late.', ['group']);
  }

  evaluated(group: string, trigger: 'slot' | 'wake', tookMs: number): void {
    this.#duration.observe(tookMs / 1000, { group, trigger });
  }

  failed(group: string): void {
    this.#failures.add(1, { group });
  }

  missed(group: string, iterations: number): void {
    this.#missed.add(iterations, { group });
  }
}
