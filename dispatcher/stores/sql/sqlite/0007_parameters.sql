-- Parameters of deployments and runs, and the schema of a deployment's.

ALTER TABLE runs ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deployments ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deployments ADD COLUMN parameter_openapi_schema TEXT NOT NULL DEFAULT '{}';
