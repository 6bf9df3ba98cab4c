import type { Alert } from '../core/alert.ts';
import type { Clock } from '../core/clock.ts';
import { Labels } from '../core/labels.ts';
import type { Notification } from '../core/notification.ts';

/** The name that Prometheus's users give to the alert that always fires. */
const WATCHDOG = 'Watchdog';

/**
 * Holds the `Watchdog` alert, which always fires, back from people: it opens no incident. A dead-man's switch gets it,
 * where one is configured. It is known by its name and by the severity `none`, both of which only a rule file can give:
 * no sample can make an alert disappear here.
 */
export class DeadMansSwitch {
  readonly #clock: Clock;
  #latest: { readonly alert: Alert; readonly at: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keeps the Watchdog of what rules say; the alerts that are for people. */
  withhold(alerts: readonly Alert[]): readonly Alert[] {
    if (!alerts.some(isWatchdog)) return alerts;
    for (const alert of alerts)
      if (isWatchdog(alert)) this.#latest = alert.status === 'firing' ? { alert, at: this.#clock.now() } : undefined;
    return alerts.filter((alert) => !isWatchdog(alert));
  }

  /** The Watchdog as rules said it last, within the time; undefined where they have not. */
  firing(withinMs: number): Alert | undefined {
    const latest = this.#latest;
    return latest !== undefined && this.#clock.now() - latest.at <= withinMs ? latest.alert : undefined;
  }
}

function isWatchdog({ labels, source }: Alert): boolean {
  return source.kind === 'rule' && labels.get('alertname') === WATCHDOG && labels.get('severity') === 'none';
}

/** The Watchdog as a webhook gets it: Alertmanager's body, always firing, always of the same group. */
export function watchdogNotification(alert: Alert, owner: string, receiver: string, at: number): Notification {
  const incident = {
    id: 'watchdog',
    owner,
    cluster: '',
    broker: '',
    openedAt: alert.startsAt,
    closedAt: undefined,
    severity: 'info',
  } as const;
  return {
    groupKey: `{}:{alertname="${WATCHDOG}"}`,
    receiver,
    reason: 'repeat',
    status: 'firing',
    incident,
    groupLabels: Labels.of({ alertname: WATCHDOG }),
    alerts: [alert],
    events: [],
    loud: true,
    at,
  };
}
