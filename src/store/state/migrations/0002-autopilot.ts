/**
 * The auto-pilot: where it stands with each broker and cluster, the evidence, the intents, the journal, and what people
 * told it. Values as in the first shape; -1 where there is no broker or count, an empty text where there is no id.
 */
export const AUTOPILOT = `
CREATE TABLE pilot_broker (
  cluster TEXT NOT NULL, broker_id INTEGER NOT NULL, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  state TEXT NOT NULL, since INTEGER NOT NULL, suspect_since INTEGER NOT NULL, unhealthy_since INTEGER NOT NULL,
  incident_id TEXT NOT NULL, intent_id TEXT NOT NULL, repairs_failed INTEGER NOT NULL, attempts INTEGER NOT NULL,
  last_act_at INTEGER NOT NULL, next_act_at INTEGER NOT NULL, urp_before INTEGER NOT NULL,
  verifying TEXT NOT NULL, verify_until INTEGER NOT NULL,
  recovering_since INTEGER NOT NULL, progress REAL, progress_at INTEGER NOT NULL,
  replaced_by INTEGER NOT NULL, note TEXT NOT NULL,
  PRIMARY KEY (cluster, broker_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE pilot_cluster (
  cluster TEXT NOT NULL PRIMARY KEY, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  state TEXT NOT NULL, since INTEGER NOT NULL, intent_id TEXT NOT NULL, incident_id TEXT NOT NULL,
  desired INTEGER NOT NULL, draining_broker INTEGER NOT NULL, last_scale_at INTEGER NOT NULL, memory TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pilot_evidence (
  alert_key TEXT NOT NULL PRIMARY KEY, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  cluster TEXT NOT NULL, broker_id INTEGER NOT NULL, action TEXT NOT NULL, rule TEXT NOT NULL,
  starts_at INTEGER NOT NULL, value REAL, labels TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE intent (
  id TEXT NOT NULL PRIMARY KEY, key TEXT NOT NULL, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  action TEXT NOT NULL, broker_id INTEGER NOT NULL, desired_brokers INTEGER NOT NULL, current_brokers INTEGER NOT NULL,
  incident_id TEXT NOT NULL, attempt INTEGER NOT NULL, mode TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
  created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, opens_at INTEGER NOT NULL,
  guards TEXT NOT NULL, evidence TEXT NOT NULL,
  fencing_token INTEGER NOT NULL, executor TEXT NOT NULL, leased_at INTEGER NOT NULL, lease_expires_at INTEGER NOT NULL,
  approved_by TEXT NOT NULL, last_word TEXT NOT NULL, drill INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX intent_by_changed_at ON intent (changed_at);

CREATE TABLE journal (
  seq INTEGER NOT NULL PRIMARY KEY, shard TEXT NOT NULL, epoch INTEGER NOT NULL, at INTEGER NOT NULL,
  broker_id INTEGER NOT NULL, kind TEXT NOT NULL, "from" TEXT NOT NULL, "to" TEXT NOT NULL,
  intent_id TEXT NOT NULL, text TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE INDEX journal_by_shard ON journal (shard, seq);
CREATE INDEX journal_by_intent ON journal (intent_id, seq) WHERE intent_id <> '';
CREATE INDEX journal_by_at ON journal (at);

CREATE TABLE pilot_mode (
  cluster TEXT NOT NULL, action TEXT NOT NULL, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  mode TEXT NOT NULL, source TEXT NOT NULL, "by" TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (cluster, action)
) STRICT, WITHOUT ROWID;

CREATE TABLE pilot_hold (
  cluster TEXT NOT NULL PRIMARY KEY, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  until INTEGER NOT NULL, "by" TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
