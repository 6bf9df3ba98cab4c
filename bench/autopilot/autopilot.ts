import { startCluster } from '../../testbed/cluster.ts';
import { NEWEST_KAFKA } from '../../testbed/kafka-dist.ts';
import { countOf, type Bench, type BenchContext, type BenchReport } from '../bench.ts';
import { everyReplicaBack } from '../detect/victims.ts';
import { PilotStage } from './pilot-stage.ts';
import { reportOf } from './repair-report.ts';
import { repairRound, type RepairRound } from './repair-rounds.ts';

/** As Kafka has it, and short for a quick run: a killed broker cannot register again before its old session is over. */
const SESSION_MS = { full: 9000, quick: 4000 };

/** Always the same: no more than one broker of three is acted on within an hour. */
const VICTIM = 2;

const HELP = `autopilot: from the SIGKILL of a broker until the auto-pilot has repaired it, by phase; a real Kafka of three brokers
and the testbed's executor, which restarts a broker's process.

Usage: npm run bench -- autopilot [--quick] [options]

  --kills N    SIGKILLs of one broker (15; 3 with --quick)

The first look of each phase is at Belfry's journal, at what the executor did, at the sinks, and at the answers of the
survivors to an observer of its own. A round that is not over within two minutes is a miss, and counts as infinite.
`;

export const autopilot: Bench = {
  name: 'autopilot',
  summary: 'kill -9 of a broker until it is repaired and verified healthy, split by phase',
  help: HELP,
  options: { kills: { type: 'string' } },
  run,
};

async function run(context: BenchContext): Promise<BenchReport> {
  const { values, quick } = context;
  const kills = countOf('--kills', values['kills'], quick ? 3 : 15);
  const sessionMs = quick ? SESSION_MS.quick : SESSION_MS.full;
  context.progress(`starting three brokers of Kafka ${NEWEST_KAFKA}`);
  await using cluster = await startCluster({ brokers: 3, controllers: 'separate', sessionTimeoutMs: sessionMs });
  await cluster.createTopic('orders', { partitions: 12, replicas: 3, config: { 'min.insync.replicas': 2 } });
  await cluster.createTopic('payments', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
  await cluster.produce('orders', 1000);
  context.progress('starting Belfry and the executor');
  await using stage = await PilotStage.start(cluster);
  const rounds: RepairRound[] = [];
  for (let index = 0; index < kills && !context.signal.aborted; index += 1) {
    const round = await repairRound(cluster, stage, VICTIM);
    rounds.push(round);
    context.progress(`kill ${index + 1}/${kills}: ${storyOf(round)}`);
    if (round.missing !== undefined) {
      context.progress(`  ${round.missing}`);
      break; // What is left of it would be measured with the next.
    }
    await everyReplicaBack(cluster);
    await stage.quiet();
  }
  return reportOf({ rounds, kills, sessionMs });
}

function storyOf({ at, stations: { verified, resolved } }: RepairRound): string {
  const after = (time: number | undefined): string => (time === undefined ? 'never' : `after ${((time - at) / 1000).toFixed(1)} s`);
  return `verified ${after(verified)}, resolved ${after(resolved)}`;
}
