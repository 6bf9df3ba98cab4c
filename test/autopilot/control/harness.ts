import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Control } from '../../../src/autopilot/control/control.ts';
import { Journal } from '../../../src/autopilot/journal.ts';
import type { BrokerPicture, ClusterPicture } from '../../../src/autopilot/picture.ts';
import { type ClusterPolicy, DEFAULT_FLEET, DEFAULT_POLICY, type FleetPolicy } from '../../../src/autopilot/policy.ts';
import type { Mode } from '../../../src/core/autopilot.ts';
import type { JournalRow } from '../../../src/core/autopilot-state.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { MemoryPilotStore } from '../../fakes/memory-pilot-store.ts';

export const ANNA = { by: 'anna', reason: 'because' } as const;

/** A fleet and the Control of it, which can be stopped and started again with what its store holds. */
export class Fleet {
  readonly clock = new ManualClock();
  readonly folder = mkdtempSync(join(tmpdir(), 'belfry-control-'));
  readonly haltFile = join(this.folder, 'HALT');
  readonly pictures = new Map<string, ClusterPicture>();
  readonly policies = new Map<string, ClusterPolicy>();
  readonly notes: string[] = [];
  fleetPolicy: FleetPolicy = DEFAULT_FLEET;
  store = new MemoryPilotStore();
  /** Only one writes: it numbers the lines. */
  writer = new Journal(this.store, this.clock);
  control: Control;

  constructor(clusters: Readonly<Record<string, ClusterPicture>> = {}) {
    for (const [name, picture] of Object.entries(clusters)) this.pictures.set(name, picture);
    this.control = this.#start();
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** As after kill -9. */
  restart(): void {
    this.store = this.store.copy();
    this.control = this.#start();
  }

  /** A new configuration: one mode for every action. */
  configure(cluster: string, mode: Mode): void {
    this.policies.set(cluster, { ...DEFAULT_POLICY, modes: { repair: mode, replace: mode, scale_out: mode, scale_in: mode } });
  }

  /** Newest first. */
  journal(kind: JournalRow['kind']): readonly JournalRow[] {
    return this.store.journal({ limit: 1000 }).filter((line) => line.kind === kind);
  }

  #start(): Control {
    this.writer = new Journal(this.store, this.clock);
    return new Control({
      store: this.store,
      journal: this.writer,
      policies: { cluster: (name) => this.policies.get(name) ?? DEFAULT_POLICY, fleet: () => this.fleetPolicy },
      observer: { clusters: () => [...this.pictures.keys()], picture: (name) => this.pictures.get(name) },
      board: { note: ({ cluster, text, loud }) => void this.notes.push(`${loud ? 'LOUD ' : ''}${cluster}: ${text}`) },
      haltFile: this.haltFile,
      clock: this.clock,
      log: silentLogger,
      meter: silentMeter,
    });
  }
}

/** A healthy broker. */
export function healthyBroker(id: number, more: Partial<BrokerPicture> = {}): BrokerPicture {
  return {
    id,
    expected: true,
    up: true,
    registered: true,
    verdict: undefined,
    downSince: undefined,
    inStopGrace: false,
    rack: undefined,
    lastQuorumFetchAt: undefined,
    usedBytes: undefined,
    ...more,
  };
}

/** A healthy cluster of brokers 1 to `count`, with one partition on the first three. */
export function clusterOf(cluster: string, count: number, more: Partial<ClusterPicture> = {}): ClusterPicture {
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  const copies = ids.slice(0, 3);
  return {
    cluster,
    askedAt: 1_700_000_000_000,
    observedAt: 1_700_000_000_000,
    blind: undefined,
    clusterIdChanged: false,
    brokers: new Map(ids.map((id) => [id, healthyBroker(id)])),
    partitions: [{ topic: 'payments', partition: 0, replicas: copies, isr: copies, leader: 1, minIsr: 2, adding: [], lastIsr: copies }],
    reassigning: [],
    quorum: { leaderId: 1001, voters: [{ id: 1001, caughtUp: true }] },
    labels: {},
    maintenance: undefined,
    ...more,
  };
}
