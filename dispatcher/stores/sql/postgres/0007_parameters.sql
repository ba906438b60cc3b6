-- Parameters of deployments and runs, and the schema of a deployment's. Only additions with defaults: code that does not know of
-- them goes on.

ALTER TABLE runs ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deployments ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deployments ADD COLUMN parameter_openapi_schema TEXT NOT NULL DEFAULT '{}';

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (7, 1);
