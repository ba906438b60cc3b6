"""Checks everything that people save. All saved data has been checked in full, and the rest of the code trusts it.

Each check raises one error of `dispatcher.errors` that lists every fault with its path and what to do. A tick never imports
this package. Simple valid values are accepted without a library (`plain_types`, `core.plain_schemas`). For everything else,
and to explain faults, pydantic reads the annotations of `dispatcher.models`, and jsonschema reads the schema of a template's
variables. Both are slow to import, so the modules here are imported on use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dispatcher.validation.calendars import calendar_days, recurrence_fields
    from dispatcher.validation.coercion import coerced_parameters, coerced_schema, coerced_template, coerced_variables
    from dispatcher.validation.configuration import configuration_schema
    from dispatcher.validation.configuration_nouns import NewNouns, read_configuration, read_retry
    from dispatcher.validation.nouns import validate
    from dispatcher.validation.parameters import check_parameter_schema, check_parameters
    from dispatcher.validation.schedules import check_windows_to_come
    from dispatcher.validation.signatures import signature_schema
    from dispatcher.validation.templates import check_base_job_template
    from dispatcher.validation.times import length_of_time, written_length
    from dispatcher.validation.variables import check_deployment_variables, check_job_variables

_MODULES = {
    "NewNouns": "configuration_nouns",
    "calendar_days": "calendars",
    "check_base_job_template": "templates",
    "check_deployment_variables": "variables",
    "check_job_variables": "variables",
    "check_parameter_schema": "parameters",
    "check_parameters": "parameters",
    "check_windows_to_come": "schedules",
    "coerced_parameters": "coercion",
    "coerced_schema": "coercion",
    "coerced_template": "coercion",
    "coerced_variables": "coercion",
    "configuration_schema": "configuration",
    "length_of_time": "times",
    "read_configuration": "configuration_nouns",
    "read_retry": "configuration_nouns",
    "recurrence_fields": "calendars",
    "signature_schema": "signatures",
    "validate": "nouns",
    "written_length": "times",
}

__all__ = [
    "NewNouns",
    "calendar_days",
    "check_base_job_template",
    "check_deployment_variables",
    "check_job_variables",
    "check_parameter_schema",
    "check_parameters",
    "check_windows_to_come",
    "coerced_parameters",
    "coerced_schema",
    "coerced_template",
    "coerced_variables",
    "configuration_schema",
    "length_of_time",
    "read_configuration",
    "read_retry",
    "recurrence_fields",
    "signature_schema",
    "validate",
    "written_length",
]


def __getattr__(name: str) -> Any:
    """A public name, imported from its module on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
