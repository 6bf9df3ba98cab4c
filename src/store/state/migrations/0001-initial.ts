/**
 * The first shape of state.db. Every row has a `shard` (the cluster, empty where there is none) and the `epoch` of the
 * process that wrote it. Times are whole milliseconds of Belfry time, 0 where not set; a NaN is NULL, as SQLite has none.
 */
export const INITIAL = `
CREATE TABLE alert (
  rule_key TEXT NOT NULL, alert_key TEXT NOT NULL, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  labels TEXT NOT NULL, annotations TEXT NOT NULL, state TEXT NOT NULL, value REAL,
  active_at INTEGER NOT NULL, fired_at INTEGER NOT NULL, resolved_at INTEGER NOT NULL,
  last_sent_at INTEGER NOT NULL, keep_firing_since INTEGER NOT NULL, resolve_reason TEXT NOT NULL,
  PRIMARY KEY (rule_key, alert_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_timer (
  key TEXT NOT NULL PRIMARY KEY, shard TEXT NOT NULL, epoch INTEGER NOT NULL, last_eval_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
  id TEXT NOT NULL PRIMARY KEY, group_key TEXT NOT NULL, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  owner TEXT NOT NULL, broker TEXT NOT NULL, alert_name TEXT NOT NULL, severity TEXT NOT NULL,
  opened_at INTEGER NOT NULL, firing_since INTEGER NOT NULL, resolved_at INTEGER NOT NULL,
  closed_at INTEGER NOT NULL, changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_by_closed_at ON incident (closed_at);

CREATE TABLE incident_alert (
  incident_id TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE, alert_key TEXT NOT NULL,
  shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  labels TEXT NOT NULL, annotations TEXT NOT NULL, status TEXT NOT NULL,
  starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, value REAL, generator_url TEXT NOT NULL,
  resolve_reason TEXT NOT NULL, source_kind TEXT NOT NULL, source_file TEXT NOT NULL, source_group TEXT NOT NULL,
  source_rule TEXT NOT NULL, source_action TEXT NOT NULL,
  PRIMARY KEY (incident_id, alert_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE incident_event (
  incident_id TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE, seq INTEGER NOT NULL,
  shard TEXT NOT NULL, epoch INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (incident_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE dedup (
  group_key TEXT NOT NULL, receiver TEXT NOT NULL, integration TEXT NOT NULL, "index" INTEGER NOT NULL,
  shard TEXT NOT NULL, epoch INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, seq INTEGER NOT NULL,
  decided_at INTEGER NOT NULL, loud_at INTEGER NOT NULL,
  PRIMARY KEY (group_key, receiver, integration, "index")
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  group_key TEXT NOT NULL, receiver TEXT NOT NULL, integration TEXT NOT NULL, "index" INTEGER NOT NULL,
  shard TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL, loud INTEGER NOT NULL,
  status TEXT NOT NULL, not_before INTEGER NOT NULL, queued_at INTEGER NOT NULL,
  PRIMARY KEY (group_key, receiver, integration, "index")
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
  group_key TEXT NOT NULL, receiver TEXT NOT NULL, integration TEXT NOT NULL, "index" INTEGER NOT NULL,
  shard TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, status TEXT NOT NULL,
  delivered_at INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (group_key, receiver, integration, "index")
) STRICT, WITHOUT ROWID;

CREATE TABLE broker (
  cluster TEXT NOT NULL, broker_id INTEGER NOT NULL, shard TEXT NOT NULL, epoch INTEGER NOT NULL,
  cluster_id TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
  first_seen_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL, state TEXT NOT NULL, down_since INTEGER NOT NULL,
  verdict TEXT NOT NULL, verdict_holds INTEGER NOT NULL,
  PRIMARY KEY (cluster, broker_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
  key TEXT NOT NULL PRIMARY KEY, shard TEXT NOT NULL, epoch INTEGER NOT NULL, value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;
