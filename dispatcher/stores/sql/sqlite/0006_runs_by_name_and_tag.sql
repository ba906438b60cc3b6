-- Pages of runs, newest first, by a tag, and runs by the beginning of their name. Tags have a table of their own, which triggers
-- fill, so that older code keeps it right too; a run without tags costs nothing here.

CREATE INDEX runs_by_name ON runs (name, id);

CREATE TABLE run_tags (
    tag TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (tag, state, created_at DESC, run)
) STRICT, WITHOUT ROWID;

INSERT INTO run_tags (tag, state, created_at, run)
SELECT DISTINCT value, state, created_at, runs.id FROM runs, json_each(tags) WHERE tags <> '[]';

CREATE TRIGGER runs_tagged AFTER INSERT ON runs WHEN NEW.tags <> '[]'
BEGIN
    INSERT INTO run_tags (tag, state, created_at, run)
    SELECT DISTINCT value, NEW.state, NEW.created_at, NEW.id FROM json_each(NEW.tags);
END;

CREATE TRIGGER runs_moved AFTER UPDATE OF state ON runs WHEN NEW.tags <> '[]' AND NEW.state <> OLD.state
BEGIN
    UPDATE run_tags SET state = NEW.state
    WHERE tag IN (SELECT value FROM json_each(OLD.tags)) AND state = OLD.state AND created_at = OLD.created_at AND run = OLD.id;
END;

CREATE TRIGGER runs_deleted AFTER DELETE ON runs WHEN OLD.tags <> '[]'
BEGIN
    DELETE FROM run_tags
    WHERE tag IN (SELECT value FROM json_each(OLD.tags)) AND state = OLD.state AND created_at = OLD.created_at AND run = OLD.id;
END;
