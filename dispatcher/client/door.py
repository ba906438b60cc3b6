"""The door (`dispatcher.validation`), opened on first use: whoever only reads does not wait for pydantic and jsonschema.

A function's package may leave those two out, since a tick does without; then everything here raises `SettingsError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dispatcher.core.changes import Configuration
from dispatcher.errors import SettingsError
from dispatcher.models import Deployment, Run, WorkPool, WorkQueue

LEFT_OUT = frozenset({"jsonschema", "pydantic"})
"""What a package without the door does without."""


def validate(instance: WorkPool | WorkQueue | Deployment | Run) -> None:
    """See `dispatcher.validation.validate`."""
    _door().validate(instance)


def check_base_job_template(template: Mapping[str, Any]) -> None:
    """See `dispatcher.validation.check_base_job_template`."""
    _door().check_base_job_template(template)


def check_job_variables(
    template: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    deployment_variables: Mapping[str, Any] | None = None,
    partial: bool = False,
) -> None:
    """See `dispatcher.validation.check_job_variables`."""
    _door().check_job_variables(template, variables, deployment_variables=deployment_variables, partial=partial)


def configuration_schema() -> dict[str, Any]:
    """See `dispatcher.validation.configuration_schema`."""
    schema: dict[str, Any] = _door().configuration_schema()
    return schema


def read_configuration(
    value: Any,
    stored: Configuration,
    *,
    kept: Callable[[], Mapping[str, Any]],
    template: Callable[[str], Mapping[str, Any]],
) -> Configuration:
    """See `dispatcher.validation.read_configuration`."""
    door = _door()
    read: Configuration = door.read_configuration(value, stored, door.New(kept=kept, template=template))
    return read


def _door() -> Any:
    try:
        from dispatcher import validation  # noqa: PLC0415 - 300 ms of imports that a reader does not need
    except ModuleNotFoundError as problem:
        if problem.name not in LEFT_OUT:
            raise
        raise SettingsError(
            f"{problem.name} is not installed, so nothing can be checked that is to be created or changed; "
            "build a function's package with `dispatcher package --door`, or pip install push-dispatcher"
        ) from None
    return validation
