"""The job that a run would become, before there is a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dispatcher.client.arguments import text
from dispatcher.client.checks import (
    check_base_job_template,
    check_job_variables,
    coerced_parameters,
    coerced_template,
    coerced_variables,
)
from dispatcher.client.configuration import Configurations
from dispatcher.client.jobs import Jobs
from dispatcher.client.parameters import check_run_parameters, environment_of
from dispatcher.core.templates import render
from dispatcher.errors import Fault, InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPreview:
    """The job configuration that a run's job variables make, with sample values for what only a run knows."""

    pool: str
    configuration: Mapping[str, Any]
    warnings: tuple[str, ...]
    """What would be accepted and have no effect."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """All parameters that the job would get."""


class JobPreviews(Configurations):
    """Shows jobs without making runs."""

    def preview_job(
        self,
        *,
        pool: str | None = None,
        deployment: str | None = None,
        job_variables: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        base_job_template: Mapping[str, Any] | None = None,
    ) -> JobPreview:
        """The job that a run with these variables and parameters would become: of a pool, or of a deployment with its own.

        `base_job_template` stands in for the pool's own. Nothing is saved. Raises `NotFound` or `InvalidInput`.
        """
        source = self.deployment(text(deployment, "deployment")) if deployment is not None else None
        if source is None and pool is None:
            raise InvalidInput("job", [Fault("pool", "name a work pool or a deployment")])
        owner = self.work_pool(source.pool if source else text(pool, "pool"))
        template = owner.base_job_template
        if base_job_template is not None:
            template = coerced_template(base_job_template)
            check_base_job_template(template)
            owner = replace(owner, base_job_template=template)
        variables = coerced_variables(template, job_variables if job_variables is not None else {})
        inherited = source.job_variables if source else None
        schema = source.parameter_openapi_schema if source else {}
        own = coerced_parameters(schema, parameters if parameters is not None else {})
        levels: dict[str, Any] = {
            "deployment_variables": inherited,
            "parameters": check_run_parameters(owner, source, own, variables),
        }
        check_job_variables(template, variables, **levels)
        warnings, environment = list[str](), environment_of(owner, source, levels["parameters"])
        jobs = Jobs(self.jobs.check, warnings.append, self.jobs.check_environment)
        jobs.check_run(owner, variables, environment=environment, **levels)
        configuration = render(template, variables, **levels)
        return JobPreview(
            pool=owner.name, configuration=configuration, parameters=levels["parameters"], warnings=tuple(warnings)
        )
