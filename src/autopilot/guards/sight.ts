import { ACTIONS, type Action } from '../../core/autopilot.ts';
import { humanDuration } from '../../core/duration.ts';
import { type BrokerPicture, type ClusterPicture, isRegisteredAnew } from '../picture.ts';
import { fetchedInOutage } from '../recovery.ts';
import type { Guard } from './context.ts';
import { brokerNames, count, holds, judgedPicture, onPicture, onTarget, passes, type Judgement } from './sentence.ts';

/** Whether what is seen is enough, and says what the act takes for granted. Absence is never evidence. */

const ON_A_BROKER: readonly Action[] = ['repair', 'replace', 'scale_in'];
const HEALING: readonly Action[] = ['repair', 'replace'];
const CONFIRMING_BROKERS = 2;

const clusterId: Guard = {
  name: 'cluster_id',
  purpose: 'Another cluster that answers under the configured name is not touched.',
  actions: ACTIONS,
  approvable: false,
  judge: onPicture(({ clusterIdChanged }) =>
    clusterIdChanged
      ? holds('another cluster answers under this name: its cluster id has changed')
      : passes('the cluster id is the known one'),
  ),
};

const picture: Guard = {
  name: 'picture',
  purpose: 'Nothing is done on a picture that is missing, partial or old.',
  actions: ACTIONS,
  approvable: false,
  judge: (context) => {
    const seen = judgedPicture(context);
    if (seen === undefined) return holds('blind: nothing of the cluster was seen');
    if (seen.blind !== undefined) return holds(`blind: ${seen.blind}`);
    const ageMs = context.now - seen.askedAt;
    const age = `the picture is ${humanDuration(ageMs)} old, at most ${humanDuration(context.policy.staleAfterMs)} counts`;
    return ageMs > context.policy.staleAfterMs ? holds(age) : passes(age);
  },
};

const completeData: Guard = {
  name: 'complete_data',
  purpose: 'Every expected broker but the target has been heard of since Belfry started.',
  actions: ACTIONS,
  approvable: false,
  judge: onPicture(({ brokers }, { broker }) => {
    const others = [...brokers.values()].filter(({ id, expected }) => expected && id !== broker);
    const unheard = others.filter(({ up }) => up === undefined).map(({ id }) => id);
    if (unheard.length > 0) return holds(`nothing was heard yet of ${brokerNames(unheard)}`);
    return passes(`${count(others.length, 'other broker')} heard of`);
  }),
};

const confirmed: Guard = {
  name: 'confirmed',
  purpose: 'A lease needs the answers of two brokers, asked after it was requested, that agree.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ moment, confirmation }) => {
    if (moment === 'made') return passes('asked when the lease is taken');
    if (confirmation === undefined) return holds('no broker was asked anew');
    const { brokers, agree, sentence } = confirmation;
    if (new Set(brokers).size < CONFIRMING_BROKERS)
      return holds(`${count(brokers.length, 'broker')} answered anew, ${CONFIRMING_BROKERS} are needed: ${sentence}`);
    return agree ? passes(`${brokerNames(brokers)} agree`) : holds(`${brokerNames(brokers)} do not agree: ${sentence}`);
  },
};

const knownTarget: Guard = {
  name: 'known_target',
  purpose: 'The target is the id of an expected broker, never one that a label made up.',
  actions: ON_A_BROKER,
  approvable: false,
  judge: onTarget((id, { brokers }) =>
    brokers.get(id)?.expected === true ? passes(`broker ${id} is an expected broker`) : holds(`broker ${id} is not an expected broker`),
  ),
};

const ownEvidence: Guard = {
  name: 'own_evidence',
  purpose: "An alert alone moves nothing: Belfry's own liveness and metadata must say that the broker is gone.",
  actions: HEALING,
  approvable: false,
  judge: onTarget((id, seen, context) => {
    const broker = seen.brokers.get(id);
    if (context.drill) return judgeDrill(broker, id, seen);
    return broker === undefined ? holds(`broker ${id} was never seen`) : judgeEvidence(broker, seen);
  }),
};

/** A drill needs no outage, and must not meet one: whatever is the matter with the broker then is no drill's to mend. */
function judgeDrill(broker: BrokerPicture | undefined, id: number, { partitions }: ClusterPicture): Judgement {
  if (broker?.up !== true || !broker.registered)
    return holds(`a drill, and broker ${id} is not well: it does not answer or is not registered`);
  const behind = partitions.filter(({ replicas, isr }) => replicas.includes(id) && !isr.includes(id));
  if (behind.length > 0) return holds(`a drill, and broker ${id} is not in sync in ${count(behind.length, 'partition')}`);
  return passes(`a drill, and broker ${id} is well`);
}

