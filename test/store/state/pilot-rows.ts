import type {
  IntentRow,
  JournalRow,
  PilotBrokerRow,
  PilotClusterRow,
  PilotEvidenceRow,
  PilotHoldRow,
  PilotModeRow,
} from '../../../src/core/autopilot-state.ts';

const AT = 1_700_000_000_000;

/** One row of each kind of the auto-pilot's state, with a value in every property that may have one. */
export const brokerRow = (brokerId: number, changes: Partial<PilotBrokerRow> = {}): PilotBrokerRow => ({
  cluster: 'orders-dal',
  brokerId,
  shard: 'orders-dal',
  state: 'verifying',
  since: AT + 5,
  suspectSince: AT,
  unhealthySince: AT + 1,
  incidentId: '01JINCIDENT',
  intentId: '01JINTENT',
  repairsFailed: 1,
  attempts: 2,
  lastActAt: AT + 3,
  nextActAt: AT + 4,
  urpBefore: 12,
  verifying: 'repair',
  verifyUntil: AT + 6,
  recoveringSince: AT + 2,
  progress: 0.25,
  progressAt: AT + 3,
  replacedBy: -1,
  note: 'restarted – waits for "ISR"',
  ...changes,
});

export const clusterRow = (cluster: string, changes: Partial<PilotClusterRow> = {}): PilotClusterRow => ({
  cluster,
  shard: cluster,
  state: 'scaling_out',
  since: AT,
  intentId: '01JINTENT',
  incidentId: '01JSCALE',
  desired: 5,
  drainingBroker: -1,
  lastScaleAt: AT - 1,
  memory: { windows: [{ at: AT, want: 5 }], warm: {} },
  ...changes,
});

export const evidenceRow = (alertKey: string, changes: Partial<PilotEvidenceRow> = {}): PilotEvidenceRow => ({
  alertKey,
  shard: 'orders-dal',
  cluster: 'orders-dal',
  brokerId: 2,
  action: 'repair',
  rule: 'BrokerCrashed',
  startsAt: AT,
  value: 1.5,
  labels: { alertname: 'BrokerCrashed', broker: '2' },
  ...changes,
});

export const intentRow = (id: string, changes: Partial<IntentRow> = {}): IntentRow => ({
  id,
  key: `key-${id}`,
  shard: 'orders-dal',
  action: 'repair',
  brokerId: 2,
  desiredBrokers: -1,
  currentBrokers: 3,
  incidentId: '01JINCIDENT',
  attempt: 1,
  mode: 'approve',
  state: 'awaiting_approval',
  reason: 'broker 2 crashed',
  createdAt: AT,
  changedAt: AT + 1,
  expiresAt: AT + 2,
  opensAt: 0,
  guards: [{ guard: 'last_copy', holds: false, sentence: 'every partition has another copy', approvable: false }],
  evidence: [{ what: 'up{broker="2"}', value: 0, at: AT }],
  fencingToken: 7,
  executor: 'executor-dal',
  leasedAt: AT,
  leaseExpiresAt: AT + 60_000,
  approvedBy: 'mara',
  lastWord: 'go',
  drill: true,
  ...changes,
});

export const journalRow = (seq: number, changes: Partial<JournalRow> = {}): JournalRow => ({
  seq,
  shard: 'orders-dal',
  at: AT + seq,
  brokerId: 2,
  kind: 'edge',
  from: 'suspect',
  to: 'unhealthy',
  intentId: '',
  text: `line ${seq}`,
  detail: { urp: 3 },
  ...changes,
});

export const modeRow = (changes: Partial<PilotModeRow> = {}): PilotModeRow => ({
  cluster: 'orders-dal',
  action: 'repair',
  shard: 'orders-dal',
  mode: 'auto',
  source: 'promote',
  by: 'mara',
  reason: 'thirty days',
  at: AT,
  ...changes,
});

export const holdRow = (cluster: string, changes: Partial<PilotHoldRow> = {}): PilotHoldRow => ({
  cluster,
  shard: cluster === '*' ? '' : cluster,
  until: AT + 7_200_000,
  by: 'mara',
  reason: 'upgrade',
  at: AT,
  ...changes,
});
