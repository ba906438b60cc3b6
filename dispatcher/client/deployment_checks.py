"""The checks of the job variables of a deployment and of its schedules, before they are saved."""

from __future__ import annotations

from dataclasses import replace

from dispatcher.client.checks import check_deployment_variables, check_job_variables, coerced_variables
from dispatcher.client.jobs import Jobs
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault, InvalidVariables
from dispatcher.models import Deployment, WorkPool


def coerced(pool: WorkPool, deployment: Deployment) -> Deployment:
    """The deployment, with the values of its job variables and of its schedules' converted by the pool's template."""
    template = pool.base_job_template
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
    scheduled = any(not schedule.job_variables for schedule in deployment.active_schedules.values())
    check_deployment_variables(pool.base_job_template, deployment.job_variables, scheduled=scheduled)
    jobs.check_deployment(pool, deployment.job_variables, scheduled=scheduled, quiet=quiet)


def check_schedules(pool: WorkPool, deployment: Deployment, jobs: Jobs, *, quiet: bool = False) -> None:
    """Raise `InvalidVariables` for what the runs of a schedule with job variables could not have.

    Paths begin at the deployment. A paused schedule is checked too, but variables may be missing. `quiet` suppresses warnings.
    """
    faults: list[Fault] = []
    for number, schedule in enumerate(deployment.schedules):
        if not schedule.job_variables:
            continue
        active = schedule.slug in deployment.active_schedules
        levels = {"deployment_variables": deployment.job_variables}
        try:
            check_job_variables(pool.base_job_template, schedule.job_variables, partial=not active, **levels)
            if active:
                jobs.check_run(pool, schedule.job_variables, quiet=quiet, **levels)
        except InvalidVariables as problem:
            root = f"schedules[{number}].job_variables"
            faults += [Fault(joined(root, fault.path) if fault.path else root, fault.message) for fault in problem.faults]
    if faults:
        raise InvalidVariables("job variables", faults)
