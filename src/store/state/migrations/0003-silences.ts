/** Silences, and the alerts of which nobody was told because they were muted from beginning to end. Values as in the first shape. */
export const SILENCES = `
CREATE TABLE silence (
  id TEXT NOT NULL PRIMARY KEY, shard TEXT NOT NULL, epoch INTEGER NOT NULL, matchers TEXT NOT NULL,
  starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, created_by TEXT NOT NULL, comment TEXT NOT NULL, updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE muted_alert (
  id TEXT NOT NULL PRIMARY KEY, shard TEXT NOT NULL, epoch INTEGER NOT NULL, labels TEXT NOT NULL, annotations TEXT NOT NULL,
  starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, because TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;
