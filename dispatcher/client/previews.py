"""The job that a run would become, before there is a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dispatcher.client.arguments import text
from dispatcher.client.checks import check_base_job_template, check_job_variables, coerced_template, coerced_variables
from dispatcher.client.configuration import Configurations
from dispatcher.client.jobs import Jobs
from dispatcher.core.templates import render
from dispatcher.errors import Fault, InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPreview:
    """The job configuration that a run's job variables make, with sample values for what only a run knows."""

    pool: str
    configuration: Mapping[str, Any]
    warnings: tuple[str, ...]
    """What would be accepted and have no effect."""


class JobPreviews(Configurations):
    """Shows jobs without making runs."""

    def preview_job(
        self,
        *,
        pool: str | None = None,
        deployment: str | None = None,
        job_variables: Mapping[str, Any] | None = None,
        base_job_template: Mapping[str, Any] | None = None,
    ) -> JobPreview:
        """The job that a run with these variables would become: of a pool, or of a deployment with its variables.

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
        check_job_variables(template, variables, deployment_variables=inherited)
        warnings = list[str]()
        Jobs(self.jobs.check, warnings.append).check_run(owner, variables, deployment_variables=inherited)
        configuration = render(template, variables, deployment_variables=inherited)
        return JobPreview(pool=owner.name, configuration=configuration, warnings=tuple(warnings))
