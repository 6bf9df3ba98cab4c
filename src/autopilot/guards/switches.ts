import { ACTIONS } from '../../core/autopilot.ts';
import { humanDuration } from '../../core/duration.ts';
import type { Guard } from './context.ts';
import { holds, onPicture, passes } from './sentence.ts';

/** What people, the configuration and Belfry's own state forbid. */

const halted: Guard = {
  name: 'halted',
  purpose: 'The kill switch: nothing is done anywhere while the auto-pilot is halted.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ halted: why }) => (why === undefined ? passes('the auto-pilot is not halted') : holds(`the auto-pilot is halted: ${why}`)),
};

const durable: Guard = {
  name: 'durable',
  purpose: 'What could not be journalled is not done.',
  actions: ACTIONS,
  approvable: false,
  judge: (context) => (context.durable ? passes('the journal can be written') : holds('the journal cannot be written')),
};

const mode: Guard = {
  name: 'mode',
  purpose: 'Off does nothing, observe takes no lease, approve takes none without the approval of a person.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ mode: now, moment, approved, action }) => {
    if (now === 'off') return holds(`mode off: no ${action} in this cluster`);
    if (now === 'auto' || moment === 'made') return passes(`mode ${now}`);
    if (now === 'observe') return holds(`mode observe: a ${action} is only written down`);
    return approved ? passes('mode approve: approved') : holds(`mode approve: nobody has approved this ${action}`);
  },
};

const drill: Guard = {
  name: 'drill',
  purpose: 'A drill acts only on clusters labelled drill: yes.',
  actions: ACTIONS,
  approvable: false,
  judge: onPicture(({ labels }, context) => {
    if (!context.drill) return passes('not a drill');
    if (labels['drill'] === 'yes') return passes('the cluster is labelled drill: yes');
    return holds(`a drill, and the cluster is not labelled drill: yes (its label drill is ${JSON.stringify(labels['drill'] ?? '')})`);
  }),
};

const startGrace: Guard = {
  name: 'start_grace',
  purpose: 'A Belfry that has just started knows too little to act.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ now, startedAt, fleet }) => {
    const upMs = now - startedAt;
    const rule = `Belfry has been up for ${humanDuration(upMs)}, the first ${humanDuration(fleet.startGraceMs)} are only watched`;
    return upMs < fleet.startGraceMs ? holds(rule) : passes(rule);
  },
};

const breaker: Guard = {
  name: 'breaker',
  purpose: 'When much breaks at once it is the network, a shared cause, or Belfry: no act until a person closes the breaker.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ breaker: why }) => (why === undefined ? passes('the breaker is closed') : holds(`the breaker is open: ${why}`)),
};

const hold: Guard = {
  name: 'hold',
  purpose: 'A person has asked for the cluster to be left alone for a while.',
  actions: ACTIONS,
  approvable: false,
  judge: ({ holds: all }) => (all.length === 0 ? passes('no hold applies') : holds(`held: ${all.join('; ')}`)),
};

const maintenance: Guard = {
  name: 'maintenance',
  purpose: 'In a maintenance window people work on the cluster.',
  actions: ACTIONS,
  approvable: false,
  judge: onPicture(({ maintenance: window }) =>
    window === undefined ? passes('no maintenance window is open') : holds(`the maintenance window ${window} is open`),
  ),
};

export const SWITCH_GUARDS: readonly Guard[] = [halted, durable, mode, drill, startGrace, breaker, hold, maintenance];
