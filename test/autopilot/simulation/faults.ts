import type { MemoryPilotStore } from '../../fakes/memory-pilot-store.ts';
import type { Autopilot } from '../../../src/autopilot/autopilot.ts';
import type { Random } from './random.ts';
import type { SimBroker, SimCluster } from './sim-cluster.ts';
import type { SimView } from './sim-view.ts';
import type { ManualClock } from '../../../src/core/clock.ts';

/** What faults and people may reach. */
export interface Scene {
  readonly clock: ManualClock;
  readonly random: Random;
  readonly clusters: ReadonlyMap<string, SimCluster>;
  readonly view: SimView;
  readonly store: MemoryPilotStore;
  readonly pilot: Autopilot;
  readonly falseAlarms: Map<string, number>;
  say(what: string): void;
  restartBelfry(): Promise<void>;
  command(what: () => void): void;
  lie(): void;
}

/** Incidents of intents that no machine asked for. */
export const ROGUE = 'rogue';
const ROGUE_CHANCE = 1 / 10;

const SECOND_MS = 1000;
/** How often something happens to a cluster, and how often a person does something. */
const FAULT_CHANCE = 1 / 90;
const PEOPLE_CHANCE = 1 / 60;
const CLUSTER_MOVES = ['maintenance', 'foreign_moves', 'blind'] as const;

type Fault = (scene: Scene, cluster: SimCluster, broker: SimBroker, now: number) => void;

/** What may befall a broker, or Belfry's sight of it. Times of people and machines are random. */
const FAULTS: Readonly<Record<string, Fault>> = {
  crash: (_, cluster, broker, now) => cluster.kill(broker, now),
  crash_with_supervisor: (scene, cluster, broker, now) => {
    cluster.kill(broker, now);
    broker.supervisorAt = now + scene.random.between(5, 40) * SECOND_MS;
  },
  orderly_stop: (scene, cluster, broker, now) => {
    cluster.kill(broker, now, { cleanly: true });
    broker.supervisorAt = now + scene.random.between(15, 300) * SECOND_MS;
  },
  gc_pause: (scene, cluster, broker, now) => {
    cluster.hang(broker, now);
    broker.supervisorAt = now + scene.random.between(3, 40) * SECOND_MS;
  },
  hangs_for_good: (_, cluster, broker, now) => cluster.hang(broker, now),
  disk_lost: (_, cluster, broker, now) => {
    broker.broken = true;
    cluster.kill(broker, now);
  },
  slow_recovery: (scene, cluster, broker, now) => {
    cluster.kill(broker, now);
    broker.recoveryLeftMs = scene.random.between(60, 900) * SECOND_MS;
    if (scene.random.chance(0.7)) broker.supervisorAt = now + 10 * SECOND_MS;
  },
  recovery_stands_still: (_, cluster, broker, now) => {
    cluster.kill(broker, now);
    cluster.start(broker, now);
    broker.stuck = true;
  },
  unreachable_from_belfry: ({ view, random }, cluster, broker, now) => {
    view.unreachable.set(`${cluster.name}/${broker.id}`, { from: now, until: now + random.between(10, 200) * SECOND_MS });
  },
  false_alarm: ({ falseAlarms, random }, cluster, broker, now) => {
    falseAlarms.set(`${cluster.name}/${broker.id}`, now + random.between(5, 120) * SECOND_MS);
  },
};

/** One step of whatever may happen. */
export async function chaos(scene: Scene): Promise<void> {
  const { random, clock, clusters } = scene;
  const now = clock.now();
  scene.lie();
  for (const cluster of clusters.values()) {
    wake(cluster, now);
    if (!random.chance(FAULT_CHANCE)) continue;
    const broker = random.pick(cluster.live);
    const name = random.pick([...Object.keys(FAULTS), ...CLUSTER_MOVES]);
    if (broker === undefined || name === undefined) continue;
    scene.say(`${name} ${cluster.name}/${broker.id}`);
    const until = now + random.between(10, 150) * SECOND_MS;
    if (name === 'maintenance') cluster.maintenanceUntil = until;
    else if (name === 'foreign_moves') cluster.foreignMovesUntil = until;
    else if (name === 'blind') scene.view.blindUntil.set(cluster.name, until);
    else FAULTS[name]?.(scene, cluster, broker, now);
  }
  if (random.chance(ROGUE_CHANCE)) rogue(scene);
  await people(scene, now);
}

/** Intents out of nowhere, drills of live brokers among them: whatever asks, it is the guards that decide. */
function rogue(scene: Scene): void {
  const { random, pilot, clusters } = scene;
  endRogues(scene);
  const cluster = random.pick([...clusters.values()]);
  const broker = random.pick([...(cluster?.brokers.values() ?? [])]);
  if (cluster === undefined || broker === undefined) return;
  const drill = random.chance(0.5);
  scene.command(() => {
    pilot.book.request({
      cluster: cluster.name,
      action: drill || random.chance(0.5) ? 'repair' : 'replace',
      broker: broker.id,
      desiredBrokers: undefined,
      currentBrokers: undefined,
      incidentId: `${ROGUE}-${scene.clock.now()}`,
      attempt: 1,
      reason: 'out of nowhere',
      evidence: [{ what: 'nothing', value: 1, at: scene.clock.now() }],
      drill,
    });
  });
}

