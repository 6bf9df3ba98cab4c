import type { GuardContext } from '../../../src/autopilot/guards/context.ts';
import { agreeing, broker, context, dead, fourHealthy, MINUTE_MS, NOW, oneDead, partition, picture, scaleIn, scaleOut } from './fixture.ts';

/** What a guard is given in each example of docs/guards.md, by guard and by the words that the page has for it. */
export const CASES: Readonly<Record<string, Readonly<Record<string, GuardContext>>>> = {
  halted: {
    'a person halted it': context({ halted: 'by ana: wrong broker restarted' }),
    'not halted': context(),
  },
  durable: {
    'the disk of state.db is full': context({ durable: false }),
    'state.db can be written': context(),
  },
  mode: {
    off: context({ mode: 'off' }),
    'observe, at the lease': context({ mode: 'observe', moment: 'lease' }),
    'observe, when it is made': context({ mode: 'observe' }),
    'approve, at the lease, not approved': context({ mode: 'approve', moment: 'lease' }),
    'approve, at the lease, approved': context({ mode: 'approve', moment: 'lease', approved: true }),
    auto: context({ moment: 'lease' }),
  },
  drill: {
    'a drill, the cluster has no such label': context({ drill: true }),
    'a drill on a cluster labelled for it': context({ drill: true, picture: oneDead({ labels: { drill: 'yes' } }) }),
    'not a drill': context(),
  },
  start_grace: {
    'four minutes after the start': context({ startedAt: NOW - 4 * MINUTE_MS }),
    'five minutes after the start': context({ startedAt: NOW - 5 * MINUTE_MS }),
  },
  breaker: {
    'three clusters became unhealthy': context({ breaker: '3 clusters became unhealthy within 5 m' }),
    closed: context(),
  },
  hold: {
    'a person holds it': context({ holds: ['by ben for 1 h 50 m more: disk swap'] }),
    'no hold': context(),
  },
  maintenance: {
    'the window is open': context({ picture: oneDead({ maintenance: '0 2 * * 6 for 2h' }) }),
    'no window': context(),
  },
  cluster_id: {
    'another cluster id': context({ picture: oneDead({ clusterIdChanged: true }) }),
    'the known cluster id': context(),
  },
  picture: {
    'never seen': context({ picture: undefined }),
    'topics are hidden': context({ picture: oneDead({ blind: '3 topics are hidden from Belfry' }) }),
    '16 s old': context({ picture: oneDead({ askedAt: NOW - 16_000 }) }),
    '15 s old': context({ picture: oneDead({ askedAt: NOW - 15_000 }) }),
  },
  complete_data: {
    'broker 3 was not heard of yet': context({
      picture: picture({ brokers: [broker(1), dead(2), broker(3, { up: undefined })], partitions: [] }),
    }),
    'only the target was not heard of': context({
      picture: picture({ brokers: [broker(1), dead(2, { up: undefined }), broker(3)], partitions: [] }),
    }),
  },
  confirmed: {
    'one survivor answered': context({
      moment: 'lease',
      confirmation: agreeing(oneDead(), { brokers: [1], agree: false, sentence: 'broker 3 timed out' }),
    }),
    'the survivors disagree': context({
      moment: 'lease',
      confirmation: agreeing(oneDead(), { agree: false, sentence: 'broker 3 names another ISR of payments-0' }),
    }),
    'nobody was asked': context({ moment: 'lease', confirmation: undefined }),
    'two survivors agree': context({ moment: 'lease' }),
    'before a lease': context(),
  },
  known_target: {
    'broker 7 was never expected': context({ broker: 7 }),
    'broker 2 is expected': context(),
  },
  own_evidence: {
    'an alert, and the broker answers': context({
      picture: picture({ brokers: [broker(1), broker(2), broker(3)], partitions: [partition([1, 2, 3])] }),
    }),
    'refuses the credentials': context({
      picture: picture({ brokers: [broker(1), broker(2, { up: false, verdict: 'auth' }), broker(3)], partitions: [] }),
    }),
    'unreachable from Belfry only': context({
      picture: picture({ brokers: [broker(1), broker(2, { up: false, verdict: 'unreachable' }), broker(3)], partitions: [] }),
    }),
    'unreachable, and its cluster has fenced it': context({
      picture: picture({
        brokers: [broker(1), dead(2, { verdict: 'unreachable' }), broker(3)],
        partitions: [partition([1, 2, 3], { isr: [1, 3] })],
      }),
    }),
    'not answering, still registered': context({
      picture: picture({ brokers: [broker(1), broker(2, { up: false, verdict: 'not_answering' }), broker(3)], partitions: [] }),
    }),
    'not registered and empty': context({
      picture: picture({ brokers: [broker(1), dead(2, { verdict: 'unknown' }), broker(3)], partitions: [] }),
    }),
    crashed: context(),
    'crashed a moment ago, its registration stands still': context({
      picture: picture({ brokers: [broker(1), dead(2, { registered: true, downSince: NOW - 8000 }), broker(3)], partitions: [] }),
    }),
    'crashed five minutes ago, and registered again': context({
      picture: picture({ brokers: [broker(1), dead(2, { registered: true }), broker(3)], partitions: [] }),
    }),
    'a drill': context({ drill: true, picture: fourHealthy({ labels: { drill: 'yes' } }) }),
    'a drill, and the broker has just crashed': context({ drill: true }),
    'a drill, and the broker catches up': context({
      drill: true,
      picture: picture({ brokers: [broker(1), broker(2), broker(3)], partitions: [partition([1, 2, 3], { isr: [1, 3] })] }),
    }),
  },
  stop_grace: {
    'the target was stopped on purpose': context({
      picture: picture({
        brokers: [broker(1), dead(2, { verdict: 'stopped', inStopGrace: true }), broker(3)],
        partitions: [partition([1, 2, 3], { isr: [1, 3] })],
      }),
    }),
    'another was: someone restarts brokers one by one': context({
      picture: picture({ brokers: [broker(1), dead(2), dead(3, { verdict: 'stopped', inStopGrace: true })], partitions: [] }),
    }),
    'none was': context(),
  },
  recovering: {
    'it answers and is fenced': context({ picture: picture({ brokers: [broker(1), dead(2, { up: true }), broker(3)], partitions: [] }) }),
    'its port is closed and it fetches metadata': context({
      picture: picture({ brokers: [broker(1), dead(2, { lastQuorumFetchAt: NOW - 4000 }), broker(3)], partitions: [] }),
    }),
    'it was started again before its session ran out': context({
      picture: picture({ brokers: [broker(1), dead(2, { registered: true, lastQuorumFetchAt: NOW - 4000 }), broker(3)], partitions: [] }),
    }),
    'its recovery stands still': context({
      recoveryStalled: true,
      picture: picture({ brokers: [broker(1), dead(2, { up: true }), broker(3)], partitions: [] }),
    }),
    'its recovery stood still, and it has begun anew': context({
      recoveryStalled: true,
      picture: picture({ brokers: [broker(1), dead(2, { lastQuorumFetchAt: NOW - 4000 }), broker(3)], partitions: [] }),
    }),
    'dead and silent': context({
      picture: picture({ brokers: [broker(1), dead(2, { lastQuorumFetchAt: NOW - 5 * MINUTE_MS }), broker(3)], partitions: [] }),
    }),
  },
  other_brokers: {
    'an alert names broker 3 too': context({ troubled: new Set([2, 3]) }),
    'broker 3 is fenced too': context({ picture: picture({ brokers: [broker(1), dead(2), dead(3)], partitions: [] }) }),
    'a scale-out while broker 2 is down': scaleOut({ picture: oneDead(), desiredBrokers: 4 }),
    'only the target': context(),
  },
  one_per_cluster: {
    'broker 1 is being restarted': context({ inFlight: [{ cluster: 'orders-dal', broker: 1, action: 'repair' }] }),
    'an act in another cluster': context({ inFlight: [{ cluster: 'orders-phx', broker: 2, action: 'repair' }] }),
  },
  fleet_in_flight: {
    'two in other clusters': context({
      inFlight: [
        { cluster: 'orders-phx', broker: 2, action: 'repair' },
        { cluster: 'clicks', broker: undefined, action: 'scale_out' },
      ],
    }),
    'one in another cluster': context({ inFlight: [{ cluster: 'orders-phx', broker: 2, action: 'repair' }] }),
  },
  rate: {
    'six within the hour': context({ actsLastHour: acts(6) }),
    'five within the hour': context({ actsLastHour: acts(5) }),
    'the first of six is an hour old': context({ actsLastHour: acts(6, 10) }),
  },
  brokers_per_hour: {
    'broker 3 was restarted 40 minutes ago': context({
      actsLastHour: [{ at: NOW - 40 * MINUTE_MS, cluster: 'orders-dal', broker: 3, incidentId: 'incident-0' }],
    }),
    'the same broker again': context({
      actsLastHour: [{ at: NOW - 40 * MINUTE_MS, cluster: 'orders-dal', broker: 2, incidentId: 'incident-1' }],
    }),
    'two of twenty': context({
      picture: picture({ brokers: [dead(2), ...others(2, 20)], partitions: [] }),
      actsLastHour: [{ at: NOW - 40 * MINUTE_MS, cluster: 'orders-dal', broker: 3, incidentId: 'incident-0' }],
    }),
  },
  cooldown: {
    'another incident 29 minutes ago': context({ lastActOfOtherIncidentAt: NOW - 29 * MINUTE_MS }),
    'another incident 30 minutes ago': context({ lastActOfOtherIncidentAt: NOW - 30 * MINUTE_MS }),
    'no other incident': context(),
  },
  reassignments: {
    'a person moves partitions': context({ picture: oneDead({ reassigning: [{ topic: 'payments', partition: 0 }] }) }),
    'not known': context({ picture: oneDead({ reassigning: undefined }) }),
    'our own drain goes on': scaleIn({
      ownReassignment: true,
      picture: fourHealthy({ reassigning: [{ topic: 'payments', partition: 0 }] }),
    }),
    'nothing moves': context(),
  },
  cruise_control: {
    'it executes': context({ cruiseControlBusy: 'INTER_BROKER_REPLICA_MOVEMENT_TASK_IN_PROGRESS' }),
    'it is idle, or there is none': context(),
  },
  out_of_sync: {
    'a replica of broker 3 lags too': context({
      picture: picture({ brokers: [broker(1), dead(2), broker(3)], partitions: [partition([1, 2, 3], { isr: [1] })] }),
    }),
    "one of three nodes is dead, all that lags is the dead one's": context(),
    'what lags waits for the last copy on the dead broker': context({
      picture: picture({
        brokers: [broker(1), dead(2), broker(3)],
        partitions: [partition([2, 3], { isr: [2], leader: -1, lastIsr: [2] })],
      }),
    }),
    'nobody knows whose copy was the last': context({
      picture: picture({
        brokers: [broker(1), dead(2), dead(3)],
        partitions: [partition([2, 3], { isr: [], leader: -1, lastIsr: [] })],
      }),
    }),
    "the last copy is another dead broker's": context({
      picture: picture({
        brokers: [broker(1), dead(2), dead(3)],
        partitions: [partition([2, 3], { isr: [], leader: -1, lastIsr: [3] })],
      }),
    }),
  },
  min_isr: {
    'a drill, two copies in sync of which two are needed': context({
      drill: true,
      picture: picture({
        brokers: [broker(1), broker(2), broker(3)],
        partitions: [partition([1, 2, 3], { isr: [1, 2] }), partition([3, 1, 2], { partition: 1 })],
      }),
    }),
    'a drill, three copies in sync of which two are needed': context({ drill: true, picture: fourHealthy() }),
    'one of three nodes is dead and in no ISR': context(),
    'a partition below min ISR already, by the dead broker': context({
      picture: picture({ brokers: [broker(1), dead(2)], partitions: [partition([1, 2], { isr: [1] })] }),
    }),
  },
  min_isr_known: {
    'a drill, the topic cannot be described': context({
      drill: true,
      picture: picture({ brokers: [broker(1), broker(2), broker(3)], partitions: [partition([1, 2, 3], { minIsr: undefined })] }),
    }),
    'a dead broker is replaced, the topic cannot be described': context({
      action: 'replace',
      picture: picture({
        brokers: [broker(1), dead(2), broker(3)],
        partitions: [partition([1, 2, 3], { isr: [1, 3], minIsr: undefined })],
      }),
    }),
    'a dead broker is restarted, the topic cannot be described': context({
      picture: picture({
        brokers: [broker(1), dead(2), broker(3)],
        partitions: [partition([1, 2, 3], { isr: [1, 3], minIsr: undefined })],
      }),
    }),
    'a dead broker is replaced, all topics are known': context({ action: 'replace' }),
  },
  last_copy: {
    'a topic of one copy': context({
      action: 'replace',
      picture: picture({
        brokers: [broker(1), dead(2)],
        partitions: [partition([2], { topic: 'audit', isr: [2], leader: -1, minIsr: 1 })],
      }),
    }),
    'in the last ISR of a leaderless partition': context({
      action: 'replace',
      picture: picture({
        brokers: [broker(1), dead(2), broker(3)],
        partitions: [partition([2, 3], { isr: [], leader: -1, lastIsr: [2] })],
      }),
    }),
    'leaderless, and nothing is known': context({
      action: 'replace',
      picture: picture({ brokers: [broker(1), dead(2), broker(3)], partitions: [partition([2, 3], { isr: [], leader: -1 })] }),
    }),
    'the only in-sync copy is on the broker that shall leave': scaleIn({
      picture: picture({ brokers: [1, 2, 3, 4].map((id) => broker(id)), partitions: [partition([4, 1], { isr: [4] })] }),
    }),
    'other copies are in sync': context({ action: 'replace' }),
    'drained already': scaleIn({
      picture: picture({ brokers: [1, 2, 3, 4].map((id) => broker(id)), partitions: [partition([1, 2, 3])] }),
    }),
  },
  single_copy: {
    'a drill on a broker with a topic of one copy': context({
      drill: true,
      picture: picture({
        brokers: [broker(1), broker(2), broker(3)],
        partitions: [partition([2], { topic: 'audit', minIsr: 1 })],
      }),
    }),
    'the broker is dead, so is the topic': context({
      picture: picture({
        brokers: [broker(1), dead(2), broker(3)],
        partitions: [partition([2], { topic: 'audit', leader: -1, minIsr: 1 })],
      }),
    }),
    'no such topic': context(),
  },
  quorum: {
    'DescribeQuorum has not answered': context({ picture: oneDead({ quorum: undefined }) }),
    'the quorum has no leader': context({ picture: oneDead({ quorum: { leaderId: -1, voters: voters({ 1: true, 2: false, 3: true }) } }) }),
    'a live voter, another is behind': context({
      drill: true,
      picture: fourHealthy({ quorum: { leaderId: 1, voters: voters({ 1: true, 2: true, 3: false }) } }),
    }),
    'a live voter, all are caught up': context({
      drill: true,
      picture: fourHealthy({ quorum: { leaderId: 1, voters: voters({ 1: true, 2: true, 3: true }) } }),
    }),
    'the dead voter itself': context({ picture: oneDead({ quorum: { leaderId: 1, voters: voters({ 1: true, 2: false, 3: true }) } }) }),
    'no voter': context(),
  },
  voter: {
    'a dead voter': context({
      action: 'replace',
      picture: oneDead({ quorum: { leaderId: 1, voters: voters({ 1: true, 2: false, 3: true }) } }),
    }),
    'DescribeQuorum has not answered': scaleIn({ picture: fourHealthy({ quorum: undefined }) }),
    'controllers of their own': scaleIn(),
  },
  quorum_leader: {
    'the target leads': context({
      drill: true,
      picture: fourHealthy({ quorum: { leaderId: 2, voters: voters({ 1: true, 2: true, 3: true }) } }),
    }),
    'another leads': context(),
  },
  scale_bounds: {
    'more than the maximum': scaleOut({ desiredBrokers: 11 }),
    'three more at once': scaleOut({ desiredBrokers: 7 }),
    'one more': scaleOut(),
    'fewer than the replication factor': scaleIn({
      policy: { ...context().policy, scale: { ...context().policy.scale, min: 1 } },
      picture: picture({ brokers: [2, 3, 4].map((id) => broker(id)), partitions: [partition([2, 3, 4])] }),
      desiredBrokers: 2,
    }),
    'the only broker of its rack': scaleIn({
      picture: picture({
        brokers: [broker(1, { rack: 'a' }), broker(2, { rack: 'a' }), broker(3, { rack: 'b' }), broker(4, { rack: 'c' })],
        partitions: [partition([1, 3, 4])],
      }),
    }),
    'not known': scaleOut({ desiredBrokers: undefined }),
    'one fewer': scaleIn(),
  },
  drain: {
    'no room for its copies': scaleIn({
      picture: picture({
        brokers: [broker(1), broker(2), broker(4)],
        partitions: [partition([1, 2, 4])],
      }),
    }),
    'it is down': scaleIn({
      picture: picture({ brokers: [broker(1), broker(2), broker(3), dead(4)], partitions: [partition([1, 2, 4], { isr: [1, 2] })] }),
    }),
    'a partition has no leader': scaleIn({
      picture: picture({
        brokers: [1, 2, 3, 4].map((id) => broker(id)),
        partitions: [partition([1, 4], { isr: [], leader: -1, lastIsr: [1] })],
      }),
    }),
    'it can be drained': scaleIn(),
    'it is drained': scaleIn({
      picture: picture({ brokers: [1, 2, 3, 4].map((id) => broker(id)), partitions: [partition([1, 2, 3])] }),
    }),
  },
};

/** That many acts in other clusters, the oldest `oldestMinutes` × count ago. */
function acts(number: number, everyMinutes = 9): GuardContext['actsLastHour'] {
  return Array.from({ length: number }, (_, index) => ({
    at: NOW - (number - index) * everyMinutes * MINUTE_MS,
    cluster: `cluster-${index}`,
    broker: 1,
    incidentId: `incident-of-cluster-${index}`,
  }));
}

function others(but: number, upTo: number): ReturnType<typeof broker>[] {
  return Array.from({ length: upTo }, (_, index) => index + 1)
    .filter((id) => id !== but)
    .map((id) => broker(id));
}

function voters(caughtUp: Readonly<Record<number, boolean>>): readonly { readonly id: number; readonly caughtUp: boolean }[] {
  return Object.entries(caughtUp).map(([id, is]) => ({ id: Number(id), caughtUp: is }));
}
