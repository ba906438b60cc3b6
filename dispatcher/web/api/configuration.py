"""The whole configuration: plan, apply, export. And the job that a run would become."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from dispatcher.client import Dispatcher, Plan, shapes
from dispatcher.client.secrets import of_pools, secret_parameters
from dispatcher.core.changes import Configuration
from dispatcher.core.redaction import secret_texts
from dispatcher.errors import Fault, InvalidInput
from dispatcher.web.api.documents import ASK, READ, body_of, documented
from dispatcher.web.api.requests import Body, Client, JsonAnswer, answer

router = APIRouter()


@router.post("/plan", operation_id="plan", responses=documented(ASK, "Plan"), openapi_extra=body_of("PlanRequest"))
def plan(client: Client, body: Body) -> JsonAnswer:
    """Show what a configuration would change. Changes nothing."""
    made, _ = _planned(client, body, frozenset({"configuration", "prune", "take_over"}))
    return answer(shapes.plan(made, applied=False), _secrets(made.stored, made.target))


@router.post("/apply", operation_id="apply", responses=documented(ASK, "Plan"), openapi_extra=body_of("ApplyRequest"))
def apply(client: Client, body: Body) -> JsonAnswer:
    """Change the stored configuration into this one. `expect` is the `hash` of a plan that was reviewed."""
    planned, expect = _planned(client, body, frozenset({"configuration", "prune", "take_over", "expect"}))
    made = client.apply(planned, expect=expect)
    return answer(shapes.plan(made, applied=True), _secrets(made.stored, made.target))


@router.get("/export", operation_id="export", responses=documented(READ, "Exported"))
def export(client: Client) -> JsonAnswer:
    """The stored configuration, in the form that `plan` takes. Secrets are hidden, and `plan` refuses hidden values."""
    secrets = of_pools(client.work_pools(), client.deployments(), automations=client.automations())
    return answer({"automations": {}, **client.export()}, secrets)


@router.get("/drift", operation_id="drift", responses=documented(READ, "Drift"))
def drift(client: Client) -> JsonAnswer:
    """What people and automations have changed since the last `apply`, of what it set."""
    secrets = of_pools(client.work_pools(), client.deployments(), automations=client.automations())
    return answer([shapes.drift_line(line) for line in client.drift()], secrets)


@router.post(
    "/preview-job", operation_id="preview_job", responses=documented(ASK, "JobPreview"), openapi_extra=body_of("JobRequest")
)
def preview_job(client: Client, body: Body) -> JsonAnswer:
    """The job that a run with these variables would become. Changes nothing."""
    _refuse_unknown(body, frozenset({"pool", "deployment", "job_variables", "parameters", "base_job_template"}))
    preview = client.preview_job(**body)
    pool = client.work_pool(preview.pool)
    deployments = [client.deployment(body["deployment"])] if body.get("deployment") else []
    shape = {
        "pool": preview.pool,
        "job_configuration": preview.configuration,
        "parameters": preview.parameters,
        "warnings": list(preview.warnings),
    }
    texts = of_pools([pool], deployments) | secret_texts(pool.base_job_template, body.get("job_variables") or {})
    return answer(shape, texts | secret_parameters(deployments[0] if deployments else None, preview.parameters))


def _planned(client: Dispatcher, body: dict[str, Any], allowed: frozenset[str]) -> tuple[Plan, str | None]:
    """The plan that a body requests, and the hash that it expects."""
    _refuse_unknown(body, allowed)
    switches, expect = {name: body.get(name, False) for name in ("prune", "take_over")}, body.get("expect")
    faults = [Fault("configuration", "is missing; give it a value")] if "configuration" not in body else []
    faults += [Fault(name, "must be true or false") for name, value in switches.items() if not isinstance(value, bool)]
    faults += [] if expect is None or isinstance(expect, str) else [Fault("expect", "must be a text")]
    if faults:
        raise InvalidInput("body", faults)
    return client.plan(body["configuration"], **switches), expect


def _refuse_unknown(body: dict[str, Any], allowed: frozenset[str]) -> None:
    faults = [
        Fault(name, f"is not a field here; the fields are {', '.join(sorted(allowed))}") for name in body if name not in allowed
    ]
    if faults:
        raise InvalidInput("body", faults)


def _secrets(*configurations: Configuration) -> frozenset[str]:
    return frozenset().union(*(of_pools(part.pools, part.deployments, automations=part.automations) for part in configurations))
