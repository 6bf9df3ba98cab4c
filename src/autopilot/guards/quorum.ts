import type { Guard } from './context.ts';
import { count, holds, onTarget, passes } from './sentence.ts';

/** The controllers' quorum. A broker that runs no controller is no voter. */

const NOT_KNOWN = 'not known: DescribeQuorum has not answered';
const NO_VOTERS = 'not known: the quorum names no voters';

const quorum: Guard = {
  name: 'quorum',
  purpose: 'A voter that is caught up is restarted only where a majority of the voters is caught up without it.',
  actions: ['repair'],
  approvable: false,
  judge: onTarget((id, seen) => {
    if (seen.quorum === undefined) return holds(NOT_KNOWN);
    const { leaderId, voters } = seen.quorum;
    if (leaderId < 0) return holds('the quorum has no leader: what the brokers say may be old');
    if (voters.length === 0) return holds(NO_VOTERS);
    const voter = voters.find((one) => one.id === id);
    if (voter === undefined) return passes(`broker ${id} is no voter of the quorum`);
    const caughtUp = voters.filter((one) => one.caughtUp).length;
    if (!voter.caughtUp) return passes(`voter ${id} is missing already: ${caughtUp} of ${voters.length} voters are caught up`);
    const majority = Math.floor(voters.length / 2) + 1;
    const numbers = `${caughtUp - 1} of ${voters.length} voters are caught up without voter ${id}, a majority is ${majority}`;
    return caughtUp - 1 < majority ? holds(numbers) : passes(numbers);
  }),
};

const voter: Guard = {
  name: 'voter',
  purpose: 'A voter of the quorum is never replaced or removed by the auto-pilot.',
  actions: ['replace', 'scale_in'],
  approvable: false,
  judge: onTarget((id, seen) => {
    if (seen.quorum === undefined) return holds(NOT_KNOWN);
    const { voters } = seen.quorum;
    if (voters.length === 0) return holds(NO_VOTERS);
    if (voters.some((one) => one.id === id)) return holds(`broker ${id} is one of ${count(voters.length, 'voter')} of the quorum`);
    return passes(`broker ${id} is none of ${count(voters.length, 'voter')} of the quorum`);
  }),
};

const quorumLeader: Guard = {
  name: 'quorum_leader',
  purpose: 'The leader of the quorum is restarted last: while it leads, a person must approve.',
  actions: ['repair'],
  approvable: true,
  judge: onTarget((id, seen) => {
    if (seen.quorum === undefined) return holds(NOT_KNOWN);
    return seen.quorum.leaderId === id
      ? holds(`broker ${id} leads the quorum; a person must approve`)
      : passes(`broker ${id} does not lead the quorum`);
  }),
};

export const QUORUM_GUARDS: readonly Guard[] = [quorum, voter, quorumLeader];
