import type {
  AlertStateRow,
  DedupRow,
  DeliveryRow,
  IncidentAlertRow,
  IncidentEventRow,
  IncidentRow,
  MutedAlertRow,
  OutboxRow,
  SilenceRow,
} from '../../core/state.ts';
import { PILOT_ENTITIES, type PilotEntityKeys, type PilotEntityRows } from './pilot-entities.ts';

/** When a rule group was last evaluated; the key is the group's own. */
export interface RuleTimerRow {
  readonly key: string;
  readonly shard: string;
  readonly lastEvalAt: number;
}

export interface SettingRow {
  readonly key: string;
  readonly shard: string;
  readonly value: string;
}

/** One expected broker. */
export interface BrokerRow {
  readonly cluster: string;
  readonly brokerId: number;
  readonly shard: string;
  /** Kafka's own id of the cluster. */
  readonly clusterId: string;
  readonly host: string;
  readonly port: number;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly state: 'up' | 'down' | 'unknown';
  readonly downSince: number;
  /** Empty where there was none yet. */
  readonly verdict: string;
  readonly verdictHolds: boolean;
}

/** What there is in state.db: the row type of each kind of thing. */
export interface EntityRows extends PilotEntityRows {
  alert: AlertStateRow;
  rule_timer: RuleTimerRow;
  incident: IncidentRow;
  incident_alert: IncidentAlertRow;
  incident_event: IncidentEventRow;
  dedup: DedupRow;
  outbox: OutboxRow;
  delivery: DeliveryRow;
  broker: BrokerRow;
  setting: SettingRow;
  silence: SilenceRow;
  muted_alert: MutedAlertRow;
}

export type EntityName = keyof EntityRows;

/** How a property is written: `int` is rounded, `real` may be NaN (NULL), `json` is an object. */
export type Codec = 'text' | 'int' | 'real' | 'bool' | 'json';

export interface Entity<Row> {
  readonly key: readonly (keyof Row & string)[];
  readonly columns: { readonly [P in keyof Row]-?: Codec };
}

const DESTINATION = { groupKey: 'text', receiver: 'text', integration: 'text', index: 'int', shard: 'text' } as const;
const DESTINATION_KEY = ['groupKey', 'receiver', 'integration', 'index'] as const;

