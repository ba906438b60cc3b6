-- Pages of runs, newest first, by a tag, and runs by the beginning of their name. Tags have a table of their own, which triggers
-- fill, so that older code keeps it right too; a run without tags costs nothing here. The triggers have the rights of the
-- tables' owner: a role that only ticks needs none on the new table. Whatever the planner estimates for a table that was small when a
-- session began, they find rows by the index.

ALTER TABLE runs ALTER COLUMN name TYPE TEXT COLLATE "C";

CREATE INDEX runs_by_name ON runs (name, id);

CREATE TABLE run_tags (
    tag TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    run TEXT COLLATE "C" NOT NULL
) WITH (
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0,
    autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.02
);

INSERT INTO run_tags (tag, state, created_at, run)
SELECT DISTINCT tag, state, created_at, id FROM runs CROSS JOIN LATERAL json_array_elements_text(tags::json) AS tag WHERE tags <> '[]';

CREATE UNIQUE INDEX run_tags_listed ON run_tags (tag, state, created_at DESC, run);

CREATE FUNCTION runs_tagged() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO run_tags (tag, state, created_at, run)
    SELECT DISTINCT tag, NEW.state, NEW.created_at, NEW.id FROM json_array_elements_text(NEW.tags::json) AS tag;
    RETURN NULL;
END $$;

CREATE FUNCTION runs_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off AS $$
BEGIN
    UPDATE run_tags SET state = NEW.state
    WHERE tag = ANY (ARRAY (SELECT json_array_elements_text(OLD.tags::json)))
        AND state = OLD.state AND created_at = OLD.created_at AND run = OLD.id;
    RETURN NULL;
END $$;

CREATE FUNCTION runs_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM run_tags
    WHERE tag = ANY (ARRAY (SELECT json_array_elements_text(OLD.tags::json)))
        AND state = OLD.state AND created_at = OLD.created_at AND run = OLD.id;
    RETURN NULL;
END $$;

CREATE TRIGGER runs_tagged AFTER INSERT ON runs FOR EACH ROW WHEN (NEW.tags <> '[]') EXECUTE FUNCTION runs_tagged();

CREATE TRIGGER runs_moved AFTER UPDATE OF state ON runs FOR EACH ROW
    WHEN (NEW.tags <> '[]' AND NEW.state <> OLD.state) EXECUTE FUNCTION runs_moved();

CREATE TRIGGER runs_deleted AFTER DELETE ON runs FOR EACH ROW WHEN (OLD.tags <> '[]') EXECUTE FUNCTION runs_deleted();

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (6, 1);
