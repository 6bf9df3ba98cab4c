import { join } from 'node:path';
import { Autopilot } from '../autopilot/autopilot.ts';
import { Delivery } from '../autopilot/intents/delivery.ts';
import type { IncidentBoard } from '../autopilot/ports.ts';
import type { BelfryConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import type { Secret } from '../core/secret.ts';
import type { Querier } from '../promql/querier.ts';
import type { StateDb } from '../store/state/state-db.ts';
import { PilotStateStore } from '../store/state/pilot-store.ts';
import type { AutopilotPort } from '../http/autopilot-ports.ts';
import { createAutopilotPort } from './autopilot-port.ts';
import { ConfiguredPolicies } from './autopilot-policy.ts';
import { createClusterObserver } from './cluster-observer.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { IntentChannels } from './intent-channels.ts';
import { CruiseControlLook } from './cruise-control-look.ts';
import { createLoadReader } from './load-reader.ts';
import { createMaintenanceLook } from './maintenance-look.ts';
import { readOrMakeSigningKey } from './signing-key.ts';

export interface AutopilotAppParts {
  readonly config: () => BelfryConfig;
  readonly stateDb: StateDb;
  readonly querier: Querier;
  readonly watches: ReadonlyMap<string, ClusterWatch>;
  readonly board: IncidentBoard;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/** The auto-pilot plugged into the rest: what it sees, what rules over it, and the ways by which intents leave. */
export interface AutopilotApp {
  readonly pilot: Autopilot;
  /** Signs intents and acks; another one after a reload may name it. */
  readonly signingKey: () => Secret;
  /** For the HTTP API. */
  readonly port: AutopilotPort;
  start(): void;
  /** Takes over a configuration that has just been swapped in. */
  reload(): void;
  stop(): Promise<void>;
}

export function createAutopilot(parts: AutopilotAppParts): AutopilotApp {
  const { config, stateDb, querier, watches, board, clock, log, meter } = parts;
  const ownKey = readOrMakeSigningKey(config().storage.path);
  const signingKey = (): Secret => config().autopilot.signingKey ?? ownKey;
  const channels: IntentChannels = new IntentChannels({ signingKey, book: () => pilot.book, clock, log, meter });
  const policies = new ConfiguredPolicies(config);
  const cruiseControl = new CruiseControlLook({ urls: () => cruiseControlsOf(config()), clock });
  const observer = createClusterObserver({
    watches,
    clusters: () => config().clusters.map(({ name }) => name),
    maintenance: createMaintenanceLook(() => config().maintenance),
    cruiseControl,
    labels: (cluster) => config().clusters.find(({ name }) => name === cluster)?.labels ?? {},
    clock,
  });
  const pilot: Autopilot = new Autopilot({
    store: new PilotStateStore(stateDb),
    observer,
    policies,
    board,
    loads: createLoadReader({ querier, clock, log, hosts: (cluster) => hostsOf(config(), cluster) }),
    haltFile: join(config().storage.path, 'HALT'),
    clock,
    log,
    meter,
  });
  const delivery = new Delivery({ book: pilot.book, publishers: () => channels.publishers, clock, log, meter });
  const warn = (): void => {
    for (const warning of delivery.warnings(config().clusters.map(({ name }) => name))) log.warn('autopilot_publish', { warning });
  };
  return {
    pilot,
    signingKey,
    port: createAutopilotPort({ autopilot: pilot, observer, policies, clock, signingKey }),
    start: () => {
      cruiseControl.start();
      pilot.start();
      channels.replace(config());
      delivery.start();
      warn();
    },
    reload: () => {
      if (!channels.replace(config())) return;
      delivery.refresh();
      warn();
    },
    stop: async () => {
      cruiseControl.stop();
      await delivery.stop();
      pilot.stop();
      await channels.close();
    },
  };
}

/** Host → broker, where the configuration maps exactly one broker to it. */
function hostsOf({ clusters }: BelfryConfig, cluster: string): ReadonlyMap<string, number> {
  const addresses = clusters.find(({ name }) => name === cluster)?.addresses ?? new Map<number, { host: string }>();
  const hosts = new Map<string, number>();
  const several = new Set<string>();
  for (const [broker, { host }] of addresses) {
    if (hosts.has(host)) several.add(host);
    hosts.set(host, broker);
  }
  for (const host of several) hosts.delete(host);
  return hosts;
}

function cruiseControlsOf({ autopilot }: BelfryConfig): ReadonlyMap<string, string> {
  return new Map([...autopilot.clusters].flatMap(([name, { cruise_control: url }]) => (url === undefined ? [] : [[name, url] as const])));
}
