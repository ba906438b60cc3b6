-- The log of changes: who changed what, and when. Older code writes no entries. A role that may change pools may write the log.

CREATE TABLE change_log (
    id TEXT COLLATE "C" PRIMARY KEY,
    changed_at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    via TEXT COLLATE "C" NOT NULL,
    verb TEXT COLLATE "C" NOT NULL,
    noun TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    fields TEXT NOT NULL,
    note TEXT NOT NULL,
    runs BIGINT NOT NULL,
    kept_until BIGINT
);

CREATE INDEX change_log_listed ON change_log (changed_at DESC, id);
CREATE INDEX change_log_by_name ON change_log (name, changed_at DESC, id);
CREATE INDEX change_log_by_actor ON change_log (actor, changed_at DESC, id);
CREATE INDEX change_log_over ON change_log (kept_until, id) WHERE kept_until IS NOT NULL;

DO $$
DECLARE granted record; BEGIN
    FOR granted IN
        SELECT DISTINCT grantee, privilege_type FROM information_schema.role_table_grants
        WHERE table_schema = current_schema() AND table_name = 'work_pools' AND grantee <> current_user
            AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format('GRANT %s ON change_log TO %s', granted.privilege_type,
            CASE granted.grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE quote_ident(granted.grantee) END);
    END LOOP;
END $$;

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (10, 1);
