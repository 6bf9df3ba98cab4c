import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import type { IncidentLimits } from './incidents.ts';
import type { IncidentStore, NotificationLog, OutboxPort, OwnerDirectory } from './ports.ts';
import type { QuietOptions } from './quiet.ts';

export interface RoutingOptions extends QuietOptions {
  readonly store: IncidentStore & NotificationLog;
  readonly outbox: OutboxPort;
  readonly owners: OwnerDirectory;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  /** Edits wait so long for others to go with them. Default 1 s. */
  readonly groupIntervalMs?: number;
  /** Least time between two loud mails of one incident, as configured now. Default 5 min. */
  readonly mailIntervalMs?: () => number;
  /** A critical incident that goes on is told again after so long. Default 4 h. */
  readonly repeatIntervalMs?: number;
  /** An incident is closed when nothing has fired for so long. Default 5 min. */
  readonly closeAfterMs?: number;
  /** Closed incidents are kept so long as history. Default 30 days. */
  readonly keepClosedMs?: number;
  readonly limits?: IncidentLimits;
  /** The owner who is told in the place of one that cannot be reached, as configured now. Default: the default owner. */
  readonly fallbackOwner?: () => string | undefined;
  /** What the auto-pilot does now about a cluster and broker, a sentence for the messages; empty where it has nothing to say. */
  readonly autopilotOf?: (cluster: string, broker: number | undefined) => string;
}
