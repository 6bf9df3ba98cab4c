import { ManualClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { type Logger, silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { RuleEngine } from '../../src/rules/engine.ts';
import { parseRuleFiles } from '../../src/rules/load.ts';
import { MemorySeries } from '../../src/rules/memory-series.ts';
import type { Alert } from '../../src/core/alert.ts';
import type { AlertStateRow, AlertStateStore } from '../../src/core/state.ts';
import type { RuleSet } from '../../src/rules/model.ts';
import type { RuleEngineOptions, RuleEnginePorts } from '../../src/rules/ports.ts';
import type { AlertingRuleSnapshot } from '../../src/rules/snapshot.ts';

/** Alert state in a map; `broken` makes every write fail. */
export class MemoryAlertState implements AlertStateStore {
  readonly rows = new Map<string, AlertStateRow>();
  transactions = 0;
  broken = false;
  readonly #log: string[];

  constructor(log: string[] = []) {
    this.#log = log;
  }

  get durable(): boolean {
    return !this.broken;
  }

  durably(write: () => void): boolean {
    if (this.broken) return false;
    this.transactions++;
    this.#log.push('saved');
    write();
    return true;
  }

  loadAlerts(): readonly AlertStateRow[] {
    return [...this.rows.values()];
  }

  saveAlert(row: AlertStateRow): void {
    this.rows.set(`${row.ruleKey} ${row.alertKey}`, row);
  }

  deleteAlert(ruleKey: string, alertKey: string): void {
    this.rows.delete(`${ruleKey} ${alertKey}`);
  }
}

/** A rule file's text as a rule set. */
export function ruleSetOf(text: string, evaluationIntervalMs = 10_000): RuleSet {
  return parseRuleFiles([{ path: 'rules.yaml', text }], { evaluationIntervalMs });
}

/** An engine on a store in memory and a clock that moves by hand. */
export class Bench {
  readonly clock: ManualClock;
  readonly store: MemorySeries;
  readonly state: MemoryAlertState;
  readonly sent: { readonly ts: number; readonly alert: Alert }[] = [];
  /** What happened in which order: `saved`, `sent`. */
  readonly order: string[] = [];
  /** The events of warnings and errors in the log. */
  readonly logged: string[] = [];
  readonly engine: RuleEngine;

  constructor(
    rules: string,
    options: Partial<RuleEngineOptions> = {},
    before?: Pick<Bench, 'clock' | 'store' | 'state'>,
    blindness?: RuleEnginePorts['blindness'],
  ) {
    this.clock = before?.clock ?? new ManualClock(1_700_000_000_000);
    this.store = before?.store ?? new MemorySeries();
    this.state = before?.state ?? new MemoryAlertState(this.order);
    const sink = {
      receive: (alerts: readonly Alert[], ts: number): void => {
        this.order.push('sent');
        for (const alert of alerts) this.sent.push({ ts, alert });
      },
    };
    const note = (event: string): void => void this.logged.push(event);
    const logger: Logger = { ...silentLogger, warn: note, error: note, child: () => logger };
    const ports = {
      querier: this.store,
      writer: this.store,
      state: this.state,
      sink,
      clock: this.clock,
      logger,
      ...(blindness && { blindness }),
    };
    this.engine = new RuleEngine({ ...ports, meter: silentMeter }, { externalUrl: 'http://belfry.example', ...options });
    this.engine.replace(ruleSetOf(rules));
  }

  /** Writes a sample now (`metric{…}` as an object with `__name__`); undefined ends the series. */
  write(labels: Readonly<Record<string, string>>, value: number | undefined): void {
    this.store.add(Labels.of(labels), this.clock.now(), value);
  }

  /** What was sent since the last call: `firing X` or `resolved X (reason)`. */
  takeSent(): readonly string[] {
    return this.sent.splice(0).map(({ alert }) => {
      const name = alert.labels.get('alertname') + (alert.labels.has('broker') ? `/${alert.labels.get('broker')}` : '');
      return alert.status === 'firing' ? `firing ${name}` : `resolved ${name} (${alert.resolveReason ?? ''})`;
    });
  }

  alertingRule(name: string): AlertingRuleSnapshot {
    for (const { rules } of this.engine.snapshot()) {
      for (const rule of rules) if (rule.type === 'alerting' && rule.name === name) return rule;
    }
    throw new Error(`no alerting rule ${name}`);
  }

  /** The current value of every series that a metric name has, as `{labels} value`. */
  series(metric: string): readonly string[] {
    const selection = this.store.select([]);
    const columns = {
      values: new Float64Array(selection.n),
      timestamps: new Float64Array(selection.n),
      present: new Uint8Array(selection.n),
    };
    selection.instant(this.clock.now(), 300_000, columns);
    const found: string[] = [];
    for (let i = 0; i < selection.n; i++) {
      const labels = selection.labels(i);
      if (columns.present[i] === 1 && labels.metricName === metric) found.push(`${labels.toString()} ${columns.values[i]}`);
    }
    return found.toSorted();
  }
}
