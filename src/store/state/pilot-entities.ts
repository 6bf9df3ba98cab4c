import type {
  IntentRow,
  JournalRow,
  PilotBrokerRow,
  PilotClusterRow,
  PilotEvidenceRow,
  PilotHoldRow,
  PilotModeRow,
} from '../../core/autopilot-state.ts';
import type { Entity } from './entities.ts';

/** The auto-pilot's part of what there is in state.db. */
export interface PilotEntityRows {
  pilot_broker: PilotBrokerRow;
  pilot_cluster: PilotClusterRow;
  pilot_evidence: PilotEvidenceRow;
  intent: IntentRow;
  journal: JournalRow;
  pilot_mode: PilotModeRow;
  pilot_hold: PilotHoldRow;
}

/** The key properties of each of them. */
export interface PilotEntityKeys {
  pilot_broker: Pick<PilotBrokerRow, 'cluster' | 'brokerId'>;
  pilot_cluster: Pick<PilotClusterRow, 'cluster'>;
  pilot_evidence: Pick<PilotEvidenceRow, 'alertKey'>;
  intent: Pick<IntentRow, 'id'>;
  journal: Pick<JournalRow, 'seq'>;
  pilot_mode: Pick<PilotModeRow, 'cluster' | 'action'>;
  pilot_hold: Pick<PilotHoldRow, 'cluster'>;
}

/** Their tables as data. */
export const PILOT_ENTITIES: { readonly [E in keyof PilotEntityRows]: Entity<PilotEntityRows[E]> } = {
  pilot_broker: {
    key: ['cluster', 'brokerId'],
    columns: {
      cluster: 'text',
      brokerId: 'int',
      shard: 'text',
      state: 'text',
      since: 'int',
      suspectSince: 'int',
      unhealthySince: 'int',
      incidentId: 'text',
      intentId: 'text',
      repairsFailed: 'int',
      attempts: 'int',
      lastActAt: 'int',
      nextActAt: 'int',
      urpBefore: 'int',
      verifying: 'text',
      verifyUntil: 'int',
      recoveringSince: 'int',
      progress: 'real',
      progressAt: 'int',
      replacedBy: 'int',
      note: 'text',
    },
  },
  pilot_cluster: {
    key: ['cluster'],
    columns: {
      cluster: 'text',
      shard: 'text',
      state: 'text',
      since: 'int',
      intentId: 'text',
      incidentId: 'text',
      desired: 'int',
      drainingBroker: 'int',
      lastScaleAt: 'int',
      memory: 'json',
    },
  },
  pilot_evidence: {
    key: ['alertKey'],
    columns: {
      alertKey: 'text',
      shard: 'text',
      cluster: 'text',
      brokerId: 'int',
      action: 'text',
      rule: 'text',
      startsAt: 'int',
      value: 'real',
      labels: 'json',
    },
  },
  intent: {
    key: ['id'],
    columns: {
      id: 'text',
      key: 'text',
      shard: 'text',
      action: 'text',
      brokerId: 'int',
      desiredBrokers: 'int',
      currentBrokers: 'int',
      incidentId: 'text',
      attempt: 'int',
      mode: 'text',
      state: 'text',
      reason: 'text',
      createdAt: 'int',
      changedAt: 'int',
      expiresAt: 'int',
      opensAt: 'int',
      guards: 'json',
      evidence: 'json',
      fencingToken: 'int',
      executor: 'text',
      leasedAt: 'int',
      leaseExpiresAt: 'int',
      approvedBy: 'text',
      lastWord: 'text',
      drill: 'bool',
    },
  },
  journal: {
    key: ['seq'],
    columns: {
      seq: 'int',
      shard: 'text',
      at: 'int',
      brokerId: 'int',
      kind: 'text',
      from: 'text',
      to: 'text',
      intentId: 'text',
      text: 'text',
      detail: 'json',
    },
  },
  pilot_mode: {
    key: ['cluster', 'action'],
    columns: { cluster: 'text', action: 'text', shard: 'text', mode: 'text', source: 'text', by: 'text', reason: 'text', at: 'int' },
  },
  pilot_hold: {
    key: ['cluster'],
    columns: { cluster: 'text', shard: 'text', until: 'int', by: 'text', reason: 'text', at: 'int' },
  },
};
