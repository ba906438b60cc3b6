"""The schemas of bodies and answers in the OpenAPI document. The answers are the shapes of `--json`; a test compares them.

The bodies that name pools, queues, deployments and schedules have the fields of a configuration file, with the file's schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from dispatcher.client import configuration_schema
from dispatcher.client.bulk import STEP, BulkAction
from dispatcher.client.schedules import MAX_WINDOWS
from dispatcher.models import FIRST_PRIORITY, LAST_PRIORITY, RunState

Schema = dict[str, Any]

READ = (HTTPStatus.OK, (401, 403, 404, 422))
CREATE = (HTTPStatus.CREATED, (400, 401, 403, 404, 409, 413, 415, 422))
CHANGE = (HTTPStatus.OK, (400, 401, 403, 404, 409, 412, 413, 415, 422, 428))
ASK = (HTTPStatus.OK, (400, 401, 403, 404, 409, 413, 415, 422))
ACT = (HTTPStatus.OK, (401, 403, 404, 409, 422))
DELETE = (HTTPStatus.NO_CONTENT, (401, 403, 404, 409, 412, 422, 428))

Kind = tuple[HTTPStatus, tuple[int, ...]]

TEXT: Schema = {"type": "string"}
OPTIONAL_TEXT: Schema = {"type": ["string", "null"]}
TIME: Schema = {"type": "string", "format": "date-time"}
OPTIONAL_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
WHOLE: Schema = {"type": "integer"}
OPTIONAL_WHOLE: Schema = {"type": ["integer", "null"]}
OPTIONAL_NUMBER: Schema = {"type": ["number", "null"]}
SWITCH: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
OPTIONAL_OBJECT: Schema = {"type": ["object", "null"]}
TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


_POOL: Mapping[str, Schema] = {
    **dict.fromkeys(("name", "type", "id", "status", "description", "held_reason", "share", "owner"), TEXT),
    "paused": SWITCH,
    "concurrency_limit": OPTIONAL_WHOLE,
    "created_at": TIME,
    "last_tick_at": OPTIONAL_TIME,
    "held_until": OPTIONAL_TIME,
    "holds": OBJECTS,
    "hooks": OBJECTS,
}
_RUN: Mapping[str, Schema] = {
    **dict.fromkeys(("id", "name", "pool", "queue", "state", "reason"), TEXT),
    **dict.fromkeys(("deployment", "schedule", "url"), OPTIONAL_TEXT),
    **dict.fromkeys(("attempt", "ended_attempts", "priority"), WHOLE),
    "exit_code": OPTIONAL_WHOLE,
    **dict.fromkeys(("created_at", "scheduled_at", "due_at"), TIME),
    **dict.fromkeys(("expires_at", "claimed_at", "submitted_at", "started_at", "ended_at"), OPTIONAL_TIME),
}
_PRIORITY: Schema = {"type": "integer", "minimum": FIRST_PRIORITY, "maximum": LAST_PRIORITY}
_DEPLOYMENT: Mapping[str, Schema] = {
    **dict.fromkeys(("id", "name", "pool", "queue", "description", "owner"), TEXT),
    "job_variables": OBJECT,
    "parameters": OBJECT,
    "parameter_openapi_schema": OBJECT,
    "tags": TEXTS,
    "paused": SWITCH,
    "retry": OPTIONAL_OBJECT,
    "schedules": OBJECTS,
    "hooks": OBJECTS,
    "created_at": TIME,
    **dict.fromkeys(("concurrency_limit", "max_waiting"), OPTIONAL_WHOLE),
    "on_collision": {"enum": ["wait", "skip", "replace"]},
    "expires_after_seconds": OPTIONAL_NUMBER,
    "windows_left_out": WHOLE,
    **dict.fromkeys(("priority", "weight"), WHOLE),
}
_SCHEDULE: Mapping[str, Schema] = {
    **dict.fromkeys(("slug", "timezone", "catch_up"), TEXT),
    **dict.fromkeys(("cron", "rrule"), OPTIONAL_TEXT),
    "day_or": SWITCH,
    "interval_seconds": OPTIONAL_NUMBER,
    **dict.fromkeys(("anchor", "start", "end"), OPTIONAL_TIME),
    "exclude": TEXTS,
    **dict.fromkeys(("when_skipped", "when_repeated"), OPTIONAL_TEXT),
    "spread_seconds": {"type": "number"},
    "job_variables": OBJECT,
    "parameters": OBJECT,
    "priority": OPTIONAL_WHOLE,
    "active": SWITCH,
    "catch_up_limit": WHOLE,
}
_AUTOMATION: Mapping[str, Schema] = {
    **dict.fromkeys(("id", "name", "description", "owner"), TEXT),
    "when": OBJECT,
    "then": OBJECTS,
    "paused": SWITCH,
    "created_at": TIME,
}

ANSWERS: Mapping[str, Mapping[str, Schema]] = {
    "Pool": _POOL,
    "Queue": {
        **dict.fromkeys(("pool", "name", "status", "description", "share"), TEXT),
        **dict.fromkeys(("priority", "weight", "due", "later", "in_use"), WHOLE),
        "concurrency_limit": OPTIONAL_WHOLE,
        "paused": SWITCH,
    },
    "WholePool": {
        **_POOL,
        "ticks_last_hour": _ref("Ticks"),
        "in_use": WHOLE,
        "queues": _list("Queue"),
        "base_job_template": OBJECT,
    },
    "Ticks": {"since": TIME, **dict.fromkeys(("minutes", "ticked_minutes"), WHOLE), "gaps": OBJECTS},
    "Deployment": _DEPLOYMENT,
    "Schedule": {**_SCHEDULE, "next": TEXTS},
    "WholeDeployment": {**_DEPLOYMENT, "schedules": _list("Schedule")},
    "Windows": {"next": {"type": "array", "items": TIME}},
    "StrandedRuns": {"stranded_runs": WHOLE},
    "DriftLine": {
        **dict.fromkeys(("noun", "name", "path"), TEXT),
        "now": {},
        "is_there": SWITCH,
        "automation": TEXT,
        "because": OPTIONAL_TEXT,
    },
    "Automation": _AUTOMATION,
    "Firing": {
        **dict.fromkeys(("id", "automation", "pool", "because"), TEXT),
        "run": OPTIONAL_TEXT,
        "fired_at": TIME,
        **dict.fromkeys(("did", "problems", "hooks", "notified_hooks"), TEXTS),
        "notify_at": OPTIONAL_TIME,
    },
    "WholeAutomation": {**_AUTOMATION, "counted": OPTIONAL_WHOLE, "firings": _list("Firing")},
    "Run": _RUN,
    "UpcomingRun": {**_RUN, "late": SWITCH, "created": SWITCH, "not_before": OPTIONAL_TIME},
    "WholeRun": {
        **_RUN,
        "job_variables": OBJECT,
        "parameters": OBJECT,
        "tags": TEXTS,
        "retry": OPTIONAL_OBJECT,
        "cause": OPTIONAL_OBJECT,
        "not_before": OPTIONAL_TIME,
        "refusals": WHOLE,
        "submission": OPTIONAL_OBJECT,
        "job": OPTIONAL_OBJECT,
        "past": OBJECTS,
        "timeline": OBJECTS,
    },
    "RunPage": {"items": _list("Run"), "next": OPTIONAL_TEXT},
    "BulkStep": {
        **dict.fromkeys(("action", "id"), TEXT),
        "as_of": TIME,
        **dict.fromkeys(("matching", "step", "next"), OPTIONAL_OBJECT),
    },
    "QueueLook": {
        **dict.fromkeys(("name", "status"), TEXT),
        **dict.fromkeys(("priority", "in_use", "due", "later", "late"), WHOLE),
        "concurrency_limit": OPTIONAL_WHOLE,
        "oldest_due_at": OPTIONAL_TIME,
        "next": {"anyOf": [_ref("Explanation"), {"type": "null"}]},
        "holders": OBJECTS,
    },
    "PoolLook": {
        **_POOL,
        "at": TIME,
        **dict.fromkeys(("in_use", "due", "later", "late"), WHOLE),
        "late_after_seconds": {"type": "number"},
        "queues": _list("QueueLook"),
    },
    "SlotsOverTime": {"begin": TIME, "end": TIME, "runs": WHOLE, "is_cut": SWITCH, "queues": OBJECTS},
    "Simulation": {
        "pool": TEXT,
        "runs": WHOLE,
        "is_cut": SWITCH,
        "interval_seconds": {"type": "number"},
        **dict.fromkeys(("before", "after"), OBJECT),
    },
    "Explanation": {
        **dict.fromkeys(("id", "name", "state", "reason", "text", "fix"), TEXT),
        "until": OPTIONAL_TIME,
        "position": OPTIONAL_WHOLE,
        "holders": OBJECTS,
    },
    "Logs": {"id": TEXT, "name": TEXT, "attempt": WHOLE, "logs": OPTIONAL_TEXT, "url": OPTIONAL_TEXT},
    "LogEntry": {
        **dict.fromkeys(("id", "actor", "via", "verb", "noun", "name", "note"), TEXT),
        "changed_at": TIME,
        "fields": OBJECTS,
        "runs": WHOLE,
    },
    "LogPage": {"items": _list("LogEntry"), "next": OPTIONAL_TEXT},
    "Plan": {
        **dict.fromkeys(("owner", "hash", "hash_after"), TEXT),
        "applied": SWITCH,
        **dict.fromkeys(("changes", "unnamed", "drift"), OBJECTS),
    },
    "NounPlan": {"noun": TEXT, "name": TEXT, "fields": OBJECTS},
    "Exported": {"pools": OBJECT, "deployments": OBJECT, "automations": OBJECT},
    "JobPreview": {"pool": TEXT, "job_configuration": OBJECT, "parameters": OBJECT, "warnings": TEXTS},
    "Health": {"status": {"const": "ok"}},
    "Fault": {"path": TEXT, "message": TEXT},
    "Problem": {"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT, "faults": _list("Fault")},
}
"""By name: the keys of an answer. All of them are always present."""

LISTS: Mapping[str, Schema] = {
    "Pools": _list("Pool"),
    "Queues": _list("Queue"),
    "Overview": _list("PoolLook"),
    "Deployments": _list("Deployment"),
    "Automations": _list("Automation"),
    "Firings": _list("Firing"),
    "Schedules": _list("Schedule"),
    "Drift": _list("DriftLine"),
    "Upcoming": _list("UpcomingRun"),
    "CreatedRuns": {"oneOf": [_ref("WholeRun"), _list("WholeRun")]},
}


def documented(kind: Kind, name: str | None = None, *more: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The answers of an operation: success, and the problems."""
    status, problems = kind
    good: dict[str, Any] = {"description": status.phrase}
    if name is not None:
        good["content"] = {"application/json": {"schema": _ref(name)}}
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    codes = map(HTTPStatus, (*problems, *more, HTTPStatus.SERVICE_UNAVAILABLE))
    bad: dict[int | str, dict[str, Any]] = {int(code): {"description": code.phrase, "content": content} for code in codes}
    return {**bad, int(status): good}


