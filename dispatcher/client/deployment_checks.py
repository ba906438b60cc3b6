"""The checks of the job variables of a deployment and of its schedules, before they are saved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dispatcher.client.checks import check_deployment_variables, check_job_variables, coerced_variables
from dispatcher.client.jobs import Jobs
from dispatcher.client.parameters import environment_of, with_coerced_parameters
from dispatcher.core.own_values import PARAMETERS
from dispatcher.core.parameters import merged
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault, InvalidVariables
from dispatcher.models import Deployment, Schedule, WorkPool


def coerced(pool: WorkPool, deployment: Deployment) -> Deployment:
    """The deployment with converted values. The pool's template converts job variables, its own and its schedules'; its own
    schema converts parameters.
    """
    deployment, template = with_coerced_parameters(deployment), pool.base_job_template
    schedules = (
        replace(schedule, job_variables=coerced_variables(template, schedule.job_variables))
        for schedule in deployment.schedules
    )
    variables = coerced_variables(template, deployment.job_variables)
    return replace(deployment, job_variables=variables, schedules=tuple(schedules))


def check_variables(pool: WorkPool, deployment: Deployment, jobs: Jobs, *, quiet: bool = False) -> None:
    """Raise `InvalidVariables` for what no run, or no run of a schedule without variables, could have as job variables.

    `quiet` suppresses warnings.
    """
    active = deployment.active_schedules.values()
    scheduled, parameters = any(not _brings(schedule) for schedule in active), merged(deployment, {})
    environment = environment_of(pool, deployment, parameters)
    check_deployment_variables(pool.base_job_template, deployment.job_variables, scheduled=scheduled, parameters=parameters)
    jobs.check_deployment(
        pool, deployment.job_variables, scheduled=scheduled, parameters=parameters, environment=environment, quiet=quiet
    )


def check_schedules(pool: WorkPool, deployment: Deployment, jobs: Jobs, *, quiet: bool = False) -> None:
    """Raise `InvalidVariables` for what the runs of a schedule with job variables, or parameters, could not have.

    Paths begin at the deployment. A paused schedule is checked too, but variables may be missing. `quiet` suppresses warnings.
    """
    faults: list[Fault] = []
    for number, schedule in enumerate(deployment.schedules):
        if not _brings(schedule):
            continue
        active, parameters = schedule.slug in deployment.active_schedules, merged(deployment, schedule.parameters)
        levels: dict[str, Any] = {"deployment_variables": deployment.job_variables, "parameters": parameters}
        try:
            check_job_variables(pool.base_job_template, schedule.job_variables, partial=not active, **levels)
            if active:
                environment = environment_of(pool, deployment, parameters)
                jobs.check_run(pool, schedule.job_variables, quiet=quiet, environment=environment, **levels)
        except InvalidVariables as problem:
            root = f"schedules[{number}]"
            faults += [Fault(joined(root, below_variables(fault.path)), fault.message) for fault in problem.faults]
    if faults:
        raise InvalidVariables("job variables", faults)


def below_variables(path: str) -> str:
    """Where in its noun a fault of job variables is; the faults of parameters say it themselves."""
    if path == PARAMETERS or path.startswith(f"{PARAMETERS}."):
        return path
    return joined("job_variables", path) if path else "job_variables"


def _brings(schedule: Schedule) -> bool:
    """Whether the runs of a schedule have something of their own."""
    return bool(schedule.job_variables or schedule.parameters)
