import { AlertEntry } from './alert-entry.ts';
import type { Alert } from '../core/alert.ts';
import type { AlertStateRow } from '../core/state.ts';
import type { AlertWriter } from './alert-writer.ts';
import type { RuleEnginePorts } from './ports.ts';

/** Alerts in the state file whose rule is not in the rule files any more: removed while Belfry was down. */
export class Orphans {
  readonly #rows: AlertStateRow[] = [];

  get size(): number {
    return this.#rows.length;
  }

  add(row: AlertStateRow): void {
    this.#rows.push(row);
  }

  /**
   * Tells the sink that those that fired have ended, then forgets them all: in this order, since what is forgotten
   * cannot be told at the next start. One that had ended may not have been heard of; it is told as it ended.
   */
  end({ sink, logger }: RuleEnginePorts, state: AlertWriter, ts: number): void {
    if (this.#rows.length === 0) return;
    const alerts: Alert[] = [];
    for (const row of this.#rows) {
      if (row.firedAt === 0) continue;
      const entry = AlertEntry.fromRow(row, []);
      if (entry.state !== 'inactive') {
        entry.state = 'inactive';
        entry.resolvedAt = ts;
        entry.resolveReason = 'rule_removed';
      }
      const [file = '', group = '', rule = ''] = row.ruleKey.split(';');
      alerts.push(entry.toAlert({ kind: 'rule', file, group, rule }, '', ts));
    }
    if (alerts.length > 0) sink.receive(alerts, ts);
    if (!state.write({ saves: [], deletes: this.#rows })) logger.error('alert_state_not_durable', { alerts: state.unsaved });
  }
}
