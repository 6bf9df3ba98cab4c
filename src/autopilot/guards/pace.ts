import { ACTIONS } from '../../core/autopilot.ts';
import { humanDuration } from '../../core/duration.ts';
import type { Guard } from './context.ts';
import { actOf, brokerNames, count, holds, judgedPicture, onPicture, passes } from './sentence.ts';

/** How much is done at once, and how often. */

const HOUR_MS = 3_600_000;

const onePerCluster: Guard = {
  name: 'one_per_cluster',
  purpose: 'One act at a time in a cluster.',
  actions: ACTIONS,
  approvable: false,
  judge: onPicture(({ cluster }, { inFlight }) => {
    const here = inFlight.find((act) => act.cluster === cluster);
    return here === undefined ? passes('no other act is in flight in this cluster') : holds(`${actOf(here)} is in flight in this cluster`);
  }),
};

const fleetInFlight: Guard = {
  name: 'fleet_in_flight',
  purpose: 'Few acts at a time over all clusters.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ inFlight, fleet }) => {
    const numbers = `${count(inFlight.length, 'other act')} in flight in all clusters, at most ${fleet.inFlightMax} at a time`;
    return inFlight.length >= fleet.inFlightMax ? holds(numbers) : passes(numbers);
  },
};

const rate: Guard = {
  name: 'rate',
  purpose: 'Few acts an hour over all clusters.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ actsLastHour, now, fleet }) => {
    const acts = actsLastHour.filter(({ at }) => now - at < HOUR_MS).length;
    const numbers = `${count(acts, 'act')} within the last hour, at most ${fleet.actsPerHourMax} an hour`;
    return acts >= fleet.actsPerHourMax ? holds(numbers) : passes(numbers);
  },
};

const brokersPerHour: Guard = {
  name: 'brokers_per_hour',
  purpose: 'A tenth of the brokers of a cluster is touched in an hour, at least one.',
  actions: ['repair', 'replace', 'scale_in'],
  approvable: false,
  judge: onPicture(({ cluster, brokers }, { actsLastHour, broker, now, fleet }) => {
    const touched = new Set<number>();
    for (const act of actsLastHour) {
      if (act.cluster === cluster && act.broker !== undefined && now - act.at < HOUR_MS) touched.add(act.broker);
    }
    if (broker !== undefined) touched.add(broker);
    const expected = [...brokers.values()].filter((one) => one.expected).length;
    const max = Math.max(1, Math.floor(expected * fleet.breaker.brokersRatio));
    const numbers = `${brokerNames([...touched])} within an hour, at most ${max} of ${expected}`;
    return touched.size > max ? holds(numbers) : passes(numbers);
  }),
};

const cooldown: Guard = {
  name: 'cooldown',
  purpose: 'A pause between the acts of two incidents in a cluster; within one the back-off of repairs rules.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ lastActOfOtherIncidentAt, now, policy }) => {
    if (lastActOfOtherIncidentAt === 0) return passes('no act of another incident in this cluster');
    const agoMs = now - lastActOfOtherIncidentAt;
    const numbers = `the last act of another incident ended ${humanDuration(agoMs)} ago, the pause is ${humanDuration(policy.cooldownMs)}`;
    return agoMs < policy.cooldownMs ? holds(numbers) : passes(numbers);
  },
};

const reassignments: Guard = {
  name: 'reassignments',
  purpose: "No act while partitions are moved that are not the act's own.",
  actions: ACTIONS,
  approvable: false,
  judge: (context) => {
    const seen = judgedPicture(context);
    if (seen?.reassigning === undefined) return holds('not known: whether partitions are being moved');
    const moving = Math.max(seen.reassigning.length, seen.partitions.filter(({ adding }) => adding.length > 0).length);
    if (moving === 0) return passes('no partition is being moved');
    const moves = `${count(moving, 'partition')} being moved`;
    return context.ownReassignment ? passes(`${moves}, by ourselves`) : holds(`${moves}, not by us`);
  },
};

const cruiseControl: Guard = {
  name: 'cruise_control',
  purpose: 'No act while Cruise Control executes.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ cruiseControlBusy }) =>
    cruiseControlBusy === undefined
      ? passes('no Cruise Control is known to execute')
      : holds(`Cruise Control executes: ${cruiseControlBusy}`),
};

export const PACE_GUARDS: readonly Guard[] = [onePerCluster, fleetInFlight, rate, brokersPerHour, cooldown, reassignments, cruiseControl];
