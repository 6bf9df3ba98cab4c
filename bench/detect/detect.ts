import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { NEWEST_KAFKA } from '../../testbed/kafka-dist.ts';
import { countOf, type Bench, type BenchContext, type BenchReport } from '../bench.ts';
import { rulesWithoutFor, startBelfry } from './belfry-stage.ts';
import { killRounds } from './kill-rounds.ts';
import { leaderlessRounds, ONE_COPY_TOPIC } from './leaderless.ts';
import { peerRounds, peerVersion, PrometheusPeer, type PeerRound } from './prometheus-peer.ts';
import { reportOf, type Detected, type MeasuredPeer } from './detect-report.ts';

/** As Kafka has it, and short for a quick run: a killed broker cannot register again before its old session is over. */
const SESSION_MS = { full: 9000, quick: 4000 };

const HELP = `detect: from the SIGKILL of a broker to Slack, the mail box and a webhook; a real Kafka of three brokers.

Usage: npm run bench -- detect [--quick] [options]

  --kills N        SIGKILLs that Belfry is measured by, through the shipped rules (30; 5 with --quick)
  --leaderless N   losses of the leader of partitions with one copy, rule at "for: 0s", from an independent observer's
                   first sight to the webhook (9; 1 with --quick; 0 for none)
  --peer-kills N   SIGKILLs that Prometheus and Alertmanager are measured by, at 1 s and without waits (9; none with
                   --quick)
  --no-peer        without them, also where they are installed
  --cpu-prof DIR   Belfry writes CPU profiles there when it ends

A kill counts from just before the signal. A delivery counts only if it names this broker and a crash after the signal;
one that has not come within 10 s is a miss, and counts as infinite. Between kills the broker is brought back and every
replica is in sync again.
`;

export const detect: Bench = {
  name: 'detect',
  summary: 'kill -9 of a broker until Slack, mail and webhook have it; leaderless partitions; Prometheus beside it',
  help: HELP,
  options: {
    kills: { type: 'string' },
    leaderless: { type: 'string' },
    'peer-kills': { type: 'string' },
    'no-peer': { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
  },
  run,
};

async function run(context: BenchContext): Promise<BenchReport> {
  const { values, quick } = context;
  const kills = countOf('--kills', values['kills'], quick ? 5 : 30);
  const losses = countOf('--leaderless', values['leaderless'], quick ? 1 : 9);
  const peerKills = countOf('--peer-kills', values['peer-kills'], quick ? 0 : 9);
  const peerWanted = values['no-peer'] !== true && peerKills > 0;
  const peer = peerWanted ? peerVersion() : undefined;
  const sessionMs = quick ? SESSION_MS.quick : SESSION_MS.full;
  context.progress(`starting three brokers of Kafka ${NEWEST_KAFKA}`);
  await using cluster = await startCluster({ brokers: 3, sessionTimeoutMs: sessionMs, jmx: peer !== undefined });
  await cluster.createTopic('orders', { partitions: 12, replicas: 3, config: { 'min.insync.replicas': 2 } });
  await cluster.createTopic('payments', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });

  const detected: Detected = {
    sessionMs,
    kills: [],
    leaderless: [],
    peer: undefined,
    wanted: { kills, losses, peer: peerWanted },
  };
  if (kills > 0) {
    context.progress('starting Belfry with the shipped rules');
    await using stage = await startBelfry(cluster, context);
    detected.kills = await killRounds(cluster, stage, kills, context);
  }
  if (peer !== undefined && !context.signal.aborted) detected.peer = await measurePeer(cluster, peer, peerKills, context);
  if (losses > 0 && !context.signal.aborted) {
    await cluster.createTopic(ONE_COPY_TOPIC, { partitions: 6, replicas: 1 });
    context.progress('starting Belfry with LeaderLoss at "for: 0s"');
    await using stage = await startBelfry(cluster, context, rulesWithoutFor('LeaderLoss'));
    detected.leaderless = await leaderlessRounds(cluster, stage, losses, context);
  }
  return reportOf(detected);
}

/** A peer that does not work is said with the figures; Belfry's own stand without it. */
async function measurePeer(cluster: Cluster, version: string, kills: number, context: BenchContext): Promise<MeasuredPeer> {
  const rounds: PeerRound[] = [];
  try {
    context.progress(`starting ${version}; Belfry does not run meanwhile, so that each has the machine for itself`);
    await using running = await PrometheusPeer.start(cluster);
    await peerRounds(cluster, running, { count: kills, rounds, context });
    return { version, rounds, broken: undefined };
  } catch (error) {
    const broken = error instanceof Error ? error.message : String(error);
    context.progress(`the peer is broken: ${broken}`);
    return { version, rounds, broken };
  }
}
