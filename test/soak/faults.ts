import type { Cluster } from '../../testbed/cluster.ts';
import type { Load } from '../../testbed/load.ts';
import { commitOffset } from '../acceptance/consumer-group.ts';
import type { Random } from '../autopilot/simulation/random.ts';
import type { Requirement } from './judge.ts';
import { GROUP, type Watch } from './watch.ts';

export const FAULTS = [
  'crash',
  'stop',
  'restart',
  'hang',
  'blip',
  'two brokers',
  'whole cluster',
  'flapping',
  'consumer stops',
  'bad configuration',
  'reassignment',
  'nothing',
] as const;
export type FaultKind = (typeof FAULTS)[number];

type Labels = Readonly<Record<string, string>>;

/** What is done to the cluster in a round, and what follows from it. */
export interface Fault {
  readonly kind: FaultKind;
  readonly what: string;
  readonly holdMs: number;
  /** Belfry must be able to start meanwhile. */
  readonly sparesBelfry: boolean;
  apply(): Promise<void>;
  undo(): Promise<void>;
  /** `undisturbed`: Belfry saw it from its beginning; what it is called is certain then. */
  requirements(undisturbed: boolean): readonly Requirement[];
  allows(labels: Labels): boolean;
}

/** What faults are done to. */
export interface Scene {
  readonly cluster: Cluster;
  readonly consumer: Consumer;
  readonly watches: readonly Watch[];
  readonly random: Random;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Alerts about partitions of a cluster some of whose brokers are away. */
const ABOUT_PARTITIONS = new Set(['LeaderLoss', 'UnderMinIsr', 'UnderReplicated', 'ConsumerStopped']);
const ABOUT_BROKERS = /^Broker(?!UnreachableFromBelfry)/;

/** A fault of this kind on brokers of its choice. Holds are long enough for the rules it must set off, also after a restart of Belfry. */
export function makeFault(kind: FaultKind, scene: Scene): Fault {
  const { cluster, random } = scene;
  const broker = random.pick(cluster.brokerIds) ?? 1;
  const none = { requirements: () => [], allows: () => false, sparesBelfry: false };
  switch (kind) {
    case 'crash':
      return {
        kind,
        what: `broker ${broker} is killed`,
        holdMs: random.between(15_000, 75_000),
        apply: () => cluster.kill(broker),
        undo: () => bringBack(scene, [broker]),
        ...about([broker], ['BrokerCrashed']),
      };
    case 'stop':
      return {
        kind,
        what: `broker ${broker} is stopped and stays away`,
        holdMs: random.between(30_000, 60_000),
        apply: () => cluster.stop(broker),
        undo: () => bringBack(scene, [broker]),
        ...about([broker], ['BrokerStopped']),
      };
    case 'restart':
      return {
        kind,
        what: `broker ${broker} is restarted`,
        holdMs: random.between(0, 1000),
        apply: () => cluster.stop(broker),
        undo: () => bringBack(scene, [broker]),
        ...about([broker], []),
      };
    case 'hang':
      return {
        kind,
        what: `broker ${broker} hangs`,
        holdMs: random.between(30_000, 60_000),
        apply: async () => cluster.pause(broker),
        undo: () => bringBack(scene, [broker]),
        ...about([broker], ['BrokerNotAnswering']),
      };
    case 'blip':
      return {
        ...none,
        kind,
        what: `broker ${broker} is silent for a moment`,
        holdMs: random.between(200, 3500),
        apply: async () => cluster.pause(broker),
        undo: () => bringBack(scene, [broker]),
      };
    case 'two brokers':
      return twoBrokers(scene, broker);
    case 'whole cluster':
      return wholeCluster(scene);
    case 'flapping':
      return flapping(scene, broker);
    case 'consumer stops':
      return consumerStops(scene);
    case 'bad configuration':
      return badConfiguration(scene);
    case 'reassignment':
      return reassignment(scene);
    case 'nothing':
      return {
        ...none,
        kind,
        what: 'nothing is done to the cluster',
        holdMs: random.chance(0.3) ? 330_000 : random.between(5000, 60_000),
        apply: nothing,
        undo: nothing,
      };
  }
}

/** A fault of these brokers: one of them is told of under `names` (any name where Belfry was disturbed), nobody else is named. */
function about(brokers: readonly number[], names: readonly string[]): Pick<Fault, 'requirements' | 'allows' | 'sparesBelfry'> {
  return {
    sparesBelfry: false,
    requirements: (undisturbed) =>
      names.length === 0
        ? []
        : brokers.map((broker) => ({
            what: `${names.join(' or ')} of broker ${broker}`,
            matches: ({ alertname = '', broker: named }) =>
              named === String(broker) && (undisturbed ? [...names, 'BrokerFlapping'].includes(alertname) : ABOUT_BROKERS.test(alertname)),
            phrase: new RegExp(`broker ${broker}\\b`),
          })),
    allows: ({ alertname = '', broker: named = '' }) =>
      named === '' ? ABOUT_PARTITIONS.has(alertname) : ABOUT_BROKERS.test(alertname) && brokers.includes(Number(named)),
  };
}

function twoBrokers(scene: Scene, survivor: number): Fault {
  const { cluster, random, sleep } = scene;
  const brokers = cluster.brokerIds.filter((id) => id !== survivor);
  const [first = 1, second = 2] = random.chance(0.5) ? brokers : brokers.toReversed();
  const apartMs = random.between(0, 8000);
  const parts = about(brokers, ['BrokerCrashed']);
  const leaderless: Requirement = {
    what: 'LeaderLoss of partitions with copies on both',
    matches: ({ alertname, copies }) => alertname === 'LeaderLoss' && copies === 'many',
    phrase: /cannot be written or read/,
  };
  return {
    ...parts,
    kind: 'two brokers',
    what: `brokers ${first} and ${second} are killed ${apartMs} ms apart`,
    holdMs: random.between(50_000, 80_000),
    apply: async () => {
      await cluster.kill(first);
      await sleep(apartMs);
      await cluster.kill(second);
    },
    undo: () => bringBack(scene, brokers),
    // The second may have no two witnesses: it may be down for an unknown cause.
    requirements: () => [...parts.requirements(false), leaderless],
  };
}

function wholeCluster(scene: Scene): Fault {
  const { cluster, random } = scene;
  const parts = about(cluster.brokerIds, []);
  return {
    ...parts,
    kind: 'whole cluster',
    what: 'all brokers are killed',
    holdMs: random.between(30_000, 50_000),
    apply: async () => {
      await Promise.all(cluster.brokerIds.map((id) => cluster.kill(id)));
    },
    undo: () => bringBack(scene, cluster.brokerIds),
    requirements: () => [
      {
        what: 'ClusterUnreachable',
        matches: ({ alertname }) => alertname === 'ClusterUnreachable',
        phrase: /no broker of the cluster answers/i,
      },
    ],
    allows: (labels) => labels['alertname'] === 'ClusterUnreachable' || parts.allows(labels),
  };
}

function flapping(scene: Scene, broker: number): Fault {
  const { cluster } = scene;
  return {
    ...about([broker], ['BrokerCrashed', 'BrokerDown', 'BrokerStopCutShort']),
    kind: 'flapping',
    what: `broker ${broker} is killed three times`,
    holdMs: 20_000,
    apply: async () => {
      for (let round = 0; round < 2; round++) {
        await cluster.kill(broker);
        await cluster.start(broker);
      }
      await cluster.kill(broker);
    },
    undo: () => bringBack(scene, [broker]),
  };
}

function consumerStops({ consumer, random }: Scene): Fault {
  return {
    kind: 'consumer stops',
    what: `group ${GROUP} commits no more`,
    holdMs: random.between(60_000, 80_000),
    sparesBelfry: false,
    apply: async () => consumer.pause(),
    undo: async () => consumer.resume(),
    requirements: () => [
      {
        what: 'ConsumerStopped',
        matches: ({ alertname }) => alertname === 'ConsumerStopped',
        phrase: new RegExp(`group ${GROUP} (has stopped|reads nothing)`),
      },
    ],
    allows: ({ alertname }) => alertname === 'ConsumerStopped',
  };
}

function badConfiguration({ watches, random }: Scene): Fault {
  return {
    kind: 'bad configuration',
    what: 'the configuration is spoiled',
    holdMs: random.between(25_000, 40_000),
    sparesBelfry: true,
    apply: async () => {
      for (const watch of watches) watch.spoilConfig();
    },
    undo: async () => {
      for (const watch of watches) watch.mendConfig();
    },
    requirements: () => [
      {
        what: 'BelfryConfigReloadFailed',
        matches: ({ alertname }) => alertname === 'BelfryConfigReloadFailed',
        phrase: /refused its changed configuration/,
      },
    ],
    allows: ({ alertname }) => alertname === 'BelfryConfigReloadFailed',
  };
}

/** Copies move to another broker and back, and a topic comes and goes: nobody's concern. */
function reassignment({ cluster, random }: Scene): Fault {
  const topic = `passing-${random.between(1, 1e9)}`;
  return {
    kind: 'reassignment',
    what: 'partitions move, a topic comes and goes',
    holdMs: random.between(5000, 20_000),
    sparesBelfry: false,
    apply: async () => {
      await cluster.createTopic(topic, { partitions: 3, replicas: 2 });
      await cluster.produce(topic, 100);
      await cluster.reassign('moving', { 0: random.chance(0.5) ? [1, 3] : [2, 3] });
    },
    undo: async () => {
      await cluster.deleteTopic(topic);
      await cluster.reassign('moving', { 0: [1, 2] });
    },
    requirements: () => [],
    allows: () => false,
  };
}

/** Resumes what is paused, starts what is down: at once all of them. */
async function bringBack({ cluster }: Scene, brokers: readonly number[]): Promise<void> {
  for (const id of brokers) if (cluster.isRunning(id) && !cluster.runningBrokerIds.includes(id)) cluster.resume(id);
  await cluster.startAll();
}

async function nothing(): Promise<void> {
  // A round without a fault of the cluster.
}

/** Commits for a group, always where the end is, until it is paused. */
export class Consumer {
  readonly #cluster: Cluster;
  readonly #load: Load;
  #paused = false;

  constructor(cluster: Cluster, load: Load) {
    this.#cluster = cluster;
    this.#load = load;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  async run(signal: AbortSignal, sleep: (ms: number) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!this.#paused) await commitOffset(this.#cluster, GROUP, 'payments', this.#load.records);
      } catch {
        // Its coordinator is away: the next round of the loop finds the one that takes over.
      }
      await sleep(2000);
    }
  }
}
