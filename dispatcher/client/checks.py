"""The client's calls of `dispatcher.validation`. It is imported on first use, so that a command that only reads is fast.

A function's package may omit the libraries of validation, because a tick does not need them. Then everything here raises
`SettingsError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from typing import Any

from dispatcher.core.changes import Configuration
from dispatcher.core.templates import with_defaults
from dispatcher.core.written import holds_words
from dispatcher.errors import SettingsError
from dispatcher.models import Automation, Deployment, RetryPolicy, Run, WorkPool, WorkQueue

LEFT_OUT = frozenset({"jsonschema", "pydantic", "regex"})
"""The libraries of validation; a package may omit them."""

NONE: Mapping[str, Any] = {}

OF_SCHEDULES = frozenset({"cronsim"})
"""The libraries that only the extra `schedules` installs."""


def validate(instance: WorkPool | WorkQueue | Deployment | Run | Automation) -> None:
    """See `dispatcher.validation.validate`. Raises `SettingsError` if the libraries that read schedules are missing."""
    try:
        _validation().validate(instance)
    except ModuleNotFoundError as problem:
        if problem.name not in OF_SCHEDULES:
            raise
        words = f"schedules need {problem.name}, which is not installed: pip install 'push-dispatcher[schedules]'"
        raise SettingsError(words) from None


def check_windows_to_come(deployment: Deployment, stored: Deployment | None, now: datetime) -> None:
    """See `dispatcher.validation.check_windows_to_come`."""
    if deployment.active_schedules:
        _validation().check_windows_to_come(deployment, stored, now)


def check_base_job_template(template: Mapping[str, Any]) -> None:
    """See `dispatcher.validation.check_base_job_template`."""
    _validation().check_base_job_template(template)


def check_job_variables(
    template: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    deployment_variables: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] = NONE,
    partial: bool = False,
) -> None:
    """See `dispatcher.validation.check_job_variables`."""
    levels = {"deployment_variables": deployment_variables, "parameters": parameters}
    _validation().check_job_variables(template, variables, **levels, partial=partial)


def check_deployment_variables(
    template: Mapping[str, Any], variables: Mapping[str, Any], *, scheduled: bool, parameters: Mapping[str, Any] = NONE
) -> None:
    """See `dispatcher.validation.check_deployment_variables`."""
    _validation().check_deployment_variables(template, variables, scheduled=scheduled, parameters=parameters)


def check_parameter_schema(schema: Any) -> None:
    """See `dispatcher.validation.check_parameter_schema`."""
    if schema != NONE:
        _validation().check_parameter_schema(schema)


def check_parameters(
    schema: Mapping[str, Any],
    levels: Sequence[Any],
    template: Mapping[str, Any],
    variables: Sequence[Mapping[str, Any]],
    *,
    partial: bool,
) -> None:
    """See `dispatcher.validation.check_parameters`."""
    _validation().check_parameters(schema, levels, template, variables, partial=partial)


def coerced_parameters(schema: Mapping[str, Any], values: Any) -> Any:
    """See `dispatcher.validation.coerced_parameters`."""
    return _validation().coerced_parameters(schema, values) if holds_words(values) else values


def signature_schema(function: Callable[..., Any]) -> Mapping[str, Any]:
    """See `dispatcher.validation.signature_schema`."""
    schema: Mapping[str, Any] = _validation().signature_schema(function)
    return schema


def coerced_schema(schema: Any) -> Any:
    """See `dispatcher.validation.coerced_schema`."""
    return _validation().coerced_schema(schema) if holds_words(schema) else schema


def coerced_template(template: Any) -> Any:
    """See `dispatcher.validation.coerced_template`."""
    return _validation().coerced_template(template) if holds_words(template) else template


def coerced_variables(template: Mapping[str, Any], variables: Any) -> Any:
    """See `dispatcher.validation.coerced_variables`."""
    return _validation().coerced_variables(template, variables) if holds_words(variables) else variables


def checked_template(template: Any, job_variables: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The checked template with these defaults of its variables. Raises `InvalidTemplate` or `InvalidVariables`."""
    template = coerced_template(template)
    check_base_job_template(template)
    if not job_variables:
        return template  # type: ignore[no-any-return]
    job_variables = coerced_variables(template, job_variables)
    check_job_variables(template, job_variables, partial=True)
    changed = with_defaults(template, job_variables)
    check_base_job_template(changed)
    return changed


def length_of_time(text: str, field: str) -> timedelta:
    """See `dispatcher.validation.length_of_time`."""
    length: timedelta = _validation().length_of_time(text, field)
    return length


def recurrence_fields(text: str) -> dict[str, Any]:
    """See `dispatcher.validation.recurrence_fields`."""
    fields: dict[str, Any] = _validation().recurrence_fields(text)
    return fields


def calendar_days(text: str, field: str) -> list[date]:
    """See `dispatcher.validation.calendar_days`. Raises `SettingsError` if the library that reads calendars is missing."""
    try:
        days: list[date] = _validation().calendar_days(text, field)
    except ModuleNotFoundError as problem:
        words = f"calendars need {problem.name}, which is not installed: pip install 'push-dispatcher[calendars]'"
        raise SettingsError(words) from None
    return days


def written_length(value: Any) -> timedelta:
    """See `dispatcher.validation.times.written_length`."""
    length: timedelta = _validation().written_length(value)
    return length


def read_retry(value: Any, field: str) -> RetryPolicy:
    """See `dispatcher.validation.read_retry`."""
    policy: RetryPolicy = _validation().read_retry(value, field)
    return policy


def configuration_schema() -> dict[str, Any]:
    """See `dispatcher.validation.configuration_schema`."""
    schema: dict[str, Any] = _validation().configuration_schema()
    return schema


def read_configuration(
    value: Any,
    stored: Configuration,
    *,
    kept: Callable[[], Mapping[str, Any]],
    template: Callable[[str], Mapping[str, Any]],
) -> Configuration:
    """See `dispatcher.validation.read_configuration`."""
    validation = _validation()
    read: Configuration = validation.read_configuration(value, stored, validation.NewNouns(kept=kept, template=template))
    return read


def _validation() -> Any:
    """The module `dispatcher.validation`, after a check that its libraries are installed: importing it loads only some."""
    if absent := _absent_libraries():
        raise SettingsError(
            f"creating and changing things needs {absent[0]}, which is not installed: "
            "build a function's package with `dispatcher package --validation`, or pip install push-dispatcher"
        )
    from dispatcher import validation  # noqa: PLC0415 - a reader does not need it

    return validation


@cache
def _absent_libraries() -> tuple[str, ...]:
    return tuple(name for name in sorted(LEFT_OUT) if find_spec(name) is None)