def body_of(name: str) -> dict[str, Any]:
    """The body of an operation."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _ref(name)}}}}


def schemas() -> dict[str, Schema]:
    """Every schema of the document."""
    answers = {name: {"type": "object", "properties": dict(keys), "required": list(keys)} for name, keys in ANSWERS.items()}
    return {**answers, **LISTS, **_bodies()}


def _bodies() -> dict[str, Schema]:
    """The schemas of the bodies: the ones of a configuration file, and a few around them."""
    file = _moved(configuration_schema())
    parts: dict[str, Schema] = file.pop("$defs")
    name: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
    pool = {**parts["WorkPool"]["properties"], "job_variables": OBJECT}
    del pool["queues"], pool["owner"]  # a file's owner applies to all nouns in it
    deployment = {key: schema for key, schema in parts["Deployment"]["properties"].items() if key != "owner"}
    automation = {key: schema for key, schema in parts["Automation"]["properties"].items() if key != "owner"}
    schedule = parts["Schedule"]["properties"]
    queue = parts["WorkQueue"]["properties"]
    changed_pool = {key: schema for key, schema in pool.items() if key != "type"}
    plan = {"configuration": _ref("ConfigurationFile"), "prune": SWITCH, "take_over": SWITCH}
    return {
        **{f"File{key}": schema for key, schema in parts.items()},
        "ConfigurationFile": {key: value for key, value in file.items() if key != "$schema"},
        "NewPool": _object({"name": name, **pool}, "name", "type"),
        "PoolChange": _object(changed_pool),
        "NewQueue": _object({"name": name, **queue}, "name"),
        "QueueChange": _object(queue),
        "NewDeployment": _object({"name": name, **deployment}, "name", "pool"),
        "DeploymentChange": _object(deployment),
        "DeploymentRename": _object({"name": name}, "name"),
        "NewSchedule": _object({"slug": name, **schedule}, "slug"),
        "ScheduleChange": _object(schedule),
        "WindowsRequest": _object({**schedule, "count": {"type": "integer", "minimum": 1, "maximum": MAX_WINDOWS}}),
        "NewAutomation": _object({"name": name, **automation}, "name", "when", "then"),
        "AutomationChange": _object(automation),
        "NewRun": _new_run(parts),
        "NewRuns": {"oneOf": [_ref("NewRun"), {"type": "array", "items": _ref("NewRun"), "maxItems": 10_000}]},
        "BulkRequest": _bulk_request(name),
        "SimulationRequest": _simulation_request(pool, queue),
        "PoolPlanRequest": _pool_plan_request(pool, queue),
        "RunMove": _object({"queue": name, "priority": _PRIORITY, "front": SWITCH}),
        "PlanRequest": _object(plan, "configuration"),
        "ApplyRequest": _object({**plan, "expect": OPTIONAL_TEXT}, "configuration"),
        "JobRequest": _object(
            {
                "pool": OPTIONAL_TEXT,
                "deployment": OPTIONAL_TEXT,
                "job_variables": OPTIONAL_OBJECT,
                "parameters": OPTIONAL_OBJECT,
                "base_job_template": OPTIONAL_OBJECT,
            }
        ),
    }


def _new_run(parts: Mapping[str, Schema]) -> Schema:
    """A request for a run: the fields of `dispatcher.models.RunRequest`."""
    texts = dict.fromkeys(("pool", "deployment", "queue", "name", "idempotency_key"), OPTIONAL_TEXT)
    retry = {"anyOf": [_ref("FileRetryPolicy"), {"type": "null"}]} if "RetryPolicy" in parts else OPTIONAL_OBJECT
    times = {"scheduled_at": OPTIONAL_TIME, "expires_after": parts["Deployment"]["properties"]["expires_after"]}
    objects = dict.fromkeys(("job_variables", "parameters"), OPTIONAL_OBJECT)
    place = {"priority": {"anyOf": [_PRIORITY, {"type": "null"}]}, "front": SWITCH}
    return _object({**texts, **objects, **times, **place, "tags": TEXTS, "retry": retry})


def _simulation_request(pool: Mapping[str, Schema], queue: Mapping[str, Schema]) -> Schema:
    """Other limits for past runs: `dispatcher.web.api.simulations`."""
    limits = _object({name: queue[name] for name in ("concurrency_limit", "weight", "share")})
    return _object(
        {
            **{name: pool[name] for name in ("concurrency_limit", "share")},
            "queues": {"type": "object", "additionalProperties": limits},
            "order": {"type": "array", "items": TEXT},
            "hours": {"type": "integer", "minimum": 1, "maximum": 24 * 366},
            "every_seconds": {"type": "integer", "minimum": 1, "maximum": 86_400},
        }
    )


def _pool_plan_request(pool: Mapping[str, Schema], queue: Mapping[str, Schema]) -> Schema:
    """New fields of a pool and of several of its queues, and their order: `dispatcher.web.api.plans`."""
    fields = _object({name: queue[name] for name in ("concurrency_limit", "paused", "description", "weight", "share")})
    own = {name: pool[name] for name in ("concurrency_limit", "paused", "description", "share", "base_job_template")}
    queues: Schema = {"type": "object", "additionalProperties": fields}
    return _object({**own, "queues": queues, "order": {"type": "array", "items": TEXT}})


def _bulk_request(name: Schema) -> Schema:
    """Work on all runs that match: `dispatcher.web.api.bulk`."""
    states = {"type": "array", "items": {"enum": sorted(RunState)}}
    texts, times = ("pool", "queue", "deployment", "tag", "name"), ("since", "until")
    where = _object({**dict.fromkeys(texts, name), "state": states, **dict.fromkeys(times, TIME)})
    return _object(
        {
            "action": {"enum": sorted(BulkAction)},
            "filter": where,
            "queue": name,
            "as_of": TIME,
            "id": {"type": "string", "format": "uuid"},
            "cursor": {"type": "string", "maxLength": 400},
            "limit": {"type": "integer", "minimum": 1, "maximum": STEP},
            "dry_run": SWITCH,
        },
        "action",
    )


def _object(properties: Mapping[str, Schema], *required: str) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


def _moved(schema: Any) -> Any:
    """A copy whose references lead into the document's components."""
    if isinstance(schema, Mapping):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/File") if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(part) for part in schema] if isinstance(schema, list) else schema
