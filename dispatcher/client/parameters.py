"""The client's checks of parameters: of a deployment, of its schedules, and of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dispatcher.client.checks import check_parameter_schema, check_parameters, coerced_parameters, coerced_schema
from dispatcher.core.names import with_end
from dispatcher.core.own_values import SAMPLES, own_environment
from dispatcher.core.parameters import merged, parameter_environment
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault, InvalidVariables
from dispatcher.models import Deployment, RunOf, WorkPool

Values = Mapping[str, Any]

NOTHING: Values = {}


def with_coerced_parameters(deployment: Deployment) -> Deployment:
    """The deployment, with the values of its parameters and of its schedules' converted by its schema."""
    schema = coerced_schema(deployment.parameter_openapi_schema)
    schedules = tuple(
        replace(schedule, parameters=coerced_parameters(schema, schedule.parameters)) for schedule in deployment.schedules
    )
    values = coerced_parameters(schema, deployment.parameters)
    return replace(deployment, parameter_openapi_schema=schema, parameters=values, schedules=schedules)


def check_deployment_parameters(pool: WorkPool, deployment: Deployment) -> None:
    """Raise `InvalidVariables` for a schema that cannot be used, and for parameters that no run could have.

    Paths begin at the deployment. Without a schedule, or where each brings parameters, a run may still add what is missing.
    """
    check_parameter_schema(deployment.parameter_openapi_schema)
    complete = any(not schedule.parameters for schedule in deployment.active_schedules.values())
    _check(pool, deployment, NOTHING, NOTHING, partial=not complete)
    faults = [fault for number in range(len(deployment.schedules)) for fault in _schedule_faults(pool, deployment, number)]
    if faults:
        raise InvalidVariables("parameters", faults)


def check_run_parameters(pool: WorkPool, deployment: Deployment | None, own: Values, variables: Values) -> Values:
    """All parameters of a run with these of its own, and these job variables. Raises `InvalidVariables`."""
    _check(pool, deployment, own, variables, partial=False)
    return merged(deployment, own)


def check_action_parameters(pool: WorkPool, deployment: Deployment, action: RunOf) -> None:
    """Raise `InvalidVariables` for parameters that runs of an automation could not have. The ended run may supply some."""
    taken = dict.fromkeys(action.parameters_from_run)
    _check(pool, deployment, action.parameters, action.job_variables, partial=bool(taken))
    if absent := set(deployment.parameter_openapi_schema.get("required") or ()) - {
        *merged(deployment, action.parameters),
        *taken,
    }:
        words = "is required and missing; give it a value here, in the deployment, or in `parameters_from_run`"
        raise InvalidVariables("parameters", [Fault(joined("parameters", name), words) for name in sorted(absent)])


def environment_of(pool: WorkPool, deployment: Deployment | None, parameters: Values) -> dict[str, str]:
    """The dispatcher's environment of a run with these parameters, for checks before there is a run; empty without any."""
    if not parameters:
        return {}
    owner = deployment.name if deployment else pool.name
    own = {**SAMPLES, "work_pool": pool.name, "deployment": owner, "run_name": with_end(owner, "-00000000")}
    return {**own_environment(own), **parameter_environment(parameters)}


def _check(pool: WorkPool, deployment: Deployment | None, own: Values, variables: Values, *, partial: bool) -> None:
    schema: Values = deployment.parameter_openapi_schema if deployment else {}
    levels: Sequence[Any] = [deployment.parameters if deployment else {}, own]
    job_variables = [deployment.job_variables if deployment else {}, variables]
    check_parameters(schema, levels, pool.base_job_template, job_variables, partial=partial)


def _schedule_faults(pool: WorkPool, deployment: Deployment, number: int) -> Iterator[Fault]:
    schedule = deployment.schedules[number]
    if not schedule.parameters:
        return
    partial = schedule.slug not in deployment.active_schedules
    try:
        _check(pool, deployment, schedule.parameters, schedule.job_variables, partial=partial)
    except InvalidVariables as problem:
        for fault in problem.faults:
            yield Fault(joined(f"schedules[{number}]", fault.path), fault.message)