function endRogues(scene: Scene): void {
  for (const { id, incidentId, state } of scene.pilot.book.all())
    if (incidentId.startsWith(ROGUE) && ['blocked', 'announced', 'open', 'awaiting_approval'].includes(state))
      scene.command(() => void scene.pilot.book.cancel(id, 'out of nowhere'));
}

/** Pauses end by themselves. */
function wake(cluster: SimCluster, now: number): void {
  for (const broker of cluster.live) {
    if (broker.process !== 'hung' || broker.supervisorAt === 0 || now < broker.supervisorAt) continue;
    broker.supervisorAt = 0;
    cluster.start(broker, now);
  }
}

async function people(scene: Scene, now: number): Promise<void> {
  const { random, pilot, clusters, store, clock } = scene;
  const cluster = random.pick([...clusters.values()]);
  if (cluster === undefined || !random.chance(PEOPLE_CHANCE * 6)) return;
  const { control, book } = pilot;
  const by = 'ana';
  const reason = 'simulated';
  switch (random.between(0, 11)) {
    case 0:
      scene.say(`hold ${cluster.name}`);
      return scene.command(() => void control.hold(cluster.name, random.between(30, 200) * SECOND_MS, by, reason));
    case 1:
      if (random.chance(0.7)) return;
      scene.say('halt');
      return scene.command(() => control.halt(by, reason));
    case 2:
    case 3:
      return scene.command(() => control.resume(by, reason));
    case 4:
      return scene.command(() => control.closeBreaker(by, reason));
    case 5:
    case 6:
      return approveAll(scene);
    case 7: {
      const [waiting] = book.all().filter(({ state }) => state === 'awaiting_approval' || state === 'open');
      if (waiting !== undefined) scene.command(() => void book.reject(waiting.id, by, reason));
      return;
    }
    case 8:
      if (random.chance(0.5)) await scene.restartBelfry();
      return;
    case 9:
      if (random.chance(0.5)) store.breakDisk({ silently: random.chance(0.5) });
      return;
    case 10:
      return store.mendDisk();
    default:
      for (const broker of cluster.live)
        if (broker.downSince !== undefined && clock.now() - broker.downSince > 600 * SECOND_MS) mend(cluster, broker, now);
      return promoteAll(scene);
  }
}

function approveAll(scene: Scene): void {
  for (const intent of scene.pilot.book.all())
    if (intent.state === 'awaiting_approval' || intent.state === 'blocked')
      scene.command(() => void scene.pilot.book.approve(intent.id, 'ben', 'yes'));
}

function promoteAll(scene: Scene): void {
  const { pilot, clusters } = scene;
  for (const cluster of clusters.keys())
    for (const action of ['repair', 'replace'] as const)
      if (pilot.control.modeOf(cluster, action) === 'approve')
        scene.command(() => pilot.control.promote({ cluster, action, to: 'auto', by: 'ana', reason: 'simulated', force: true }));
}

/** A person mends a broker for good. */
function mend(cluster: SimCluster, broker: SimBroker, now: number): void {
  broker.broken = false;
  broker.recoveryLeftMs = Math.min(broker.recoveryLeftMs, 30_000);
  if (broker.stuck) cluster.kill(broker, now);
  broker.stuck = false;
  cluster.start(broker, now);
}

/** No fault goes on, and people put right what is theirs. */
export function standDown(scene: Scene): void {
  const { clock, clusters, view, store, pilot, falseAlarms } = scene;
  const now = clock.now();
  store.mendDisk();
  endRogues(scene);
  view.blindUntil.clear();
  view.unreachable.clear();
  falseAlarms.clear();
  scene.command(() => pilot.control.resume('ana', 'calm'));
  scene.command(() => pilot.control.closeBreaker('ana', 'calm'));
  promoteAll(scene);
  for (const cluster of clusters.values()) {
    scene.command(() => pilot.control.release(cluster.name, 'ana'));
    cluster.maintenanceUntil = 0;
    cluster.foreignMovesUntil = 0;
    for (const { id, retired } of cluster.brokers.values())
      if (retired && !cluster.partitions.some(({ replicas }) => replicas.includes(id))) view.forget(cluster.name, id);
    for (const broker of cluster.live) if (broker.process !== 'running' && broker.process !== 'starting') mend(cluster, broker, now);
    for (const broker of cluster.live)
      if (broker.process === 'starting' && (broker.stuck || broker.recoveryLeftMs > 30_000)) mend(cluster, broker, now);
  }
}
