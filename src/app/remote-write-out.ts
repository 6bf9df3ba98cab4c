import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { RemoteWrite } from '../remotewrite/remote-write.ts';
import type { SampleStore } from '../store/sample-store.ts';
import { SettingStore } from '../store/state/setting-store.ts';
import type { StateDb } from '../store/state/state-db.ts';
import type { PrometheusMeter } from '../telemetry/prometheus-meter.ts';
import { allMetadata, metadataOf } from './catalog-port.ts';
import type { ClusterWatch } from './cluster-watch.ts';

/** What the store takes in goes on to the destinations of `remote_write:`. */
export function createRemoteWriteOut(parts: {
  readonly samples: SampleStore;
  readonly stateDb: StateDb;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: PrometheusMeter;
  readonly clusters: () => Iterable<Pick<ClusterWatch, 'pages'>>;
}): RemoteWrite {
  const { samples, stateDb, clock, log, meter, clusters } = parts;
  return new RemoteWrite({
    feed: samples.feed,
    positions: new SettingStore(stateDb),
    metadata: async () => [...(await allMetadata(metadataOf(meter, clusters))).values()],
    clock,
    log,
    meter,
  });
}
