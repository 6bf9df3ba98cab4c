import type { AlertStateRow, AlertStateStore } from '../../core/state.ts';
import { RoomStore } from './room-store.ts';

/** The state of alerts and the timers of rule groups. */
export class AlertStore extends RoomStore implements AlertStateStore {
  loadAlerts(): readonly AlertStateRow[] {
    return this.db.rows('alert');
  }

  saveAlert(row: AlertStateRow): void {
    this.db.apply({ v: 1, kind: 'alert.put', row });
  }

  deleteAlert(ruleKey: string, alertKey: string): void {
    this.db.apply({ v: 1, kind: 'alert.delete', key: { ruleKey, alertKey } });
  }

  /** When each group was last evaluated, in Belfry time, by the group's own key. */
  loadTimers(): ReadonlyMap<string, number> {
    return new Map(this.db.rows('rule_timer').map(({ key, lastEvalAt }) => [key, lastEvalAt]));
  }

  saveTimer(key: string, lastEvalAt: number): void {
    this.db.apply({ v: 1, kind: 'rule_timer.put', row: { key, shard: '', lastEvalAt } });
  }

  deleteTimer(key: string): void {
    this.db.apply({ v: 1, kind: 'rule_timer.delete', key: { key } });
  }
}
