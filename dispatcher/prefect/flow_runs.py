"""A flow run as the server shows it, and the run that we make of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatcher.core.names import with_end
from dispatcher.core.placeholders import unresolved
from dispatcher.core.templates import nest
from dispatcher.errors import RenderError, SourceError
from dispatcher.models import FORBIDDEN_IN_NAMES, Run, WorkPool
from dispatcher.prefect.answers import time_in
from dispatcher.prefect.pids import RUN_LABEL, run_in

ENV, LABELS = "env", "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """What we read of a flow run."""

    id: str
    name: str
    state: Mapping[str, Any]
    queue: str
    due_at: datetime | None
    deployment_id: str | None
    flow_id: str | None
    pool_id: str | None
    """The server's id of its work pool."""
    job_variables: Mapping[str, Any]
    tags: tuple[str, ...]
    infrastructure_pid: str | None
    shown_run: UUID | None
    """The run of a dispatcher that its label or its infrastructure names."""
    retries_in_process: bool
    """Whether its next attempt is started by its own process."""

    @property
    def state_type(self) -> str:
        """As `SCHEDULED`."""
        return str(self.state.get("type"))


def flow_run_in(body: Any) -> FlowRun:
    """The flow run in an answer. Raises `SourceError` for anything else."""
    if not isinstance(body, Mapping) or not isinstance(body.get("id"), str):
        raise SourceError("Prefect: an answer holds something that is not a flow run")
    policy, state = body.get("empirical_policy"), body.get("state")
    variables, tags = body.get("job_variables"), body.get("tags")
    return FlowRun(
        id=body["id"],
        name=str(body.get("name") or body["id"]),
        state=state if isinstance(state, Mapping) else {},
        queue=str(body.get("work_queue_name") or ""),
        due_at=time_in(body.get("next_scheduled_start_time")),
        deployment_id=body.get("deployment_id"),
        flow_id=body.get("flow_id"),
        pool_id=body.get("work_pool_id"),
        job_variables=variables if isinstance(variables, Mapping) else {},
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        infrastructure_pid=body.get("infrastructure_pid"),
        shown_run=_labelled_run(body.get("labels")) or run_in(body.get("infrastructure_pid")),
        retries_in_process=isinstance(policy, Mapping) and policy.get("retry_type") == "in_process",
    )


def _labelled_run(labels: Any) -> UUID | None:
    try:
        return UUID(str(labels.get(RUN_LABEL))) if isinstance(labels, Mapping) else None
    except ValueError:
        return None


def run_of(flow_run: FlowRun, variables: Mapping[str, Any], pool: WorkPool, run_id: UUID, now: datetime) -> Run:
    """Our run of a flow run for one occasion. The source retries and notifies; our run does neither."""
    due_at = flow_run.due_at or now
    return Run(
        id=run_id,
        name=_name(flow_run),
        pool=pool.name,
        queue=flow_run.queue,
        job_variables=variables,
        tags=flow_run.tags,
        created_at=now,
        scheduled_at=due_at,
        due_at=due_at,
        source_id=flow_run.id,
    )


def variables_of(
    flow_run: FlowRun, deployment: Mapping[str, Any] | None, pool: WorkPool, flow_name: str | None = None
) -> dict[str, Any]:
    """The job variables of a run: its deployment's, its own, and what its process has to know; labels as Prefect's workers set.

    `env` is merged name by name; everything else of the flow run replaces its deployment's, as everywhere here.
    """
    low, high = _nested(_variables(deployment)), _nested(flow_run.job_variables)
    environments = [level[ENV] for level in (low, high) if isinstance(level.get(ENV), Mapping)]
    merged = {**low, **high}
    own_environment = _environment(flow_run, deployment, flow_name)
    merged[ENV] = {name: value for level in environments for name, value in level.items()} | own_environment
    brought = merged.get(LABELS, _default_labels(pool))
    own = _labels(flow_run, deployment, pool, flow_name)
    merged[LABELS] = {**own, **(brought if isinstance(brought, Mapping) else {})}
    return merged


def unresolved_fault(variables: Mapping[str, Any]) -> str:
    """Why job variables cannot be used: they name a block, or a variable that does not exist, which would be literal text."""
    names = [f"{placeholder.path}: {{{{ {placeholder.name} }}}}" for placeholder in unresolved(variables)]
    fix = "is a block, or no variable of the server: give the value, or let the provider read a secret by a reference to it"
    return f"job variables: {', '.join(names[:3])} {fix}" if names else ""


def _labels(flow_run: FlowRun, deployment: Mapping[str, Any] | None, pool: WorkPool, flow_name: str | None) -> dict[str, str]:
    """Every label that Prefect's workers set, except `deployment-updated`, which every poll of the server changes."""
    names = {
        "flow-run-id": flow_run.id,
        "flow-run-name": flow_run.name,
        "flow-id": flow_run.flow_id,
        "flow-name": flow_name,
        "deployment-id": flow_run.deployment_id,
        "deployment-name": deployment.get("name") if deployment else None,
        "work-pool-id": flow_run.pool_id,
        "work-pool-name": pool.name,
    }
    return {f"prefect.io/{name}": value for name, value in names.items() if isinstance(value, str)}


def _environment(flow_run: FlowRun, deployment: Mapping[str, Any] | None, flow_name: str | None) -> dict[str, str]:
    values = {
        "PREFECT__FLOW_RUN_ID": flow_run.id,
        "PREFECT__FLOW_ID": flow_run.flow_id,
        "PREFECT__FLOW_NAME": flow_name,
        "PREFECT__DEPLOYMENT_ID": flow_run.deployment_id,
        "PREFECT__DEPLOYMENT_NAME": deployment.get("name") if deployment else None,
    }
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _variables(deployment: Mapping[str, Any] | None) -> Mapping[str, Any]:
    variables = deployment.get("job_variables") if deployment else None
    return variables if isinstance(variables, Mapping) else {}


def _nested(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variables with dotted names resolved; unchanged where that is impossible, so that rendering names the fault."""
    try:
        return nest(variables)
    except RenderError:
        return variables


def _default_labels(pool: WorkPool) -> Any:
    labels = pool.base_job_template["variables"].get("properties", {}).get(LABELS)
    return labels.get("default") if isinstance(labels, Mapping) else None


def _name(flow_run: FlowRun) -> str:
    clean = "".join("-" if letter in FORBIDDEN_IN_NAMES or not letter.isprintable() else letter for letter in flow_run.name)
    clean = clean.strip()
    return with_end(clean or "flow-run", "")
