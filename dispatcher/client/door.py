"""The door (`dispatcher.validation`), opened on first use: whoever only reads does not wait for pydantic and jsonschema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatcher.models import Deployment, Run, WorkPool, WorkQueue


def validate(instance: WorkPool | WorkQueue | Deployment | Run) -> None:
    """See `dispatcher.validation.validate`."""
    from dispatcher import validation  # noqa: PLC0415 - 300 ms of imports that a reader does not need

    validation.validate(instance)


def check_base_job_template(template: Mapping[str, Any]) -> None:
    """See `dispatcher.validation.check_base_job_template`."""
    from dispatcher import validation  # noqa: PLC0415 - as above

    validation.check_base_job_template(template)


def check_job_variables(
    template: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    deployment_variables: Mapping[str, Any] | None = None,
    partial: bool = False,
) -> None:
    """See `dispatcher.validation.check_job_variables`."""
    from dispatcher import validation  # noqa: PLC0415 - as above

    validation.check_job_variables(template, variables, deployment_variables=deployment_variables, partial=partial)
