"""What a flow run shows as its infrastructure (`infrastructure_pid`), written as Prefect's own workers write it. Pure.

So a worker, after the way back, and a script that was written for one find the job of a flow run.

    ecs                        CLUSTER::TASK_ARN
    cloud-run, cloud-run-v2    JOB
    azure-container-instance   FLOW_RUN_ID:CONTAINER_GROUP
    kubernetes                 NAMESPACE:JOB
    docker                     ENGINE:CONTAINER_ID
    vertex-ai                  projects/PROJECT/locations/REGION/customJobs/ID
    modal                      SANDBOX_ID

The name of a submission stands in for what is not known: a sandbox that was asked for, and has no id yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from dispatcher.models import Run, parse_submission_name, submission_name

RUN_LABEL = "push-dispatcher/run-id"
"""The label of a flow run that names our run, where its id cannot be derived from the flow run alone."""

LOCAL_ENGINE = "http+docker://localhost"
"""What Docker's client calls an engine on the same machine."""


def pid_of(run: Run, pool_type: str) -> str:
    """Where the job of a run is, for the type of its pool."""
    name = submission_name(run.id, run.attempt)
    form = _FORMS.get(pool_type.removesuffix(":push"))
    if run.submission is None or form is None:
        return name
    try:
        return form(run, run.submission.handle) or name
    except KeyError:
        return name


def run_in(pid: str | None) -> UUID | None:
    """The run in a pid that holds the name of a submission; None for any other."""
    name = parse_submission_name((pid or "").rpartition(":")[2])
    return name[0] if name else None


def _ecs(_run: Run, handle: Mapping[str, str]) -> str:
    return f"{handle['cluster']}::{handle['task']}"


def _container_instance(run: Run, _handle: Mapping[str, str]) -> str:
    return f"{run.source_id}:{submission_name(run.id, run.attempt)}"


def _kubernetes(run: Run, handle: Mapping[str, str]) -> str:
    return f"{handle['namespace']}:{submission_name(run.id, run.attempt)}"


def _docker(_run: Run, handle: Mapping[str, str]) -> str:
    return f"{handle['docker_host'] or LOCAL_ENGINE}:{handle['id']}"


def _vertex_ai(_run: Run, handle: Mapping[str, str]) -> str:
    return f"projects/{handle['project']}/locations/{handle['region']}/customJobs/{handle['job_id']}"


def _modal(_run: Run, handle: Mapping[str, str]) -> str:
    return handle["sandbox_id"]


_FORMS: Mapping[str, Callable[[Run, Mapping[str, str]], str]] = {
    "ecs": _ecs,
    "azure-container-instance": _container_instance,
    "kubernetes": _kubernetes,
    "docker": _docker,
    "vertex-ai": _vertex_ai,
    "modal": _modal,
}
"""Cloud Run's job has the name of the submission."""