/** A crash that the kernel and two survivors attest, or a broker that its cluster has fenced while it has replicas to serve. */
function judgeEvidence(broker: BrokerPicture, seen: ClusterPicture): Judgement {
  const { id, up, registered, verdict } = broker;
  if (verdict === 'auth') return holds(`broker ${id} is up and refuses Belfry's credentials`);
  if (up === undefined) return holds(`nothing was heard yet of broker ${id}`);
  if (verdict === 'suspect') return holds(`broker ${id} is only suspected`);
  if (up === true && registered) return holds(`broker ${id} answers and is registered`);
  if (verdict === 'crashed' || verdict === 'cut_short') {
    if (!isRegisteredAnew(broker, seen.askedAt)) return passes(`broker ${id} is judged ${verdict}`);
    const agoMs = seen.askedAt - (broker.downSince ?? seen.askedAt);
    return holds(`broker ${id} went down ${humanDuration(agoMs)} ago and is registered again: it is back, or about to be`);
  }
  if (registered) return holds(`broker ${id} is registered, its verdict ${verdict ?? 'none'} proves no outage`);
  const listed = seen.partitions.filter(({ replicas }) => replicas.includes(id)).length;
  if (listed === 0) return holds(`broker ${id} is not registered, and no partition lists it`);
  return passes(`broker ${id} is not registered, and a replica of ${count(listed, 'partition')}`);
}

const stopGrace: Guard = {
  name: 'stop_grace',
  purpose: 'While a broker was stopped in an orderly way not long ago, a person is at work.',
  actions: ACTIONS,
  approvable: false,
  judge: onPicture(({ brokers }) => {
    const stopped = [...brokers.values()].filter(({ inStopGrace }) => inStopGrace).map(({ id }) => id);
    if (stopped.length === 0) return passes('no broker was stopped on purpose lately');
    return holds(`${brokerNames(stopped)} stopped in an orderly way, within the stop grace`);
  }),
};

const recovering: Guard = {
  name: 'recovering',
  purpose: 'A broker that starts up or recovers its logs is healing, not failed: it is left alone.',
  actions: HEALING,
  approvable: false,
  judge: onTarget((id, { brokers, askedAt }, { policy, recoveryStalled }) => {
    const broker = brokers.get(id);
    // A registration outlives its process by the session: only one that answers proves that nothing starts up.
    if (broker === undefined || (broker.registered && broker.up === true)) return passes(`broker ${id} is not starting up`);
    const fetchedAgoMs = askedAt - (fetchedInOutage(broker) ?? -Infinity);
    const fetches = fetchedAgoMs <= policy.staleAfterMs;
    if (broker.up !== true && !fetches) return passes(`broker ${id} shows no sign of starting up`);
    // A recovery that stood still was one of a process that fetched no more: one that does has begun anew.
    if (recoveryStalled === true && !fetches)
      return passes(`broker ${id} recovers without progress for ${humanDuration(policy.repair.recoveryStallMs)}`);
    if (broker.up === true) return holds(`broker ${id} recovers: it answers and is not registered yet`);
    const lacks = broker.registered ? 'does not answer' : 'is not registered';
    return holds(`broker ${id} recovers: it fetched metadata ${humanDuration(fetchedAgoMs)} ago and ${lacks} yet`);
  }),
};

const otherBrokers: Guard = {
  name: 'other_brokers',
  purpose: 'Two brokers in trouble at once are a matter for people.',
  actions: ACTIONS,
  approvable: false,
  judge: onPicture(({ brokers }, { broker, troubled }) => {
    const others = new Set([...troubled].filter((id) => id !== broker));
    for (const { id, expected, registered, up } of brokers.values()) {
      if (expected && id !== broker && (!registered || up === false)) others.add(id);
    }
    if (others.size === 0) return passes(broker === undefined ? 'no broker is in trouble' : `no broker but ${broker} is in trouble`);
    return holds(
      `${brokerNames([...others])} ${others.size === 1 ? 'is' : 'are'} in trouble${broker === undefined ? '' : ' too'}: a person must look`,
    );
  }),
};

export const SIGHT_GUARDS: readonly Guard[] = [
  clusterId,
  picture,
  completeData,
  confirmed,
  knownTarget,
  ownEvidence,
  stopGrace,
  recovering,
  otherBrokers,
];