/** The tables as data: an entity's name is its table, a property's name in snake_case its column. */
export const ENTITIES: { readonly [E in EntityName]: Entity<EntityRows[E]> } = {
  alert: {
    key: ['ruleKey', 'alertKey'],
    columns: {
      ruleKey: 'text',
      alertKey: 'text',
      shard: 'text',
      labels: 'json',
      annotations: 'json',
      state: 'text',
      value: 'real',
      activeAt: 'int',
      firedAt: 'int',
      resolvedAt: 'int',
      lastSentAt: 'int',
      keepFiringSince: 'int',
      resolveReason: 'text',
    },
  },
  rule_timer: { key: ['key'], columns: { key: 'text', shard: 'text', lastEvalAt: 'int' } },
  incident: {
    key: ['id'],
    columns: {
      id: 'text',
      groupKey: 'text',
      shard: 'text',
      owner: 'text',
      broker: 'text',
      alertName: 'text',
      severity: 'text',
      openedAt: 'int',
      firingSince: 'int',
      resolvedAt: 'int',
      closedAt: 'int',
      changedAt: 'int',
    },
  },
  incident_alert: {
    key: ['incidentId', 'alertKey'],
    columns: {
      incidentId: 'text',
      alertKey: 'text',
      shard: 'text',
      labels: 'json',
      annotations: 'json',
      status: 'text',
      startsAt: 'int',
      endsAt: 'int',
      value: 'real',
      generatorUrl: 'text',
      resolveReason: 'text',
      sourceKind: 'text',
      sourceFile: 'text',
      sourceGroup: 'text',
      sourceRule: 'text',
      sourceAction: 'text',
    },
  },
  incident_event: {
    key: ['incidentId', 'seq'],
    columns: { incidentId: 'text', seq: 'int', shard: 'text', at: 'int', kind: 'text', text: 'text' },
  },
  dedup: {
    key: DESTINATION_KEY,
    columns: { ...DESTINATION, status: 'text', reason: 'text', seq: 'int', decidedAt: 'int', loudAt: 'int' },
  },
  outbox: {
    key: DESTINATION_KEY,
    columns: { ...DESTINATION, seq: 'int', reason: 'text', loud: 'bool', status: 'text', notBefore: 'int', queuedAt: 'int' },
  },
  delivery: {
    key: DESTINATION_KEY,
    columns: { ...DESTINATION, seq: 'int', status: 'text', deliveredAt: 'int', data: 'json' },
  },
  broker: {
    key: ['cluster', 'brokerId'],
    columns: {
      cluster: 'text',
      brokerId: 'int',
      shard: 'text',
      clusterId: 'text',
      host: 'text',
      port: 'int',
      firstSeenAt: 'int',
      lastSeenAt: 'int',
      state: 'text',
      downSince: 'int',
      verdict: 'text',
      verdictHolds: 'bool',
    },
  },
  setting: { key: ['key'], columns: { key: 'text', shard: 'text', value: 'text' } },
  silence: {
    key: ['id'],
    columns: {
      id: 'text',
      shard: 'text',
      matchers: 'json',
      startsAt: 'int',
      endsAt: 'int',
      createdBy: 'text',
      comment: 'text',
      annotations: 'json',
      updatedAt: 'int',
    },
  },
  muted_alert: {
    key: ['id'],
    columns: { id: 'text', shard: 'text', labels: 'json', annotations: 'json', startsAt: 'int', endsAt: 'int', because: 'text' },
  },
  ...PILOT_ENTITIES,
};

/** The key properties of an entity's row. */
export type EntityKey<E extends EntityName> = (PilotEntityKeys & {
  alert: Pick<AlertStateRow, 'ruleKey' | 'alertKey'>;
  rule_timer: Pick<RuleTimerRow, 'key'>;
  incident: Pick<IncidentRow, 'id'>;
  incident_alert: Pick<IncidentAlertRow, 'incidentId' | 'alertKey'>;
  incident_event: Pick<IncidentEventRow, 'incidentId' | 'seq'>;
  dedup: Pick<DedupRow, (typeof DESTINATION_KEY)[number]>;
  outbox: Pick<OutboxRow, (typeof DESTINATION_KEY)[number]>;
  delivery: Pick<DeliveryRow, (typeof DESTINATION_KEY)[number]>;
  broker: Pick<BrokerRow, 'cluster' | 'brokerId'>;
  setting: Pick<SettingRow, 'key'>;
  silence: Pick<SilenceRow, 'id'>;
  muted_alert: Pick<MutedAlertRow, 'id'>;
})[E];

/** A value as SQLite binds it. */
export type SqlValue = string | number | null;

/** The property's value as it is bound; a TypeError for one that is not of the codec's type. */
export function encode(codec: Codec, value: unknown, name: string): SqlValue {
  if (codec === 'json') return JSON.stringify(value);
  if (codec === 'text' && typeof value === 'string') return value;
  if (codec === 'bool' && typeof value === 'boolean') return value ? 1 : 0;
  if (codec === 'real' && typeof value === 'number') return Number.isNaN(value) ? null : value;
  if (codec === 'int' && typeof value === 'number' && Number.isFinite(value)) return Math.round(value);
  throw new TypeError(`${name} must be ${codec}, not ${typeof value}`);
}

export function decode(codec: Codec, value: unknown): unknown {
  if (codec === 'json') return JSON.parse(String(value));
  if (codec === 'bool') return value === 1;
  if (codec === 'real' && value === null) return NaN;
  return value;
}

/** `alertKey` → `"alert_key"`; quoted, as `index` is a word of SQL. */
export function columnOf(property: string): string {
  return `"${property.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}"`;
}
