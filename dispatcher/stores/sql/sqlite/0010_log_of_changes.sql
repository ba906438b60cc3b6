-- The log of changes: who changed what, and when. Older code writes no entries.

CREATE TABLE change_log (
    id TEXT PRIMARY KEY,
    changed_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    verb TEXT NOT NULL,
    noun TEXT NOT NULL,
    name TEXT NOT NULL,
    fields TEXT NOT NULL,
    note TEXT NOT NULL,
    runs INTEGER NOT NULL,
    kept_until INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX change_log_listed ON change_log (changed_at DESC, id);
CREATE INDEX change_log_by_name ON change_log (name, changed_at DESC, id);
CREATE INDEX change_log_by_actor ON change_log (actor, changed_at DESC, id);
CREATE INDEX change_log_over ON change_log (kept_until, id) WHERE kept_until IS NOT NULL;
